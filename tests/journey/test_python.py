"""The verbs from Python: the same results as on the command line, and refusals that name what is there."""

import json
import shutil

import pytest

from idiolect import python
from idiolect.cli import main
from idiolect.errors import IdiolectError, RecipeError
from idiolect.verbs import VERBS


@pytest.fixture
def copy(finished, tmp_path, monkeypatch):
    shutil.copytree(finished, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


def test_every_verb_is_a_function_that_tells_its_options():
    for verb, taught in VERBS.items():
        function = getattr(python, verb)
        assert function.__name__ == verb and taught.summary in function.__doc__
        assert all(option.name in function.__doc__ for option in taught.options)


def test_a_verb_gives_what_the_command_line_prints(copy, capsys):
    assert main(["evaluate", "runs/mine", "--json", "--quiet"]) == 0
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert python.evaluate("runs/mine", quiet=True) == printed
    settings = {"train.steps": 3, "train.eval_every_steps": 0, "corpus.text": ["text"], "train.tensorboard": False}
    assert python.train(copy / "mine.toml", settings, name="short", quiet=True)["step"] == 3
    said = python.generate("runs/mine", {"generate.max_tokens": 5, "generate.samples": 2}, prompt="The", quiet=True)
    assert len(said["texts"]) == 2
    assert capsys.readouterr() == ("", "")


def test_recipes_are_compared_as_a_list(copy):
    settings = {"compare.rates": [1.0], "compare.search_share": 1}
    found = python.compare(["mine.toml", "mine.toml"], settings, name="first", budget="1200tokens", seeds=1, quiet=True)
    assert [row["name"] for row in found["contenders"]] == ["first", "mine"] and found["verdicts"]


@pytest.mark.parametrize(
    ("verb", "target", "options", "said"),
    [
        ("train", "mine.toml", {"nmae": "x"}, "did you mean name"),
        ("train", ["mine.toml", "mine.toml"], {}, "one target too many"),
        ("compare", "mine.toml", {"budget": "a lot"}, "budget"),
        ("train", None, {}, "no recipe is named"),
    ],
)
def test_what_can_not_be_is_refused_as_on_the_command_line(copy, verb, target, options, said):
    with pytest.raises(IdiolectError, match=said) as caught:
        getattr(python, verb)(target, **options)
    assert isinstance(caught.value, RecipeError) and caught.value.why and caught.value.fix
