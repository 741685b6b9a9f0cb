"""Runs are kept for the whole session: a text is prepared once, a model trained once, whoever asks first."""

import pytest

from tests.oracle.path import Learned, learn
from tests.oracle.settings import recipe_values


@pytest.fixture(scope="session")
def learned(tmp_path_factory):
    """A function (kind, objective, text) -> the finished run."""
    runs = tmp_path_factory.mktemp("oracle")
    known: dict[tuple, Learned] = {}

    def of(kind: str, objective: str, text: str) -> Learned:
        key = (kind, objective, text)
        if key not in known:
            known[key] = learn(recipe_values(*key), runs, "-".join(key).replace(", ", "-").replace(" ", "-"))
        return known[key]

    return of
