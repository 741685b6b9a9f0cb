"""Rows picked by the last ids: which ones, where they are added, and that nobody else needs to know."""

import pytest
import torch
import torch.nn.functional as F

from idiolect.errors import RecipeError
from idiolect.models.build import build_model
from idiolect.models.config import GPTConfig
from idiolect.models.ngram_tables import NgramTables, look_back
from tests.models.settings import OPEN, SMALL, VARIANTS, V
from tests.models.toys import build_open, draw_tokens


def test_ngram_rows_are_spread_and_know_places():
    """Every pair of 65 ids, as a character model has: far fewer collisions than pairs, no row crowded."""
    # One row short of a row for each, so that rows are hashed.
    table = NgramTables((2,), 66**2 - 1, 65, 1)
    table.tables["2"] = torch.nn.Embedding(65_536, 1)
    pairs = torch.cartesian_prod(torch.arange(65), torch.arange(65))
    rows = table.rows([pairs[:, 1:], pairs[:, :1]], 2).flatten()
    assert 0 <= rows.min() and rows.max() < 65_536
    # A random function of 4,225 pairs would fill 4,092 rows.
    assert len(rows.unique()) == pytest.approx(4092, abs=40)
    assert rows.bincount().max() <= 5
    swapped = table.rows([pairs[:, :1], pairs[:, 1:]], 2).flatten()
    assert (rows == swapped).sum() < 75


def test_ngrams_are_looked_up_as_written():
    config = GPTConfig(**OPEN, ngram_orders=(3,), ngram_buckets=101)
    model = build_open(config, V)
    tokens = torch.tensor([[4, 5, 6, 4, 5, 6]])
    history = look_back(3, V, tokens, None, torch.arange(6)[None], None)
    assert [place[0].tolist() for place in history] == [[4, 5, 6, 4, 5, 6], [V, 4, 5, 6, 4, 5], [V, V, 4, 5, 6, 4]]
    rows = model.ngrams.rows(history, 3)[0]
    assert rows[2] == rows[5] and len(rows[:5].unique()) > 3
    fresh = look_back(3, V, tokens, None, torch.arange(6)[None], torch.tensor([[0, 0, 0, 1, 1, 1]]))
    assert fresh[1][0].tolist() == [V, 4, 5, V, 4, 5]


def test_where_every_ngram_has_a_row_none_is_shared():
    table = NgramTables((1, 2), 65_536, 65, 1)
    assert [t.num_embeddings for t in table.tables.values()] == [66, 66**2]
    # 65 is the place before the start of a text.
    pairs = torch.cartesian_prod(torch.arange(66), torch.arange(66))
    rows = table.rows([pairs[:, 1:], pairs[:, :1]], 2).flatten()
    assert sorted(rows.tolist()) == list(range(66**2))
    assert table.rows([pairs[:, 1:]], 1).flatten().tolist() == pairs[:, 1].tolist()


@pytest.mark.parametrize("name", ["n-grams", "n-gram head", "n-gram head and input"])
def test_ngram_gradients_are_sparse(name):
    model = build_open(VARIANTS[name], V)
    model.head(model(draw_tokens(1, 6, V))[0]).square().sum().backward()
    found = {key: p.grad for key, p in model.named_parameters() if ".tables." in key}
    assert found and all(g.is_sparse and 0 < g.coalesce().indices().numel() <= 6 for g in found.values())


@pytest.mark.parametrize("cap", [0.0, 3.0])
def test_the_head_is_its_matrix_for_who_knows_only_that(cap):
    model = build_open(GPTConfig(**OPEN, ngram_head_orders=(1, 3), ngram_head_buckets=97, logit_softcap=cap), V)
    hidden = model(draw_tokens(2, 8, V))[0]
    assert hidden.shape[-1] == model.head_weight.shape[1] == 32 + V
    logits = F.linear(hidden, model.head_weight)
    torch.testing.assert_close(model.head(hidden), cap * torch.tanh(logits / cap) if cap else logits)


def test_logits_gain_the_rows_of_their_ngrams():
    plain, tabled = (build_model(GPTConfig(**OPEN, ngram_head_orders=orders), V, 0).eval() for orders in ((), (1, 2)))
    tokens = torch.tensor([[3, 4, 3, 4]])
    before = tabled.head(tabled(tokens)[0])
    torch.testing.assert_close(before, plain.head(plain(tokens)[0]))
    with torch.no_grad():
        tabled.to_logits.tables["1"].weight[4, 7] = 2.0
        tabled.to_logits.tables["2"].weight[4 + 3 * (V + 1), 7] = 0.5
        moved = tabled.head(tabled(tokens)[0]) - before
    expected = torch.zeros(1, 4, V)
    expected[0, [1, 3], 7] = 2.5
    torch.testing.assert_close(moved, expected)


def test_tables_too_large_for_a_vocabulary_are_refused():
    config = GPTConfig(**SMALL, ngram_head_orders=(1, 2, 3))
    with pytest.raises(RecipeError, match=r"tables of 4.3 GB") as caught:
        build_model(config, 8192, 0)
    assert "--model.ngram_head_buckets=16384" in caught.value.fix
    assert build_model(config.model_copy(update=dict(ngram_head_buckets=64)), 8192, 0) is not None
    with pytest.raises(RecipeError) as caught:
        build_model(config, 200_000, 0)
    assert "ngram_head_buckets" not in caught.value.fix and "--model.ngram_orders" in caught.value.fix
