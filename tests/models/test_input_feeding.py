"""What was found for a target reaches the next step and nothing earlier; a decoder that forgets it is caught."""

import pytest
import torch

from idiolect.models.build import build_model
from idiolect.models.config import Seq2SeqConfig
from idiolect.models.seq2seq_decoder import AtOnce, OneByOne
from tests.models.source_settings import SMALL, V
from tests.models.test_encoder_decoder import lively, logits_of
from tests.models.toys import draw_tokens

FED = ["luong, input fed", "bahdanau, all fed"]
T, S = 7, 5


@pytest.mark.parametrize("name", FED)
def test_what_is_found_moves_later_targets_and_no_earlier_one(name):
    """By gradient: push what is found for each target in turn, after the states of that target are made."""
    model = lively(name)
    pushes = []

    def push(module, inputs, output):
        pushes.append(torch.zeros_like(output, requires_grad=True))
        return output + pushes[-1]

    model.attention.register_forward_hook(push)
    logits_BTV = logits_of(model, draw_tokens(1, T, V), draw_tokens(1, S, V, seed=1))
    assert len(pushes) == T
    for t in range(T):
        reach = torch.autograd.grad(logits_BTV[0, t].square().sum(), pushes, retain_graph=True, allow_unused=True)
        moved = [gradient is not None and bool(gradient.abs().sum() > 0) for gradient in reach]
        assert moved == [found_at <= t for found_at in range(T)]


@pytest.mark.parametrize("name", FED)
def test_a_cache_that_forgets_what_was_found_is_caught(name):
    model = lively(name)
    tokens, source = draw_tokens(2, T, V), draw_tokens(2, S, V, seed=1)
    with torch.no_grad():
        whole, _ = model(tokens, source_BS=source)
        off = {}
        for forgets in (False, True):
            _, cache = model(tokens[:, :4], model.new_cache(2, source_BS=source))
            if forgets:
                *layers, (fed_BD,), memory = cache.states
                cache.states = [*layers, (torch.zeros_like(fed_BD),), memory]
            hidden, _ = model(tokens[:, 4:], cache)
            off[forgets] = (hidden - whole[:, 4:]).abs().max().item()
    assert off[False] < 2e-5 and off[True] > 1e-3


def test_without_it_nothing_is_found_before_all_states_are_made():
    """The default is the fused road: one call of the attention, whatever the number of targets."""
    model, calls = build_model(Seq2SeqConfig(**SMALL), V, 0), []
    assert isinstance(model.decoder, AtOnce)
    model.attention.register_forward_hook(lambda *call: calls.append(1))
    logits_of(model, draw_tokens(1, T, V), draw_tokens(1, S, V))
    assert len(calls) == 1


def test_its_weights_start_as_the_cells_others_do():
    """Uniform within 1 / sqrt(d_model), both halves of the first layer's input."""
    config = Seq2SeqConfig(context_length=24, d_model=64, input_feeding=True)
    model = build_model(config, V, 0)
    weight = model.decoder[0].input_weight
    assert isinstance(model.decoder, OneByOne) and weight.shape == (256, 128)
    for half in weight.chunk(2, dim=1):
        assert 0.99 / 8 < half.abs().max() <= 1 / 8 and half.std().item() == pytest.approx(1 / 8 / 3**0.5, rel=0.02)


def test_dropout_reaches_what_is_fed():
    model = build_model(Seq2SeqConfig(**SMALL, input_feeding=True, dropout=0.5), V, 0).train()
    torch.manual_seed(0)
    tokens, source = draw_tokens(2, T, V), draw_tokens(2, S, V, seed=1)
    first, second = (logits_of(model, tokens, source) for _ in range(2))
    assert not torch.equal(first, second)
    second.sum().backward()
    assert model.decoder[0].input_weight.grad[:, SMALL["d_model"] :].any()
