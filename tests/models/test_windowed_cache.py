"""Layers that see a window keep no more than it, and nobody can tell: around its boundary, windows on, rows mixed."""

import pytest
import torch

from idiolect.models import cache_layers
from idiolect.models.config import GPTConfig
from tests.models.settings import OPEN, V
from tests.models.toys import build_open, draw_tokens

CLOSE = dict(atol=2e-5, rtol=1e-5)
W, LENGTH = 5, 40
LONG = OPEN | dict(context_length=LENGTH)
STACKS = {
    "sliding": GPTConfig(**LONG, sliding_window=W),
    "sliding and full": GPTConfig(**LONG, sliding_window=W, window_pattern="SLS", n_kv_heads=2),
    "learned, n-grams": GPTConfig(**LONG, sliding_window=W, positions="learned", ngram_orders=(3,), ngram_buckets=97),
    "one token": GPTConfig(**LONG, sliding_window=1, window_pattern="SL"),
}
SPLITS = [[n, *[1] * 6, 9] for n in (1, W - 1, W, W + 1, 2 * W, 3 * W + 2)] + [[3, 3, 3, 7, 2, 1, 12, 1], [1] * LENGTH]


@pytest.fixture(params=STACKS)
def model(request):
    return build_open(STACKS[request.param], V).eval()


@pytest.mark.parametrize("pieces", SPLITS, ids=str)
def test_cached_equals_uncached_around_the_boundary(model, pieces):
    tokens = draw_tokens(2, sum(pieces), V)
    assert off_by(model, tokens, pieces) < 2e-5


def off_by(model, tokens, pieces) -> float:
    """The most that reading in pieces differs from reading at once."""
    with torch.no_grad():
        cache, hidden = model.new_cache(len(tokens)), []
        for piece in tokens.split(pieces, dim=1):
            part, cache = model(piece, cache)
            hidden.append(part)
        return (torch.cat(hidden, 1) - model(tokens)[0]).abs().max().item()


@pytest.mark.parametrize("lengths", [(1, 14, 5, 6), (4, 5, 6, 7), (2, 3, 1, 4), (9, 10, 14, 11)], ids=str)
def test_padded_prompts_longer_and_shorter_than_the_window(model, lengths):
    """Rows go on each from its own length, alone and in company, are picked, repeated, and cut a second time."""
    tokens, lengths_B = draw_tokens(4, LENGTH, V), torch.tensor(lengths)
    with torch.no_grad():
        whole, _ = model(tokens)
        prompt = tokens[:, : max(lengths)].clone()
        prompt[torch.arange(prompt.shape[1]) >= lengths_B[:, None]] = 0
        _, cache = model(prompt, model.new_cache(4))
        cache.set_lengths(lengths_B)
        rows = torch.arange(4)
        for n_new, picked in [
            (1, [0, 1, 2, 3]),
            (1, [3, 1, 1, 0]),
            (3, [0, 1, 2, 3]),
            (1, [2, 0]),
            (1, [0, 1]),
            (7, [1]),
        ]:
            cache, rows = cache.select(torch.tensor(picked)), rows[picked]
            at = cache.lengths()[:, None] + torch.arange(n_new)
            hidden, cache = model(tokens[rows].gather(1, at), cache)
            torch.testing.assert_close(hidden, whole[rows[:, None], at], **CLOSE)
            # Half of what was read is taken back and read again.
            cache.set_lengths(cache.lengths() - n_new // 2)
            at = at[:, n_new - n_new // 2 :]
            if at.numel():
                hidden, cache = model(tokens[rows].gather(1, at), cache)
                torch.testing.assert_close(hidden, whole[rows[:, None], at], **CLOSE)


def test_one_token_is_taken_back_from_a_full_ring(model):
    tokens = draw_tokens(2, 12, V)
    with torch.no_grad():
        whole, _ = model(tokens)
        _, cache = model(tokens[:, :9], model.new_cache(2))
        for n_new in (1, 2):
            model((tokens[:, 9:10] + 1) % V, cache)
            cache.set_lengths(torch.tensor([9, 9]))
            hidden, _ = model(tokens[:, 9 : 9 + n_new], cache)
            torch.testing.assert_close(hidden, whole[:, 9 : 9 + n_new], **CLOSE)
            cache.set_lengths(torch.tensor([9, 9]))


def test_what_has_left_the_window_can_not_be_taken_back():
    cache = build_open(STACKS["sliding"], V).eval().new_cache(1)
    model = build_open(STACKS["sliding"], V).eval()
    with torch.no_grad():
        model(draw_tokens(1, 1, V), model(draw_tokens(1, 9, V), cache)[1])
    with pytest.raises(AssertionError):
        cache.set_lengths(torch.tensor([8]))
    cache.set_lengths(torch.tensor([9]))


def test_memory_is_bounded_by_the_window():
    config = GPTConfig(**LONG | dict(context_length=4096), sliding_window=W, window_pattern="SSL")
    model = build_open(config, V).eval()

    def held(n_tokens: int) -> list[int]:
        """Numbers that each layer holds after reading so many tokens, and one more."""
        with torch.no_grad():
            _, cache = model(draw_tokens(1, n_tokens, V), model.new_cache(1))
            cache.set_lengths(cache.lengths())
            _, cache = model(draw_tokens(1, 1, V), cache)
        assert all(getattr(layer, "waiting", None) is None for layer in cache.layers)
        return [sum(x.untyped_storage().nbytes() for x in layer.held) // x_bytes(layer) for layer in cache.layers]

    def x_bytes(layer) -> int:
        return layer.held[0].element_size() * 2 * config.d_model

    assert held(50) == held(500) == [W, W, 4096]


@pytest.mark.parametrize("wrong", [W - 1, W + 1])
def test_a_ring_of_another_size_is_caught(wrong, monkeypatch):
    """Negative control: keeping one token less or more than the window changes what is read."""
    model = build_open(STACKS["sliding"], V).eval()
    tokens = draw_tokens(2, 16, V)
    assert off_by(model, tokens, [1] * 16) < 2e-5
    usual = cache_layers.LastPositions
    monkeypatch.setattr("idiolect.models.cache.LastPositions", lambda shape, _, like: usual(shape, wrong, like))
    assert off_by(model, tokens, [1] * 16) > 1e-3


def test_padding_that_pushes_out_is_caught(monkeypatch):
    """Negative control: a ring into which padding went at once has lost what shorter rows still need."""
    model = build_open(STACKS["sliding"], V).eval()
    tokens = draw_tokens(2, 15, V)

    def cut(settle_first: bool) -> float:
        with torch.no_grad():
            _, cache = model(tokens[:, :14], model.new_cache(2))
            if settle_first:
                for layer in cache.layers:
                    layer.settle(torch.zeros(2, dtype=torch.int64), cache.lengths())
            cache.set_lengths(torch.tensor([9, 14]))
            hidden, _ = model(tokens[[0, 1], [9, 14]][:, None], cache)
            whole, _ = model(tokens)
        return (hidden[0, 0] - whole[0, 9]).abs().max().item()

    assert cut(False) < 2e-5 and cut(True) > 1e-3
