"""What convolutional and linear-recurrent models promise alike: no leak, a cache that changes nothing, true counts."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from idiolect.models import convolutional, linear_recurrent
from idiolect.models.build import build_model
from idiolect.models.contract import Cache, Model
from idiolect.models.measure import flops_per_token, parameters
from idiolect.models.pieces import count_pieces
from idiolect.optim.build import build_optimiser
from idiolect.optim.config import MuonConfig, OptimConfig
from idiolect.optim.groups import assign_groups, fused_rows
from tests.models.carried_settings import CNN, VARIANTS, V
from tests.models.test_causality import T, influence, swaps
from tests.models.test_golden import losses
from tests.models.toys import build_open, draw_tokens

CLOSE = dict(atol=2e-5, rtol=1e-5)
EACH = pytest.mark.parametrize("name", VARIANTS)
PLAIN = pytest.mark.parametrize("name", ["cnn, dilated", "mamba2"])
GOLDEN = {
    "cnn": [4.224802, 4.049744, 3.881229, 3.719749],
    "cnn, dilated": [4.246417, 4.073958, 3.911001, 3.757483],
    "cnn, bottleneck": [4.251386, 3.947822, 3.769591, 3.63765],
    "cnn, as in the paper": [3.723405, 3.709803, 3.696795, 3.684299],
    "mamba2": [4.088452, 3.576069, 3.206882, 2.894039],
    "mamba2, biases": [4.42322, 3.884885, 3.631542, 3.485815],
    "mamba2, gated": [4.171319, 3.368825, 2.850814, 2.430022],
}


def field_of(name: str) -> int:
    """How far back a model reads for certain; a decay may let what is older vanish."""
    return getattr(VARIANTS[name], "receptive_field", 5)


@EACH
def test_nothing_is_read_from_the_future(name):
    for moved in (influence(VARIANTS[name]), swaps(VARIANTS[name])):
        assert (moved.triu(1) == 0).all()
        assert (moved.diagonal() > 0).all()


@EACH
def test_all_of_the_past_in_reach_is_read_and_no_more(name):
    back = torch.arange(T)[:, None] - torch.arange(T)
    moved = swaps(VARIANTS[name])
    assert VARIANTS[name].kind == "mamba2" or (moved[back >= field_of(name)] == 0).all()
    if name != "cnn, one dilation":  # it reads every fifth position
        assert (moved[(back >= 0) & (back < field_of(name))] > 0).all()


@EACH
def test_nothing_crosses_a_document_boundary(name):
    # A number that returns is another document: 0 1 0 are three.
    documents = [0] * 5 + [1] * 2 + [0] * 1 + [2] * 4
    pieces = torch.tensor([0] * 5 + [1] * 2 + [2] * 1 + [3] * 4)
    for moved in (influence(VARIANTS[name], documents), swaps(VARIANTS[name], documents)):
        assert (moved[pieces[:, None] != pieces] == 0).all()
        assert (moved.diagonal() > 0).all()


@EACH
def test_a_packed_document_is_as_if_alone(name):
    model = build_open(VARIANTS[name], V).eval()
    tokens, document = draw_tokens(2, 16, V), torch.tensor([[0] * 16, [0] * 6 + [1] * 3 + [2] * 7])
    hidden, _ = model(tokens, document_BT=document)
    for row, start, stop in ((0, 0, 16), (1, 0, 6), (1, 6, 9), (1, 9, 16)):
        alone, _ = model(tokens[row : row + 1, start:stop])
        torch.testing.assert_close(hidden[row, start:stop], alone[0], **CLOSE)


@EACH
@pytest.mark.parametrize("pieces", [[1] * 16, [7, 1, 5, 1, 2]], ids=["singly", "pieces"])
def test_cached_equals_uncached(name, pieces):
    model = build_open(VARIANTS[name], V).eval()
    tokens, hidden, cache = draw_tokens(3, 16, V), [], model.new_cache(3)
    assert isinstance(model, Model) and model.unbounded
    with torch.no_grad():
        whole, _ = model(tokens)
        for piece in tokens.split(pieces, dim=1):
            hidden.append(model(piece, cache)[0])
    torch.testing.assert_close(torch.cat(hidden, 1), whole, **CLOSE)
    assert isinstance(cache, Cache) and cache.lengths().tolist() == [16, 16, 16] and cache.n_rows == 3


@EACH
def test_rows_of_different_lengths(name):
    """Prompts padded on the right, lengths set, then decoded together: each row as if alone; a row may be empty."""
    model = build_open(VARIANTS[name], V).eval()
    tokens, lengths = draw_tokens(4, 16, V), torch.tensor([3, 9, 6, 0])
    prompt = tokens[:, :9].where(torch.arange(9) < lengths[:, None], 0)
    with torch.no_grad():
        whole, _ = model(tokens)
        _, cache = model(prompt, model.new_cache(4))
        cache.set_lengths(lengths)
        for n_new in (1, 3, 1):
            at = cache.lengths()[:, None] + torch.arange(n_new)
            hidden, cache = model(tokens.gather(1, at), cache)
            torch.testing.assert_close(hidden, whole.gather(1, at[..., None].expand(-1, -1, whole.shape[-1])), **CLOSE)
        # A prompt that goes on after what is held may be padded, too.
        before = cache.lengths()
        model(tokens[:, :4], cache)
        cache.set_lengths(before)
        at = before[:, None]
        hidden, _ = model(tokens.gather(1, at), cache)
        torch.testing.assert_close(hidden, whole.gather(1, at[..., None].expand(-1, -1, whole.shape[-1])), **CLOSE)


@PLAIN
def test_select_repeats_and_reorders_rows(name):
    model = build_open(VARIANTS[name], V).eval()
    tokens = draw_tokens(3, 10, V)
    with torch.no_grad():
        whole, _ = model(tokens)
        _, cache = model(tokens[:, :9], model.new_cache(3))
        rows = torch.tensor([2, 0, 0, 1])
        chosen = cache.select(rows)
        hidden, _ = model(tokens[rows, 9:], chosen)
        torch.testing.assert_close(hidden[:, 0], whole[rows, 9], **CLOSE)
        assert chosen.lengths().tolist() == [10] * 4 and cache.lengths().tolist() == [9] * 3
        cache.reorder(torch.tensor([1, 2, 0]))
        hidden, _ = model(tokens[[1, 2, 0], 9:], cache)
        torch.testing.assert_close(hidden[:, 0], whole[[1, 2, 0], 9], **CLOSE)


@PLAIN
def test_a_cache_is_of_one_size_and_reads_beyond_the_context(name):
    model = build_open(VARIANTS[name], V).eval()
    tokens, cache = draw_tokens(1, 3 * model.context_length, V), model.new_cache(1, capacity=8)

    def n_numbers():
        held = [layer if isinstance(layer, convolutional.History) else layer.history for layer in cache.layers]
        states = [layer.state_BHKR for layer in cache.layers if hasattr(layer, "state_BHKR")]
        return sum(x.numel() for x in [h.inputs_BWD for h in held] + states)

    empty = n_numbers()
    with torch.no_grad():
        whole, _ = model(tokens)
        hidden = [model(piece, cache)[0] for piece in tokens.split(5, 1)]
    torch.testing.assert_close(torch.cat(hidden, 1), whole, **CLOSE)
    assert n_numbers() == empty


@EACH
def test_carrying_on_is_reading_on(name):
    """Two windows with a cache give the loss and gradients of one; cut off, only the second window's own."""
    model = build_open(VARIANTS[name], V).double()
    tokens, weight = draw_tokens(2, 12, V), torch.randn(32, generator=torch.Generator().manual_seed(0)).double()

    def gradients(run):
        model.zero_grad()
        (run() @ weight).sum().backward()
        return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])

    def in_two(cut: bool):
        cache = model.new_cache(2)
        first, _ = model(tokens[:, :7], cache)
        if cut:
            cache.detach()
        return torch.cat([first, model(tokens[:, 7:], cache)[0]], 1)

    whole = gradients(lambda: model(tokens)[0])
    torch.testing.assert_close(gradients(lambda: in_two(False)), whole, atol=1e-9, rtol=1e-9)
    assert (gradients(lambda: in_two(True)) - whole).abs().max() > 1e-3


@PLAIN
def test_states_can_be_kept_as_rows_and_given_back(name):
    model = build_open(VARIANTS[name], V).eval()
    tokens = draw_tokens(3, 10, V)
    with torch.no_grad():
        whole, _ = model(tokens)
        _, cache = model(tokens[:, :7], model.new_cache(3))
        other = model.new_cache(3)
        other.states = [tuple(h_BN.clone() for h_BN in state) for state in cache.states]
        assert all(h_BN.ndim == 2 and len(h_BN) == 3 for state in cache.states for h_BN in state)
        torch.testing.assert_close(model(tokens[:, 7:], other)[0], whole[:, 7:], **CLOSE)


@EACH
def test_documents_go_on_from_a_cache(name):
    """The document that the cache holds has the number 0; a row that begins with another reads nothing of it."""
    model = build_open(VARIANTS[name], V).eval()
    tokens, document = draw_tokens(2, 14, V), torch.tensor([[0] * 3 + [1] * 5, [1] * 2 + [2] * 6])
    with torch.no_grad():
        cache = model.new_cache(2)
        model(tokens[:, :6], cache)
        hidden, _ = model(tokens[:, 6:], cache, document_BT=document)
        row, _ = model(tokens[:1, :9])
        torch.testing.assert_close(hidden[0, :3], row[0, 6:], **CLOSE)
        for at, start, stop in ((0, 9, 14), (1, 6, 8), (1, 8, 14)):
            alone, _ = model(tokens[at : at + 1, start:stop])
            torch.testing.assert_close(hidden[at, start - 6 : stop - 6], alone[0], **CLOSE)
        following = draw_tokens(2, 1, V, seed=1)
        hidden, _ = model(following, cache)
        alone, _ = model(torch.cat([tokens[1:, 8:], following[1:]], 1))
        torch.testing.assert_close(hidden[1, 0], alone[0, -1], **CLOSE)


@EACH
def test_parameters_and_flops_equal_the_modules(name):
    config = VARIANTS[name]
    model = build_model(config, V, 0)
    assert parameters(config, V)["total"] == sum(p.numel() for p in model.parameters())
    for length in (24, 10, 3):
        tokens = draw_tokens(2, length, V)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model.head(model(tokens)[0])
        parts = flops_per_token(config, V, length)
        # A convolution of each channel by itself is written as sums, of which torch counts none.
        unseen = parts["convolutions"] if config.kind == "mamba2" else 0
        # The last chunk's share is rounded to whole operations, a layer at a time.
        assert abs(counter.get_total_flops() / tokens.numel() - (parts["forward"] - unseen)) <= config.n_layers / 2


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("n_last", [1, 2, 3])
def test_a_document_that_begins_at_a_windows_end_reads_nothing_of_the_one_before(name, n_last):
    """The next window's convolutions reach back over the boundary, and must find nothing there."""
    model = build_open(VARIANTS[name], V).eval()
    tokens, first = draw_tokens(2, 16, V), 8
    document = torch.tensor([[0] * (first - n_last) + [1] * (8 + n_last), [0] * first + [1] * 8])
    with torch.no_grad():
        whole, _ = model(tokens, document_BT=document)
        _, cache = model(tokens[:, :first], model.new_cache(2), document_BT=document[:, :first])
        # By then the cache holds the last document of each row.
        hidden, _ = model(tokens[:, first:], cache, document_BT=torch.tensor([[0] * 8, [1] * 8]))
    torch.testing.assert_close(hidden, whole[:, first:], **CLOSE)


@pytest.mark.parametrize("kind", ["cnn", "mamba2"])
@pytest.mark.parametrize("width", [16, 48, 112, 256])
def test_sized_members_are_of_their_width_and_learn(kind, width):
    config = type(VARIANTS[kind]).sized(width, 32)
    assert config.d_model == width and config.context_length == 32
    model = build_model(config, V, 0)
    optimiser = build_optimiser(OptimConfig(), model)
    tokens, nats = draw_tokens(4, 33, V), []
    for _ in range(6):
        logits = model.head(model(tokens[:, :-1])[0])
        loss = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
        loss.backward()
        assert math.isfinite(optimiser.clip())
        optimiser.step()
        optimiser.zero_grad()
        nats.append(loss.item())
    # A tied head whose blocks start at nothing says each token again, the more surely the wider it is.
    assert nats[0] < math.log(V) + 2 and nats[-1] < nats[0] - 0.02


@EACH
def test_a_model_starts_from_its_seed_and_knows_nothing(name):
    config = VARIANTS[name].model_copy(update=dict(init_std=0.02))
    torch.manual_seed(1)
    before = torch.get_rng_state()
    model, again, other = (build_model(config, 101, seed) for seed in (3, 3, 4))
    assert torch.equal(before, torch.get_rng_state())
    weights = model.state_dict()
    assert all(torch.equal(weights[key], value) for key, value in again.state_dict().items())
    assert not torch.equal(weights["embed.weight"], other.state_dict()["embed.weight"])
    assert all(torch.isfinite(value).all() for value in weights.values())
    tokens = draw_tokens(8, 24, 101)
    logits = model.eval().head(model(tokens)[0])
    nats = F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten()).item()
    assert nats == pytest.approx(math.log(101), abs=0.12)


@EACH
def test_only_genuine_matrices_are_matrices(name):
    model = build_model(VARIANTS[name], V, 0)
    groups = assign_groups(model)
    ends = {key.rsplit(".", 2)[-2] + "." + key.rsplit(".", 1)[-1] for key in groups["matrices"]}
    assert ends <= {"filters.weight", "into.weight", "out.weight", "up.weight", "down.weight", "gate_up.weight"}
    assert set(groups["embeddings"]) == {"embed.weight"}
    assert set(groups["head"]) == ({"unembed.weight"} if model.unembed is not None else set())
    weights = dict(model.named_parameters())
    rows = fused_rows(model)
    assert rows and all(sum(parts) == len(weights[key]) for key, parts in rows.items())


@PLAIN
def test_muon_trains_them(name):
    model = build_model(VARIANTS[name], V, 0)
    optimiser = build_optimiser(OptimConfig(optimiser=MuonConfig()), model)
    tokens, nats = draw_tokens(4, 21, V), []
    for _ in range(12):
        loss = F.cross_entropy(model.head(model(tokens[:, :-1])[0]).flatten(0, 1), tokens[:, 1:].flatten())
        loss.backward()
        optimiser.clip()
        optimiser.step()
        optimiser.zero_grad()
        nats.append(loss.item())
    assert nats[-1] < 0.8 * nats[0]


@PLAIN
def test_dropout_falls_on_training_only(name):
    model = build_model(VARIANTS[name].model_copy(update=dict(dropout=0.5)), V, 0)
    tokens = draw_tokens(1, 8, V)
    assert not torch.equal(model(tokens)[0], model(tokens)[0])
    model.eval()
    assert torch.equal(model(tokens)[0], model(tokens)[0])


@PLAIN
def test_bfloat16_is_near(name):
    model = build_open(VARIANTS[name], V)
    tokens, found = draw_tokens(2, 20, V), []
    for enabled in (False, True):
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            nats = F.cross_entropy(model.head(model(tokens)[0]).float().flatten(0, 1), tokens.flatten())
        nats.backward()
        found.append((nats.detach(), torch.cat([p.grad.flatten() for p in model.parameters()])))
    (nats, gradient), (rough_nats, rough_gradient) = found
    torch.testing.assert_close(rough_nats, nats, rtol=0.02, atol=0)
    assert (rough_gradient - gradient).norm() < 0.05 * gradient.norm()


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_losses(name):
    assert losses(VARIANTS[name]) == pytest.approx(GOLDEN[name], rel=2e-5)


# Negative controls: each leak must be seen by the same measurement.


@PLAIN
def test_open_boundaries_are_caught(name, monkeypatch):
    for module in (convolutional, linear_recurrent):
        monkeypatch.setattr(module, "count_pieces", lambda document_BT, continues: None)
    documents = torch.tensor([0] * 5 + [1] * 7)
    assert (swaps(VARIANTS[name], documents.tolist())[documents[:, None] != documents] > 0).any()


def test_a_history_too_short_is_caught(monkeypatch):
    model = build_open(VARIANTS["cnn"], V).eval()
    tokens = draw_tokens(1, 10, V)
    with torch.no_grad():
        whole, _ = model(tokens)
        _, cache = model(tokens[:, :9], model.new_cache(1))
        cache.layers[1].inputs_BWD[:, 0] = 0
        hidden, _ = model(tokens[:, 9:], cache)
    assert (hidden[0, 0] - whole[0, 9]).abs().max() > 1e-3


def test_a_cut_beyond_the_last_read_is_refused():
    model = build_open(VARIANTS["cnn"], V).eval()
    cache = model.new_cache(1)
    for length in (4, 3):
        model(draw_tokens(1, length, V), cache)
    with pytest.raises(AssertionError):
        cache.set_lengths(torch.tensor([3]))
    cache.set_lengths(torch.tensor([5]))
    with pytest.raises(AssertionError):
        cache.set_lengths(torch.tensor([4]))


def test_pieces_are_counted_where_numbers_change():
    document = torch.tensor([[0, 0, 1, 1, 0], [2, 2, 2, 2, 2]])
    assert count_pieces(document, False).tolist() == [[0, 0, 1, 1, 2], [0, 0, 0, 0, 0]]
    assert count_pieces(document, True).tolist() == [[0, 0, 1, 1, 2], [1, 1, 1, 1, 1]]
    assert count_pieces(document[1:], False) is None and count_pieces(None, True) is None
    assert count_pieces(document[:, :1], False) is None


def test_the_receptive_field_is_reported():
    model = build_model(VARIANTS["cnn"].model_copy(update=dict(dilations=(1, 2), n_layers=3)), V, 0)
    assert model.receptive_field == 1 + 3 * (1 + 2 + 1) and CNN["n_layers"] == 3
