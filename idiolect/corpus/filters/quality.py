"""A quality classifier that the user teaches by examples: hashed n-grams, logistic regression, calibrated.

    examples -> teach -> Quality (saved as safetensors and JSON) -> scores -> keeps

Every figure reported comes from examples that the model at hand had not seen: they are held out in folds, and each
fold's probabilities come from a calibration fitted on the other folds.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from idiolect.corpus.filters import calibration as cal
from idiolect.corpus.filters.logistic import Rows, fit
from idiolect.corpus.filters.ngram_features import logits, rows_of, spelled
from idiolect.corpus.filters.quality_config import QualityConfig
from idiolect.corpus.split import digest_of
from idiolect.errors import DataError
from idiolect.rundir import read_json, write_json

WEIGHTS, ABOUT = "quality.safetensors", "quality.json"
ISOTONIC_FROM = 1000
LEAST_EXAMPLES = 10
TELLING, TELLING_DOCUMENTS = 30, 3
# Texts whose n-grams are spelled out to name the telling columns.
SPELLED = 4000


@dataclass(frozen=True)
class Example:
    """A text and how good it is, between 0 and 1."""

    text: str
    target: float

    @property
    def digest(self) -> bytes:
        return digest_of(self.text)


class Quality:
    """The classifier at work. A document that it learned from gets the score it had while it was held out."""

    def __init__(self, arrays: dict[str, np.ndarray], about: dict):
        self.arrays, self.about = arrays, about
        self._known = dict(zip(arrays["digests"].tolist(), arrays["held_out"].tolist(), strict=True))

    def scores(self, texts: list[str]) -> np.ndarray:
        """The probability of being good, for each text."""
        z = logits(texts, self.arrays["weights"], float(self.arrays["bias"][0]))
        found = cal.read((self.arrays["knots"], self.arrays["values"]), z)
        known = [self._known.get(key_of(digest_of(text))) for text in texts] if self._known else []
        return np.array([p if k is None else k for p, k in zip(found, known, strict=True)]) if known else found

    def save(self, folder: Path) -> None:
        """Two files: the arrays, and what they are."""
        save_file(self.arrays, folder / WEIGHTS)
        write_json(folder / ABOUT, self.about)

    @classmethod
    def load(cls, folder: Path) -> "Quality":
        """What `save` wrote."""
        return cls(load_file(folder / WEIGHTS), read_json(folder / ABOUT))


def key_of(digest: bytes) -> int:
    """64 bits of a text's digest, by which the examples are known again."""
    return int.from_bytes(digest[:8], "little")


def merge(good: Iterable[str], bad: Iterable[str], labelled: Iterable[Example]) -> list[Example]:
    """All examples, each text once: a label outweighs `good`, and `good` outweighs `bad`. Sorted by digest."""
    by_digest: dict[bytes, Example] = {}
    for example in (*(Example(t, 0.0) for t in bad), *(Example(t, 1.0) for t in good), *labelled):
        if example.text.strip():
            by_digest[example.digest] = example
    return [by_digest[digest] for digest in sorted(by_digest)]


def sample(texts: Iterable[str], most: int, seed: int, characters: int) -> list[str]:
    """At most that many of the texts, drawn by their hashes, each cut from its start; any order gives the same."""
    drawn: dict[bytes, str] = {}
    for text in texts:
        if text.strip():
            drawn[draw_of(digest_of(text), seed)] = text[:characters]
        if len(drawn) >= 2 * most + 1000:
            drawn = dict(sorted(drawn.items())[:most])
    return [text for _, text in sorted(drawn.items())[:most]]


def draw_of(digest: bytes, seed: int) -> bytes:
    return hashlib.blake2b(digest, digest_size=8, salt=seed.to_bytes(8, "little")).digest()


def teach(examples: list[Example], config: QualityConfig) -> Quality:
    """Learn from examples, measure on held-out folds, calibrate. Raises DataError when there are too few of a kind."""
    texts = [e.text[: config.document_characters] for e in examples]
    targets = np.array([e.target for e in examples])
    _check(targets)
    rows, active = _compact(rows_of(texts, config.hash_bits))
    draws = [draw_of(e.digest, config.seed) for e in examples]
    # By rank, not by remainder: every fold then has its share of the few.
    fold = np.empty(len(draws), int)
    for side in (targets >= 0.5, targets < 0.5):
        at = np.flatnonzero(side)
        fold[at[np.argsort([draws[i] for i in at])]] = np.arange(len(at)) % config.folds
    held_out = np.empty(len(targets))
    for k in range(config.folds):
        learn, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        w, b = fit(rows.take(learn), targets[learn], config.l2)
        held_out[test] = rows.take(test).times(w) + b
    kind = config.calibration
    if kind == "auto":
        kind = "isotonic" if len(targets) >= ISOTONIC_FROM else "platt"
    calibrate = {"platt": cal.platt, "isotonic": cal.isotonic}[kind]
    honest = np.empty(len(targets))
    for k in range(config.folds):
        honest[fold == k] = cal.read(calibrate(held_out[fold != k], targets[fold != k]), held_out[fold == k])
    w, b = fit(rows, targets, config.l2)
    knots, values = calibrate(held_out, targets)
    weights = np.zeros(1 << config.hash_bits, np.float32)
    weights[active] = w
    arrays = {
        "weights": weights, "bias": np.array([b]), "knots": knots, "values": values,
        "digests": np.array([key_of(e.digest) for e in examples], np.uint64), "held_out": honest,
    }  # fmt: skip
    about = {"calibration": kind, **_figures(honest, targets, config), **_telling(texts, rows, active, w, config)}
    return Quality(arrays, about)


def _check(targets: np.ndarray) -> None:
    n_good, n_bad = int((targets >= 0.5).sum()), int((targets < 0.5).sum())
    if min(n_good, n_bad) < LEAST_EXAMPLES:
        raise DataError(
            f"{n_good} good and {n_bad} bad examples are too few to learn quality from",
            why=f"at least {LEAST_EXAMPLES} of each are needed, so that some can be held out",
            fix="name more text with --corpus.quality.good=PATH and --corpus.quality.bad=PATH, or label more: "
            "--corpus.quality.to_label=200",
        )


def _compact(rows: Rows) -> tuple[Rows, np.ndarray]:
    """The same rows over the columns met in two documents at least, and these: the others teach one text by heart."""
    found = np.bincount(rows.columns, minlength=rows.n_columns)
    active = np.flatnonzero(found >= 2)
    place = np.cumsum(found >= 2) - 1
    stays = found[rows.columns] >= 2
    offsets = np.concatenate([[0], np.cumsum(stays)])[rows.offsets]
    return Rows(place[rows.columns[stays]], rows.values[stays], offsets, len(active)), active


def _figures(honest: np.ndarray, targets: np.ndarray, config: QualityConfig) -> dict:
    good = targets >= 0.5
    auc, low, high = cal.area(honest, good)
    return {
        "n_good": int(good.sum()), "n_bad": int((~good).sum()), "n_held_out": len(targets),
        "base_rate": float(good.mean()), "auc": auc, "auc_low": low, "auc_high": high,
        "at": config.threshold, **cal.precision_recall(honest >= config.threshold, good),
        "expected_calibration_error": cal.calibration_error(honest, targets),
        "reliability": cal.reliability(honest, targets),
    }  # fmt: skip


def _telling(texts: list[str], rows: Rows, active: np.ndarray, w: np.ndarray, config: QualityConfig) -> dict:
    """The n-grams that speak most for and against a text, among those found in a few documents at least."""
    common = np.flatnonzero(np.bincount(rows.columns, minlength=len(active)) >= TELLING_DOCUMENTS)
    order = common[np.argsort(w[common], kind="stable")]
    chosen = {"good_ngrams": order[::-1][:TELLING], "bad_ngrams": order[:TELLING]}
    wanted = active[np.concatenate(list(chosen.values()))]
    names = spelled(texts[:: max(len(texts) // SPELLED, 1)], wanted, config.hash_bits)
    return {
        side: [{"ngram": names[active[i]], "weight": float(w[i])} for i in ids if active[i] in names]
        for side, ids in chosen.items()
    }


def threshold_of(scores: np.ndarray, config: QualityConfig) -> float:
    """The least score that is kept; under keep = share it depends on all documents' scores."""
    if config.keep == "threshold":
        return config.threshold
    if config.keep == "share":
        ranked = np.sort(np.asarray(scores))[::-1]
        return float(ranked[max(round(config.share * len(ranked)), 1) - 1]) if len(ranked) else 0.0
    return 0.0


def keeps(scores: np.ndarray, digests: list[bytes], config: QualityConfig, threshold: float) -> np.ndarray:
    """Which documents stay. A Pareto draw is a pure function of the text and the seed (GPT-3: np.random.pareto(9))."""
    if config.keep != "pareto":
        return np.asarray(scores) >= threshold
    draws = np.array([int.from_bytes(draw_of(d, config.seed), "big") + 0.5 for d in digests]) / 2**64
    return draws ** (-1 / config.pareto) - 1 > 1 - np.asarray(scores)


def read_labels(rows: Iterator[dict], name: str) -> Iterator[Example]:
    """Labelled rows as examples. Raises DataError naming the row whose label is none; an empty label is passed over."""
    names = {"good": 1.0, "bad": 0.0}
    for number, row in enumerate(rows, 1):
        label, text = row.get("label"), row.get("text")
        if label in ("", None) or not isinstance(text, str):
            continue
        try:
            target = names[label.strip().lower()] if isinstance(label, str) and label.strip().lower() in names else None
            target = float(label) if target is None else target
        except (TypeError, ValueError):
            target = -1.0
        if not 0 <= target <= 1:
            raise DataError(
                f"row {number} of {name} is labelled {str(label)[:50]!r}",
                why="a label is good, bad, or a number from 0 (bad) to 1 (good); leave it empty to pass a row over",
                fix=f"correct the row in {name}",
            )
        yield Example(text, target)
