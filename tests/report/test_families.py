"""The page tells the truth of every family: what it is called, what a token meets, what its scores are scores of."""

import pytest

from idiolect.models import FAMILIES
from idiolect.report.sections import cost, curves, headline, model


def run_of(kind: str, **parts) -> dict:
    return {
        "recipe": {"model.kind": kind, "data.objective.kind": "span_corruption"},
        "model": {"parameters": {"mlp": 2_000_000}},
        "metrics": [{"tokens": 5000, "seconds": 3.0}],
    } | parts


@pytest.mark.parametrize("kind", sorted(FAMILIES))
def test_every_family_has_a_name_in_prose(kind):
    said = headline.sentence(run_of(kind))
    assert said.startswith(headline.FAMILIES[kind]) and "ngram" not in said and "seq2seq" not in said
    assert ("counted" in said) == (kind == "ngram") and ("trained from scratch" in said) == (kind != "ngram")


def test_a_kind_from_outside_is_shown_as_it_calls_itself():
    assert headline.sentence(run_of("mine")).startswith("A mine language model of 2")


def test_an_n_gram_counts_and_a_mixture_says_what_a_token_meets():
    assert "of counting" in str(headline.numbers(run_of("ngram"))) and "of training" in str(
        headline.numbers(run_of("gpt"))
    )
    mixture = run_of("gpt", model={"parameters": {"mlp": 2_000_000}, "active_parameters": 700_000})
    assert "for a token" in str(headline.numbers(mixture)) and "met by a token" in headline.sentence(mixture)
    dense = run_of("gpt", model={"parameters": {"mlp": 2_000_000}, "active_parameters": 2_000_000})
    assert "for a token" not in str(headline.numbers(dense)) and "met by a token" not in headline.sentence(dense)


def test_bits_that_an_objective_hardly_teaches_are_marked():
    scores = {"bits_per_byte": {"value": 5.0, "low": 4.9, "high": 5.1, "n": 9}}
    floors = {"validation": {"unigram": {"bits_per_byte": 4.5}}}
    priced = {"nats": {"value": 3.145, "low": 3.1, "high": 3.2, "n": 9}}
    spans = run_of("t5", floors=floors, evaluation={"validation": scores | {"objective": priced}})
    shown = str(headline.ladder(spans))
    assert "span corruption hardly teaches" in shown and "3.145" in shown
    assert "hardly" not in str(headline.ladder(spans | {"evaluation": {"validation": scores}}))


def test_the_model_section_says_how_it_reads():
    assert "gap" in str(model.section(run_of("bert", reads="both")))
    assert "source" in str(model.section(run_of("t5", reads="source")))
    assert "next token" in str(model.section(run_of("gpt", reads="left")))


def test_what_counts_is_not_said_to_take_steps():
    line = {"step": 1, "tokens": 5000, "ngrams": 1200, "seconds": 3.0, "validation_nats": 1.5}
    zeros = {"parameters": {}, "flops_per_token": {"look_ups": 0, "training": 0}}
    run = run_of("ngram", metrics=[line], model=zeros)
    shown = str(curves.section(run))
    assert "n-grams held" in shown and "chart-" not in shown and "guesses" not in shown
    assert "followed" in str(model.section(run)) and "Arithmetic" not in str(model.section(run))
    assert "FLOP" not in str(cost.section(run))
    step = {"step": 1, "validation_nats": 1.5, "train_nats": 1.6, "tokens": 5, "seconds": 1.0}
    learned = str(curves.section(run_of("gpt", metrics=[step])))
    assert "chart-main" in learned and "The only evaluation" in learned
