"""A recipe with one mistake in it is answered in one line that names the key, with exit 2, and nothing on disk."""

import random
import tomllib
from collections import Counter

import pytest
import tomlkit

from idiolect.cli import main
from idiolect.config import Config, flatten, is_table_list, walk_fields
from idiolect.config_load import load
from idiolect.recipe import BUILT_IN, Recipe, load_recipe

RECIPES = sorted(path.stem for path in BUILT_IN.glob("*.toml"))
N = 1000


def keys_of(config: Config) -> dict[str, object]:
    """Dotted key -> field, for the settings of this very config (of a union, the kind that was picked)."""
    fields, flat = dict(walk_fields(Recipe)), flatten(config)
    return {key: fields[key] for key in flat if key in fields and not is_table_list(fields[key].annotation)}


def typo(choose: random.Random, word: str) -> str:
    """The word with one letter dropped, doubled, swapped or changed."""
    i = choose.randrange(len(word))
    return choose.choice(
        [word[:i] + word[i + 1 :], word[:i] + word[i] + word[i:], word[:i] + "q" + word[i + 1 :], word + "s"]
    )  # fmt: skip


def wrong_value(choose: random.Random, info, value):
    """A value that can't be right for this setting: another type, no member, not finite, out of range."""
    if isinstance(value, bool):
        return choose.choice([1, "yes", 0.5, [True]])
    if isinstance(value, int):
        return choose.choice(["many", 1.5, True, -(10**6), [value], 10**30, float("nan"), float("inf")])
    if isinstance(value, float):
        return choose.choice(["3e-4", True, -1e9, float("nan"), float("inf"), [value], {"peak": 1.0}])
    if isinstance(value, str):
        return choose.choice([1, 1.5, True, ["text"], {"text": "x"}])
    if isinstance(value, list):
        return choose.choice([1, True, {"a": 1}, [[1]], [{}]])
    return {"not": "a value"}


def place(tree: dict, key: str, value) -> None:
    """Set a dotted key."""
    *path, last = key.split(".")
    for part in path:
        tree = tree.setdefault(part, {})
    tree[last] = value


def mutate(choose: random.Random, config: Config, tree: dict) -> tuple[str, str, str]:
    """Spoil one thing; what kind of mistake, the key it is in, and the right key."""
    fields, flat = keys_of(config), flatten(config)
    kind = choose.choice(["typo", "typo", "value", "value", "value", "section", "nested"])
    key = choose.choice([k for k in fields if not k.endswith("kind")])
    *path, last = key.split(".")
    if kind == "typo":
        wrong = typo(choose, last)
        siblings = {k.rpartition(".")[2] for k in flat if k.rpartition(".")[0] == ".".join(path)}
        if wrong in siblings:
            wrong += "qq"
        place(tree, ".".join([*path, wrong]), 1 if flat[key] is None else flat[key])  # TOML has no word for nothing
        return kind, ".".join([*path, wrong]), key
    if kind == "section":
        wrong = typo(choose, "optim") + "q"
        place(tree, f"{wrong}.steps", 1)
        return kind, wrong, "optim"
    if kind == "nested":
        place(tree, key, {"deeper": 1})
        return kind, key, key
    value = wrong_value(choose, fields[key], flat[key])
    place(tree, key, value)
    return kind, key, key


def write(path, tree: dict) -> None:
    path.write_text(tomlkit.dumps({k: v for k, v in tree.items() if v is not None}))


@pytest.mark.parametrize("name", RECIPES)
def test_mutated_recipes_name_the_key_and_leave_nothing(name, tmp_path, monkeypatch, capsys):
    """1,000 mistakes over all built-in recipes; every one is answered."""
    monkeypatch.chdir(tmp_path)
    choose = random.Random(name)
    loaded = load_recipe(BUILT_IN / f"{name}.toml").config
    right, typos, wrong = 0, Counter(), []
    for number in range(-(-N // len(RECIPES))):
        tree = tomllib.loads((BUILT_IN / f"{name}.toml").read_text())
        tree.pop("base", None)
        mistake, key, meant = mutate(choose, loaded, tree)
        write(tmp_path / "bad.toml", tree)
        code = main(["train", "bad.toml"])
        said = capsys.readouterr()
        first = said.err.splitlines()[0] if said.err else ""
        # Without its base a recipe may have another kind, and then the whole table is named, not what is wrong in it.
        table = key.rpartition(".")[0] in first and "has no setting" in first
        named = key in first or (mistake == "nested" and meant in first) or table
        if code != 2 or not first.startswith("error: ") or not named or "Traceback" in said.err or said.out:
            wrong.append((number, mistake, key, code, said.err[-600:]))
        if mistake == "typo":
            typos[meant.rpartition(".")[2] in first + said.err] += 1
        right += 1
    assert wrong == [] and right
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.toml"]
    assert typos[True] >= 0.8 * typos.total(), typos


def test_an_unspoilt_recipe_is_accepted(tmp_path):
    """The negative control: the mutations are what is refused."""
    for name in RECIPES:
        config = load_recipe(BUILT_IN / f"{name}.toml").config
        assert load(Recipe, BUILT_IN / f"{name}.toml").config == config
