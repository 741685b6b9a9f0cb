"""Families of one size: found, reported, or refused with the number that would do."""

import pytest

from idiolect.errors import RecipeError
from idiolect.models import FAMILIES
from idiolect.models.config import GPTConfig
from idiolect.tune.match import counted, match

V = 65
SIZED = sorted(kind for kind, row in FAMILIES.items() if kind != "ngram")


def matched(kind: str, target: int, tolerance: float = 0.1, **more):
    make = FAMILIES[kind].config.sized
    return match(lambda width: make(width, 64), lambda one: counted(one, V, **more), target, tolerance, kind)


@pytest.mark.parametrize("target, most", [(100_000, 0.15), (300_000, 0.1), (1_000_000, 0.1), (10_000_000, 0.1)])
@pytest.mark.parametrize("kind", SIZED)
def test_every_family_comes_near(kind, target, most):
    found = matched(kind, target, most)
    assert found.parameters == sum(found.config.count_parameters(V).values())
    assert abs(found.parameters / target - 1) == pytest.approx(abs(found.mismatch)) and abs(found.mismatch) < most
    assert found.config.context_length == 64


def test_the_nearest_of_all_widths_is_found():
    found = matched("gpt", 1_000_000)
    widths = [GPTConfig.sized(width, 64) for width in range(16, 512, 16)]
    assert abs(found.mismatch) <= min(abs(counted(one, V) / 1_000_000 - 1) for one in widths)


def test_embeddings_need_not_count():
    found = matched("gpt", 1_000_000, embeddings_count=False)
    parts = found.config.count_parameters(V)
    assert found.parameters == parts["attention"] + parts["mlp"] + parts["norms"]


def test_what_can_not_be_matched_is_refused_with_what_would_do():
    with pytest.raises(RecipeError) as caught:
        matched("gpt", 1_000, 0.05)
    assert "gpt can't be sized to 1,000 parameters" in caught.value.what and "--parameters" in caught.value.fix


def test_a_family_that_can_not_be_built_is_refused():
    def never(width):
        raise RecipeError("no", why="never", fix="never")

    with pytest.raises(RecipeError, match="no member of any width"):
        match(never, lambda one: 1, 1000, 0.1, "odd")


def test_widths_that_can_not_be_are_passed_over():
    def only_sixty_fours(width):
        if width % 64:
            raise RecipeError("no", why="never", fix="never")
        return GPTConfig.sized(width, 64)

    found = match(only_sixty_fours, lambda one: counted(one, V), 1_000_000, 0.9, "odd")
    assert found.config.d_model % 64 == 0
