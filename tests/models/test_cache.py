"""The cache changes nothing: token by token, in pieces, with rows of different lengths, after selecting rows."""

import pytest
import torch

from idiolect.errors import RecipeError
from idiolect.models.contract import Cache
from tests.models.settings import VARIANTS, V
from tests.models.toys import build_open, draw_tokens

CLOSE = dict(atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("pieces", [[1] * 16, [7, 1, 5, 1, 2]], ids=["singly", "pieces"])
def test_cached_equals_uncached(name, pieces):
    model = build_open(VARIANTS[name], V).eval()
    tokens = draw_tokens(3, 16, V)
    with torch.no_grad():
        whole, _ = model(tokens)
        cache, hidden = model.new_cache(3), []
        for piece in tokens.split(pieces, dim=1):
            part, cache = model(piece, cache)
            hidden.append(part)
    torch.testing.assert_close(torch.cat(hidden, 1), whole, **CLOSE)
    assert isinstance(cache, Cache) and cache.lengths().tolist() == [16, 16, 16]


@pytest.mark.parametrize("name", VARIANTS)
def test_rows_of_different_lengths(name):
    """Prompts padded on the right, lengths set, then decoded together: each row as if alone."""
    model = build_open(VARIANTS[name], V).eval()
    tokens, lengths = draw_tokens(3, 16, V), torch.tensor([3, 9, 6])
    prompt = tokens[:, :9].clone()
    for row, length in enumerate(lengths):
        prompt[row, length:] = 0
    with torch.no_grad():
        whole, _ = model(tokens)
        cache = model.new_cache(3)
        hidden, cache = model(prompt, cache)
        torch.testing.assert_close(hidden[0, 2], whole[0, 2], **CLOSE)
        cache.set_lengths(lengths)
        # One token a row, then three at once: both kinds of continuation.
        for n_new in (1, 3, 1):
            at = cache.lengths()[:, None] + torch.arange(n_new)
            hidden, cache = model(tokens.gather(1, at), cache)
            expected = whole.gather(1, at[..., None].expand(-1, -1, whole.shape[-1]))
            torch.testing.assert_close(hidden, expected, **CLOSE)
    assert cache.lengths().tolist() == [8, 14, 11]


@pytest.mark.parametrize("name", ["default", "n-grams", "sliding and full"])
def test_select_repeats_and_reorders_rows(name):
    model = build_open(VARIANTS[name], V).eval()
    tokens = draw_tokens(3, 10, V)
    with torch.no_grad():
        whole, _ = model(tokens)
        _, cache = model(tokens[:, :9], model.new_cache(3))
        rows = torch.tensor([2, 0, 0, 1])
        chosen = cache.select(rows)
        hidden, _ = model(tokens[rows, 9:], chosen)
        torch.testing.assert_close(hidden[:, 0], whole[rows, 9], **CLOSE)
        # The original is untouched by its selection.
        cache.reorder(torch.tensor([1, 2, 0]))
        hidden, _ = model(tokens[[1, 2, 0], 9:], cache)
        torch.testing.assert_close(hidden[:, 0], whole[[1, 2, 0], 9], **CLOSE)


def test_select_among_rows_of_different_lengths():
    model = build_open(VARIANTS["n-grams"], V).eval()
    tokens = draw_tokens(2, 12, V)
    with torch.no_grad():
        whole, _ = model(tokens)
        _, cache = model(tokens[:, :9], model.new_cache(2))
        cache.set_lengths(torch.tensor([9, 4]))
        one = cache.select(torch.tensor([1]))
        assert one.lengths_B is None and one.length == 4
        hidden, _ = model(tokens[1:, 4:5], one)
        torch.testing.assert_close(hidden[0, 0], whole[1, 4], **CLOSE)


def test_a_stale_cache_row_would_be_seen():
    """Negative control: one wrong key changes the output by far more than the tolerance."""
    model = build_open(VARIANTS["default"], V).eval()
    tokens = draw_tokens(1, 10, V)
    with torch.no_grad():
        whole, _ = model(tokens)
        _, cache = model(tokens[:, :9], model.new_cache(1))
        keys_BGSK, _ = cache.layers[0].held
        keys_BGSK[0, 0, 4] = 1.0
        hidden, _ = model(tokens[:, 9:], cache)
    assert (hidden[0, 0] - whole[0, 9]).abs().max() > 1e-3


@pytest.mark.parametrize("name", ["default", "learned", "sinusoidal"])
def test_more_than_the_context_is_refused(name):
    model = build_open(VARIANTS[name], V).eval()
    with pytest.raises(RecipeError, match="25 tokens don't fit in model.context_length = 24"):
        model(draw_tokens(1, 25, V))
    _, cache = model(draw_tokens(1, 24, V), model.new_cache(1))
    with pytest.raises(RecipeError, match="don't fit"):
        model(draw_tokens(1, 1, V), cache)
    with pytest.raises(RecipeError, match="cache of 8"):
        model(draw_tokens(1, 9, V), model.new_cache(1, capacity=8))
