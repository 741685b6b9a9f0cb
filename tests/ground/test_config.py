"""Recipes become configs: precedence, kinds, origins, and an error that names the key and where it stands."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from idiolect.config import Config, Items, field, flatten, to_toml
from idiolect.config_load import load
from idiolect.errors import RecipeError


class Gpt(Config):
    kind: Literal["gpt"] = "gpt"
    d_model: int = field(128, "width", gt=0, le=65536)
    norm: Literal["rms", "layer"] = field("rms", "normalisation")


class Lstm(Config):
    kind: Literal["lstm"] = "lstm"
    d_state: int = field(64, "width of the state", gt=0)


class Train(Config):
    steps: int = field(1000, "updates", gt=0)
    lr_peak: float = field(1e-3, "highest learning rate", gt=0, lt=1)
    budget_seconds: float | None = field(None, "time limit")
    shuffle: bool = field(True, "mix the order")


class Toy(Config):
    name: str = field("run", "name of the run")
    files: Items[str] = field((), "text files")
    model: Annotated[Gpt | Lstm, Field(discriminator="kind")] = Gpt()
    train: Train = Train()


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def test_precedence_defaults_base_recipe_flags(write):
    write("base.toml", "[train]\nsteps = 10\nlr_peak = 1e-2\nshuffle = false\n")
    path = write("mine.toml", 'base = "base.toml"\n[train]\nsteps = 20\nlr_peak = 2e-2\n')
    loaded = load(Toy, path, ["--train.steps=30"])
    assert loaded.config.train == Train(steps=30, lr_peak=2e-2, shuffle=False)
    assert loaded.origin("train.steps") == "--train.steps"
    assert loaded.origin("train.lr_peak") == f"{path}, line 4"
    assert loaded.origin("train.shuffle").endswith("base.toml, line 4")
    assert loaded.origin("model.d_model") == "default"


def test_another_kind_drops_the_parents_table(write):
    write("base.toml", '[model]\nkind = "gpt"\nd_model = 96\n')
    path = write("mine.toml", 'base = "base.toml"\n[model]\nkind = "lstm"\n')
    assert load(Toy, path).config.model == Lstm()
    assert load(Toy, write("a.toml", "[model]\nd_model = 96\n"), ["--model.kind=lstm"]).config.model == Lstm()
    assert load(Toy, write("b.toml", "[model]\nd_model = 96\n")).config.model == Gpt(d_model=96)


def test_a_kind_is_picked_before_the_flags_beside_it_are_laid_into_its_table(write):
    path = write("mine.toml", "[model]\nd_model = 96\n")
    for flags in (["--model.kind=lstm", "--model.d_state=32"], ["--model.d_state=32", "--model.kind=lstm"]):
        loaded = load(Toy, path, flags)
        assert loaded.config.model == Lstm(d_state=32)
        assert loaded.origin("model.d_state") == "--model.d_state"
    # Of two flags of one setting the later still wins.
    assert load(Toy, path, ["--model.kind=gpt", "--model.kind=lstm"]).config.model == Lstm()


def test_what_a_table_leaves_out_is_a_default_and_not_its_header(write):
    path = write("mine.toml", "[model]\nd_model = 96\n")
    assert load(Toy, path).origin("model.norm") == "default"
    # The dropped table's lines must not be given as the origin of the other kind's values.
    path = write("state.toml", "[model]\nd_state = 9\nd_model = 96\n")
    loaded = load(Toy, path, ["--model.kind=lstm"])
    assert loaded.config.model == Lstm() and loaded.origin("model.d_state") == "default"


def test_a_setting_of_another_kind_is_named_as_such(write):
    written = write("mine.toml", '[model]\nkind = "lstm"\nd_model = 96\n')
    for path, flags in ((written, []), (None, ["--model.kind=lstm", "--model.d_model=96"])):
        with pytest.raises(RecipeError) as caught:
            load(Toy, path, flags)
        assert caught.value.what.startswith('model.kind = "lstm" has no setting model.d_model (')
        assert "it belongs to gpt; lstm has d_state" in caught.value.why
        assert caught.value.fix == "leave model.d_model out, or --model.kind=gpt"


def test_text_where_a_list_is_wanted_is_put_into_one(write):
    with pytest.raises(RecipeError) as caught:
        load(Toy, write("mine.toml", 'files = "a.txt"\n'))
    assert caught.value.fix == 'files = ["a.txt"]' and "list" in caught.value.why and "tuple" not in caught.value.why


def test_a_word_near_no_kind_is_answered_with_the_usual_one(write):
    with pytest.raises(RecipeError) as caught:
        load(Toy, None, ["--model.kind=transformer"])
    assert caught.value.fix == 'model.kind = "gpt"'


def test_flags_take_text_lists_and_none(write):
    path = write("mine.toml", "[train]\nbudget_seconds = 5.0\n")
    loaded = load(
        Toy, path, ["--name=1e3", "--files=a.txt,b.txt", "--train.budget_seconds=none", "--train.lr_peak=3e-4"]
    )
    assert loaded.config.name == "1e3"
    assert loaded.config.files == ("a.txt", "b.txt")
    assert loaded.config.train.budget_seconds is None
    assert loaded.config.train.lr_peak == 3e-4


@pytest.mark.parametrize(
    "text, files",
    [
        ("2024", ("2024",)),
        ("1.5,true", ("1.5", "true")),
        ("2024-01-01", ("2024-01-01",)),
        ("mein Ordner/ü.txt", ("mein Ordner/ü.txt",)),
        ('"a,b.txt"', ("a,b.txt",)),
        ('["a.txt", "b.txt"]', ("a.txt", "b.txt")),
    ],
)
def test_a_file_may_be_called_anything(text, files):
    assert load(Toy, None, [f"--files={text}"]).config.files == files


def test_the_suggested_default_can_be_typed(write):
    with pytest.raises(RecipeError) as caught:
        load(Toy, write("mine.toml", "files = 3\n"))
    assert "files = []" in caught.value.fix
    with pytest.raises(RecipeError) as caught:
        load(Toy, write("flag.toml", "train = 3\n"), ["--train.steps=3"])
    assert "flag.toml, line 1" in caught.value.why and "remove  train = …" in caught.value.fix


def test_the_written_recipe_reads_back_equal(tmp_path):
    config = Toy(files=("a", "b"), model=Lstm(d_state=3), train=Train(lr_peak=3e-4))
    (tmp_path / "out.toml").write_text(to_toml(config, header="a line"))
    assert load(Toy, tmp_path / "out.toml").config == config


@pytest.mark.parametrize(
    "text, key, hint",
    [
        ("[train]\nstepz = 3\n", "train.stepz", "train.steps"),
        ("[trian]\nsteps = 3\n", "trian", "train"),
        ("[train]\nsteps = 1.5\n", "train.steps", "1000"),
        ("[train]\nsteps = 1e3\n", "train.steps", "1000"),
        ("[train]\nsteps = true\n", "train.steps", "1000"),
        ("[train]\nsteps = -1\n", "train.steps", "1000"),
        ("[train]\nlr_peak = nan\n", "train.lr_peak", "0.001"),
        ('[train]\nlr_peak = "3e-4"\n', "train.lr_peak", "0.001"),
        ('[model]\nnorm = "rsm"\n', "model.norm", "rms"),
        ('[model]\nkind = "gtp"\n', "model.kind", "gpt"),
        ('[model]\nkind = "lstm"\nd_model = 8\n', "model.d_model", "--model.kind=gpt"),
        ("train = 3\n", "train", ""),
        ("files = [1]\n", "files", ""),
        ("model = [1]\n", "model", ""),
    ],
)
def test_errors_name_key_file_line_and_a_fix(write, text, key, hint):
    path = write("mine.toml", text)
    with pytest.raises(RecipeError) as caught:
        load(Toy, path)
    error = caught.value
    assert key in error.what and "mine.toml, line" in error.what
    assert hint in error.what + error.fix
    assert "\n" not in error.what


@pytest.mark.parametrize("flag", ["--train.stepz=3", "--steps=3", "--train.steps", "--train.steps=many", "--train=3"])
def test_a_bad_flag_is_named(flag):
    with pytest.raises(RecipeError, match="--|train"):
        load(Toy, None, [flag])


def test_a_base_is_a_file_beside_the_recipe_or_a_built_in_by_its_name(write):
    from idiolect.recipe import load_recipe

    path = write("mine.toml", 'base = "bert-shakespeare"\n[train]\nsteps = 7\n')
    config = load_recipe(path).config
    assert config.model.kind == "bert" and config.train.steps == 7
    with pytest.raises(RecipeError, match="shakespear") as caught:
        load_recipe(write("other.toml", 'base = "bert-shakespear"\n'))
    assert caught.value.fix == "bert-shakespeare"


def test_a_chain_of_bases_that_turns_back_is_refused(write):
    write("a.toml", 'base = "b.toml"\n')
    path = write("b.toml", 'base = "a.toml"\n')
    with pytest.raises(RecipeError, match="leads back to itself"):
        load(Toy, path)


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", b"x = [" + b"[" * 100_000, b"a.b." * 50_000 + b"c = 1", b"x = 1\nx = 2"]
)
def test_hostile_files_are_one_clear_error(tmp_path, content):
    (tmp_path / "bad.toml").write_bytes(content)
    with pytest.raises(RecipeError):
        load(Toy, tmp_path / "bad.toml")


def test_a_missing_recipe_suggests_its_neighbour(write):
    path: Path = write("shakespeare.toml", "")
    with pytest.raises(RecipeError) as caught:
        load(Toy, path.with_name("shakespear.toml"))
    assert "shakespeare.toml" in caught.value.fix


def test_flatten_lists_every_setting():
    assert flatten(Toy())["model.d_model"] == 128


@pytest.mark.parametrize("key", ["model.nothing", "model.feed_forward.kind", "train.lossy"])
def test_a_guess_stays_in_the_section_that_was_named(key):
    from idiolect.recipe import Recipe

    with pytest.raises(RecipeError) as caught:
        load(Recipe, None, [f"{key}=1"])
    named = caught.value.what.partition("did you mean ")[2]
    assert not named or named.startswith(key.partition(".")[0] + "."), caught.value.what
