import pytest

from idiolect.models import FAMILIES
from idiolect.models.config import GPTConfig
from idiolect.models.measure import parameters
from idiolect.optim.config import AdamWConfig, OptimConfig, SGDConfig
from idiolect.plan import doctor
from idiolect.train.config import TrainConfig

MODEL = GPTConfig(n_layers=4, d_model=256, n_heads=4, context_length=256)
TRAIN = TrainConfig(steps=1000, batch_tokens=4096)
GOOD = {"model": MODEL, "train": TRAIN, "optim": OptimConfig(), "vocabulary_size": 4096, "unique_tokens": 4e6,
        "free_memory_bytes": 16e9, "free_disk_bytes": 100e9}  # fmt: skip


def test_a_sensible_recipe_has_no_findings():
    assert doctor.examine(**GOOD) == []


@pytest.mark.parametrize(("changes", "severity", "about"), [
    ({"train": TrainConfig(steps=1000, batch_tokens=128)}, "stop", "train.batch_tokens"),
    ({"train": TrainConfig(steps=1000, batch_tokens=5000)}, "warn", "train.batch_tokens"),
    ({"model": GPTConfig(n_layers=24, d_model=256, n_heads=4)}, "warn", "model.n_layers"),
    ({"model": GPTConfig(n_layers=4, d_model=256, n_heads=32)}, "warn", "model.n_heads"),
    ({"optim": OptimConfig(optimiser=AdamWConfig(learning_rate=0.5))}, "warn", "optim.optimiser.learning_rate"),
    ({"optim": OptimConfig(optimiser=SGDConfig())}, "note", "optim"),
    ({"train": TrainConfig(steps=100_000, batch_tokens=4096)}, "warn", "train.steps"),
    ({"train": TrainConfig(steps=6000, batch_tokens=4096)}, "note", "train.steps"),
    ({"unique_tokens": 100}, "stop", "corpus"),
    ({"unique_tokens": 1.2e5, "train": TrainConfig(steps=100, batch_tokens=4096)}, "warn", "tokenizer.vocabulary_size"),
    ({"unique_tokens": 1e5}, "warn", "model.d_model"),
    ({"free_memory_bytes": 4e8}, "stop", "memory"),
    ({"free_disk_bytes": 1e6}, "stop", "disk"),
])  # fmt: skip
def test_each_trouble_is_found_with_what_to_type(changes, severity, about):
    found = [finding for finding in doctor.examine(**(GOOD | changes)) if finding.about == about]
    assert found and found[0].severity == severity
    assert found[0].try_ or severity == "note"
    assert found[0].line().startswith(severity)


@pytest.mark.parametrize("kind", sorted(set(FAMILIES) - {"ngram"}))
def test_a_model_too_large_for_its_text_is_told_the_flags_of_one_that_is_not(kind):
    """A family named on a small recipe comes in its own usual size: here the flags are typed, and it fits."""
    large = FAMILIES[kind].config.sized(1024, 256)
    finding = next(one for one in doctor.size(large, 256, 1e5) if one.about == "model.d_model")
    typed = dict(flag.removeprefix("--model.").split("=") for flag in finding.try_.split())
    small = type(large)(**(dict(large) | {name: int(value) for name, value in typed.items()}))
    assert parameters(small, 256)["total"] <= 1.2e5 < parameters(large, 256)["total"]
    assert doctor.size(small, 256, 1e5) == []


def test_the_gravest_comes_first_and_json_is_plain():
    found = doctor.examine(**(GOOD | {"free_disk_bytes": 1.0, "train": TrainConfig(steps=10**6, batch_tokens=4096)}))
    assert [one.severity for one in found] == sorted(
        (one.severity for one in found), key=["stop", "warn", "note"].index
    )
    assert set(doctor.as_json(found)[0]) == {"severity", "about", "says", "try"}
