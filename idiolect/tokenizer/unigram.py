"""Train a Unigram vocabulary (Kudo 2018, arXiv 1804.10959): the same words always give the same pieces.

Why our own: the library's trainer sums in the order of a hash table, so two runs on one text disagree, and it took
143 s where this takes seconds. Every word occurs once in all arrays, weighted by its count:

    letters_M    all words' bytes in a row                      t h e | c a t
    an edge      a piece at a place: (start node, end node, piece); nodes stand before, between and after letters
    pieces       numbered by length, then by their letters; the single letters come first and are never dropped

Start at `train_unigram`: seed, then expectation-maximisation and pruning in turn, until few enough are left.
"""

from dataclasses import dataclass

import numpy as np

_LONGEST_PIECE = 16
_LONGEST_WORD = 64
_SEEDS_PER_PIECE = 10  # sentencepiece starts from a million; ten times the final size changes little and costs less
_KEPT_A_ROUND = 0.75
_LEAST_EXPECTED = 0.5


@dataclass(frozen=True)
class _Lattice:
    """All ways to cut all words into the current pieces; edges are sorted by place of end in the word, then by end."""

    start_E: np.ndarray
    end_E: np.ndarray
    piece_E: np.ndarray
    word_E: np.ndarray
    first_W: np.ndarray  # node before each word's first letter
    last_W: np.ndarray
    count_W: np.ndarray
    depth_E: np.ndarray  # place of the edge's start in its word
    height_E: np.ndarray  # place of the edge's end in its word


def train_unigram(
    counts: dict[str, int], letters: tuple[str, ...], size: int, least_count: int
) -> list[tuple[str, float]]:
    """Pieces and their log probabilities, best first; `counts` are words in byte letters, `letters` always stay."""
    number = {letter: i for i, letter in enumerate(letters)}
    words = sorted(
        (bytes(number[letter] for letter in word[i : i + _LONGEST_WORD]), n)
        for word, n in counts.items()
        for i in range(0, len(word), _LONGEST_WORD)
    )
    table_MN, place_P, length_P, count_P = _seed(words, least_count, max(size * _SEEDS_PER_PIECE, 20_000))
    lattice = _build_lattice(words, table_MN)
    score_P = np.log(count_P) - np.log(count_P.sum())
    kept_P = np.ones(len(score_P), bool)
    # Ends a little above the wanted size, so that the last choice is by probability, as in sentencepiece.
    enough = max(int(size * 1.1), 256)
    while True:
        for _ in range(2):
            expected_P = _expected_counts(lattice, score_P)
            kept_P &= (expected_P >= _LEAST_EXPECTED) | (length_P == 1)
            score_P = _scores(np.where(kept_P, np.maximum(expected_P, _LEAST_EXPECTED), 0.0))
            lattice = _without(lattice, kept_P)
        if kept_P.sum() <= enough:
            break
        goal = max(enough, int(_KEPT_A_ROUND * kept_P.sum()))
        kept_P = _prune(table_MN, place_P, length_P, score_P, expected_P, kept_P, goal)
        score_P = np.where(kept_P, score_P, -np.inf)
        lattice = _without(lattice, kept_P)
    row = b"".join(word for word, _ in words)
    spelled = lambda p: "".join(letters[b] for b in row[place_P[p] : place_P[p] + length_P[p]])  # noqa: E731
    return _final({spelled(p): float(score_P[p]) for p in np.flatnonzero(kept_P)}, letters, size)


def _final(found: dict[str, float], letters: tuple[str, ...], size: int) -> list[tuple[str, float]]:
    """The letters and the best other pieces. Scores are rounded: their last digits depend on the processor."""
    least = min(found.values(), default=0.0)
    kept = {letter: round(found.get(letter, least - 1.0), 6) for letter in letters}
    others = sorted((-round(score, 6), piece) for piece, score in found.items() if piece not in kept)
    kept.update({piece: -cost for cost, piece in others[: size - len(kept)]})
    return sorted(kept.items(), key=lambda entry: (-entry[1], entry[0]))


def _seed(words: list[tuple[bytes, int]], least_count: int, n_seeds: int):
    """Frequent substrings: their number at each place and length (-1: none), and place, length, count of each."""
    letters_M = np.frombuffer(b"".join(word for word, _ in words), np.uint8).astype(np.int64)
    left_M = np.concatenate([np.arange(len(word), 0, -1) for word, _ in words])  # letters from here to the word's end
    weight_M = np.repeat([n for _, n in words], [len(word) for word, _ in words]).astype(np.float64)
    found, places_N = [], []
    at_M, rank = np.arange(len(letters_M)), np.zeros(len(letters_M), np.int64)
    for length in range(1, _LONGEST_PIECE + 1):
        inside = left_M[at_M] >= length
        at_M, rank = at_M[inside], rank[inside]
        key = rank * 256 + letters_M[at_M + length - 1]
        _, first, rank = np.unique(key, return_index=True, return_inverse=True)
        count = np.bincount(rank, weight_M[at_M], len(first))
        frequent = count >= (least_count if length > 1 else 0)
        found.append((at_M[first[frequent]], np.full(frequent.sum(), length), count[frequent]))
        # What is rare can't be part of anything frequent: its places are done with.
        stays = frequent[rank]
        rank = (np.cumsum(frequent) - 1)[rank[stays]]
        at_M = at_M[stays]
        places_N.append((at_M, rank))
    place_P, length_P, count_P = (np.concatenate(column) for column in zip(*found, strict=True))
    worth = np.where(length_P == 1, np.inf, count_P * length_P)
    chosen = np.sort(np.argsort(-worth, kind="stable")[:n_seeds])
    number = np.full(len(worth), -1, np.int32)
    number[chosen] = np.arange(len(chosen))
    table_MN = np.full((len(letters_M), _LONGEST_PIECE), -1, np.int32)
    before = 0
    for n, (at_M, rank) in enumerate(places_N):
        table_MN[at_M, n] = number[before + rank]
        before += len(found[n][0])
    return table_MN, place_P[chosen], length_P[chosen], count_P[chosen]


def _build_lattice(words: list[tuple[bytes, int]], table_MN: np.ndarray) -> _Lattice:
    lengths_W = np.array([len(word) for word, _ in words])
    letter_W = np.cumsum(lengths_W) - lengths_W
    word_M = np.repeat(np.arange(len(words)), lengths_W)
    place_E, n_E = np.nonzero(table_MN >= 0)
    word_E = word_M[place_E]
    start_E = place_E + word_E  # a word of n letters has n + 1 nodes
    end_E = start_E + n_E + 1
    first_W = letter_W + np.arange(len(words))
    order = np.lexsort((end_E, end_E - first_W[word_E]))
    start_E, end_E, word_E = start_E[order], end_E[order], word_E[order]
    return _Lattice(
        start_E,
        end_E,
        table_MN[place_E, n_E][order],
        word_E,
        first_W,
        first_W + lengths_W,
        np.array([float(n) for _, n in words]),
        start_E - first_W[word_E],
        end_E - first_W[word_E],
    )


def _without(lattice: _Lattice, kept_P: np.ndarray) -> _Lattice:
    kept_E = kept_P[lattice.piece_E]
    edges = {n: getattr(lattice, n)[kept_E] for n in ("start_E", "end_E", "piece_E", "word_E", "depth_E", "height_E")}
    return _Lattice(**edges, first_W=lattice.first_W, last_W=lattice.last_W, count_W=lattice.count_W)


def _expected_counts(lattice: _Lattice, score_P: np.ndarray) -> np.ndarray:
    """How often each piece is used, over all cuts of all words by their probability (forward and backward sums)."""
    score_E = score_P[lattice.piece_E]
    n_nodes = int(lattice.last_W[-1]) + 1
    forward, backward = np.full(n_nodes, -np.inf), np.full(n_nodes, -np.inf)
    forward[lattice.first_W], backward[lattice.last_W] = 0.0, 0.0
    for a, b in _runs(lattice.height_E):
        _add_up(forward, lattice.end_E[a:b], forward[lattice.start_E[a:b]] + score_E[a:b])
    order = np.lexsort((lattice.start_E, -lattice.depth_E))
    start_E, end_E, back_score_E = lattice.start_E[order], lattice.end_E[order], score_E[order]
    for a, b in _runs(lattice.depth_E[order]):
        _add_up(backward, start_E[a:b], backward[end_E[a:b]] + back_score_E[a:b])
    whole_E = forward[lattice.last_W][lattice.word_E]
    share_E = np.exp(forward[lattice.start_E] + score_E + backward[lattice.end_E] - whole_E)
    return np.bincount(lattice.piece_E, share_E * lattice.count_W[lattice.word_E], len(score_P))


def _runs(sorted_E: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(sorted_E)) + 1
    return list(zip([0, *edges.tolist()], [*edges.tolist(), len(sorted_E)], strict=True))


def _add_up(total: np.ndarray, node_E: np.ndarray, value_E: np.ndarray) -> None:
    """Log of the sum of exp(values), for each node; equal nodes are neighbours."""
    first = np.flatnonzero(np.r_[True, node_E[1:] != node_E[:-1]])
    total[node_E[first]] = np.logaddexp.reduceat(value_E, first)


def _scores(expected_P: np.ndarray) -> np.ndarray:
    """Log probabilities under a sparse prior: digamma in place of the logarithm, as in sentencepiece."""
    with np.errstate(divide="ignore"):
        return np.where(expected_P > 0, _digamma(np.maximum(expected_P, 1e-9)), -np.inf) - _digamma(expected_P.sum())


def _digamma(x):
    """Abramowitz and Stegun 6.3.5 and 6.3.18: step up to 7, then the asymptotic series."""
    result = 0.0
    for _ in range(7):
        result = result - 1.0 / x
        x = x + 1.0
    inverse = 1.0 / (x * x)
    return result + np.log(x) - 0.5 / x - inverse * (1 / 12 - inverse * (1 / 120 - inverse / 252))


def _prune(table_MN, place_P, length_P, score_P, expected_P, kept_P, goal: int) -> np.ndarray:
    """Keep the `goal` pieces whose loss would cost the text most: use times (own score - best cut without it)."""
    candidates = np.flatnonzero(kept_P & (length_P > 1))
    place, length = place_P[candidates], length_P[candidates]
    best = np.full((len(candidates), _LONGEST_PIECE + 1), -np.inf)
    best[:, 0] = 0.0
    score_or_none = np.append(np.where(kept_P, score_P, -np.inf), -np.inf)  # -1, no piece, finds the last
    for end in range(1, _LONGEST_PIECE + 1):
        rows = np.flatnonzero(length >= end)
        for start in range(end):
            score = score_or_none[table_MN[place[rows] + start, end - start - 1]]
            if start == 0:
                score = np.where(length[rows] == end, -np.inf, score)
            best[rows, end] = np.maximum(best[rows, end], best[rows, start] + score)
    cost = expected_P[candidates] * (score_P[candidates] - best[np.arange(len(candidates)), length])
    chosen = candidates[np.argsort(-cost, kind="stable")[: max(0, goal - int((length_P == 1).sum()))]]
    kept = length_P == 1
    kept[chosen] = True
    return kept
