"""Frozen parameters: nothing moves them before their step, whatever the optimiser; resuming doesn't change a bit."""

import pytest
import torch

from idiolect.optim.build import build_optimiser
from idiolect.optim.config import OptimConfig
from idiolect.train.config import TrainConfig
from idiolect.train.frozen import hold
from idiolect.train.loop import train
from idiolect.train.state import Probe
from tests.train.tiny import TinyModel, digest, make, score

RULES = {
    "adamw": {"kind": "adamw", "learning_rate": 0.01, "weight_decay": 0.1},
    "sgd with momentum": {"kind": "sgd", "learning_rate": 0.1, "momentum": 0.9},
    "muon": {"kind": "muon", "learning_rate": 0.01},
    "adafactor": {"kind": "adafactor", "learning_rate": 0.01},
    "rmsprop": {"kind": "rmsprop", "learning_rate": 0.01},
    "lion": {"kind": "lion", "learning_rate": 0.001, "weight_decay": 0.1},
}


def optimiser_of(name: str, model):
    return build_optimiser(OptimConfig.model_validate({"optimiser": RULES[name], "decay_embeddings": True}), model)


def watched(kept: list):
    """A probe that keeps the embedding of every step."""
    return [Probe("watch", 1, lambda model, step: kept.append(model.embed.weight.clone()) or {}, save_first=False)]


@pytest.mark.parametrize("name", RULES)
def test_nothing_moves_what_is_frozen_and_it_moves_from_its_step_on(name):
    model, kept = TinyModel(), []
    start = model.embed.weight.detach().clone()
    config = TrainConfig(steps=10, log_every_steps=1, save_every_steps=0)
    train(make(None, model=model, optimiser=optimiser_of(name, model), config=config, probes=watched(kept),
               average=None, frozen={"embed.weight": 6}))  # fmt: skip
    assert len(kept) == 10
    for step in range(6):
        assert torch.equal(kept[step], start), step + 1
    for step in range(6, 10):
        assert not torch.equal(kept[step], kept[step - 1]), step + 1


@pytest.mark.parametrize("name", RULES)
def test_the_rest_learns_as_if_the_frozen_were_no_parameter(name):
    """The reference never heard of freezing: its embedding is a constant, and belongs to no group."""
    trained = []
    for constant in (False, True):
        model = TinyModel()
        model.embed.weight.requires_grad_(not constant)
        config = TrainConfig(steps=8, log_every_steps=4, save_every_steps=0)
        train(make(None, model=model, optimiser=optimiser_of(name, model), config=config, probes=[], average=None,
                   frozen={} if constant else {"embed.weight": 8}))  # fmt: skip
        trained.append({name: p.detach().clone() for name, p in model.named_parameters()})
    for name, value in trained[0].items():
        assert torch.equal(value, trained[1][name]), name


def test_without_freezing_it_would_have_moved():
    model, kept = TinyModel(), []
    start = model.embed.weight.detach().clone()
    config = TrainConfig(steps=3, log_every_steps=1, save_every_steps=0)
    train(make(None, model=model, optimiser=optimiser_of("adamw", model), config=config, probes=watched(kept)))
    assert not torch.equal(kept[0], start)


@pytest.mark.parametrize("stops", [(3,), (5,), (6,), (7,), (2, 5, 6, 9)])
def test_a_run_stopped_anywhere_around_the_step_ends_bit_for_bit_the_same(tmp_path, stops):
    def run(folder, steps):
        model = TinyModel()
        config = TrainConfig(steps=steps, log_every_steps=2, eval_every_steps=4, save_every_steps=1)
        return train(make(folder, model=model, optimiser=optimiser_of("adamw", model), config=config, keep=20,
                          schedule=lambda step, total: 1.0, settings={}, frozen={"embed.weight": 6},
                          probes=[Probe("validation", 4, score)]))  # fmt: skip

    run(tmp_path / "whole", 12)
    for stop in stops:
        run(tmp_path / "parts", stop)
    run(tmp_path / "parts", 12)
    whole, parts = digest(tmp_path / "whole", 12), digest(tmp_path / "parts", 12)
    for part in ("weights.safetensors", "optimiser.safetensors", "average.safetensors", "random"):
        assert whole[part] == parts[part], part


def test_moments_begin_when_a_parameter_is_let_go(tmp_path):
    model = TinyModel()
    optimiser = optimiser_of("adamw", model)
    config = TrainConfig(steps=4, log_every_steps=1, save_every_steps=0)
    train(make(None, model=model, optimiser=optimiser, config=config, probes=[], frozen={"embed.weight": 4}))
    assert not any(name.startswith("embed.weight/") for name in optimiser.tensors())
    assert any(name.startswith("unembed.weight/") for name in optimiser.tensors())


def test_what_is_frozen_is_a_pure_function_of_the_step():
    model = TinyModel()
    for step in (9, 0, 4, 5, 4):
        hold(model, {"embed.weight": 5}, step)
        assert model.embed.weight.requires_grad == (step >= 5)
    with pytest.raises(AttributeError):
        hold(model, {"absent.weight": 5}, 0)
