"""A search that can not be is refused before its first trial; one over another recipe is not mixed with it."""

import pytest


@pytest.fixture(autouse=True)
def _optuna():
    pytest.importorskip("optuna")


@pytest.mark.parametrize(
    "space, words",
    [
        ("optim.optimiser.learning_rat=1e-4,1e-3", "did you mean optim.optimiser.learning_rate?"),
        ("nokey=1,2", "there is no setting nokey"),
        ("model.n_layers=1,,2", "has no values"),
        ("model.n_layers=", "has no values"),
        ("model.n_layers=nan..3", "is no range"),
        ("model.n_layers=1..many", "is no range"),
        ("model.n_layers=2,2", "twice"),
        ("optim.optimiser.learning_rate=1e-2..1e-4", "a range goes upwards"),
    ],
)
def test_a_space_that_can_not_be_is_refused_at_once(here, ask, space, words):
    code, _ = ask("tune", "mine.toml", "--name", "refused", "--space", space)
    assert code == 2 and words in ask.stderr and "Traceback" not in ask.stderr
    assert not (here / "runs/refused-tune").exists()


def test_trials_of_another_recipe_are_not_compared(here, ask):
    arguments = ("tune", "mine.toml", "--name", "pair", "--space", "model.n_layers=1,2", "--tune.kind=grid")
    assert ask(*arguments, "--train.steps=2")[0] == 0
    code, _ = ask(*arguments, "--train.steps=3")
    assert code == 2 and "train.steps = 2" in ask.stderr and "--name OTHER" in ask.stderr
    assert ask(*arguments, "--train.steps=2", "--generate.max_tokens=9")[0] == 0
