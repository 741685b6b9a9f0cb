"""Encoder-decoders: who sees whom, the cache, the counts, the start; each measurement with a control that fails."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from idiolect.errors import RecipeError
from idiolect.models.build import build_model
from idiolect.models.contract import Cache, Model
from idiolect.models.measure import parameters
from idiolect.optim.build import build_optimiser
from idiolect.optim.config import AdamWConfig, MuonConfig, OptimConfig
from idiolect.optim.groups import assign_groups, fused_rows
from tests.models.source_settings import SMALL, SOURCE_VARIANTS, V
from tests.models.toys import build_open, draw_tokens

CLOSE = dict(atol=2e-5, rtol=1e-5)
T, S = 9, 11


def lively(name, vocabulary_size=V):
    """A model in which nothing starts at zero and every score is far from even."""
    model = build_open(SOURCE_VARIANTS[name], vocabulary_size)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.2)
    return model.eval()


def logits_of(model, tokens_BT, source_BS, **how):
    return model.head(model(tokens_BT, source_BS=source_BS, **how)[0])


def influence(name, **how):
    """TT and TS: how much the output at t moves with the embedding of target s, and of source s; 0 = no path."""
    model = lively(name)
    tokens, source = draw_tokens(1, T, V), draw_tokens(1, S, V, seed=1)
    caught = {}

    def catch(module, inputs, output):
        output.retain_grad()
        caught[inputs[0].numel()] = output

    model.embed.register_forward_hook(catch)
    logits = logits_of(model, tokens, source, **how)
    weights = torch.randn(V, generator=torch.Generator().manual_seed(1))
    rows = {T: [], S: []}
    for t in range(T):
        for output in caught.values():
            output.grad = None
        (logits[0, t] @ weights).backward(retain_graph=True)
        for width, found in rows.items():
            gradient = caught[width].grad
            found.append(torch.zeros(width) if gradient is None else gradient.flatten(0, 1).abs().sum(-1))
    return torch.stack(rows[T]), torch.stack(rows[S])


def swaps(name, **how):
    """The same by swapping tokens: sees paths that no gradient runs along."""
    model = lively(name)
    tokens, source = draw_tokens(1, T, V), draw_tokens(1, S, V, seed=1)
    with torch.no_grad():
        logits = logits_of(model, tokens, source, **how)
        found = []
        for at, changed in enumerate((tokens, source)):
            columns = []
            for s in range(changed.shape[1]):
                other = changed.clone()
                other[0, s] = (other[0, s] + 1) % V
                pair = (other, source) if at == 0 else (tokens, other)
                columns.append((logits_of(model, *pair, **how) - logits)[0].abs().sum(-1))
            found.append(torch.stack(columns, dim=1))
    return found


@pytest.mark.parametrize("name", SOURCE_VARIANTS)
def test_targets_see_the_past_and_all_of_the_source(name):
    for targets, sources in (influence(name), swaps(name)):
        assert (targets.triu(1) == 0).all() and (targets.diagonal() > 0).all()
        assert (targets.tril() > 0).sum() == T * (T + 1) // 2
        assert (sources > 0).all()


@pytest.mark.parametrize("name", SOURCE_VARIANTS)
def test_padding_of_the_source_is_never_seen(name):
    mask = torch.ones(1, S, dtype=torch.bool)
    mask[0, 7:] = False
    for _, sources in (influence(name, source_mask_BS=mask), swaps(name, source_mask_BS=mask)):
        assert (sources[:, 7:] == 0).all() and (sources[:, :7] > 0).all()


@pytest.mark.parametrize("name", SOURCE_VARIANTS)
def test_a_padded_source_is_the_source_alone(name):
    model = lively(name)
    tokens, source = draw_tokens(3, T, V), draw_tokens(3, S, V, seed=1)
    lengths = torch.tensor([4, 11, 1])
    mask = torch.arange(S) < lengths[:, None]
    with torch.no_grad():
        together = logits_of(model, tokens, source, source_mask_BS=mask)
        for row, length in enumerate(lengths.tolist()):
            alone = logits_of(model, tokens[row : row + 1], source[row : row + 1, :length])
            torch.testing.assert_close(together[row : row + 1], alone, **CLOSE)


DOCUMENTS = torch.tensor([[0, 0, 0, 1, 1, 1, 3, 3, 3]])
SOURCE_DOCUMENTS = torch.tensor([[0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 3]])


@pytest.mark.parametrize("name", SOURCE_VARIANTS)
def test_documents_never_see_one_another(name):
    documents = dict(document_BT=DOCUMENTS, source_document_BS=SOURCE_DOCUMENTS)
    within = (DOCUMENTS[0][:, None] == DOCUMENTS[0]).tril()
    across = DOCUMENTS[0][:, None] == SOURCE_DOCUMENTS[0]
    for targets, sources in (influence(name, **documents), swaps(name, **documents)):
        assert (targets[~within] == 0).all() and (targets.diagonal() > 0).all()
        assert (sources[~across] == 0).all() and (sources[across] > 0).all()


@pytest.mark.parametrize("name", SOURCE_VARIANTS)
def test_a_document_in_a_window_is_the_document_alone(name):
    model = lively(name)
    tokens, source = draw_tokens(1, T, V), draw_tokens(1, S, V, seed=1)
    with torch.no_grad():
        window = logits_of(model, tokens, source, document_BT=DOCUMENTS, source_document_BS=SOURCE_DOCUMENTS)
        for number in (0, 1, 3):
            own, from_source = DOCUMENTS[0] == number, SOURCE_DOCUMENTS[0] == number
            alone = logits_of(model, tokens[:, own], source[:, from_source])
            torch.testing.assert_close(window[:, own], alone, **CLOSE)


@pytest.mark.parametrize("name", SOURCE_VARIANTS)
def test_a_document_without_a_source_is_written_from_nothing(name):
    model = lively(name)
    tokens, source = draw_tokens(1, T, V), draw_tokens(1, S, V, seed=1)
    with torch.no_grad():
        how = dict(document_BT=DOCUMENTS, source_document_BS=torch.full((1, S), 7))
        found = [logits_of(model, tokens, source + shift, **how) for shift in (0, 1)]
    assert torch.isfinite(found[0]).all() and torch.equal(*found)


@pytest.mark.parametrize("name", ["t5"])
def test_leaks_are_caught(name, monkeypatch):
    """Negative controls: an encoder that forgets its mask, a decoder that forgets its own."""
    from idiolect.models import t5

    mask = torch.ones(1, S, dtype=torch.bool)
    mask[0, 7:] = False
    with monkeypatch.context() as patch:
        patch.setattr(t5, "within_source", lambda *masks: None)
        assert (influence(name, source_mask_BS=mask)[1][:, 7:] > 0).any()
    with monkeypatch.context() as patch:
        patch.setattr(t5, "build_reach", lambda *how: t5.Reach(None, False))
        assert (influence(name)[0].triu(1) > 0).any()


@pytest.mark.parametrize("name", SOURCE_VARIANTS)
@pytest.mark.parametrize("pieces", [[1] * 9, [4, 1, 3, 1]], ids=["singly", "pieces"])
def test_cached_equals_uncached(name, pieces):
    model = lively(name)
    tokens, source = draw_tokens(3, T, V), draw_tokens(3, S, V, seed=1)
    mask = torch.arange(S) < torch.tensor([4, 11, 6])[:, None]
    with torch.no_grad():
        whole, _ = model(tokens, source_BS=source, source_mask_BS=mask)
        cache, hidden = model.new_cache(3, source_BS=source, source_mask_BS=mask), []
        for piece in tokens.split(pieces, dim=1):
            part, cache = model(piece, cache)
            hidden.append(part)
    torch.testing.assert_close(torch.cat(hidden, 1), whole, **CLOSE)
    assert isinstance(cache, Cache) and cache.lengths().tolist() == [9, 9, 9]


@pytest.mark.parametrize("name", SOURCE_VARIANTS)
def test_rows_of_different_lengths(name):
    """Targets padded on the right, lengths set, then decoded together: each row as if alone."""
    model = lively(name)
    tokens, source, lengths = draw_tokens(3, 14, V), draw_tokens(3, S, V, seed=1), torch.tensor([2, 8, 5])
    prompt = tokens[:, :8].clone()
    for row, length in enumerate(lengths):
        prompt[row, length:] = 0
    with torch.no_grad():
        whole, _ = model(tokens, source_BS=source)
        hidden, cache = model(prompt, model.new_cache(3, source_BS=source))
        torch.testing.assert_close(hidden[0, 1], whole[0, 1], **CLOSE)
        cache.set_lengths(lengths)
        for n_new in (1, 3, 1):
            at = cache.lengths()[:, None] + torch.arange(n_new)
            hidden, cache = model(tokens.gather(1, at), cache)
            expected = whole.gather(1, at[..., None].expand(-1, -1, whole.shape[-1]))
            torch.testing.assert_close(hidden, expected, **CLOSE)
    assert cache.lengths().tolist() == [7, 13, 10]


@pytest.mark.parametrize("name", SOURCE_VARIANTS)
def test_select_repeats_and_reorders_rows(name):
    model = lively(name)
    tokens, source = draw_tokens(3, T, V), draw_tokens(3, S, V, seed=1)
    mask = torch.arange(S) < torch.tensor([4, 11, 6])[:, None]
    with torch.no_grad():
        whole, _ = model(tokens, source_BS=source, source_mask_BS=mask)
        _, cache = model(tokens[:, :-1], model.new_cache(3, source_BS=source, source_mask_BS=mask))
        rows = torch.tensor([2, 0, 0, 1])
        chosen = cache.select(rows)
        assert chosen.n_rows == 4
        hidden, _ = model(tokens[rows, -1:], chosen)
        torch.testing.assert_close(hidden[:, 0], whole[rows, -1], **CLOSE)
        # The original is untouched by its selection.
        cache.reorder(torch.tensor([1, 2, 0]))
        hidden, _ = model(tokens[[1, 2, 0], -1:], cache)
        torch.testing.assert_close(hidden[:, 0], whole[[1, 2, 0], -1], **CLOSE)


@pytest.mark.parametrize("name", SOURCE_VARIANTS)
def test_parameters_equal_the_modules(name):
    config = SOURCE_VARIANTS[name]
    model = build_model(config, V, 0)
    assert isinstance(model, Model) and model.reads == config.reads == "source"
    assert parameters(config, V)["total"] == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("name", SOURCE_VARIANTS)
@pytest.mark.parametrize("n_source, n_target", [(24, 24), (20, 7), (1, 3)])
def test_forward_flops_equal_torchs_count(name, n_source, n_target):
    config = SOURCE_VARIANTS[name]
    model = build_model(config, V, 0).eval()
    tokens, source = draw_tokens(2, n_target, V), draw_tokens(2, n_source, V)
    # The plain kernels are made of products that torch's counter sees; it sees nothing of the fused ones on a CPU.
    plain = torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH)
    with FlopCounterMode(display=False) as counter, plain, torch.backends.mkldnn.flags(enabled=False), torch.no_grad():
        logits_of(model, tokens, source)
    assert counter.get_total_flops() == 2 * sum(config.count_sample_flops(V, n_source, n_target).values())
    whole = config.count_sample_flops(V, 12, 12)
    assert config.count_flops(V, 24) == {part: operations // 24 for part, operations in whole.items()}


@pytest.mark.parametrize("name", SOURCE_VARIANTS)
def test_the_first_guess_is_about_uniform(name):
    model = build_model(SOURCE_VARIANTS[name], 101, 0).eval()
    tokens, source = draw_tokens(8, 20, 101), draw_tokens(8, 20, 101, seed=1)
    with torch.no_grad():
        nats = F.cross_entropy(logits_of(model, tokens, source)[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
    # T5's head makes logits of a standard deviation of 1 at the start: half a nat more than ln V.
    assert math.log(101) - 0.1 < nats.item() < math.log(101) + 0.8


@pytest.mark.parametrize("name", SOURCE_VARIANTS)
def test_parameters_fall_into_sensible_groups(name):
    model = build_model(SOURCE_VARIANTS[name], V, 0)
    groups = assign_groups(model)
    assert all(parameter.ndim == 2 for parameter in groups["matrices"].values())
    assert not any("bias" in name or "norm" in name or "embed" in name for name in groups["matrices"])
    assert bool(groups["head"]) == (not SOURCE_VARIANTS[name].tied_head)
    # Additive attention's v is a matrix of one row: a vector.
    assert all(name.endswith("score.score.weight") for name in groups["scalars"])
    state = dict(model.named_parameters())
    for key, rows in fused_rows(model).items():
        assert sum(rows) == state[key].shape[0]
    build_optimiser(OptimConfig(optimiser=MuonConfig()), model)


@pytest.mark.parametrize("name", SOURCE_VARIANTS)
def test_a_copy_is_learned(name):
    """A few steps of AdamW teach every family to copy its source, which only the way through the encoder can."""
    config = SOURCE_VARIANTS[name]
    model = build_model(config, 12, 0).train()
    rate = 1e-3 if config.kind == "t5" else 1e-2
    optimiser = build_optimiser(OptimConfig(optimiser=AdamWConfig(learning_rate=rate)), model)
    losses = []
    for step in range(60 if config.kind == "t5" else 220):
        source = draw_tokens(16, 6, 10, seed=step)
        tokens = torch.cat((torch.full((16, 1), 11), source[:, :-1]), 1)
        nats = F.cross_entropy(logits_of(model, tokens, source).flatten(0, 1), source.flatten())
        nats.backward()
        optimiser.clip()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(nats.item())
    assert losses[-1] < 0.8 * math.log(10)


@pytest.mark.parametrize("name", SOURCE_VARIANTS)
def test_sized_makes_a_member_of_that_width(name):
    kind = type(SOURCE_VARIANTS[name])
    counts = []
    for d_model in (16, 48, 128, 352):
        config = kind.sized(d_model, 40)
        assert config.context_length == 40 and config.d_model == d_model
        counts.append(parameters(config, V)["total"])
    assert counts == sorted(counts) and len(set(counts)) == 4


def test_without_a_source_there_is_one_clear_error():
    for name in ("t5", "bahdanau"):
        model = build_model(SOURCE_VARIANTS[name], V, 0)
        with pytest.raises(RecipeError, match="no source"):
            model(draw_tokens(1, 3, V))
        with pytest.raises(RecipeError, match="no source"):
            model.new_cache(1)


@pytest.mark.parametrize("name", ["t5", "t5 rotary"])
def test_more_positions_than_there_may_be_are_refused(name):
    model = build_model(SOURCE_VARIANTS[name], V, 0)
    most = 2 * SMALL["context_length"] + 2
    with pytest.raises(RecipeError, match="don't fit"):
        model(draw_tokens(1, 3, V), source_BS=draw_tokens(1, most + 1, V))
    with pytest.raises(RecipeError, match="don't fit"):
        model(draw_tokens(1, most + 1, V), source_BS=draw_tokens(1, 3, V))
