"""The shapes of schedules, and what is said about unwise choices."""

import math

import pytest

from idiolect.optim import advice, factor
from idiolect.optim import config as c

ALL = [c.ConstantConfig(), c.LinearConfig(), c.CosineConfig(), c.WSDConfig(), c.WSDConfig(shape="sqrt")]


@pytest.mark.parametrize("config", ALL, ids=lambda config: config.kind)
@pytest.mark.parametrize("total", [1, 2, 3, 50, 1000])
def test_rises_to_the_peak_and_never_rises_again(config, total):
    factors = [factor(config, step, total) for step in range(total)]
    peak = factors.index(max(factors))
    assert all(0 < value <= 1 for value in factors)
    assert factors[: peak + 1] == sorted(factors[: peak + 1])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)
    assert max(factors) == 1.0


def test_known_values():
    assert factor(c.LinearConfig(warmup_share=0.1), 0, 100) == pytest.approx(1 / 11)
    assert factor(c.LinearConfig(warmup_share=0.1), 9, 100) == pytest.approx(10 / 11)
    assert factor(c.LinearConfig(warmup_share=0.1), 10, 100) == 1.0
    assert factor(c.LinearConfig(warmup_share=0.1, floor=0.2), 55, 100) == pytest.approx(0.6)
    cosine = c.CosineConfig(warmup_share=0.0, floor=0.1)
    assert factor(cosine, 25, 100) == pytest.approx(0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi / 4)))
    assert factor(cosine, 50, 100) == pytest.approx(0.55)
    wsd = c.WSDConfig(warmup_share=0.0, decay_share=0.2)
    assert factor(wsd, 79, 100) == 1.0 and factor(wsd, 80, 100) == 1.0
    assert factor(wsd, 90, 100) == pytest.approx(0.5)
    root = wsd.model_copy(update={"shape": "sqrt"})
    assert factor(root, 85, 100) == pytest.approx(0.5)


@pytest.mark.parametrize("config", ALL, ids=lambda config: config.kind)
def test_past_the_end_it_stays(config):
    assert factor(config, 100, 100) == factor(config, 5_000, 100)


@pytest.mark.parametrize("config", ALL[1:], ids=lambda config: config.kind)
def test_ends_at_the_floor(config):
    floored = config.model_copy(update={"floor": 0.25})
    assert factor(floored, 10_000, 10_000) == pytest.approx(0.25)
    assert factor(floored, 9_999, 10_000) == pytest.approx(0.25, abs=0.01)


def test_all_warmup():
    assert factor(c.ConstantConfig(warmup_share=1.0), 9, 10) == pytest.approx(10 / 11)


def test_advice_speaks_of_what_is_unwise_and_of_nothing_else():
    assert advice(c.OptimConfig()) == []
    assert "2402.16788" in advice(c.OptimConfig(optimiser=c.SGDConfig()))[0]
    assert "1711.05101" in advice(c.OptimConfig(optimiser=c.AdamConfig(weight_decay=0.1)))[0]
    assert advice(c.OptimConfig(optimiser=c.LionConfig(learning_rate=0.01)))
    assert advice(c.OptimConfig(optimiser=c.MuonConfig(scale="adamw")))
    assert "clip_norm" in advice(c.OptimConfig(clip_norm=0.0))[0]
