"""Floors against the n-gram model itself, and what happens to small, huge and empty splits."""

import math

import numpy as np
import pytest

from idiolect.errors import DataError, RecipeError
from idiolect.evaluate.config import EvaluateConfig, FloorsConfig
from idiolect.evaluate.floors import Floors, floors, spread_ids
from idiolect.models.kneser_ney import KneserNey
from tests.evaluate.toys import MemorySplit


def habit(n, seed, vocabulary_size=40):
    """Ids in which every token strongly suggests the next two."""
    random = np.random.default_rng(seed)
    ids = random.integers(0, vocabulary_size, n)
    for i in range(2, n):
        if random.random() < 0.7:
            ids[i] = (3 * ids[i - 1] + ids[i - 2]) % vocabulary_size
    return ids


def test_figures_are_the_models_own():
    train, held_out = habit(5000, 0), habit(700, 1)
    found = floors(train, held_out, 40, n_bytes=2100)
    for order, name in [(1, "unigram"), (3, "kneser_ney_3"), (5, "kneser_ney_5")]:
        nats = KneserNey.fit(train, 40, order, modified=True).nats(held_out)
        assert found[name]["nats"] == pytest.approx(nats.mean(), rel=1e-9)
        assert found[name]["bits_per_byte"] == pytest.approx(nats.sum() / math.log(2) / 2100, rel=1e-9)
    assert found["uniform"]["nats"] == pytest.approx(math.log(40))
    assert found["uniform"]["nats"] > found["unigram"]["nats"] > found["kneser_ney_3"]["nats"]
    assert found["about"]["best"] == "kneser_ney_3" and found["kneser_ney_3"]["best"] and not found["unigram"]["best"]
    assert found["about"]["note"] == "n-grams counted on all 5,000 training tokens"


def test_shards_and_arrays_give_the_same_floors():
    train, held_out = habit(3000, 2), habit(300, 3)
    shards = [MemorySplit(ids.astype(np.uint16), np.array([0]), 900) for ids in (train, held_out)]
    assert floors(*shards, 40, 900) == floors(train, held_out, 40, 900)


def test_one_count_serves_two_splits_and_pairs_with_a_model():
    counted = Floors(habit(3000, 4), 40, FloorsConfig(orders=(2,), modified=False))
    for seed in (5, 6):
        held_out = habit(200, seed)
        nats = counted.nats(held_out)
        assert set(nats) == {"unigram", "kneser_ney_2"}
        assert counted.of(held_out, 200)["kneser_ney_2"]["nats"] == nats["kneser_ney_2"].mean()
    assert counted.of(held_out, 200)["kneser_ney_2"]["label"] == "Kneser-Ney 2-gram"


def test_a_cap_is_spread_over_the_text_and_said():
    ids = np.arange(1000)
    kept = spread_ids(ids, 130)
    assert len(kept) == len(set(kept)) == 130 and kept[0] == 0 and kept[-1] >= 995
    found = floors(habit(5000, 7), habit(300, 8), 40, 300, FloorsConfig(train_tokens=1000))
    assert found["about"]["train_tokens_counted"] == 1000
    assert found["about"]["note"] == "n-grams counted on 1,000 of 5,000 training tokens"


def test_a_text_shorter_than_the_order_keeps_the_floors_it_can_have():
    found = floors(np.array([1, 2, 1]), np.array([1, 2]), 5, 2)
    assert set(found) == {"uniform", "unigram", "kneser_ney_3", "about"}


def test_no_orders_leaves_uniform_and_unigram():
    assert set(floors(habit(100, 9), habit(50, 10), 40, 50, FloorsConfig(orders=()))) == {"uniform", "unigram", "about"}


def test_nothing_held_out_is_named():
    with pytest.raises(DataError, match="no held-out text"):
        floors(habit(100, 11), np.array([], int), 40, 0)


def test_impossible_orders_are_named():
    with pytest.raises(RecipeError, match="orders"):
        FloorsConfig(orders=(3, 3))
    with pytest.raises(RecipeError, match="orders"):
        FloorsConfig(orders=(1,))
    assert EvaluateConfig().floors.orders == (3, 4, 5)
