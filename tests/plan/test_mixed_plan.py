"""A plan over a mixture reckons with what a run draws of each source, not with all the text there is."""

import pytest

from idiolect.plan import planner
from idiolect.plan.repetition import Drawn, breadth, effective_tokens, met, worth
from idiolect.recipe import load_recipe
from idiolect.stages.mixing import draw_of

SPEED = {64: 2e9, 128: 6e9, 256: 1e10, 512: 1.2e10}
PER_TOKEN = 3.49  # of the vocabulary for 10 MB
BYTES = {"small": 1e6, "large": 9e6}
TOKENS = [n / PER_TOKEN for n in BYTES.values()]


@pytest.fixture
def mixed(tmp_path):
    """A plan of an hour over two sources, each with these further settings."""

    def plan(*settings: str, budget: str = "1h") -> dict:
        tables = "\n".join(
            f'[[corpus.sources]]\nname = "{name}"\ntext = ["{name}"]\n{more}'
            for name, more in zip(BYTES, settings, strict=True)
        )
        (tmp_path / "mine.toml").write_text(tables)
        draw, most = draw_of(load_recipe(tmp_path / "mine.toml", []).config, TOKENS)
        return planner.plan(budget, sum(BYTES.values()), SPEED, 16e9, draw=draw, most_tokens=most)

    return plan


def test_sources_read_by_their_size_are_one_text(mixed):
    """The control: weights that are the sizes change nothing."""
    whole, parts = planner.plan("1h", sum(BYTES.values()), SPEED, 16e9), mixed("weight = 1", "weight = 9")
    assert parts["predicted"] == whole["predicted"] | {"epochs": pytest.approx(whole["predicted"]["epochs"], rel=1e-3)}
    for a, b in zip(whole["options"], parts["options"], strict=True):
        assert a["law"] == pytest.approx(b["law"], rel=2e-3)
    assert [row["epochs"] for row in parts["mixture"]] == pytest.approx([whole["predicted"]["epochs"]] * 2, rel=1e-3)
    assert whole["mixture"] == [] and not any(line.startswith("source") for line in whole["lines"])


def test_a_small_source_read_often_teaches_less_and_is_said(mixed):
    even = mixed("weight = 1", "weight = 9", budget="4h")
    skewed = mixed("weight = 9", "weight = 1", budget="4h")
    by_size = {option["d_model"]: option["law"] for option in even["options"]}
    worse = [option["law"] - by_size[option["d_model"]] for option in skewed["options"]]
    # The slowest models read too little to meet anything twice.
    assert min(worse) > -1e-3 and worse[0] > 1
    small, large = skewed["mixture"]
    assert small["tokens"] == pytest.approx(9 * large["tokens"], rel=1e-3)
    assert small["epochs"] == pytest.approx(81 * large["epochs"], rel=1e-3)
    rows = [Drawn(row["source"], row["unique"], row["tokens"]) for row in skewed["mixture"]]
    assert worth(rows) < 0.8 * effective_tokens(skewed["predicted"]["tokens"], sum(TOKENS))
    assert skewed["predicted"]["epochs"] == skewed["predicted"]["tokens"] / breadth(rows)
    said = "\n".join(skewed["lines"])
    assert "source       small:" in said and "(90.0%)" in said and "different tokens are read at least once" in said


def test_a_run_reads_no_more_than_its_sources_may_give(mixed):
    once = mixed("epochs = 1\nweight = 1", "epochs = 1\nweight = 1", budget="1d")
    assert once["predicted"]["tokens"] <= sum(TOKENS) and once["predicted"]["epochs"] == pytest.approx(1, rel=0.01)
    quota = mixed("tokens = 100_000", "", budget="1h")["mixture"]
    assert quota[0]["tokens"] == pytest.approx(100_000, rel=0.01)


def test_what_is_drawn_is_worth_at_most_what_it_is():
    rows = [Drawn("a", 100, 50), Drawn("b", 100, 400)]
    assert met(rows) == breadth(rows) == 150
    assert worth(rows) == 50 + effective_tokens(400, 100) < 450
