"""Kneser-Ney: against a dictionary implementation written from the equations, against published figures, and in sum."""

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from idiolect.errors import DataError, RecipeError
from idiolect.models import kneser_ney
from idiolect.models.kneser_ney import KneserNey
from idiolect.models.ngram_counts import NGramCounts

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
SHAKESPEARE = SHARED / "char-lm" / "tinyshakespeare.txt"
WIKITEXT = SHARED / "wikitext-2"


class SlowKneserNey:
    """Interpolated Kneser-Ney with dictionaries and recursion, one token at a time."""

    def __init__(self, ids, vocabulary_size, order, modified):
        ids, self.V, self.order = [int(i) for i in ids], vocabulary_size, order
        self.tables = []
        for k in range(1, order + 1):
            grams = Counter(tuple(ids[i : i + k]) for i in range(len(ids) - k + 1))
            if k < order:
                longer = {tuple(ids[i : i + k + 1]) for i in range(len(ids) - k)}
                grams = Counter(gram[1:] for gram in longer)
            self.tables.append((grams, self.discounts(grams, modified), self.totals(grams)))

    @staticmethod
    def discounts(grams, modified):
        n = [sum(1 for c in grams.values() if c == j) for j in range(5)]
        if 0 in n[1 : 5 if modified else 2]:
            return [0, 0.5, 1.0, 1.5] if modified else [0, 0.5, 0.5, 0.5]
        y = n[1] / (n[1] + 2 * n[2])
        if not modified:
            return [0, y, y, y]
        return [0, 1 - 2 * y * n[2] / n[1], 2 - 3 * y * n[3] / n[2], 3 - 4 * y * n[4] / n[3]]

    @staticmethod
    def totals(grams):
        followers = defaultdict(list)
        for gram, count in grams.items():
            followers[gram[:-1]].append(count)
        return followers

    def p(self, context, token, k):
        if k == 0:
            return 1 / self.V
        lower = self.p(context[1:], token, k - 1)
        grams, discount, followers = self.tables[k - 1]
        if k - 1 > len(context) or context not in followers:
            return lower
        counts = followers[context]
        count, total = grams.get((*context, token), 0), sum(counts)
        left = sum(discount[min(c, 3)] for c in counts) / total
        return (count - discount[min(count, 3)]) / total + left * lower

    def nats(self, ids):
        ids = tuple(int(i) for i in ids)
        out = []
        for i, token in enumerate(ids):
            out.append(-np.log(self.p(ids[max(0, i - self.order + 1) : i], token, min(self.order, i + 1))))
        return np.array(out)


def text_like_ids(n, vocabulary_size, seed):
    """Zipfian ids with a first-order habit, so that counts of counts look like text's."""
    random = np.random.default_rng(seed)
    zipf = 1 / np.arange(1, vocabulary_size + 1)
    ids = random.choice(vocabulary_size, size=n, p=zipf / zipf.sum())
    ids[1::2] = (ids[0::2][: len(ids[1::2])] * 7 + random.integers(0, 3, len(ids[1::2]))) % vocabulary_size
    return ids


@pytest.mark.parametrize("modified", [False, True])
@pytest.mark.parametrize("order", [2, 3, 5])
def test_equals_a_dictionary_implementation(order, modified):
    train, held_out = text_like_ids(20_000, 400, seed=1), text_like_ids(500, 400, seed=2)
    train[:order] = [399, 398, 397, 396, 395][:order]  # a start no one else has: its prefix continues nothing
    fast = KneserNey.fit(train, 400, order, modified)
    slow = SlowKneserNey(train, 400, order, modified)
    assert fast.discounts["raw"][-1] not in [kneser_ney.FALLBACK_DISCOUNTS, (0.5, 0.5, 0.5)]  # a real estimate
    np.testing.assert_allclose(fast.nats(held_out)[order:], slow.nats(held_out)[order:], rtol=2e-6)


def test_the_start_of_a_text_is_read_with_a_short_history():
    train, held_out = text_like_ids(5000, 60, seed=3), text_like_ids(40, 60, seed=4)
    trigram = KneserNey.fit(train, 60, 3)
    for i in range(5):
        p_V = trigram.probabilities(held_out[:i])
        assert trigram.nats(held_out)[i] == pytest.approx(-np.log(p_V[held_out[i]]), rel=1e-6)


@pytest.mark.parametrize("modified", [False, True])
def test_probabilities_sum_to_one_over_the_full_vocabulary(modified):
    train = text_like_ids(8000, 300, seed=5)
    model = KneserNey.fit(train, 300, 4, modified)
    random = np.random.default_rng(6)
    seen = [train[i : i + 3] for i in random.integers(0, 7900, 40)]
    never_seen = list(random.integers(0, 300, (40, 3)))
    for order in (1, 2, 3, 4):
        for context in [*seen, *never_seen, [], [5]]:
            p_V = model.probabilities(context, order=order)
            assert p_V.min() > 0
            assert p_V.sum() == pytest.approx(1, abs=1e-6)


def test_nats_agree_with_the_full_distribution():
    train, held_out = text_like_ids(4000, 80, seed=7), text_like_ids(60, 80, seed=8)
    model = KneserNey.fit(train, 80, 4, modified=True)
    expected = [-np.log(model.probabilities(held_out[:i])[token]) for i, token in enumerate(held_out)]
    np.testing.assert_allclose(model.nats(held_out), expected, rtol=1e-6)


def test_chunks_and_given_context_change_nothing(monkeypatch):
    train, held_out = text_like_ids(4000, 80, seed=9), text_like_ids(301, 80, seed=10)
    model = KneserNey.fit(train, 80, 4)
    whole = model.nats(held_out)
    monkeypatch.setattr(kneser_ney, "SCORE_CHUNK", 7)
    np.testing.assert_array_equal(model.nats(held_out), whole)
    np.testing.assert_array_equal(model.nats(held_out[100:], context=held_out[:100]), whole[100:])
    assert not np.array_equal(model.nats(held_out[100:]), whole[100:])  # without the context the start costs more


def test_several_orders_at_once_equal_each_alone():
    train, held_out = text_like_ids(4000, 80, seed=11), text_like_ids(300, 80, seed=12)
    together = KneserNey.fit(train, 80, 5).nats_of_orders(held_out, (1, 3, 5))
    for order, nats in together.items():
        np.testing.assert_array_equal(nats, KneserNey.fit(train, 80, order).nats(held_out))


def test_large_ids_and_small_types_are_no_trap():
    """uint16 shards must not overflow, nor 200,000 ids at order 6 (a naive key would need 106 bits)."""
    train = text_like_ids(3000, 65_000, seed=13)
    held_out = train[:200]
    small = KneserNey.fit(train.astype(np.uint16), 65_000, 3).nats(held_out.astype(np.uint16))
    np.testing.assert_array_equal(small, KneserNey.fit(train, 65_000, 3).nats(held_out))
    spread = KneserNey.fit(train * 3, 200_000, 6)
    slow = SlowKneserNey(train * 3, 200_000, 6, modified=False)
    np.testing.assert_allclose(spread.nats(held_out * 3)[6:], slow.nats(held_out * 3)[6:], rtol=2e-6)


def test_a_text_without_rare_tokens_still_gives_every_id_some_probability():
    model = KneserNey.fit(np.tile([0, 1, 2], 100), 5, 3, modified=True)
    p_V = model.probabilities([0, 1])
    assert p_V.min() > 0 and p_V.sum() == pytest.approx(1, abs=1e-6) and p_V.argmax() == 2


def test_bad_requests_are_named():
    with pytest.raises(RecipeError, match="order = 0"):
        NGramCounts([1, 2], 5, 0)
    with pytest.raises(DataError, match="2 training tokens"):
        NGramCounts([1, 2], 5, 3)
    with pytest.raises(DataError, match="vocabulary of 5"):
        NGramCounts([1, 7], 5, 1)
    with pytest.raises(DataError, match="vocabulary of 5"):
        KneserNey.fit([1, 2, 3], 5, 2).nats([9])
    with pytest.raises(RecipeError, match="order 4"):
        KneserNey.fit([1, 2, 3], 5, 2).nats([1], order=4)


@pytest.mark.skipif(not SHAKESPEARE.exists(), reason="the shared data is not here")
def test_tiny_shakespeare_characters_reproduce_the_published_figures():
    text = SHAKESPEARE.read_text()
    _, ids = np.unique(np.frombuffer(text.encode("ascii"), np.uint8), return_inverse=True)
    train, held_out = ids[:1_003_854], ids[1_003_854:]
    nats = KneserNey.fit(train, 65, 8).nats_of_orders(held_out, range(3, 9))
    published = {3: 2.045, 4: 1.729, 5: 1.579, 6: 1.558, 7: 1.565, 8: 1.574}
    assert {order: round(float(values.mean()), 3) for order, values in nats.items()} == published


@pytest.mark.slow
@pytest.mark.skipif(not WIKITEXT.exists(), reason="the shared data is not here")
def test_wikitext_2_words_reproduce_the_published_perplexities():
    words = {
        name: [
            word
            for line in (WIKITEXT / f"{name}.txt").read_text(encoding="utf-8").split("\n")[:-1]
            for word in [*line.split(), "<eos>"]
        ]
        for name in ("train", "valid")
    }
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys(words["train"]))}
    train, held_out = (np.array([vocabulary[word] for word in words[name]]) for name in ("train", "valid"))
    nats = KneserNey.fit(train, len(vocabulary), 5).nats_of_orders(held_out, (1, 2, 3, 5))
    perplexity = {order: float(np.exp(values.mean())) for order, values in nats.items()}
    assert perplexity == pytest.approx({1: 965.1, 2: 288.8, 3: 247.0, 5: 238.9}, abs=0.1)
