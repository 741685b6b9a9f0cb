"""Whose turn it is: shares kept at every moment, quotas and passes to the window, and a pure function of the index."""

import tracemalloc

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as some

from idiolect.data.shares import Portion, Shares
from idiolect.data.turns import Turns

weights = some.floats(1e-4, 100)


@some.composite
def runs(draw):
    """Portions of which the first may always go on, the length of the run, and how much of it anneals."""
    total = draw(some.integers(1, 2000))
    portions = [Portion(draw(weights), draw(weights))]
    for _ in range(draw(some.integers(0, 7))):
        first, last = draw(weights), draw(weights)
        if draw(some.booleans()):
            portions.append(Portion(quota=draw(some.integers(1, max(1, total // 10)))))
        else:
            last = first if draw(some.booleans()) else last
            most = draw(some.one_of(some.just(np.inf), some.integers(1, total)))
            portions.append(Portion(first, last, most=most))
    return Shares(portions, total, draw(some.floats(0.05, 1)))


def worst(shares, turns):
    """The most windows that any source is ever ahead of its share or behind it."""
    after = np.arange(1, shares.total + 1)
    sources, numbers = turns.at(after - 1)
    off = []
    for source in range(len(shares.portions)):
        mine = sources == source
        assert np.array_equal(numbers[mine], np.arange(mine.sum())), "a window of a source came twice, or never"
        off.append(np.abs(np.cumsum(mine) - shares.due(after, source)).max())
    return max(off)


@settings(max_examples=150, deadline=None)
@given(runs())
def test_shares_hold_within_a_window_at_any_time(shares):
    assert not shares.short
    turns = Turns(shares)
    assert worst(shares, turns) < 1
    given = turns.counts(shares.total)
    assert given.sum() == shares.total
    for portion, n in zip(shares.portions, given.tolist(), strict=True):
        assert n <= portion.limit
        assert portion.quota is None or shares.quotas_met < 1 or n == portion.quota
    assert all(given[source] == shares.portions[source].most for source in shares.used_up)


@settings(max_examples=60, deadline=None)
@given(runs())
def test_where_spans_meet_none_is_two_windows_off(shares):
    turns = Turns(shares, span=32)
    assert worst(shares, turns) < 2
    for at in {0, 1, 31, 32, 33, shares.total}:
        assert turns.counts(at).tolist() == np.bincount(
            turns.at(np.arange(at))[0], minlength=len(shares.portions)
        ).tolist()  # fmt: skip


def test_chance_would_not_keep_them():
    """The control: sources drawn at random drift off by tens of windows."""
    shares = Shares([Portion(1, 1), Portion(3, 3)], 20_000)

    class Drawn:
        def at(self, window_B):
            source_B = (np.random.default_rng(0).random(len(window_B)) < 0.75).astype(int)
            return source_B, np.where(source_B, np.cumsum(source_B), np.cumsum(1 - source_B)) - 1

    assert worst(shares, Drawn()) > 20
    assert worst(shares, Turns(shares)) < 1


def test_shares_are_what_was_asked_for():
    turns = Turns(Shares([Portion(2, 2), Portion(1, 1), Portion(1, 1)], 1000))
    assert turns.counts(1000).tolist() == [500, 250, 250]
    # Evenly: no stretch of four windows has anything but two, one and one.
    assert {tuple(np.bincount(turns.at(np.arange(i, i + 4))[0], minlength=3)) for i in range(0, 1000, 4)} == {(2, 1, 1)}


def test_a_used_up_source_leaves_its_share_to_the_others():
    shares = Shares([Portion(1, 1, most=100), Portion(1, 1), Portion(2, 2)], 1000)
    turns = Turns(shares)
    assert shares.used_up == {0: 400}
    assert turns.counts(400).tolist() == [100, 100, 200]
    assert turns.counts(1000).tolist() == [100, 300, 600]
    assert not (turns.at(np.arange(400, 1000))[0] == 0).any()


def test_quotas_are_spread_evenly_and_met_exactly():
    turns = Turns(Shares([Portion(quota=37), Portion(quota=300, most=110), Portion(1, 1)], 1000))
    assert turns.counts(1000).tolist() == [37, 110, 853]
    assert np.abs(turns.counts(500) - [18.5, 55, 426.5]).max() < 1


def test_annealing_moves_shares_in_a_straight_line():
    turns = Turns(Shares([Portion(3, 1), Portion(1, 3), Portion(0, 0.0001)], 10_000, anneal_fraction=0.2))
    shares = [(turns.counts(end) - turns.counts(end - 400)) / 400 for end in (4000, 8000, 9200, 10_000)]
    assert np.allclose([share[0] for share in shares], [0.75, 0.75, 0.5, 0.25], atol=0.06)
    assert turns.counts(8000)[2] == 0


def test_limits_below_the_run_are_known_beforehand():
    assert Shares([Portion(1, 1, most=10), Portion(1, 1, most=20)], 100).short == 70
    assert Shares([Portion(quota=10), Portion(1, 1, most=20)], 100).short == 70
    assert Shares([Portion(quota=10), Portion(1, 1)], 100).short == 0
    cut = Shares([Portion(quota=300), Portion(quota=100)], 100)
    assert cut.quotas_met == 0.25 and Turns(cut).counts(100).tolist() == [75, 25]


def test_turns_do_not_depend_on_what_was_asked_before():
    shares = Shares([Portion(w, 5 - w) for w in (1, 2.5, 4)], 5000, 0.3)
    turns, order = Turns(shares, span=256), np.random.default_rng(1).permutation(5000)
    sources, numbers = turns.at(np.arange(5000))
    again_sources, again_numbers = Turns(shares, span=256).at(order)
    assert np.array_equal(again_sources, sources[order]) and np.array_equal(again_numbers, numbers[order])


def test_a_billion_windows_are_computed_not_stored():
    position = 999_999_990
    tracemalloc.start()
    turns = Turns(Shares([Portion(7, 1), Portion(2, 4, most=10**8), Portion(quota=12_345)], 10**9, 0.1))
    turns.at(np.arange(position, position + 8))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6
    assert turns.counts(10**9)[2] == 12_345
