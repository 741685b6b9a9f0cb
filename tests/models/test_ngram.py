"""The n-gram family behind the contract: its logits are Kneser-Ney's, cached and uncached, saved and loaded."""

import numpy as np
import pytest
import torch

from idiolect.errors import RecipeError, ResourceError
from idiolect.models import ngram
from idiolect.models.build import build_model
from idiolect.models.config import NGramConfig

V = 11


def drawn(n: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    ids = [0]
    for _ in range(n - 1):
        ids.append(int((ids[-1] * 3 + generator.integers(0, 4)) % V))
    return np.array(ids)


@pytest.fixture(params=[(1, True), (2, False), (4, True)], ids=str)
def model(request):
    order, modified = request.param
    built = build_model(NGramConfig(order=order, modified=modified), V, seed=0)
    built.fit(drawn(400))
    return built


def log_p(model, tokens) -> torch.Tensor:
    return model.head(model(torch.as_tensor(tokens))[0])


def test_logits_are_the_nats_of_the_floor(model):
    held = drawn(60, seed=1)
    expected = model.kneser_ney.nats(held)
    logits_TV = log_p(model, held[None])[0]
    got = -logits_TV[torch.arange(59), torch.from_numpy(held[1:])]
    np.testing.assert_allclose(got.numpy(), expected[1:], rtol=1e-5)


def test_rows_of_logits_are_distributions(model):
    torch.testing.assert_close(log_p(model, drawn(50, seed=2)[None]).exp().sum(-1), torch.ones(1, 50))


def test_each_row_is_that_of_the_single_look_up(model):
    held = drawn(30, seed=3)
    logits_TV = log_p(model, held[None])[0]
    for t in range(30):
        np.testing.assert_allclose(
            logits_TV[t].exp().numpy(), model.kneser_ney.probabilities(held[: t + 1]), rtol=1e-5, atol=1e-7
        )


def test_cached_equals_uncached_with_rows_of_unequal_length(model):
    rows, lengths = np.stack([drawn(20, seed) for seed in (4, 5, 6)]), torch.tensor([3, 9, 6])
    cache = model.new_cache(3)
    model(torch.from_numpy(rows[:, :9]), cache)
    cache.set_lengths(lengths)
    cache = cache.select(torch.tensor([2, 0, 1]))
    rows, lengths = rows[[2, 0, 1]], lengths[[2, 0, 1]]
    for _ in range(8):
        new = torch.from_numpy(rows[np.arange(3), lengths.numpy()])[:, None]
        hidden, cache = model(new, cache)
        lengths = lengths + 1
        for row in range(3):
            whole = log_p(model, rows[row : row + 1, : lengths[row]])[0, -1]
            torch.testing.assert_close(model.head(hidden)[row, 0], whole)
    assert cache.lengths().tolist() == lengths.tolist()


def test_nothing_is_read_from_the_future_nor_across_documents(model):
    tokens, document = torch.from_numpy(drawn(12, seed=7))[None], torch.tensor([[0] * 5 + [1] * 7])
    before = model.head(model(tokens, document_BT=document)[0])
    other = tokens.clone()
    other[0, 4] = (other[0, 4] + 1) % V
    moved = (model.head(model(other, document_BT=document)[0]) - before)[0].abs().sum(-1)
    assert (moved[:4] == 0).all() and (moved[5:] == 0).all()
    alone = log_p(model, tokens[:, 5:])
    torch.testing.assert_close(before[:, 5:], alone)


def test_open_boundaries_do_read_across():
    model = build_model(NGramConfig(order=3), V, seed=0)
    model.fit(drawn(400))
    tokens = torch.from_numpy(drawn(12, seed=7))[None]
    assert not torch.equal(log_p(model, tokens)[:, 5:], log_p(model, tokens[:, 5:]))


def test_counts_are_saved_and_loaded(model):
    again = build_model(model.config, V, seed=1)
    again.load_state_dict({name: tensor.clone() for name, tensor in model.state_dict().items()})
    held = drawn(40, seed=8)[None]
    assert torch.equal(log_p(again, held), log_p(model, held)) and again.n_entries == model.n_entries


def test_before_counting_it_says_what_to_do():
    with pytest.raises(RecipeError, match="counted nothing"):
        build_model(NGramConfig(), V, seed=0).head(torch.zeros(1, 4, dtype=torch.int64))


def test_too_much_text_is_refused_before_it_is_counted(monkeypatch):
    monkeypatch.setattr(ngram.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 1000}))
    with pytest.raises(ResourceError, match="--model.train_tokens=5"):
        build_model(NGramConfig(), V, seed=0).fit(drawn(400))


def test_prices_without_rows_of_logits_are_the_same(model):
    tokens = torch.from_numpy(drawn(80, seed=9)[None])
    hidden, targets = model(tokens[:, :-1])[0][0], tokens[0, 1:]
    nats_N, right_N = model.price(hidden, targets)
    logits_NV = model.head(hidden)
    torch.testing.assert_close(nats_N.float(), -logits_NV.gather(1, targets[:, None])[:, 0])
    best = logits_NV.exp().max(-1).values
    assert torch.allclose(logits_NV.exp()[right_N].gather(1, targets[right_N, None])[:, 0], best[right_N])
    wrong = logits_NV.exp()[~right_N].gather(1, targets[~right_N, None])[:, 0]
    assert (wrong <= best[~right_N] + 1e-7).all() and 0 < right_N.sum() < len(right_N)
