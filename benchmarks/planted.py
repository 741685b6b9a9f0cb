"""A corpus with planted defects, and what the corpus stage finds of them: recall and precision of every filter.

    python -m benchmarks.planted BOOKS [--documents 2000] [--json FILE]

BOOKS is a folder of `en.tar.gz` and `{de,fr,es,pl,pt}.tar.gz` with novels. Every document is a passage of a novel; a
known share of them is then spoilt in a known way, and its label says how. Recall is the share of the spoilt that was
found (dropped for the right reason, or mended), precision the share of what was found that had been spoilt.
"""

import argparse
import json
import random
import tarfile
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from idiolect.corpus.clean.config import CleanConfig, PiiConfig
from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.dedup.config import DecontaminateConfig, DedupConfig, LinesConfig
from idiolect.corpus.filters.config import C4Config, FilterConfig, FineWebConfig, GopherConfig, LanguageConfig
from idiolect.corpus.prepare import prepare
from idiolect.progress import Progress

WORDS = 220  # of a passage
FOREIGN = ("de", "fr", "es", "pl", "pt")
COOKIES = (
    "We use cookies to give you the best experience on our website.",
    "By continuing to use this site you agree to our privacy policy.",
    "Share this on Facebook",
)
PERSONAL = {
    "mail": "write to {name}.{word}@example-{word}.org before noon",
    "phone": "call +1 415-555-01{n:02d} for details",
    "card": "paid with 4111 1111 1111 1111 at the desk",
    "ip": "connected from 8.8.{n}.{n} last night",
    "iban": "transfer it to GB82 WEST 1234 5698 7654 32 today",
    "key": "the token was ghp_{key} and nobody noticed",
}


@dataclass(frozen=True)
class Planted:
    """One document, what was done to it, and what proves that it was found or mended."""

    text: str
    defect: str
    proof: str = ""


def passages(archive: Path, words: int = WORDS) -> list[str]:
    """The novels of an archive, cut into passages that begin and end with a sentence."""
    found = []
    with tarfile.open(archive) as tar:
        for member in sorted(tar.getmembers(), key=lambda m: m.name):
            if not member.isfile():
                continue
            text = tar.extractfile(member).read().decode("utf-8", "replace").replace("\ufeff", "")
            held: list[str] = []
            for sentence in " ".join(text.split()).split(". "):
                held += f"{sentence}.".split()
                if len(held) >= words:
                    found.append(" ".join(held))
                    held = []
    return found


def spoil(clean: list[str], foreign: list[str], n: int, dice: random.Random) -> tuple[list[Planted], list[str]]:
    """Clean passages and n of each defect, shuffled; and the evaluation items that leaked into some of them."""
    take = iter(clean)
    out: list[Planted] = []
    items: list[str] = []
    for _ in range(n):
        text = next(take)
        out += [Planted(text, "clean", text), Planted("  " + text.replace(" ", "  ", 5) + "\n", "duplicate", text)]
        text = next(take)
        out += [Planted(text, "clean", text), Planted(_nearly(text, dice), "near_duplicate", text)]
        text = next(take)
        accented = text.replace("e", "é", 6).replace('"', "“", 2)
        out.append(Planted(accented.encode().decode("cp1252", "replace"), "mojibake", accented))
        kind = dice.choice(list(PERSONAL))
        planted, proof = _personal(next(take), kind, dice)
        out.append(Planted(planted, f"pii:{kind}", proof))
        text = next(take)
        lines = [line + "." for line in text.split(". ")]
        lines.insert(dice.randrange(1, len(lines)), dice.choice(COOKIES))
        out.append(Planted("\n".join(lines), "boilerplate", "\n".join(lines)))
        words = next(take).split()
        at = dice.randrange(20, 100)
        items.append(" ".join(words[at : at + 25]))
        out.append(Planted(" ".join(words), "leak"))
        out.append(Planted(" ".join([" ".join(next(take).split()[:12])] * 25), "repetition"))
        out.append(Planted("\n".join(f"{word} {dice.randrange(9999)}" for word in next(take).split()[:120]), "list"))
        out.append(Planted("Lorem ipsum dolor sit amet. " + next(take), "lorem_ipsum"))
        out.append(Planted(dice.choice(foreign), "language"))
    out += [Planted(text, "clean") for text in list(take)[: 4 * n]]
    dice.shuffle(out)
    return out, items


def _nearly(text: str, dice: random.Random) -> str:
    """The same passage with two words in a hundred replaced."""
    words = text.split()
    for at in dice.sample(range(len(words)), len(words) // 50):
        words[at] = dice.choice(("indeed", "however", "quite", "rather"))
    return " ".join(words)


def _personal(text: str, kind: str, dice: random.Random) -> tuple[str, str]:
    words = text.split()
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    sentence = PERSONAL[kind].format(
        name=dice.choice(("anna", "bob", "chen")), word=f"w{dice.randrange(999)}", n=dice.randrange(10, 99),
        key="".join(dice.choices(letters, k=36)),
    )  # fmt: skip
    at = dice.randrange(10, len(words) - 10)
    return " ".join([*words[:at], sentence, *words[at:]]), next(w for w in sentence.split() if any(map(str.isdigit, w)))


def recipe(folder: Path) -> CorpusConfig:
    """Every filter on."""
    return CorpusConfig(
        text=(str(folder / "planted.jsonl"),), label_column="label", licence="public domain", dropped_samples=10**6,
        clean=CleanConfig(boilerplate_lines=True), pii=PiiConfig(**dict.fromkeys(PERSONAL, "mask")),
        filter=FilterConfig(
            language=LanguageConfig(keep=("en",)), gopher=GopherConfig(use=True), fineweb=FineWebConfig(use=True),
            # Novels' passages are one line here; C4's rules on lines are tested by themselves.
            c4=C4Config(use=True, terminal_punctuation=False, policy=False, min_line_words=0),
        ),
        dedup=DedupConfig(lines=LinesConfig(action="off")),
        decontaminate=DecontaminateConfig(against=(str(folder / "items.jsonl"),)),
    )  # fmt: skip


EXPECTED = {
    "duplicate": ("duplicate",), "near_duplicate": ("near_duplicate", "duplicate"), "leak": ("contaminated",),
    "language": ("language",), "repetition": ("gopher_repeated", "gopher_top"), "list": ("gopher_", "fineweb_", "c4_"),
    "lorem_ipsum": ("c4_lorem_ipsum",),
}  # fmt: skip


def measure(books: Path, folder: Path, n: int, seed: int = 0) -> dict[str, dict]:
    """Plant, prepare, and compare: for each defect its number, recall and precision."""
    dice = random.Random(seed)
    clean = passages(books / "en.tar.gz")
    dice.shuffle(clean)
    foreign = [text for language in FOREIGN for text in passages(books / f"{language}.tar.gz")[:200]]
    planted, items = spoil(clean[: 14 * n], foreign, n, dice)
    rows = [{"text": p.text, "label": f"{at}:{p.defect}"} for at, p in enumerate(planted)]
    (folder / "planted.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "items.jsonl").write_text("".join(json.dumps({"text": item}) + "\n" for item in items), encoding="utf-8")
    out = folder / "out"
    out.mkdir()
    prepare(recipe(folder), out, Progress.silent())
    fate: dict[int, tuple[str, str]] = {}
    for name in ("train", "validation", "test", "dropped"):
        table = pq.read_table(out / f"{name}.parquet")
        reasons = table["reason"].to_pylist() if name == "dropped" else [""] * table.num_rows
        for label, text, reason in zip(table["label"].to_pylist(), table["text"].to_pylist(), reasons, strict=True):
            fate[int(label.split(":")[0])] = (reason, text)
    assert len(fate) == len(planted)
    return {**_dropped(planted, fate), **_mended(planted, fate)}


def _dropped(planted: list[Planted], fate: dict[int, tuple[str, str]]) -> dict[str, dict]:
    found = {}
    for defect, prefixes in EXPECTED.items():
        # What another filter drops first is not this one's to find.
        spoilt = [
            at
            for at, p in enumerate(planted)
            if p.defect == defect and (fate[at][0] + " ").startswith((*prefixes, " "))
        ]
        hits = [at for at in spoilt if fate[at][0].startswith(prefixes)]
        # Of two copies either may be the one that is dropped: the one read first is kept.
        if defect in ("duplicate", "near_duplicate"):
            pairs = [pair for pair in _copies(planted, defect) if all(fate[at][0] in ("", *prefixes) for at in pair)]
            hits = [pair for pair in pairs if sum(not fate[at][0] for at in pair) == 1]
            found[defect] = {"n": len(pairs), "recall": len(hits) / len(pairs)}
            continue
        all_hits = [at for at in fate if fate[at][0].startswith(prefixes)]
        others = [at for at in all_hits if planted[at].defect in ("clean", "mojibake", "pii", "boilerplate")]
        found[defect] = {
            "n": len(spoilt), "recall": len(hits) / len(spoilt),
            "precision": len(hits) / max(1, len(hits) + len(others)),
        }  # fmt: skip
    clean = [at for at, p in enumerate(planted) if p.defect == "clean"]
    lost = Counter(fate[at][0] for at in clean if fate[at][0] not in ("", "duplicate", "near_duplicate"))
    found["clean kept"] = {"n": len(clean), "recall": 1 - sum(lost.values()) / len(clean), "lost": dict(lost)}
    return found


def _copies(planted: list[Planted], defect: str) -> list[tuple[int, int]]:
    """Each spoilt document with the clean one it was made of."""
    of = {p.proof: at for at, p in enumerate(planted) if p.defect == "clean"}
    return [(of[p.proof], at) for at, p in enumerate(planted) if p.defect == defect]


def _mended(planted: list[Planted], fate: dict[int, tuple[str, str]]) -> dict[str, dict]:
    found = {}
    for name in ("mojibake", "pii", "boilerplate"):
        spoilt = [at for at, p in enumerate(planted) if p.defect.split(":")[0] == name and not fate[at][0]]
        good = {
            "mojibake": lambda at: fate[at][1].split() == planted[at].proof.split(),
            "pii": lambda at: planted[at].proof not in fate[at][1],
            "boilerplate": lambda at: not any(line in fate[at][1] for line in COOKIES),
        }[name]
        found[name] = {"n": len(spoilt), "recall": sum(map(good, spoilt)) / max(1, len(spoilt))}
    untouched = [at for at, p in enumerate(planted) if p.defect == "clean" and not fate[at][0]]
    same = sum(fate[at][1].split() == planted[at].text.split() for at in untouched)
    found["clean unchanged"] = {"n": len(untouched), "recall": same / len(untouched)}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("books", type=Path)
    parser.add_argument("--documents", type=int, default=200, help="documents of each defect")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(asked.books, Path(folder), asked.documents)
    print("| defect | n | recall | precision |\n|---|--:|--:|--:|")
    for defect, row in found.items():
        precision = f"{row['precision']:.3f}" if "precision" in row else ""
        print(f"| {defect} | {row['n']:,} | {row['recall']:.3f} | {precision} |", row.get("lost") or "")
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
