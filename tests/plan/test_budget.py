import re

import pytest

from idiolect.errors import RecipeError
from idiolect.models import measure
from idiolect.plan import budget, count, planner, repetition
from idiolect.plan.config import PlanConfig

SLOW, FAST = {128: 60e9, 256: 100e9, 512: 140e9}, {128: 100e9, 256: 140e9, 512: 170e9}


@pytest.mark.parametrize(
    ("text", "kind", "amount"),
    [("10m", "seconds", 600), ("2h", "seconds", 7200), ("1.5d", "seconds", 129600), ("90 s", "seconds", 90),
     ("50usd", "money", 50), ("$", None, 0), ("3eur", "money", 3), ("1e18flops", "flops", 1e18), ("20$", "money", 20),
     ("10", None, 0), ("-5m", None, 0), ("0h", None, 0), ("10 parsecs", None, 0), ("", None, 0), ("nan h", None, 0),
     ("1e999flops", None, 0), ("1_000s", "seconds", 1000)],
)  # fmt: skip
def test_a_budget_is_read_or_refused_with_examples(text, kind, amount):
    if kind:
        read = budget.parse_budget(text)
        assert (read.kind, read.amount) == (kind, amount)
    else:
        with pytest.raises(RecipeError) as caught:
            budget.parse_budget(text)
        assert "1e18flops" in caught.value.fix


@pytest.mark.parametrize("profile", [SLOW, FAST])
@pytest.mark.parametrize("minutes", ["5m", "10m"])
@pytest.mark.parametrize("megabytes", [1, 3, 6])
def test_minutes_on_two_cores_choose_one_to_five_million_parameters(profile, minutes, megabytes):
    planned = planner.plan(minutes, megabytes * 1e6, profile, 16e9)
    assert 0.9e6 <= planned["chosen"]["parameters"]["total"] <= 5e6
    assert planned["predicted"]["epochs"] <= 16
    assert planned["overrides"]["train.steps"] >= 500


def test_the_same_question_has_the_same_answer_and_its_numbers_agree():
    planned = planner.plan("30m", 20e6, FAST, 16e9)
    assert planned == planner.plan("30m", 20e6, FAST, 16e9)
    chosen, said = planned["overrides"], planned["predicted"]
    assert chosen["train.steps"] * chosen["train.batch_tokens"] == said["tokens"]
    assert said["tokens"] / said["tokens_per_second"] == pytest.approx(said["seconds"])
    assert said["seconds"] <= planned["budget"]["training_seconds"] == pytest.approx(0.85 * 1800)
    assert said["flops"] == said["tokens"] * planned["chosen"]["flops_per_token"]["training"]
    assert chosen["train.batch_tokens"] % chosen["model.context_length"] == 0
    text = planner.render(planned)
    assert "<- chosen" in text and "arXiv 2305.16264" in text and f"--train.steps={chosen['train.steps']}" in text


def test_more_time_and_more_text_give_larger_models():
    sizes = [planner.plan(time, 1e9, FAST, 64e9)["chosen"]["parameters"]["total"] for time in ("5m", "1h", "1d")]
    assert sizes == sorted(sizes) and sizes[0] < sizes[2]


def test_memory_limits_the_batch_at_once_and_then_the_size():
    free = planner.plan("2h", 50e6, FAST, 64e9)
    tight = planner.plan("2h", 50e6, FAST, 0.9e9)
    assert tight["predicted"]["memory_bytes"] <= 0.8 * 0.9e9 < free["predicted"]["memory_bytes"]
    assert 0 < tight["overrides"]["train.micro_batch_tokens"] < tight["overrides"]["train.batch_tokens"]


def test_what_can_not_be_is_refused_with_a_way_out():
    with pytest.raises(RecipeError, match="nothing can be trained in 0.8 s") as caught:
        planner.plan("1s", 6e6, {128: 5e9}, 16e9)
    enough = re.search(r"--budget (\d+s)", caught.value.fix)[1]
    assert planner.plan(enough, 6e6, {128: 5e9}, 16e9)["overrides"]["train.steps"] >= budget.LEAST_STEPS
    with pytest.raises(RecipeError, match="nothing can be trained on") as caught:
        planner.plan("1h", 3e3, SLOW, 16e9)
    assert "more --text" in caught.value.fix
    with pytest.raises(RecipeError, match="nothing can be trained"):
        planner.plan("10m", 6e6, SLOW, 0.1e9)
    with pytest.raises(RecipeError, match="buys nothing") as caught:
        planner.plan("50usd", 6e6, SLOW, 16e9)
    assert "price_per_hour" in caught.value.fix


def test_a_batch_leaves_a_thousand_steps_unless_a_window_is_larger():
    for minutes, megabytes in (("5m", 1), ("10m", 6), ("30m", 20), ("2h", 50)):
        for option in planner.plan(minutes, megabytes * 1e6, FAST, 16e9)["options"]:
            assert option["steps"] >= 999 or option["tokens"] / option["steps"] == 256, option


def test_money_and_operations_become_time():
    priced = planner.plan("1usd", 6e6, FAST, 16e9, PlanConfig(price_per_hour=2.0))
    assert priced["budget"]["seconds"] == pytest.approx(1800)
    assert priced["predicted"]["money"] <= 1 and any("usd" in line for line in priced["lines"])
    flops = planner.plan("3e13flops", 6e6, FAST, 16e9)
    assert 1e13 < flops["predicted"]["flops"] < 6e13


def test_repeats_are_worth_less_and_less():
    unique = 1e6
    worth = [repetition.effective_tokens(epochs * unique, unique) / (epochs * unique) for epochs in (1, 4, 16, 60)]
    assert worth[0] == 1 and worth[1] > 0.9 and worth == sorted(worth, reverse=True)
    # The paper's ceiling: no number of repeats is worth more than 1 + R of the unique text.
    assert repetition.effective_tokens(1e12, unique) == pytest.approx(unique * (1 + repetition.REPEAT_DATA), rel=1e-6)
    assert budget.effective_parameters(1e12, unique) < 1e7


def test_little_text_and_much_time_stops_at_sixteen_epochs_and_says_so():
    planned = planner.plan("1d", 1e6, FAST, 16e9)
    assert planned["predicted"]["epochs"] <= 16 and any("16 times" in line for line in planned["lines"])
    assert planned["overrides"]["model.dropout"] > 0


def test_the_ladder_holds_only_models_that_can_be_built_and_grows():
    ladder = count.ladder(256)
    sizes = [measure.parameters(config, 4096)["total"] for config in ladder]
    assert sizes == sorted(sizes)
    assert all(config.d_model % config.n_heads == 0 and config.resolved_d_head % 2 == 0 for config in ladder)


def test_speed_is_read_between_measured_widths():
    at = planner.speed_between({128: 100e9, 512: 400e9})
    assert at(count.shape(256, 256)) == pytest.approx(200e9)
    assert at(count.shape(64, 256)) == 100e9 and at(count.shape(1024, 256)) == 400e9


def test_a_vocabulary_of_ones_own_has_its_own_bytes_per_token():
    asked = {
        size: planner.plan("30m", 20e6, FAST, 16e9, PlanConfig(vocabulary_size=size)) for size in (256, 2048, 4096)
    }
    assert asked[256]["corpus"]["bytes_per_token"] == pytest.approx(1.0)
    assert asked[2048]["corpus"]["bytes_per_token"] == pytest.approx(3.06)
    assert asked[4096]["corpus"] == planner.plan("30m", 20e6, FAST, 16e9)["corpus"]
    assert 3.06 < budget.bytes_per_token(3000) < 3.49 and budget.bytes_per_token(100) == 1.0
