"""Heuristic filters beside datatrove: the same steps on the same texts, in alternating rounds of one run.

    python -m benchmarks.filters FILE.jsonl[.gz] ... [--rounds 5] [--documents 2000]

CPU seconds of one process are compared, so that a busy machine shows in the spread and not in the ratio. datatrove
(0.10.1: `pip install datatrove==0.10.1 regex orjson "xxhash<4" spacy`) splits words with spaCy unless told otherwise;
`regex` gives it one compiled pattern instead, the fastest splitter it can have. Its filters stop at the first rule that
a document fails and hand on only what passes; ours ask every rule of every document.
"""

import argparse
import gzip
import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import regex
from datatrove.data import Document
from datatrove.pipeline.filters import C4QualityFilter, FineWebQualityFilter, GopherQualityFilter
from datatrove.pipeline.filters.gopher_repetition_filter import GopherRepetitionFilter
from datatrove.utils.text import split_into_parts
from datatrove.utils.word_tokenizers import WordTokenizer

from idiolect.corpus.filters import c4
from idiolect.corpus.filters.config import C4Config, FilterConfig, FineWebConfig, GopherConfig
from idiolect.corpus.filters.judge import Judge

PACK_CHARACTERS = 256 << 10
OURS = {"gopher": GopherConfig, "c4": C4Config, "fineweb": FineWebConfig}
THEIRS = {
    "gopher": (GopherRepetitionFilter, GopherQualityFilter),
    "c4": (C4QualityFilter,),
    "fineweb": (FineWebQualityFilter,),
}
STEPS = [["gopher"], ["c4"], ["fineweb"], ["gopher", "c4", "fineweb"]]
WORDS = regex.compile(r"\w+|[^\w\s]+")


class RegexWords(WordTokenizer):
    """Words by one pattern; sentences as ours."""

    def word_tokenize(self, text: str) -> list[str]:
        return WORDS.findall(text)

    def sent_tokenize(self, text: str) -> list[str]:
        return [text[a:b] for a, b in c4.sentences(text)]

    def span_tokenize(self, text: str) -> list[tuple[int, int]]:
        return c4.sentences(text)


def packs(texts: list[str]) -> Iterator[list[str]]:
    """Texts in the packs that the corpus stage hands to a worker."""
    pack, size = [], 0
    for text in texts:
        pack.append(text)
        size += len(text)
        if size >= PACK_CHARACTERS:
            yield pack
            pack, size = [], 0
    if pack:
        yield pack


def ours(steps: list[str]) -> Callable[[list[str]], int]:
    judge = Judge(FilterConfig(**{name: OURS[name](use=True) for name in steps}))

    def run(texts: list[str]) -> int:
        kept = 0
        for pack in packs(texts):
            edited, _ = judge.edit(pack)
            kept += sum(not failed for failed in judge.failed(edited, ["en"] * len(edited)))
        return kept

    return run


def theirs(steps: list[str], language: str | WordTokenizer) -> Callable[[list[str]], int]:
    filters = [cls(language=language) for name in steps for cls in THEIRS[name]]

    def run(texts: list[str]) -> int:
        split_into_parts.cache_clear()
        documents = iter([Document(text=text, id=str(i)) for i, text in enumerate(texts)])
        for step in filters:
            documents = step.run(documents)
        return sum(1 for _ in documents)

    return run


def read(path: Path, most: int) -> list[str]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="\n") as lines:
        return [json.loads(line)["text"] for _, line in zip(range(most), lines, strict=False)]


def compare(texts: list[str], steps: list[str], rounds: int) -> None:
    runs = {"ours": ours(steps), "regex": theirs(steps, RegexWords()), "spacy": theirs(steps, "en")}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    kept = {name: run(texts[:50]) for name, run in runs.items()}
    for _ in range(rounds):
        for name, run in runs.items():
            began = time.process_time()
            kept[name] = run(texts)
            seconds[name].append(time.process_time() - began)
    base = statistics.median(seconds["ours"])
    size = sum(len(text.encode()) for text in texts)
    for name, spent in seconds.items():
        middle = statistics.median(spent)
        print(
            f"{'+'.join(steps):20} {name:6} {len(texts) / middle:9,.0f} docs/s {size / middle / 1e6:7.2f} MB/s"
            f"  x{middle / base:6.1f}  spread {min(spent) / middle:.2f}-{max(spent) / middle:.2f}  kept {kept[name]:,}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--documents", type=int, default=2000, help="of each file, at most")
    arguments = parser.parse_args()
    for path in arguments.files:
        texts = read(path, arguments.documents)
        print(f"{path.name}: {len(texts):,} documents, {sum(map(len, texts)) / len(texts):,.0f} characters on average")
        for steps in STEPS:
            compare(texts, steps, arguments.rounds)


if __name__ == "__main__":
    main()
