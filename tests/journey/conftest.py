"""One small finished run that the tests of the verbs share."""

import json
import random

import pytest

from idiolect.cli import main

WORDS = "the a cat dog bird tree sees hears finds likes small big red old and then under over with house river".split()

RECIPE = """
[corpus]
text = ["text"]
validation_fraction = 0.1
test_fraction = 0.1

[tokenizer]
kind = "character"
min_frequency = 1

[model]
context_length = 32
n_layers = 2
d_model = 32
n_heads = 2
dropout = 0.1

[train]
steps = 30
batch_tokens = 256
eval_every_steps = 10

[generate]
max_tokens = 40

[device]
threads = 1
"""


def write_text(folder, n_documents: int = 120) -> None:
    """Small sentences from a small grammar, one document a file."""
    choose = random.Random(1)
    folder.mkdir()
    for number in range(n_documents):
        sentences = [" ".join(choose.choices(WORDS, k=choose.randint(4, 9))).capitalize() + "." for _ in range(6)]
        (folder / f"{number:03}.txt").write_text(" ".join(sentences), encoding="utf-8")


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A folder with text, a recipe and a finished run; copy what you change."""
    folder = tmp_path_factory.mktemp("journey")
    write_text(folder / "text")
    (folder / "mine.toml").write_text(RECIPE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["run", "mine.toml", "--quiet"]) == 0
    assert json.loads((folder / "runs/mine/exit.json").read_text())["code"] == 0
    return folder


@pytest.fixture
def here(finished, monkeypatch):
    """Stand in the folder of the finished run."""
    monkeypatch.chdir(finished)
    return finished


@pytest.fixture
def ask(capsys):
    """Run a command with --json; its exit code and the object on the last line of standard output."""

    def ask(*arguments: str):
        capsys.readouterr()
        code = main([*arguments, "--json"])
        captured = capsys.readouterr()
        ask.stderr = captured.err
        lines = captured.out.splitlines()
        return code, json.loads(lines[-1]) if lines else None

    return ask
