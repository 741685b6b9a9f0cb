"""Fill in the middle: rows against a slow rearrangement, every token once, nothing but a function of the sample."""

from collections import Counter

import numpy as np
import pytest
import torch

from idiolect.data.config import FillInTheMiddleObjective
from idiolect.data.objectives import build_objective
from idiolect.data.objectives.fill_in_the_middle import _cuts
from idiolect.data.order import uniform
from idiolect.data.windows import Windows
from idiolect.errors import RecipeError
from tests.data.token_rows import END, random_texts, split_of

V, SEED = 300, 11
PRE, SUF, MID = V, V + 1, V + 2


def build(T=40, share=0.7, suffix_first=0.5, boundaries="open", seed=SEED):
    config = FillInTheMiddleObjective(share=share, suffix_first=suffix_first)
    return build_objective(
        config, context_length=T, vocabulary_size=V, end_id=END, boundaries=boundaries, seed=seed, tokenizer=None
    )


def rows_of(batch):
    """Each row whole, with which of its tokens count as targets (the first is only read)."""
    whole = torch.cat([batch.tokens_BT, batch.targets_BT[:, -1:]], 1)
    return zip(whole.tolist(), [[False, *row] for row in batch.loss_mask_BT.tolist()], strict=True)


def put_back(row, scored):
    """The window's tokens from a row, read as a person would; and how its pieces were written."""
    out, kinds, at = [row[0]], [], 1
    last = max(i for i, counts in enumerate(scored) if counts)
    while at <= last:
        if row[at] != PRE:
            out.append(row[at])
            at += 1
            continue
        end = next(i for i in range(at, len(row)) if row[i] == END)
        body, at = row[at + 1 : end], end + 1
        middle_at, suffix_at = body.index(MID), body.index(SUF)
        if suffix_at == 0:
            kinds.append("SPM")
            # Where prefix and middle meet can't be seen, nor need it.
            out += body[middle_at + 1 :] + body[1:middle_at]
        else:
            kinds.append("PSM")
            out += body[:suffix_at] + body[middle_at + 1 :] + body[suffix_at + 1 : middle_at]
        out.append(END)
    return out, kinds


def windows_of(objective, n, seed=0):
    random = np.random.default_rng(seed)
    ids = random.integers(1, 200, (n, objective.window))
    ids[random.random(ids.shape) < 0.06] = END
    return torch.from_numpy(ids)


@pytest.mark.parametrize("suffix_first", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("T", [8, 40, 150])
def test_every_token_of_the_window_stands_in_the_row_once_and_can_be_put_back(T, suffix_first):
    objective = build(T, suffix_first=suffix_first)
    assert (objective.window, objective.stride) == (T - 3 * max(1, T // 64), T - 3 * max(1, T // 64) - 1)
    windows = windows_of(objective, 200)
    batch, seen = objective.batch(windows, np.arange(200)), Counter()
    assert batch.tokens_BT.shape == (200, T) and torch.equal(batch.tokens_BT[:, 1:], batch.targets_BT[:, :-1])
    for window, (row, scored) in zip(windows.tolist(), rows_of(batch), strict=True):
        found, kinds = put_back(row, scored)
        added = len(found) - len(window)
        assert found[: len(window)] == window and found[len(window) :] == [END] * added
        assert added in (0, 1) and (not added or window[-1] != END)
        counted = Counter(token for token, counts in zip(row, scored, strict=True) if counts)
        assert counted == Counter(window[1:] + [END] * added) and not set(counted) & {PRE, SUF, MID}
        assert len(kinds) <= objective.most_pieces and row.count(PRE) == row.count(SUF) == row.count(MID) == len(kinds)
        seen.update(kinds)
    # Without a prefix the two are written alike.
    assert (seen["PSM"] > 0) == (suffix_first < 1) and seen["SPM"] > 0


def slow(window, draws, share, suffix_first):
    """One window by hand, for rows with one piece at most to rearrange."""
    pieces, row = [[]], [window[0]]
    for token in window[1:]:
        pieces[-1].append(token)
        if token == END:
            pieces.append([])
    best = None
    for number, piece in enumerate(pieces):
        content = [token for token in piece if token != END]
        chance = draws[4 * number]
        if chance < share and len(content) >= 2 and (best is None or chance < draws[4 * best]):
            best = number
    for number, piece in enumerate(pieces):
        if number != best:
            row += piece
            continue
        content = [token for token in piece if token != END]
        one = int(draws[4 * number + 1] * (len(content) + 1))
        other = int(draws[4 * number + 2] * len(content))
        other += other >= one
        a, b = sorted((one, other))
        before, middle, after = content[:a], content[a:b], content[b:]
        if draws[4 * number + 3] < suffix_first:
            row += [PRE, SUF, *after, MID, *before, *middle, END]
        else:
            row += [PRE, *before, SUF, *after, MID, *middle, END]
    return row


def test_rows_equal_a_rearrangement_by_hand():
    objective = build(40)
    windows = windows_of(objective, 100)
    for number, (row, _) in enumerate(rows_of(objective.batch(windows, np.arange(100)))):
        window = windows[number].tolist()
        draws = uniform(SEED, np.array([number]), 4 * 40)[0]
        want = slow(window, draws, 0.7, 0.5)
        assert row == want + [END] * (len(row) - len(want))


def test_a_sample_is_a_function_of_seed_and_index_alone():
    objective = build(40)
    windows = windows_of(objective, 50)
    whole = objective.batch(windows, np.arange(50))
    for first, last in ((0, 7), (7, 8), (8, 50)):
        part = objective.batch(windows[first:last], np.arange(first, last))
        assert torch.equal(part.tokens_BT, whole.tokens_BT[first:last])
        assert torch.equal(part.loss_mask_BT, whole.loss_mask_BT[first:last])
    other = build(40, seed=12).batch(windows, np.arange(50))
    assert not torch.equal(other.tokens_BT, whole.tokens_BT)
    assert not torch.equal(objective.batch(windows, np.arange(50, 100)).tokens_BT, whole.tokens_BT)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_share_is_the_share(share):
    objective = build(256, share=share)
    windows = windows_of(objective, 400)
    windows[windows == END] = 5
    batch = objective.batch(windows, np.arange(400))
    assert (batch.tokens_BT == PRE).float().sum().item() / 400 == pytest.approx(share, abs=0.06)
    if not share:
        assert torch.equal(batch.tokens_BT[:, : objective.window], windows)


def test_cuts_are_equally_likely_and_never_at_one_place():
    draws = uniform(1, np.arange(60_000), 2)
    a, b = _cuts(np.full((60_000, 1), 4), draws[:, :1], draws[:, 1:])
    counts = Counter(zip(a[:, 0].tolist(), b[:, 0].tolist(), strict=True))
    assert set(counts) == {(i, j) for i in range(5) for j in range(i + 1, 5)}
    assert all(count == pytest.approx(6000, rel=0.06) for count in counts.values())


def test_masked_boundaries_open_a_document_at_each_end_token():
    objective = build(40, boundaries="masked")
    windows = windows_of(objective, 50)
    batch = objective.batch(windows, np.arange(50))
    assert torch.equal(batch.document_BT, (batch.tokens_BT == END).cumsum(1))
    assert build(40).batch(windows, np.arange(50)).document_BT is None


def test_an_epoch_has_every_token_of_the_split_as_a_target_once(tmp_path):
    split = split_of(tmp_path, random_texts(60))
    objective = build(40)
    windows = Windows(split, objective, seed=3)
    batch, wanted = windows.batch(0, windows.n_samples), Counter(split.ids().tolist())
    counted = Counter(batch.targets_BT[batch.loss_mask_BT].tolist())
    left = split.n_tokens - windows.n_samples * objective.stride
    added = sum(counted.values()) - windows.n_samples * objective.stride
    assert 0 < added <= windows.n_samples
    counted[END] -= added
    assert not counted - wanted and sum((wanted - counted).values()) == left < objective.stride


def test_a_tiny_context_is_refused():
    with pytest.raises(RecipeError, match="too short"):
        build(7)
