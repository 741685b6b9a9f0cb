"""What a preparation says to its user: the refusals with what to change, and the summary."""

import math

from idiolect.corpus.config import NOT_STATED, CorpusConfig
from idiolect.corpus.filters import reasons
from idiolect.corpus.ledger import Ledger
from idiolect.corpus.split import SPLITS
from idiolect.errors import DataError
from idiolect.progress import Progress, show_bytes

REASONS = {
    "duplicate": (
        "equal to an earlier document but for white space",
        "--corpus.dedup.documents=false --corpus.dedup.near.action=off",
    ),
    "too_short": ("shorter than min_characters", "--corpus.min_characters=1"),
    "too_long": ("longer than max_characters", "--corpus.max_characters=100000000, or --corpus.documents=size"),
    "empty": ("nothing but white space", "name files with text in them: --corpus.text=PATH"),
    "near_duplicate": ("nearly the same as an earlier document", "--corpus.dedup.near.action=off"),
    "repeated_text": ("mostly passages that stand elsewhere", "--corpus.dedup.substrings.max_share=1"),
    "contaminated": ("holding items of evaluation sets", "--corpus.decontaminate.action=remove"),
    "pii": ("holding personal data or keys that corpus.pii says to drop", "--corpus.pii.mail=mask (or ip, key ...)"),
    "generated_code": ("source files that a program wrote or minified", "--corpus.formats.generated_code=keep"),
    "low_quality": ("of too low quality in the eyes of the classifier", ""),
    "surprising": ("too surprising to the model of good text", "--corpus.perplexity.drop_worst=0"),
    "predictable": ("too predictable to the model of good text", "--corpus.perplexity.drop_best=0"),
    "bad_row": ("rows that are no documents", "mend the rows listed under skipped_files in audit.json"),
    **reasons.REASONS,
}
# What brings documents of low quality back, by the way in which corpus.quality.keep decides.
LOWER_QUALITY = {
    "threshold": "--corpus.quality.threshold=0",
    "share": "--corpus.quality.share=1",
    "pareto": "--corpus.quality.keep=threshold --corpus.quality.threshold=0",
}
SHARE_TO_WARN = 0.2


def unreadable(name: str, why: str) -> DataError:
    """A file or row that a recipe with on_unreadable = refuse does not accept."""
    return DataError(
        f"{name} {why}",
        why="corpus.on_unreadable = refuse, so nothing is passed over",
        fix="mend or remove the file, or --corpus.on_unreadable=skip (it is then named in audit.json)",
    )


def check_result(config: CorpusConfig, ledger: Ledger) -> None:
    """Raise DataError when there is nothing to train on or nothing was held out."""
    n = {split: ledger.kept[split]["documents"] for split in SPLITS}
    if not sum(n.values()):
        raise _nothing_left(config, ledger)
    if not n["train"] and config.validation_text + config.test_text and ledger.dropped:
        raise _nothing_left(config, ledger)
    if not n["train"]:
        raise DataError(
            "no document is left to train on",
            why=f"all {sum(n.values()):,} are held out: {n['validation']:,} for validation, {n['test']:,} for test",
            fix="--corpus.validation_fraction=0.1 --corpus.test_fraction=0, or more text",
        )
    wants = bool(config.validation_text) or (config.validation_fraction > 0 and not config.test_text)
    if wants and not n["validation"]:
        raise _nothing_held_out(config, ledger, sum(n.values()))


def _nothing_left(config: CorpusConfig, ledger: Ledger) -> DataError:
    if not ledger.dropped:
        first = "; ".join(f"{s['file']} {s['reason']}" for s in ledger.skipped_files[:3])
        return DataError(
            "no file gave a document",
            why=first or "the files named are there, but they hold no text",
            fix="name other files with --corpus.text=PATH; docs/corpus.md lists the formats",
        )
    counts = {reason: entry["documents"] for reason, entry in ledger.dropped.items()}
    n = sum(counts.values())
    return DataError(
        f"all {n:,} documents were dropped" if n > 1 else "the only document was dropped",
        why=_drops(counts),
        fix=_softer(counts, config),
    )


def _softer(counts: dict[str, int], config: CorpusConfig) -> str:
    """The setting that brings back what fell for the commonest reason."""
    worst = max(counts, key=lambda reason: (counts[reason], reason))
    return REASONS[worst][1] or LOWER_QUALITY[config.quality.keep]


def _drops(counts: dict[str, int]) -> str:
    return "; ".join(f"{k:,} {r} ({REASONS[r][0]})" for r, k in sorted(counts.items(), key=lambda c: -c[1]))


def _nothing_held_out(config: CorpusConfig, ledger: Ledger, n: int) -> DataError:
    if config.validation_text:
        why = f"the files in validation_text gave none: {', '.join(config.validation_text)}"
        return DataError("no document is left for validation", why=why, fix="--corpus.validation_text=OTHER_FILE")
    if config.split_by == "position":
        return DataError(
            "no text is left for validation",
            why=f"validation_fraction = {config.validation_fraction} of each file is less than one character or row",
            fix="--corpus.validation_fraction=0.2",
        )
    counts = {reason: entry["documents"] for reason, entry in ledger.dropped.items()}
    fell = f"; {sum(counts.values()):,} were dropped: {_drops(counts)}" if sum(counts.values()) > n else ""
    softer = f"{_softer(counts, config)}, " if fell else ""
    # The next document in line is known, so the share that brings it in is too.
    needed = math.ceil((ledger.next_place - config.test_fraction) * 100) / 100
    fraction = f"--corpus.validation_fraction={needed:.2f}, " if needed + config.test_fraction <= 0.5 else ""
    return DataError(
        "no document is left for validation",
        why=f"by hash, none of the {n:,} documents falls into validation_fraction = {config.validation_fraction}{fell}",
        fix=f"{softer}{fraction}--corpus.split_by=position (the end of each file), smaller pieces "
        "(--corpus.documents=size --corpus.document_characters=500), or more text",
    )


def say_result(audit: dict, progress: Progress) -> None:
    """The summary a person reads: splits, drops, what was passed over."""
    kept, read = audit["kept"], audit["read"]
    rows = [[s, f"{kept[s]['documents']:,}", show_bytes(kept[s]["bytes"])] for s in SPLITS]
    rows += [[f"dropped: {r}", f"{d['documents']:,}", show_bytes(d["bytes"])] for r, d in audit["dropped"].items()]
    progress.table(["documents", "count", "text"], rows)
    dropped = sum(d["documents"] for d in audit["dropped"].values())
    if dropped > SHARE_TO_WARN * read["documents"]:
        progress.warn(f"{dropped:,} of {read['documents']:,} documents were dropped; samples are in dropped.parquet")
    if audit["n_skipped_files"]:
        progress.warn(f"{audit['n_skipped_files']:,} files were passed over; audit.json names them with reasons")
    unstated = sorted({row["source"] for row in audit["sources"] if row["licence"] == NOT_STATED})
    if unstated:
        named = ", ".join(unstated[:3]) + (f" and {len(unstated) - 3:,} more" if len(unstated) > 3 else "")
        progress.warn(
            f"nobody stated a licence for {named}: --corpus.licence=CC-BY-4.0, say, or --corpus.licence=unknown"
        )
    if not kept["test"]["documents"]:
        progress.warn("no document is held out for the final test; scores will be on validation only")
    if not kept["validation"]["documents"]:
        progress.warn("no document is held out for validation (validation_fraction = 0)")
