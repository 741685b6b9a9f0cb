"""The order of samples: a permutation for every n, different for every epoch, the same for ever."""

import numpy as np
import pytest

from idiolect.data.order import permuted, random_number, uniform
from idiolect.mixing import mix

GOLDEN_10 = [2, 1, 8, 4, 3, 9, 0, 7, 5, 6]
GOLDEN_BIG = [9198866, 924041037, 691630367, 792613464, 993978046]
GOLDEN_NUMBERS = [924, 912, 353, 251]
GOLDEN_UNIFORM = [
    [0.4908448357024676, 0.6180620237128802, 0.32823595884165113],
    [0.9859949365659322, 0.2716455944685139, 0.7109824122706055],
]


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 15, 16, 17, 1000, 65_537])
def test_every_index_goes_somewhere_else(n):
    for epoch in range(3):
        assert np.array_equal(np.sort(permuted(np.arange(n), n, 7, epoch)), np.arange(n))


def test_one_by_one_equals_all_at_once():
    whole = permuted(np.arange(1000), 1000, 1, 2)
    assert [int(permuted(np.array([i]), 1000, 1, 2)[0]) for i in range(0, 1000, 37)] == whole[::37].tolist()


def test_golden_order():
    """A resumed run must see the order it was started with, whatever the version of numpy or of this program."""
    assert permuted(np.arange(10), 10, 0, 0).tolist() == GOLDEN_10
    assert permuted(np.arange(5), 1_000_000_007, 42, 3).tolist() == GOLDEN_BIG
    assert [random_number(0, epoch, 1000) for epoch in range(4)] == GOLDEN_NUMBERS


def test_orders_look_random():
    n, epochs = 64, 400
    places = np.array([permuted(np.arange(n), n, 0, epoch) for epoch in range(epochs)])
    # Each index at each place about epochs / n times: chi-square over n * n cells within five deviations.
    counts = np.zeros((n, n))
    for i in range(n):
        counts[i] = np.bincount(places[:, i], minlength=n)
    expected = epochs / n
    chi_square = ((counts - expected) ** 2 / expected).sum()
    freedom = (n - 1) ** 2
    assert abs(chi_square - freedom) < 5 * np.sqrt(2 * freedom)
    # Neighbours stay neighbours no more often than chance: 2 / n.
    adjacent = (np.abs(np.diff(places, axis=1)) == 1).mean()
    assert abs(adjacent - 2 / n) < 0.01
    # Epochs are unrelated: the same place twice with chance 1 / n.
    assert abs((places[1:] == places[:-1]).mean() - 1 / n) < 0.005


def test_golden_uniform_numbers():
    assert uniform(0, np.arange(2), 3).tolist() == GOLDEN_UNIFORM
    assert uniform(7, np.array([12_345_678_901]), 2).tolist() == [[0.6629279819428925, 0.11363201227598074]]
    assert uniform(0, np.arange(3), 0).shape == (3, 0) and uniform(0, np.arange(0), 3).shape == (0, 3)


def test_uniform_numbers_equal_the_whole_number_arithmetic_of_mix():
    seed, sample, place = 11, 2**40 + 3, 5
    state = mix(sample ^ mix(mix(seed) ^ 0x5A5A))
    assert uniform(seed, np.array([sample]), 6)[0, place] == (mix(state + place * 0x9E3779B97F4A7C15) >> 11) / 2**53


def test_uniform_numbers_do_not_depend_on_how_a_batch_is_cut():
    whole = uniform(5, np.arange(100, 200), 40)
    parts = [uniform(5, np.arange(a, b), 40) for a, b in ((100, 101), (101, 150), (150, 200))]
    assert np.array_equal(np.concatenate(parts), whole)
    assert np.array_equal(uniform(5, np.array([170, 120]), 9), whole[[70, 20], :9])


def test_uniform_numbers_are_uniform_and_unrelated():
    u = uniform(3, np.arange(2000), 500)
    assert u.min() >= 0 and u.max() < 1
    n = u.size
    counts = np.bincount((u * 1000).astype(int).ravel(), minlength=1000)
    chi_square = ((counts - n / 1000) ** 2 / (n / 1000)).sum()
    assert abs(chi_square - 999) < 5 * np.sqrt(2 * 999)
    # Neighbouring places, neighbouring samples, and the same ones of another seed: no correlation (5 / sqrt(n)).
    for a, b in ((u[:, :-1], u[:, 1:]), (u[:-1], u[1:]), (u, uniform(4, np.arange(2000), 500))):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 5 / np.sqrt(n)
    # No row is another row shifted: all numbers differ.
    assert len(np.unique(u)) == n
