"""Masked: the right tokens, in the right shares, as a pure function of (seed, sample)."""

import numpy as np
import pytest
import torch

from idiolect.data.config import MaskedObjective
from idiolect.data.objectives import build_objective
from idiolect.data.objectives.masked import choose_units
from idiolect.data.order import uniform
from idiolect.errors import RecipeError
from idiolect.tokenizer.build import build
from idiolect.tokenizer.config import TokenizerConfig

V, END = 50, 49


def objective(T=64, boundaries="open", seed=3, tokenizer=None, **settings):
    return build_objective(
        MaskedObjective(**settings), context_length=T, vocabulary_size=V, end_id=END, boundaries=boundaries, seed=seed,
        tokenizer=tokenizer,
    )  # fmt: skip


def windows(n, T=64, seed=0):
    ids = (uniform(seed, np.arange(n), T) * 60).astype(np.int64)
    return torch.from_numpy(np.where(ids >= V, END, ids))  # every fifth is an end token


def test_shapes_and_targets():
    made = objective()
    assert made.window == made.stride == 64
    window = windows(30)
    kept = window.clone()
    batch = made.batch(window, np.arange(30))
    assert torch.equal(window, kept), "the window itself must not be changed"
    assert torch.equal(batch.targets_BT, window)
    assert batch.tokens_BT.dtype == torch.int64 and batch.document_BT is None
    assert torch.equal(batch.tokens_BT[~batch.loss_mask_BT], window[~batch.loss_mask_BT])


def test_end_tokens_are_never_hidden_and_every_row_has_a_target():
    batch = objective(T=16, share=0.01).batch(windows(2000, 16), np.arange(2000))
    assert (batch.loss_mask_BT.sum(1) >= 1).all()
    assert not batch.loss_mask_BT[batch.targets_BT == END].any()
    # A row with nothing that may be hidden has no target, and doesn't fail.
    only_end = objective(T=4).batch(torch.full((2, 4), END), np.arange(2))
    assert only_end.n_scored == 0


@pytest.mark.parametrize("share", [0.15, 0.4, 0.031])
def test_the_expected_share_is_exact(share):
    window = windows(4000)
    batch = objective(share=share).batch(window, np.arange(4000))
    allowed_B = (window != END).sum(1)
    counts_B = batch.loss_mask_BT.sum(1)
    wanted_B = share * allowed_B
    # At least one; else within one token of what is wanted, and right on average.
    assert ((counts_B - wanted_B).abs() < 1).all()
    assert counts_B.sum() / wanted_B.sum() == pytest.approx(1, abs=0.01)
    # Every place alike: five deviations of a binomial count.
    by_place = batch.loss_mask_BT.sum(0) / (window != END).sum(0)
    assert (by_place - share).abs().max() < 5 * np.sqrt(share * (1 - share) / 3000)


def test_eighty_ten_ten():
    window = windows(4000)
    batch = objective().batch(window, np.arange(4000))
    tokens, targets = batch.tokens_BT[batch.loss_mask_BT], batch.targets_BT[batch.loss_mask_BT]
    n = len(tokens)
    masked, same = (tokens == V), (tokens == targets)
    # A random token is the same by chance once in 49.
    for found, expected in ((masked, 0.8), (same, 0.1 + 0.1 / 49), (~masked & ~same, 0.1 * 48 / 49)):
        assert found.double().mean().item() == pytest.approx(expected, abs=5 * np.sqrt(expected / n))
    random = tokens[~masked & ~same]
    counts = torch.bincount(random, minlength=V)
    assert counts[END] == 0 and counts[:END].min() > 0.5 * counts[:END].double().mean()


def test_shares_can_be_all_or_nothing():
    window = windows(100)
    batch = objective(mask_share=1.0, random_share=0.0).batch(window, np.arange(100))
    assert (batch.tokens_BT[batch.loss_mask_BT] == V).all()
    batch = objective(mask_share=0.0, random_share=0.0).batch(window, np.arange(100))
    assert torch.equal(batch.tokens_BT, window)
    with pytest.raises(RecipeError, match="exceed 1"):
        MaskedObjective(mask_share=0.8, random_share=0.3)


def test_masks_are_a_pure_function_of_seed_and_sample():
    window = windows(1).repeat(20, 1)
    whole = objective().batch(window, np.arange(100, 120))
    part = objective().batch(window[:5], np.arange(110, 115))
    assert torch.equal(part.tokens_BT, whole.tokens_BT[10:15])
    # The same text is masked anew the next time, and under another seed.
    assert len({tuple(row) for row in whole.loss_mask_BT.tolist()}) == 20
    other = objective(seed=4).batch(window, np.arange(100, 120))
    assert not torch.equal(other.loss_mask_BT, whole.loss_mask_BT)


def test_document_numbers_when_boundaries_are_masked():
    window = torch.tensor([[1, 2, END, 3, END, 4]])
    batch = objective(T=6, boundaries="masked").batch(window, np.arange(1))
    assert batch.document_BT.tolist() == [[0, 0, 1, 1, 2, 2]]


@pytest.fixture(scope="module")
def words():
    text = "the extraordinary quick brown foxes jumped over unbelievable dogs and cats\n" * 3
    tokenizer = build(TokenizerConfig(kind="character", vocabulary_size=60), iter([text]))
    return tokenizer, text


def test_whole_words_are_hidden_together(words):
    tokenizer, text = words
    ids = np.resize(tokenizer.encode(text), (500, 150)).astype(np.int64)
    made = build_objective(
        MaskedObjective(whole_words=True, share=0.2), context_length=150, vocabulary_size=tokenizer.vocabulary_size,
        end_id=tokenizer.end_id, boundaries="open", seed=0, tokenizer=tokenizer,
    )  # fmt: skip
    batch = made.batch(torch.from_numpy(ids), np.arange(500))
    chosen = batch.loss_mask_BT.numpy()
    begins = made.starts.of(ids)
    group = np.cumsum(begins, axis=1)
    for row in range(500):
        for number in range(1, group[row].max() + 1):
            assert len(set(chosen[row, group[row] == number])) == 1
    assert chosen.mean() == pytest.approx(0.2, abs=0.004)
    # Letters of a word are drawn together, so that fewer edges than with single letters stand between hidden and not.
    single = objective(T=150, share=0.2).batch(windows(500, 150), np.arange(500)).loss_mask_BT.numpy()
    edges = [(a[:, 1:] != a[:, :-1]).mean() for a in (chosen, single)]
    assert edges[0] < 0.6 * edges[1]


def test_a_word_longer_than_the_share_is_cut():
    begins = np.zeros((300, 40), bool)
    begins[:, 0] = True
    chance = uniform(0, np.arange(300), 41)
    chosen = choose_units(begins, np.ones((300, 40), bool), 0.2, chance[:, :40], chance[:, 40])
    assert (chosen.sum(1) == 8).all()
    runs = chosen.reshape(300, 5, 8)
    assert (runs.all(2) | ~runs.any(2)).all(), "pieces of eight, all or nothing"


def test_units_against_a_plain_loop():
    """The vectorised choice is the loop that anybody would write."""
    rng = uniform(9, np.arange(200), 4 * 30)
    begins, allowed = rng[:, :30] < 0.4, rng[:, 30:60] < 0.85
    begins[:, 0] = True
    order, last = rng[:, 60:90], rng[:, 90]
    chosen = choose_units(begins, allowed, 0.25, order, last)
    for row in range(200):
        units, unit = [], []
        for t in range(30):
            if unit and (begins[row, t] or not allowed[row, t] or len(unit) == 7):
                units.append(unit)
                unit = []
            if allowed[row, t]:
                unit.append(t)
        units += [unit] if unit else []
        units.sort(key=lambda u: order[row, u[0]])
        wanted, expected, n = 0.25 * allowed[row].sum(), [], 0
        for u in units:
            if n == 0 or (wanted - n) / len(u) > last[row]:
                expected += u
            n += len(u)
        assert np.flatnonzero(chosen[row]).tolist() == sorted(expected)
