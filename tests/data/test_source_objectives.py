"""What is cut out of a window and what stays: every token once, at the rates asked for, within its document."""

import collections

import numpy as np
import pytest
import torch

from idiolect.data.config import (
    DenoisingObjective,
    PrefixObjective,
    SpanCorruptionObjective,
    resolve_objective,
    span_counts,
)
from idiolect.data.objectives import build_objective
from idiolect.data.objectives.framing import build_framing
from idiolect.data.objectives.span_corruption import Spans, segments
from idiolect.errors import RecipeError

V, END, W = 50, 7, 48

CONFIGS = {
    "spans": SpanCorruptionObjective(),
    "spans, fixed": SpanCorruptionObjective(lengths="fixed", share=0.4, mean_span=4.0),
    "spans, many": SpanCorruptionObjective(share=0.8, mean_span=1.0),
    "prefix": PrefixObjective(),
    "prefix, random": PrefixObjective(prefix="random"),
    "denoising": DenoisingObjective(),
    "denoising, no modes": DenoisingObjective(mode_tokens=False, extreme=0.0),
}


def build(config, boundaries="open", length=W, seed=3, reads="source"):
    return build_objective(
        config, context_length=length, vocabulary_size=V, end_id=END, boundaries=boundaries, seed=seed, reads=reads
    )


def windows(n_rows, length=W, seed=0, ends=0.1):
    random = np.random.default_rng(seed)
    ids = random.integers(8, V, (n_rows, length))
    ids[random.random((n_rows, length)) < ends] = END
    return torch.from_numpy(ids.astype(np.int64))


def parts(batch, row):
    """A row's true source and target ids."""
    source = batch.source_BS[row]
    if batch.source_mask_BS is not None:
        source = source[batch.source_mask_BS[row]]
    return source.tolist(), batch.targets_BT[row][batch.loss_mask_BT[row]].tolist()


def put_back(source, target, n_extra):
    """The window, from a source and a target, read as a person would: each sentinel's tokens in its place."""
    modes = range(V + n_extra - 3, V + n_extra)
    if not any(i >= V and i not in modes for i in source):
        return [i for i in source if i not in modes] + target
    assert target[-1] == END and target[-2] >= V
    spans, current = {}, None
    for i in target[:-2]:
        if i >= V:
            current = spans.setdefault(i, [])
        else:
            current.append(i)
    assert list(spans) == list(range(V, V + len(spans))) and target[-2] == V + len(spans)
    return [j for i in source if i not in modes or i in spans for j in spans.get(i, [i])]


@pytest.mark.parametrize("boundaries", ["open", "masked"])
@pytest.mark.parametrize("name", CONFIGS)
def test_every_token_stands_once_in_source_or_target(name, boundaries):
    objective = build(CONFIGS[name], boundaries)
    assert objective.window == objective.stride == W
    window_BW = windows(64)
    before = window_BW.clone()
    batch = objective.batch(window_BW, np.arange(64))
    assert torch.equal(window_BW, before)
    n_extra = CONFIGS[name].n_extra_ids(W)
    has_modes = getattr(CONFIGS[name], "mode_tokens", False)
    for row in range(64):
        source, target = parts(batch, row)
        assert max(source + target) < V + n_extra
        assert put_back(source, target, n_extra if has_modes else 100) == window_BW[row].tolist()


@pytest.mark.parametrize("name", CONFIGS)
def test_the_input_is_the_target_a_step_late(name):
    batch = build(CONFIGS[name]).batch(windows(16), np.arange(16))
    assert (batch.tokens_BT[:, 0] == END).all()
    assert torch.equal(batch.tokens_BT[:, 1:], batch.targets_BT[:, :-1])
    assert batch.document_BT is None and batch.source_document_BS is None


def test_t5s_own_example():
    """The lengths that the paper's code finds: 512 encoder positions from 568 tokens, 114 to be written."""
    spans = Spans(568, 0.15, 3.0, random_lengths=True)
    assert (spans.n_cut, spans.n_spans) == (85, 28)
    # The paper's lengths hold one end token on either side and no closing sentinel.
    assert spans.source_length + 1 == 512 and spans.target_length - 1 == 114


def test_lengths_are_the_same_for_every_window():
    for length in (2, 3, 5, 17, 64, 129):
        objective = build(SpanCorruptionObjective(), length=length)
        batch = objective.batch(windows(9, length), np.arange(9))
        assert batch.source_BS.shape == (9, objective.source_length) and batch.source_mask_BS is None
        assert batch.targets_BT.shape == (9, objective.target_length) and batch.loss_mask_BT.all()


def test_rates_and_lengths_of_spans():
    length, n_rows = 400, 400
    objective = build(SpanCorruptionObjective(), length=length)
    batch = objective.batch(windows(n_rows, length, ends=0.0), np.arange(n_rows))
    n_cut = int((batch.targets_BT < V).sum()) - n_rows  # but for the end token
    assert n_cut / (n_rows * length) == pytest.approx(0.15, abs=0.001)
    runs = collections.Counter()
    for row in batch.targets_BT.tolist():
        edges = [i for i, token in enumerate(row) if token >= V]
        runs.update(b - a - 1 for a, b in zip(edges, edges[1:], strict=False))
    n_spans = sum(runs.values())
    assert n_cut / n_spans == pytest.approx(3.0, abs=0.01)
    # A uniform division of 60 tokens into 20 spans: one of k tokens has the chance C(59 - k, 18) / C(59, 19).
    from math import comb

    for k in range(1, 7):
        assert runs[k] / n_spans == pytest.approx(comb(59 - k, 18) / comb(59, 19), abs=0.012)


def test_every_division_is_equally_likely():
    found = collections.Counter(map(tuple, segments(np.random.default_rng(0).random((20_000, 4)), 5, 3).tolist()))
    assert len(found) == 6 and sum(found.values()) == 20_000
    assert all(abs(count / 20_000 - 1 / 6) < 0.012 for count in found.values())


def test_fixed_spans_have_the_mean_length():
    spans = Spans(100, 0.3, 5.0, random_lengths=False)
    cut_BW = spans.cuts(np.random.default_rng(0).random((50, spans.n_chances)))
    for row in cut_BW:
        assert [int((row == k).sum()) for k in range(spans.n_spans)] == [5] * 6


@pytest.mark.parametrize("name", CONFIGS)
def test_choices_are_a_function_of_seed_and_sample_alone(name):
    window_BW = windows(40)
    whole = build(CONFIGS[name]).batch(window_BW, np.arange(100, 140))
    pieces = [build(CONFIGS[name]).batch(window_BW[i : i + 8], np.arange(100 + i, 108 + i)) for i in range(0, 40, 8)]
    for key in ("source_BS", "targets_BT", "loss_mask_BT"):
        assert torch.equal(getattr(whole, key), torch.cat([getattr(piece, key) for piece in pieces]))
    if name == "prefix":
        return
    for other in (build(CONFIGS[name], seed=4).batch(window_BW, np.arange(100, 140)),
                  build(CONFIGS[name]).batch(window_BW, np.arange(140, 180))):  # fmt: skip
        assert not torch.equal(whole.source_BS, other.source_BS)


@pytest.mark.parametrize("name", CONFIGS)
def test_masked_spans_hold_one_document_each(name):
    window_BW = windows(64, ends=0.2)
    batch = build(CONFIGS[name], "masked").batch(window_BW, np.arange(64))
    document_BT, targets_BT = batch.document_BT, batch.targets_BT
    # An input never shows a token of another document than its target's.
    same = document_BT[:, 1:] == document_BT[:, :-1]
    assert torch.equal(batch.tokens_BT[:, 1:][same], targets_BT[:, :-1][same])
    assert (batch.tokens_BT[:, 1:][~same] == END).all() and (batch.tokens_BT[:, 0] == END).all()
    n_extra = CONFIGS[name].n_extra_ids(W)
    n_sentinels = n_extra - 3 if getattr(CONFIGS[name], "mode_tokens", False) else n_extra
    for row in range(64):
        span, seen = None, {}
        for token, document, counts in zip(
            targets_BT[row].tolist(), document_BT[row].tolist(), batch.loss_mask_BT[row].tolist(), strict=True
        ):
            if counts:
                span = token if V <= token < V + n_sentinels else span
                seen.setdefault(span, set()).add(document)
        assert name.startswith(("prefix", "den")) or all(len(found) == 1 for found in seen.values())
        # The source numbers its documents as the targets do: put in order, they are the window's.
        source_documents = batch.source_document_BS[row]
        if batch.source_mask_BS is not None:
            source_documents = source_documents[batch.source_mask_BS[row]]
        assert (source_documents.diff() >= 0).all()
        ends = (window_BW[row] == END).long()
        assert set(source_documents.tolist()) <= set((ends.cumsum(0) - ends).tolist())


def test_prefixes_of_any_length_are_drawn():
    batch = build(PrefixObjective(prefix="random")).batch(windows(4000), np.arange(4000))
    lengths = batch.source_mask_BS.sum(1)
    assert torch.equal(lengths + batch.loss_mask_BT.sum(1), torch.full((4000,), W))
    counts = torch.bincount(lengths, minlength=W)
    assert counts[0] == 0 and (counts[1:] / 4000 - 1 / (W - 1)).abs().max() < 0.015


def test_a_left_reader_reads_the_prefix_and_is_scored_on_the_rest():
    for prefix in ("half", "random"):
        objective = build(PrefixObjective(prefix=prefix), reads="left")
        assert (objective.window, objective.stride) == (W + 1, W)
        window_BW = windows(500, W + 1)
        batch = objective.batch(window_BW, np.arange(500))
        assert batch.source_BS is None and torch.equal(batch.targets_BT, window_BW[:, 1:])
        n_scored = batch.loss_mask_BT.sum(1)
        assert (batch.loss_mask_BT.int().diff(dim=1) >= 0).all() and n_scored.min() >= 1
        assert (n_scored == 25).all() if prefix == "half" else len(n_scored.unique()) == W


def test_shares_of_the_mixture():
    batch = build(DenoisingObjective()).batch(windows(6000), np.arange(6000))
    first = V + DenoisingObjective().n_extra_ids(W) - 3
    shares = torch.bincount(batch.source_BS[:, 0] - first, minlength=3) / 6000
    torch.testing.assert_close(shares, torch.tensor([0.5, 0.25, 0.25]), atol=0.02, rtol=0)


def test_extra_ids_suffice_and_are_no_more_than_needed():
    for length in (2, 8, 64, 100):
        for config in (SpanCorruptionObjective(share=0.5, mean_span=2.0), DenoisingObjective()):
            batch = build(config, length=length).batch(windows(300, length), np.arange(300))
            highest = max(int(batch.targets_BT.max()), int(batch.source_BS.max()))
            assert highest == V + config.n_extra_ids(length) - 1
    assert span_counts(1, 0.15, 3.0) == (1, 1)
    assert PrefixObjective().n_extra_ids(64) == 0


def test_a_window_of_one_token_is_refused():
    for config in CONFIGS.values():
        with pytest.raises(RecipeError, match="nothing to be a source"):
            build(config, length=1)


def test_a_mixture_of_nothing_is_refused():
    with pytest.raises(RecipeError, match="weight 0"):
        DenoisingObjective(regular=0.0, extreme=0.0, sequential=0.0)


def test_an_encoder_decoders_own_objective_is_span_corruption():
    from idiolect.data.config import AutoObjective

    assert resolve_objective(AutoObjective(), "source", "t5") == SpanCorruptionObjective()


def test_framings():
    ids = list(range(8, 49)) * 2
    assert build_framing(PrefixObjective(), W, V, END).source(ids) == ids[-24:]
    assert build_framing(PrefixObjective(), W, V, END).source([]) == [END]
    spans = build_framing(SpanCorruptionObjective(), W, V, END)
    assert spans.source(ids) == [*ids[-41:], V] and spans.start == (END, V) and spans.stop_ids == (V + 1,)
    denoising = build_framing(DenoisingObjective(), W, V, END)
    # The token that names a kind is the one that samples of this kind begin with.
    batch = build(DenoisingObjective(regular=0.0, extreme=0.0)).batch(windows(2), np.arange(2))
    assert denoising.source(ids)[0] == int(batch.source_BS[0, 0]) and denoising.start == (END,)
