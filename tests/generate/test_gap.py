"""A gap is asked for as it was learned, fits in the context, and is filled from both sides."""

import numpy as np
import pytest
import torch

from idiolect.data.config import FillInTheMiddleObjective
from idiolect.data.objectives.fill_in_the_middle import FillInTheMiddle, sentinels
from idiolect.errors import RecipeError
from idiolect.generate.config import GenerateConfig
from idiolect.generate.gap import arranged, fill_gap, fitted
from idiolect.models.build import build_model
from idiolect.models.config import GPTConfig
from idiolect.tokenizer.build import build
from idiolect.tokenizer.config import TokenizerConfig
from idiolect.train.loss import lm_loss

BYTES = build(TokenizerConfig(kind="byte"), [])
MARKS = sentinels(BYTES.vocabulary_size)
T = 32


def objective(suffix_first):
    return FillInTheMiddle(
        FillInTheMiddleObjective(share=1.0, suffix_first=suffix_first), context_length=T,
        vocabulary_size=BYTES.vocabulary_size, end_id=BYTES.end_id, boundaries="open", seed=0,
    )  # fmt: skip


@pytest.mark.parametrize("suffix_first", [False, True])
def test_a_gap_is_asked_for_as_it_was_learned(suffix_first):
    made = objective(float(suffix_first))
    window = torch.tensor([[BYTES.end_id, *range(10, 10 + made.stride)]])
    for sample in range(20):
        row = made.batch(window, np.array([sample])).tokens_BT[0].tolist()
        prefix, suffix, middle = (row.index(mark) for mark in MARKS)
        after = row[suffix + 1 : middle]
        # Suffix first, the seam between prefix and middle can't be seen: ask for the middle right after <M>.
        before = [] if suffix_first else row[prefix + 1 : suffix]
        asked = [BYTES.end_id, *arranged(before, after, MARKS, suffix_first)]
        assert row[: len(asked)] == asked


def test_what_is_farthest_from_the_gap_is_left_out():
    before, after = list(range(100)), list(range(200, 300))
    assert fitted(before, after, 10) == (before[-5:], after[:5])
    assert fitted(before[:2], after, 10) == (before[:2], after[:8])
    assert fitted(before, after[:3], 10) == (before[-7:], after[:3])
    assert fitted([], after, 4) == ([], after[:4]) and fitted(before, [], 4) == (before[-4:], [])
    assert fitted(before[:3], after[:3], 10) == (before[:3], after[:3])


@pytest.fixture(scope="module", params=[0.0, 1.0], ids=["prefix first", "suffix first"])
def trained(request):
    """A model of documents that say one letter again and again: what stands in a gap is known from what follows."""
    made, generator = objective(request.param), torch.Generator().manual_seed(0)
    config = GPTConfig(context_length=T, n_layers=2, d_model=48, n_heads=2)
    model = build_model(config, BYTES.vocabulary_size + 3, 0)
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    for step in range(120):
        letters_B = torch.randint(ord("a"), ord("g"), (32,), generator=generator)
        window_BW = letters_B[:, None].repeat(1, made.window)
        window_BW[:, 0] = window_BW[:, 12] = window_BW[:, 13:] = BYTES.end_id
        loss, n_scored, _ = lm_loss(model, made.batch(window_BW, np.arange(32 * step, 32 * step + 32)))
        (loss / n_scored).backward()
        optimiser.step()
        optimiser.zero_grad()
    return model, bool(request.param), (loss / n_scored).item()


def test_a_gap_is_filled_by_what_follows_it_and_ends_by_itself(trained):
    model, suffix_first, _ = trained
    config = GenerateConfig(greedy=True, max_tokens=14)
    for letter in "abcdef":
        # Nothing stands before the gap: only the suffix can tell.
        (found,) = fill_gap(model, BYTES, [""], letter * 4, config, MARKS, suffix_first)
        assert set(found.text) == {letter} and found.finish == "end", found


def test_samples_of_several_gaps_are_each_prompts_own(trained):
    model, suffix_first, _ = trained
    config = GenerateConfig(samples=2, max_tokens=10, temperature=0.2)
    found = fill_gap(model, BYTES, ["", "ccc"], "ccc", config, MARKS, suffix_first)
    assert [text.prompt for text in found] == [0, 0, 1, 1]
    assert all(set(text.text) <= {"c"} for text in found)


def test_texts_longer_than_the_context_are_cut_not_slid(trained):
    model, suffix_first, _ = trained
    config = GenerateConfig(greedy=True, max_tokens=1000)
    (found,) = fill_gap(model, BYTES, ["a" * 500], "a" * 500, config, MARKS, suffix_first)
    assert found.n_prompt_tokens + len(found.token_ids) <= T


def test_a_tiny_context_has_no_room():
    model = build_model(GPTConfig(context_length=8, n_layers=1, d_model=8, n_heads=1), 260, 0)
    with pytest.raises(RecipeError, match="no room for a gap"):
        fill_gap(model, BYTES, [""], "a", GenerateConfig(), MARKS)
