"""The order of samples: a permutation for every n, different for every epoch, the same for ever."""

import numpy as np
import pytest

from idiolect.data.order import permuted, random_number

GOLDEN_10 = [2, 1, 8, 4, 3, 9, 0, 7, 5, 6]
GOLDEN_BIG = [9198866, 924041037, 691630367, 792613464, 993978046]
GOLDEN_NUMBERS = [924, 912, 353, 251]


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
