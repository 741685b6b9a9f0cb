"""What a recurrent state reads: nothing ahead, nothing across documents, the same in pieces as at once."""

import pytest
import torch

from idiolect.models import recurrent
from idiolect.models.contract import Cache
from idiolect.models.segments import document_segments
from tests.models.recurrent_settings import RECURRENT, V, build_recurrent
from tests.models.toys import draw_tokens

T = 12
CLOSE = dict(atol=2e-5, rtol=1e-5)
DOCUMENTS = torch.tensor([[0] * 5 + [1] * 4 + [2] * 3])


def influence(name, document_BT=None, cache=None):
    """TT: how much the output at t moves with the embedding at s; exact zeros mean no path."""
    model = build_recurrent(name).eval()
    caught = []

    def catch(module, inputs, output):
        output.retain_grad()
        caught.append(output)

    model.embed.register_forward_hook(catch)
    logits = model.head(model(draw_tokens(1, T, V), document_BT=document_BT, cache=cache)[0])
    weights, rows = torch.randn(V, generator=torch.Generator().manual_seed(1)), []
    for t in range(T):
        caught[0].grad = None
        (logits[0, t] @ weights).backward(retain_graph=True)
        rows.append(caught[0].grad[:, 0].abs().sum(-1))
    return torch.stack(rows)


def swaps(name, document_BT=None):
    """TT: how much the output at t moves when the token id at s is another."""
    model = build_recurrent(name).eval()
    tokens = draw_tokens(1, T, V)
    with torch.no_grad():
        logits = model.head(model(tokens, document_BT=document_BT)[0])
        columns = []
        for s in range(T):
            other = tokens.clone()
            other[0, s] = (other[0, s] + 1) % V
            columns.append((model.head(model(other, document_BT=document_BT)[0]) - logits)[0].abs().sum(-1))
    return torch.stack(columns, dim=1)


@pytest.mark.parametrize("name", RECURRENT)
def test_nothing_is_read_from_the_future(name):
    for moved in (influence(name), swaps(name)):
        assert (moved.triu(1) == 0).all() and (moved.diagonal() > 0).all()
        assert (moved[-1, :-1] > 0).any()


@pytest.mark.parametrize("name", RECURRENT)
def test_nothing_crosses_a_masked_document_boundary(name):
    same = DOCUMENTS[0][:, None] == DOCUMENTS[0]
    for moved in (influence(name, DOCUMENTS), swaps(name, DOCUMENTS)):
        assert (moved[~same] == 0).all() and (moved.diagonal() > 0).all()


def test_open_boundaries_are_caught(monkeypatch):
    same = DOCUMENTS[0][:, None] == DOCUMENTS[0]
    assert (influence("lstm")[~same]).sum() > 0
    monkeypatch.setattr(recurrent, "document_segments", lambda document_BT, continues: None)
    assert (influence("lstm", DOCUMENTS)[~same]).sum() > 0


@pytest.mark.parametrize("name", RECURRENT)
def test_each_document_reads_as_if_alone(name):
    """Rows whose boundaries differ, one with none, each against its documents read by themselves."""
    model = build_recurrent(name).eval()
    tokens = draw_tokens(4, T, V)
    lengths = ([5, 4, 3], [12], [1, 1, 10], [11, 1])
    document = torch.stack([torch.repeat_interleave(torch.arange(len(row)), torch.tensor(row)) for row in lengths])
    with torch.no_grad():
        hidden, _ = model(tokens, document_BT=document)
        for row, parts in enumerate(lengths):
            alone = [model(part[None])[0][0] for part in tokens[row].split(parts)]
            torch.testing.assert_close(hidden[row], torch.cat(alone), **CLOSE)


@pytest.mark.parametrize("name", RECURRENT)
def test_gradients_through_segments_equal_those_of_the_documents_alone(name):
    tokens, weights = draw_tokens(2, T, V), torch.randn(2, T, 16, generator=torch.Generator().manual_seed(5))
    whole, apart = build_recurrent(name), build_recurrent(name)
    (whole(tokens, document_BT=DOCUMENTS.repeat(2, 1))[0] * weights).sum().backward()
    for part, weight in zip(tokens.split([5, 4, 3], 1), weights.split([5, 4, 3], 1), strict=True):
        (apart(part)[0] * weight).sum().backward()
    for (label, a), b in zip(whole.named_parameters(), apart.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, msg=label, **CLOSE)


def test_one_document_takes_the_short_way():
    assert document_segments(torch.zeros(3, T, dtype=torch.int64), True) is None
    assert document_segments(torch.ones(3, T, dtype=torch.int64), False) is None
    assert document_segments(torch.ones(3, T, dtype=torch.int64), True) is not None


@pytest.mark.parametrize("name", RECURRENT)
def test_a_state_goes_on_into_its_own_document_only(name):
    """With a cache, document 0 is the one it holds: a window that begins with another forgets the state, exactly."""
    model = build_recurrent(name).eval()
    first, second = draw_tokens(3, T, V), draw_tokens(3, T, V, seed=9)
    document = torch.tensor([[0] * T, [1] * T, [0] * 4 + [1] * 8])
    with torch.no_grad():
        cache = model.new_cache(3)
        model(first, cache)
        hidden, cache = model(second, cache, document)
        joined = model(torch.cat([first, second], 1))[0][:, T:]
        alone = model(second)[0]
        torch.testing.assert_close(hidden[0], joined[0], **CLOSE)
        torch.testing.assert_close(hidden[1], alone[1], **CLOSE)
        torch.testing.assert_close(hidden[2, :4], joined[2, :4], **CLOSE)
        torch.testing.assert_close(hidden[2, 4:], model(second[2:, 4:])[0][0], **CLOSE)
        # And the state that is left goes on from the end of each.
        third = draw_tokens(3, 2, V, seed=11)
        hidden, _ = model(third, cache)
        texts = [
            torch.cat([first[0], second[0], third[0]]),
            torch.cat([second[1], third[1]]),
            torch.cat([second[2, 4:], third[2]]),
        ]
        for row, text in enumerate(texts):
            torch.testing.assert_close(hidden[row], model(text[None])[0][0, -2:], **CLOSE)


@pytest.mark.parametrize("name", RECURRENT)
@pytest.mark.parametrize("pieces", [[1] * 16, [7, 1, 5, 1, 2]], ids=["singly", "pieces"])
def test_cached_equals_uncached(name, pieces):
    model = build_recurrent(name).eval()
    tokens = draw_tokens(3, 16, V)
    with torch.no_grad():
        whole, _ = model(tokens)
        cache, hidden = model.new_cache(3), []
        for piece in tokens.split(pieces, dim=1):
            part, cache = model(piece, cache)
            hidden.append(part)
    torch.testing.assert_close(torch.cat(hidden, 1), whole, **CLOSE)
    assert isinstance(cache, Cache) and cache.lengths().tolist() == [16, 16, 16]


@pytest.mark.parametrize("name", RECURRENT)
def test_rows_of_different_lengths(name):
    model = build_recurrent(name).eval()
    tokens, lengths = draw_tokens(4, 16, V), torch.tensor([3, 9, 6, 0])
    prompt = tokens[:, :9].clone()
    for row, length in enumerate(lengths):
        prompt[row, length:] = 0
    with torch.no_grad():
        whole, _ = model(tokens)
        hidden, cache = model(prompt, model.new_cache(4))
        torch.testing.assert_close(hidden[0, 2], whole[0, 2], **CLOSE)
        cache.set_lengths(lengths)
        cache.set_lengths(lengths)
        for n_new in (1, 3, 1):
            at = cache.lengths()[:, None] + torch.arange(n_new)
            hidden, cache = model(tokens.gather(1, at), cache)
            torch.testing.assert_close(hidden, whole.gather(1, at[..., None].expand(-1, -1, whole.shape[-1])), **CLOSE)
    assert cache.lengths().tolist() == [8, 14, 11, 5]


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn"])
def test_a_second_read_is_cut_from_where_it_began(name):
    model = build_recurrent(name).eval()
    tokens = draw_tokens(2, 12, V)
    with torch.no_grad():
        whole, _ = model(tokens)
        _, cache = model(tokens[:, :4], model.new_cache(2))
        _, cache = model(tokens[:, 4:9], cache)
        cache.set_lengths(torch.tensor([4, 7]))
        hidden, _ = model(torch.stack([tokens[0, 4:5], tokens[1, 7:8]]), cache)
    torch.testing.assert_close(hidden[:, 0], torch.stack([whole[0, 4], whole[1, 7]]), **CLOSE)


def test_what_was_read_earlier_can_not_be_unread():
    model = build_recurrent("lstm").eval()
    with torch.no_grad():
        _, cache = model(draw_tokens(2, 5, V), model.new_cache(2))
        _, cache = model(draw_tokens(2, 1, V), cache)
        with pytest.raises(AssertionError):
            cache.set_lengths(torch.tensor([3, 6]))


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn relu"])
def test_select_repeats_and_reorders_rows(name):
    model = build_recurrent(name).eval()
    tokens = draw_tokens(3, 10, V)
    with torch.no_grad():
        whole, _ = model(tokens)
        _, cache = model(tokens[:, :9], model.new_cache(3))
        rows = torch.tensor([2, 0, 0, 1])
        chosen = cache.select(rows)
        assert chosen.n_rows == 4 and chosen.lengths().tolist() == [9] * 4
        hidden, _ = model(tokens[rows, 9:], chosen)
        torch.testing.assert_close(hidden[:, 0], whole[rows, 9], **CLOSE)
        # The original is untouched by its selection.
        cache.reorder(torch.tensor([1, 2, 0]))
        hidden, _ = model(tokens[[1, 2, 0], 9:], cache)
        torch.testing.assert_close(hidden[:, 0], whole[[1, 2, 0], 9], **CLOSE)


def test_a_row_takes_the_same_memory_whatever_it_has_read():
    model = build_recurrent("lstm wide").eval()
    cache, sizes = model.new_cache(2), set()
    with torch.no_grad():
        for _ in range(40):
            _, cache = model(draw_tokens(2, 1, V), cache)
            sizes.add(sum(h.untyped_storage().nbytes() for state in (*cache.states, *cache._before) for h in state))
    assert len(sizes) == 1 and cache.lengths().tolist() == [40, 40]


def test_a_stale_state_would_be_seen():
    """Negative control: one wrong number in a state changes the output by far more than the tolerance."""
    model = build_recurrent("lstm").eval()
    tokens = draw_tokens(1, 10, V)
    with torch.no_grad():
        whole, _ = model(tokens)
        _, cache = model(tokens[:, :9], model.new_cache(1))
        cache.states[0][1][0, 3] += 1.0
        hidden, _ = model(tokens[:, 9:], cache)
    assert (hidden[0, 0] - whole[0, 9]).abs().max() > 1e-3


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn"])
def test_autocast_is_near_float32_and_keeps_states_in_full(name):
    model = build_recurrent(name)
    tokens = draw_tokens(3, T, V)
    plain, _ = model(tokens)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low, cache = model(tokens, model.new_cache(3))
        loss = model.head(low).float().logsumexp(-1).sum()
    loss.backward()
    torch.testing.assert_close(low.float(), plain, atol=0.03, rtol=0.03)
    assert all(h.dtype == torch.float32 for state in cache.states for h in state)
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())
