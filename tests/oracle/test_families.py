"""Every family under each of its objectives, on texts whose entropy is known: near it, and never below."""

import math

import pytest
from pydantic import TypeAdapter

from idiolect.corpus.exact.config import ExactConfig
from idiolect.corpus.exact.process import build
from idiolect.data.config import SUITS
from idiolect.models import FAMILIES
from tests.oracle.judge import check
from tests.oracle.path import measure
from tests.oracle.settings import FAMILIES_TINY, FINDS_VALUE, FINDS_WORD, OBJECTIVES, TEXTS, settings_of

CASES = [
    pytest.param(kind, *case, id=", ".join((kind, *case)), marks=[] if case in tiny.quick else [pytest.mark.slow])
    for kind, tiny in FAMILIES_TINY.items()
    for case in tiny.tolerance
]


@pytest.mark.parametrize(("kind", "objective", "text"), CASES)
def test_comes_near_the_exact_entropy_and_never_below(learned, kind, objective, text):
    gap = check(measure(learned(kind, objective, text)), settings_of(kind).tolerance[objective, text])
    print(f"{kind}, {objective}, {text}: {gap}")


# Who knows the kind of every place, and looks nothing up, pays for each symbol: ten of 4, or six keys and values of 3.
@pytest.mark.parametrize(
    ("text", "alone", "tolerance"),
    [("copy", 10 * math.log(4), FINDS_WORD), ("induction", 12 * math.log(3), FINDS_VALUE)],
)
def test_looking_back_is_worth_ten_times_what_is_tolerated(text, alone, tolerance):
    entropy = build(TypeAdapter(ExactConfig).validate_python(TEXTS[text].exact)).entropy()
    worth = alone / entropy.tokens - entropy.nats
    assert 10 * tolerance <= worth < 10 * (tolerance + 0.001), f"looking back is worth {worth:.4f} nats a token"


# Built from objectives that are proven one by one, with lengths at random that have a price of their own.
MIXTURES = {"denoising"}


@pytest.mark.parametrize("kind", FAMILIES)
def test_every_family_is_proven_under_each_of_its_objectives(kind):
    proven = {objective for objective, _ in settings_of(kind).tolerance}
    reads = FAMILIES[kind].config.reads
    suits = {config.model_fields["kind"].default for config in SUITS[reads]} - MIXTURES
    assert proven == ({"causal"} if kind == "ngram" else suits), f"{kind} learns by {suits}, proven are {proven}"


def test_the_table_names_only_what_exists():
    for kind, tiny in FAMILIES_TINY.items():
        assert kind in FAMILIES and set(tiny.quick) <= set(tiny.tolerance)
        for objective, text in tiny.tolerance:
            assert objective in OBJECTIVES and text in TEXTS


def test_an_unknown_family_is_told_what_to_add():
    with pytest.raises(AssertionError, match="add a row"):
        settings_of("perceiver")
