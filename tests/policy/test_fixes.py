"""What an error or the README tells a user to type exists, and every error has its three parts."""

import ast
import re
from pathlib import Path

import pytest

from idiolect import errors
from idiolect.config import walk_fields
from idiolect.recipe import Recipe
from idiolect.verbs import VERBS

PACKAGE = Path(errors.__file__).parent
ERRORS = {
    name
    for name, cls in vars(errors).items()
    if isinstance(cls, type) and issubclass(cls, errors.IdiolectError) and cls is not errors.MissingExtra
}
FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_every_setting_that_a_text_names_exists(path):
    keys = {key for key, _ in walk_fields(Recipe)}
    sections = {key.split(".")[0] for key in keys if "." in key}
    for key in re.findall(r"--([a-z]+\.[a-z_.]+?)(?=[=\s,\"'`)]|$)", path.read_text(), re.MULTILINE):
        if key.split(".")[0] in sections:
            known = key in keys or any(k.startswith(key + ".") for k in keys)
            assert known, f"--{key} is no setting"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_every_command_that_a_text_names_exists(path):
    for word in re.findall(r"(?:try: |`|fix=f?\"|\"  )idiolect ([a-z]+)", path.read_text()):
        assert word in VERBS, f"idiolect {word}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_every_error_says_why_and_what_to_type(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS:
            given = {keyword.arg: keyword.value for keyword in node.keywords}
            for part in ("why", "fix"):
                value = given.get(part)
                empty = value is None or (isinstance(value, ast.Constant) and not value.value)
                assert not empty, f"line {node.lineno}: {node.func.id} without {part}"


def test_what_the_readme_names_exists():
    text = (PACKAGE.parent / "README.md").read_text()
    for word in re.findall(r"idiolect ([a-z]+)", text.partition("## Where things are")[0]):
        assert word in VERBS, f"idiolect {word}"
    for verb in VERBS:
        assert f"`{verb}`" in text or f"idiolect {verb}" in text or f"make {verb}" in text, f"{verb} is not explained"
    tree = text.partition("```\nidiolect/\n")[2].partition("runs/\n")[0]
    for name in re.findall(r"\b([a-z_]+(?:/|\.py))(?=[\s:])", tree):
        assert (PACKAGE / name).exists(), f"idiolect/{name}"
