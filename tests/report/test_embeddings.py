"""The embedding's section: what it says, what it draws, and that broken parts break nothing."""

import pytest

from idiolect.report.sections import embeddings
from tests.report import example


def test_the_section_says_where_vectors_came_from_and_how_much_they_cover():
    shown = embeddings.section(example.run())
    for words in ("from glove.txt", "56.5", "71.0", "ndarray", "lower case", "0.620", "graph", "tree 0.61", "tensor"):
        assert words in shown, words
    assert "chart-map" in shown and "<noscript>" in shown and "21.0" in shown


def test_a_random_start_is_a_start_too():
    data = example.run()
    data["embeddings"] |= {"source": "random", "coverage": {}}
    shown = embeddings.section(data)
    assert "at random" in shown and "covered" not in shown and "chart-map" in shown


def test_without_an_embedding_it_says_so():
    assert "no token embedding" in embeddings.section({})
    assert embeddings.map_data({}) is None


@pytest.mark.parametrize("part", ["coverage", "map", "drift", "neighbours", "source", "width"])
@pytest.mark.parametrize(
    "value", [None, {}, [], "text", 3, {"words": [None], "x": ["a"], "histogram": [3, [1]], "n": []}]
)
def test_broken_parts_break_nothing(part, value):
    data = example.run()
    data["embeddings"][part] = value
    assert embeddings.section(data).startswith("<section")


def test_a_map_has_a_place_for_every_word_it_names():
    data = example.run()
    found = embeddings.map_data(data)
    assert found["words"] == data["embeddings"]["map"]["words"]
    data["embeddings"]["map"]["x"][1] = float("nan")
    assert embeddings.map_data(data)["words"] == ["array", "graph", "tree", "return"]
    data["embeddings"]["map"] = {"words": ["a", "b"], "x": [1, 2], "y": [1, 2]}
    assert embeddings.map_data(data) is None
