"""The real path, from a recipe to nats beside exact nats: the stages of the verbs, nothing of our own.

    recipe -> prepared (corpus, tokenizer, shards) -> trained (windows, objective, loop) -> a checkpoint's model
    a model, held-out shards -> token_scores, or the objective's own batches -> Measured

Documents and windows are aligned so that the model reads exactly what the exact price is conditional on. All documents
have L symbols and an end, P = L + 1 tokens, and a window is a whole number of them:

    split     s s s | s s s | s s s | s s s |           P = 4, | the end
    left    | s s s | s s s                              tokens of the first scoring window: the end before it first
    targets   s s s | s s s |                            each target has its document's beginning before it, whole
    both    | s s s | s s s                              masked: every document with an end before it; ends stay seen
    source    s s s | s s s |                            spans, prefixes: every document with its own end

Documents are independent, so what stands before one in the window changes nothing, whether it may be read or not.
Since all are equally long, ends cost nothing: their price is 0 from the L-th symbol on, and infinite before. Spans of
fixed lengths cost nothing either: sentinels, the closing one and the end are where they must be. In training, windows
begin anywhere: the first document of a window is cut, and teaches a little less.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from idiolect.config_load import load
from idiolect.corpus.documents import read_texts
from idiolect.corpus.exact.process import Process, build
from idiolect.evaluate.exact import exact_nats
from idiolect.evaluate.score import evaluating, score_batch, token_scores
from idiolect.progress import Progress
from idiolect.recipe import Recipe
from idiolect.rundir import RunDir
from idiolect.stages.job import Job
from idiolect.stages.prepared import Prepared, prepared
from idiolect.stages.training import objective_of, trained
from idiolect.stages.weights import load_model, pick_checkpoint

SPLIT = "validation"


@dataclass(frozen=True)
class Learned:
    """A finished run and its text."""

    job: Job
    ready: Prepared
    model: torch.nn.Module

    @cached_property
    def process(self) -> Process:
        return build(self.job.recipe.corpus.exact)

    @cached_property
    def held(self):
        return self.ready.split(SPLIT)

    @cached_property
    def texts(self) -> list[str]:
        return list(read_texts(self.ready.documents, SPLIT))

    @cached_property
    def exact_N(self) -> np.ndarray:
        """Exact nats of each held-out token, given those before it in its document."""
        return exact_nats(self.job.recipe.corpus.exact, self.texts, self.held)


@dataclass(frozen=True)
class Measured:
    """The model's and the exact nats of the same things, what each counts for, and which text each belongs to.

    `joint`: the prices are of a probability of all things together, so that not even their sum may be beaten.
    """

    model_N: np.ndarray
    exact_N: np.ndarray
    weight_N: np.ndarray
    cluster_N: np.ndarray
    joint: bool = True


def learn(values: dict, runs: Path, name: str) -> Learned:
    """Carry a recipe out: every stage of `idiolect train`, its files below `runs`."""
    job = Job(load(Recipe, values=values), RunDir(runs / name), runs, Progress.silent())
    with job.run.lock():
        ready = prepared(job)
        trained(job, ready)
    return Learned(job, ready, load_model(job, ready.vocabulary_of(job.recipe), pick_checkpoint(job, "last")))


def measure(learned: Learned) -> Measured:
    """The model beside the exact values, under the objective it learned by."""
    kind = learned.job.recipe.objective.kind
    return {
        "causal": next_tokens, "prefix_lm": rest_of_windows, "masked": masked_symbols, "span_corruption": cut_spans,
        "fill_in_the_middle": filled_gaps,
    }[kind](learned)  # fmt: skip


def next_tokens(learned: Learned) -> Measured:
    """Every held-out token, as the evaluation scores them."""
    recipe = learned.job.recipe
    scores = token_scores(
        learned.model, learned.held, recipe.model.context_length, boundaries=recipe.data.boundaries, batch_tokens=4096
    )
    n = learned.held.n_tokens
    assert np.array_equal(scores.position_N, np.arange(n)), "each token is scored exactly once, the ends included"
    counts = np.diff(np.append(learned.held.document_starts, n))
    assert np.array_equal(counts, [len(text) + 1 for text in learned.texts]), "ends are missing, or tokens differ"
    return Measured(scores.nats_N, learned.exact_N, np.ones(n), document_of(learned, scores.position_N))


def document_of(learned: Learned, position_N: np.ndarray) -> np.ndarray:
    return np.searchsorted(learned.held.document_starts, position_N, side="right") - 1


def batches(learned: Learned, first: int, rows: int = 64):
    """The objective's own batches of aligned windows, with each row's first position in the split."""
    objective = objective_of(learned.job, learned.ready, seed=12345)
    tokens = len(learned.texts[0]) + 1
    whole = objective.window // tokens * tokens
    start_N = np.arange(0, learned.held.n_tokens - whole + 1, whole) + first
    for at in range(0, len(start_N), rows):
        start_B = start_N[at : at + rows]
        window_BW = torch.empty(len(start_B), objective.window, dtype=torch.int64)
        learned.held.rows(start_B, objective.window, window_BW.numpy())
        yield start_B, window_BW, objective.batch(window_BW, np.arange(at, at + len(start_B)))


def scored(learned: Learned, batch) -> np.ndarray:
    """Nats of the batch's scored targets, row by row."""
    with evaluating(learned.model):
        return score_batch(learned.model, batch, None)[0]


def rest_of_windows(learned: Learned) -> Measured:
    """Prefix-LM: the second half of each window, every token given all before it."""
    reads_left = learned.model.reads == "left"
    model, exact, cluster = [], [], []
    for start_B, window_BW, batch in batches(learned, first=-1 if reads_left else 0):
        model.append(scored(learned, batch))
        place_BT = np.broadcast_to(np.arange(batch.targets_BT.shape[1]), batch.targets_BT.shape)
        if reads_left:
            place_BT = place_BT + 1
        else:
            place_BT = place_BT + window_BW.shape[1] // 2
        position_N = (start_B[:, None] + place_BT)[batch.loss_mask_BT.numpy()] % learned.held.n_tokens
        assert np.array_equal(batch.targets_BT[batch.loss_mask_BT].numpy(), learned.held.ids()[position_N])
        exact.append(learned.exact_N[position_N])
        cluster.append(document_of(learned, position_N))
    exact_N = np.concatenate(exact)
    return Measured(np.concatenate(model), exact_N, np.ones(len(exact_N)), np.concatenate(cluster))


def masked_symbols(learned: Learned) -> Measured:
    """Masked: each hidden symbol given all that is seen of its document, both sides; ends are always seen."""
    tokens = len(learned.texts[0]) + 1
    model, exact, cluster = [], [], []
    for start_B, window_BW, batch in batches(learned, first=-1):
        model.append(scored(learned, batch))
        for start, hidden_T in zip(start_B, batch.loss_mask_BT.numpy(), strict=True):
            for offset in range(0, window_BW.shape[1], tokens):
                document = (start + 1 + offset) // tokens
                hidden = hidden_T[offset + 1 : offset + tokens]
                exact.append(learned.process.masked_nats(learned.texts[document], hidden))
                cluster.append(np.full(hidden.sum(), document))
    exact_N = np.concatenate(exact)
    # Two symbols hidden in one document are priced apart, though they depend on each other.
    return Measured(np.concatenate(model), exact_N, np.ones(len(exact_N)), np.concatenate(cluster), joint=False)


def cut_spans(learned: Learned) -> Measured:
    """Span corruption: all that was cut out of a window, together, given what is left of it; one price a window."""
    first_sentinel, tokens = learned.ready.tokenizer.vocabulary_size, len(learned.texts[0]) + 1
    model, exact, weight, cluster = [], [], [], []
    for start_B, window_BW, batch in batches(learned, first=0):
        nats_BT = np.zeros(batch.targets_BT.shape)
        nats_BT[batch.loss_mask_BT.numpy()] = scored(learned, batch)
        model.append(nats_BT.sum(1))
        for row, start in enumerate(start_B):
            read_S = slice(None) if batch.source_mask_BS is None else batch.source_mask_BS[row]
            ids = (batch.source_BS[row][read_S], batch.targets_BT[row][batch.loss_mask_BT[row]], window_BW[row])
            hidden_W = cut_of(*(part.tolist() for part in ids), first_sentinel)
            exact.append(joint_of(learned, hidden_W, start // tokens))
            weight.append(hidden_W.sum())
            cluster.append(start)
    return Measured(np.concatenate(model), np.array(exact), np.array(weight), np.array(cluster))


def joint_of(learned: Learned, hidden_W: np.ndarray, first: int) -> float:
    """Exact nats of what is cut out of a window that begins with document `first`; its last may be there in part."""
    tokens, total = len(learned.texts[0]) + 1, 0.0
    for number, at in enumerate(range(0, len(hidden_W), tokens), first):
        hidden, visible = np.zeros((2, tokens), bool)
        part = hidden_W[at : at + tokens]
        hidden[: len(part)], visible[: len(part)] = part, ~part
        total += learned.process.joint_nats(learned.texts[number % len(learned.texts)], hidden[:-1], visible[:-1])
    return total


def cut_of(source: list[int], target: list[int], window: list[int], first_sentinel: int) -> np.ndarray:
    """Which tokens of a window its source lacks; source and target must together give the window back."""
    spans: dict[int, list[int]] = {}
    for token in target:
        if token >= first_sentinel:
            spans[token] = []
        else:
            spans[list(spans)[-1]].append(token)
    found, hidden = [], []
    for token in source:
        part = spans[token] if token >= first_sentinel else [token]
        found += part
        hidden += [token >= first_sentinel] * len(part)
    assert found == window, "source and target don't give the window back"
    return np.array(hidden)


def filled_gaps(learned: Learned) -> Measured:
    """Fill in the middle: each window's documents, some of them written with marks and their middle last."""
    first_mark, end_id = learned.ready.tokenizer.vocabulary_size, learned.ready.tokenizer.end_id
    tokens = len(learned.texts[0]) + 1
    model, exact, weight, cluster = [], [], [], []
    for start_B, window_BW, batch in batches(learned, first=-1):
        nats_BT = np.zeros(batch.targets_BT.shape)
        nats_BT[batch.loss_mask_BT.numpy()] = scored(learned, batch)
        model.append(nats_BT.sum(1))
        weight.append(batch.loss_mask_BT.sum(1).numpy())
        for start, row in zip(start_B, batch.targets_BT.tolist(), strict=True):
            total, at = 0.0, 0
            for document in range((start + 1) // tokens, (start + window_BW.shape[1] - 1) // tokens):
                stop = row.index(end_id, at) + 1
                total += filled_nats(learned, document, row[at : stop - 1], first_mark)
                at = stop
            # The window's last token begins another document, and is too short a piece to be rearranged.
            total += learned.process.nats(learned.texts[(document + 1) % len(learned.texts)])[0]
            exact.append(total)
            cluster.append(start)
    return Measured(np.concatenate(model), np.array(exact), np.concatenate(weight), np.array(cluster))


def filled_nats(learned: Learned, document: int, written: list[int], first_mark: int) -> float:
    """Exact nats of a document's symbols as they are written, the marks given where they stand.

    A reader of the suffix doesn't know yet where in the document it lies: every start b that leaves the suffix longer
    than what is read counts with its probability, known places a < b equally likely. Once the suffix has ended, its
    length tells b, and the rest is given that:

        p(symbol t of the suffix | read) = sum over b < L - t of p(b) p(read, symbol | b) / the same without the symbol
    """
    text, law = learned.texts[document], learned.process.law
    L = len(text)
    if first_mark not in written:
        return float(learned.process.nats(text).sum())
    suffix_first = written[1] == first_mark + 1
    first = 0 if suffix_first else written.index(first_mark + 1) - 1
    last = L - (written.index(first_mark + 2) - written.index(first_mark + 1) - 1)
    symbols_L = learned.process.numbers([text])[0]
    total = -law.evidence(symbols_L[None], (np.arange(L) < first)[None])[0]
    for t in range(L - last):
        starts = np.arange(1 if suffix_first else first + 1, L - t)
        chance = np.log(starts if suffix_first else np.ones(len(starts)))
        laid, seen = np.repeat(symbols_L[None], len(starts), 0), np.repeat((np.arange(L) < first)[None], len(starts), 0)
        for row, b in enumerate(starts):
            laid[row, b : b + t + 1] = symbols_L[last : last + t + 1]
            seen[row, b : b + t] = True
        before = np.logaddexp.reduce(chance + law.evidence(laid, seen))
        seen[np.arange(len(starts)), starts + t] = True
        total += before - np.logaddexp.reduce(chance + law.evidence(laid, seen))
    place = np.arange(L)
    hidden = (place < last) & (place >= first)
    return float(total) + learned.process.joint_nats(text, hidden)
