"""How much of a text its commonest n-gram fills, and how much is runs of words that came before.

Equal n-grams are found by sorting their hashes with their places in the low bits: one sort of integers tells groups,
their order and where they are. What remains is done only for n-grams that come twice.
"""

from dataclasses import dataclass

import numpy as np

from idiolect.corpus.filters.tokens import Tokens

# Odd numbers by which a word's hash is multiplied according to its place, and a text's number to keep texts apart.
PLACES = [np.uint64(x) for x in (0xD6E8FEB86659FD93, 0xA0761D6478BD642F, 0xE7037ED1A0B428DB, 0x8EBC6AF09C88C6E3)]
WINDOW = 16
MIX = np.uint64(0xFF51AFD7ED558CCD)


@dataclass(frozen=True)
class Groups:
    """n-grams that occur more than once in a text: `places` group after group, in order; where each group starts."""

    places: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray


def _groups(keys: np.ndarray, at: np.ndarray, owner: np.ndarray) -> Groups:
    """The groups of equal keys within one text. `keys` stand at the tokens `at`, which rise."""
    mixed = _mixed(keys, owner)
    twice = np.flatnonzero(_perhaps_twice(mixed))
    mixed, at = mixed[twice], at[twice]
    bits = np.uint64(max(len(at) - 1, 1).bit_length())
    order = (mixed >> bits << bits) | np.arange(len(at), dtype=np.uint64)
    order.sort()
    heads = order >> bits
    same = heads[1:] == heads[:-1]
    if not same.any():
        empty = np.zeros(0, np.int64)
        return Groups(empty, empty, empty)
    bounds = np.concatenate(([0], np.flatnonzero(~same) + 1, [len(order)]))
    sizes = np.diff(bounds)
    several = sizes > 1
    members = np.repeat(several, sizes)
    places = at[(order[members] & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)]
    sizes = sizes[several]
    return Groups(places, np.concatenate(([0], np.cumsum(sizes)[:-1])), sizes)


def _mixed(keys: np.ndarray, owner: np.ndarray) -> np.ndarray:
    """The keys made different for each text, with every bit worth as much as any other."""
    mixed = (keys + owner.astype(np.uint64) * PLACES[3]) * MIX
    mixed ^= mixed >> np.uint64(32)
    return mixed * MIX


def _perhaps_twice(mixed: np.ndarray) -> np.ndarray:
    """True for every key that comes twice and for few others: a table of who came last, a third of a sort's time."""
    bits = len(mixed).bit_length() + 2
    slots = (mixed >> np.uint64(64 - bits)).astype(np.int64)
    here = np.arange(len(mixed), dtype=np.int32)
    last = np.empty(1 << bits, np.int32)
    last[slots] = here
    clash = np.zeros(1 << bits, bool)
    clash[slots[last[slots] != here]] = True
    return clash[slots]


def top_characters(tokens: Tokens, up_to: int = 4) -> dict[int, np.ndarray]:
    """For n = 2 ... up_to: the characters of each text's commonest n-gram times its count; the first, if several are.

    0 for texts of fewer than n words. An n-gram can only repeat where its first and its last n - 1 words do, so fewer
    and fewer places are looked at.
    """
    result = {}
    repeated = np.ones(tokens.n, bool)
    for n in range(2, up_to + 1):
        at = np.flatnonzero(repeated[:-1] & repeated[1:])
        at = at[at + n <= tokens.first[1:][tokens.owner[at]]]
        keys = sum(tokens.hashes[at + i] * PLACES[i] for i in range(n))
        groups = _groups(keys, at, tokens.owner[at])
        repeated[:] = False
        repeated[groups.places] = True
        result[n] = _largest(tokens, n, groups)
    return result


def _largest(tokens: Tokens, n: int, groups: Groups) -> np.ndarray:
    place = tokens.first[:-1].copy()
    size = np.ones(len(place), np.int64)
    heads = groups.places[groups.starts]
    owner = tokens.owner[heads]
    np.maximum.at(size, owner, groups.sizes)
    largest = groups.sizes == size[owner]
    place[owner[largest]] = tokens.n
    np.minimum.at(place, owner[largest], heads[largest])
    enough = tokens.counts >= n
    place = place[enough]
    characters = np.zeros(len(size), np.int64)
    characters[enough] = (tokens.compact[place + n] - tokens.compact[place] + n - 1) * size[enough]
    return characters


def repeatable(tokens: Tokens) -> np.ndarray:
    """Whether the WINDOW characters from each token on come twice in its text; the one look that all runs share."""
    room = tokens.compact[tokens.first[1:]][tokens.owner] - tokens.compact[:-1]
    long = np.flatnonzero(room >= WINDOW)
    twice = np.zeros(tokens.n, bool)
    twice[long[_perhaps_twice(_mixed(tokens.spans(long, WINDOW), tokens.owner[long]))]] = True
    return twice


def repeated_share(tokens: Tokens, twice: np.ndarray, n: int, limit: float) -> np.ndarray:
    """The share of each text's characters that are runs of n words that came before in it; NaN: under half the limit.

    Runs are compared as written without spaces and counted from left to right without overlap, as in
    datatrove/pipeline/filters/gopher_repetition_filter.py, find_all_duplicate. A run that comes twice is shorter than
    WINDOW or begins `twice` (see `repeatable`), and most texts are cleared by what their repeated runs cover at most;
    only the others are walked through: those that may fail, and those near enough to be shown as having just passed.
    """
    whole = max(tokens.n - n + 1, 0)
    short = tokens.compact[n:][:whole] - tokens.compact[:whole] < WINDOW
    at = np.flatnonzero(twice[:whole] | short)
    at = at[at + n <= tokens.first[1:][tokens.owner[at]]]
    groups = _groups(tokens.runs(at, n), at, tokens.owner[at])
    again = np.ones(len(groups.places), bool)
    again[groups.starts] = False
    later = np.sort(groups.places[again])
    begins, ends = tokens.compact[later], tokens.compact[later + n]
    gained = ends - np.maximum(begins, np.concatenate(([0], ends[:-1])))
    covered = np.bincount(tokens.owner[later], gained, len(tokens.counts))
    shares = np.full(len(covered), np.nan)
    near = np.flatnonzero(covered > limit / 2 * tokens.lengths)
    if len(near):
        group = np.repeat(np.arange(len(groups.sizes)), groups.sizes)
        order = np.argsort(groups.places)
        places, group = groups.places[order], group[order]
        for text in near:
            some = slice(*np.searchsorted(places, tokens.first[text : text + 2]))
            characters = _walk(places[some].tolist(), group[some].tolist(), n, tokens.compact)
            shares[text] = characters / tokens.lengths[text]
    return shares


def _walk(places: list[int], group: list[int], n: int, compact: np.ndarray) -> int:
    seen: set[int] = set()
    free = characters = 0
    for place, run in zip(places, group, strict=True):
        if place < free:
            continue
        if run in seen:
            characters += int(compact[place + n] - compact[place])
            free = place + n
        else:
            seen.add(run)
    return characters
