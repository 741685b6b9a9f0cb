"""The corpus stage, start to end: find files, read, clean, judge, settle what is there twice, write, keep the books.

`prepare` is the whole of it. A first pass (`gather`) reads every file once, cleans and judges its documents in
parallel and stores them in parts, which a killed preparation finds again. A second pass (`settle`) decides what needs
all documents together and writes the splits. The result does not depend on the number of workers, on the engine, or
on how often it was interrupted.
"""

import dataclasses
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from idiolect.corpus.config import CorpusConfig
from idiolect.corpus.copies import Copies, Leaks
from idiolect.corpus.exact.process import described
from idiolect.corpus.explain import check_result, say_result
from idiolect.corpus.filters.language import check_languages
from idiolect.corpus.find import EXACT, Found, find
from idiolect.corpus.gather import PART_SCHEMA, gather, lots_of
from idiolect.corpus.judged import SCORED, Verdicts
from idiolect.corpus.parts import RESUMED, Lots
from idiolect.corpus.piece import Settled
from idiolect.corpus.remote import NOT_ALLOWED
from idiolect.corpus.settle import settle
from idiolect.corpus.sources import check_installed, default
from idiolect.errors import IdiolectError, RecipeError
from idiolect.progress import Progress
from idiolect.rundir import write_json


def prepare(config: CorpusConfig, out: Path, progress: Progress, work: Path | None = None, judges: Any = None) -> dict:
    """Write `{train,validation,test,dropped}.parquet` and `audit.json` into `out`; returns the audit.

    Byte-identical for the same input and settings. A preparation that is given the same `work` again goes on after
    the parts that stand there; whoever gives it removes it when `out` is safe (default: a folder of our own, removed).
    Raises DataError when nothing is found, nothing is left, a held-out part is empty, or (on_unreadable = refuse) a
    file can't be used. `judges` are what models say of documents (`stages/judges.py`); they stand to the right of this
    room, so they are received.
    """
    _check_pattern(config)
    found = dataclasses.replace(find(config, progress), judges=judges)
    for own in found.settings:
        check_languages(own.filter.language.keep, (x.language for x in found.settings))
    check_installed(found.files)
    libraries = [default.library(file.name) for file in found.libraries]
    names = [file.name for file in (*found.files, *found.libraries)] + [EXACT] * found.exact
    lots = Lots(work or out / "parts", PART_SCHEMA, lots_of(found, len(names)))
    try:
        leaks = Leaks(config, lots.folder / "evaluation") if config.decontaminate.against else None
        found = dataclasses.replace(found, finder=leaks.finder if leaks else None)
        gather(found, names, lots, progress)
        scored = (part.table(SCORED) for part in lots.parts())
        verdicts = Verdicts(scored, config, judges.about() if judges else {})
        # Texts drawn from a known law may repeat themselves: that is part of the law.
        copies = Copies.none(config) if found.exact else Copies.find(lots, config, verdicts)
        ledger = settle(lots, config, names, out, progress, Settled(verdicts, copies, leaks))
        for name, why in (*found.ignored, *found.unreadable):
            ledger.skip_file(name, why)
        check_result(config, ledger)
    except RESUMED:
        raise
    except IdiolectError:
        lots.remove()
        raise
    ledger.write_dropped(out / "dropped.parquet")
    tally = ledger.tally
    verdicts.write(out, tally)
    audit = ledger.audit() | verdicts.audit(tally) | copies.audit(tally)
    pairs = copies.pairs(tally)
    if leaks:
        audit["decontamination"], pairs["contaminated"] = leaks.audit(tally), leaks.pairs(tally)
    for reason in set(pairs) & set(audit["dropped"]):
        audit["dropped"][reason]["pairs"] = pairs.pop(reason)
    # Kept together, or cut out of what stays: nothing fell, and there is something to show all the same.
    audit["pairs"] = {reason: shown for reason, shown in sorted(pairs.items()) if shown}
    if fetched := _fetched(config, found, lots):
        audit["fetched"] = fetched
    audit["libraries"] = [{"library": x.name, "version": x.version, "licence": x.licence} for x in libraries]
    if found.exact:
        audit["exact"] = described(config.exact)
    write_json(out / "audit.json", audit)
    say_result(audit, progress)
    if work is None:
        lots.remove()
    return audit


def _fetched(config: CorpusConfig, found: Found, lots: Lots) -> dict:
    """How many files came over the network, what those were that are not kept, and what a robots.txt kept to itself."""
    cache = Path(config.fetch.cache).expanduser().resolve()
    urls = sum(cache in file.path.resolve().parents for file in found.files)
    refused = sum(NOT_ALLOWED in why for _, why in found.unreadable)
    passed = {i: event for lot in lots for i, event in lot.fetched.items()}
    streamed = [
        {"file": found.files[i].name, **{key: event[key] for key in ("version", "sha256", "n_bytes")}}
        for i, event in sorted(passed.items())
    ]
    counts = {"urls": urls, "refused_by_robots": refused} if urls or refused else {}
    return counts | ({"streamed": streamed} if streamed else {})


def _check_pattern(config: CorpusConfig) -> None:
    try:
        pc.match_substring_regex(pa.array([""]), config.document_start)
    except pa.ArrowInvalid as error:
        raise RecipeError(
            f"corpus.document_start = {config.document_start!r} is not a regular expression",
            why=str(error),
            fix='--corpus.document_start="^ = [^=].* = $" (RE2 syntax; no look-around, no back-references)',
        ) from None
