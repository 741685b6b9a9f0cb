"""The page, the plot and the Markdown of a comparison: whole, escaped, and without anything that runs or loads."""

import math
import re
import xml.etree.ElementTree as ElementTree

import pytest

from idiolect.report import comparison, lines, page
from tests.report import example, hostile
from tests.report.compared import comparison as compared
from tests.report.test_page import Dom, active


def test_the_page_says_who_won_and_shows_everyone():
    dom = Dom(comparison.render(compared()))
    shown = " ".join(dom.texts)
    assert not active(dom) and not dom.open and not dom.scripts
    assert "gpt better than lstm by 0.110 ± 0.020 bits per byte" in shown
    assert "2.200 ± 0.020" in shown and "bert *" in shown and "failed" in shown and "0.002 (end)" in shown
    drawn = [attributes for name, attributes in dom.elements if name == "polyline"]
    assert len(drawn) == 2 * 4  # four that learn, against seconds and against FLOPs
    assert all(re.fullmatch(r"[\d., -]+", attributes["points"]) for attributes in drawn)


@pytest.mark.parametrize("text", hostile.STRINGS)
def test_no_name_can_run_or_load_anything(text):
    data = compared(text, tuple(f"{text}{index}" for index in range(6)))
    data["notes"] = data["verdicts"] = [text]
    data["contenders"][5]["failed"] = data["contenders"][0]["shape"] = data["lineage"]["date"] = text
    dom = Dom(comparison.render(data))
    assert not active(dom) and not dom.open and not dom.scripts
    ElementTree.fromstring(comparison.plot(data))
    markdown = comparison.markdown(data, "compare.svg")
    assert "<" not in markdown and markdown.count("![") == 1
    assert len({line.replace("\\|", "").count("|") for line in markdown.splitlines() if line.startswith("|")}) == 1


def test_the_report_of_a_run_has_a_section_for_it():
    dom = Dom(page.render(example.run() | {"comparison": compared()}))
    assert not active(dom) and "gpt better than lstm" in " ".join(dom.texts)
    assert "Nothing was compared" in " ".join(Dom(page.render(example.run() | {"comparison": None})).texts)


def test_names_at_the_ends_of_lines_do_not_overlap():
    drawn = [lines.Line(f"family {k}", (1.0, 10.0), (3.0, 2.0 + k / 1000), style=k) for k in range(13)]
    root = ElementTree.fromstring(lines.svg(lines.panel(drawn, "seconds", "bits"), 620, 340, "x"))
    places = [
        float(node.get("y")) for node in root.iter() if node.tag.endswith("text") and (node.text or "")[:6] == "family"
    ]
    apart = [b - a for a, b in zip(sorted(places), sorted(places)[1:], strict=False)]
    assert len(places) == 13 and min(apart) >= lines.LABEL_HEIGHT - 1e-6 and max(places) < 340


@pytest.mark.parametrize("low, high", [(0.01, 0.02), (1.0, 7.0), (3e9, 4e13), (5.0, 5.0001)])
def test_axes_have_marks(low, high):
    marks = lines.ticks(low, high, lambda x: math.log(x), 300)
    assert 2 <= marks.count("<text") <= 20
    assert 2 <= len(lines.round_values(low, high)) <= 8


def test_one_seed_has_no_band_and_one_point_is_a_dot():
    data = compared()
    data["seeds"] = 1
    assert "<polygon" not in comparison.plot(data)
    data["contenders"] = data["contenders"][:1]
    curve = {"x": [5.0], "mean": [2.2], "low": [2.2], "high": [2.2]}
    data["contenders"][0]["curves"] = {"seconds": curve, "flops": curve}
    assert "<circle" in comparison.plot(data)


def test_without_any_curve_there_is_still_a_plot():
    data = compared()
    for row in data["contenders"]:
        row["curves"] = {}
    data["contenders"] = [row for row in data["contenders"] if row["role"] != "counted"]
    assert comparison.plot(data).startswith("<svg") and "no curves" in comparison.plot(data)


def test_a_curve_ends_where_it_ends_and_no_band_takes_the_picture():
    """The worst of three has one point: it was drawn at the top edge, as if it were as good as the second."""
    long = lines.Line("long", tuple(range(1, 41)), tuple(4 - 0.02 * n for n in range(40)), (0.1,) * 40, (7.9,) * 40)
    worst = lines.Line("worst", (20,), (4.5,))
    low, high = lines.spread([long, worst, lines.Line("level", (), (2.0,))])
    assert low < 2.0 and 4.5 < high
    assert high - low < 2.5 * (4.5 - 2.0)


def test_on_a_phone_the_names_of_columns_stay_over_them():
    """The head over the row's names is empty, and stays; over bars, which are hidden there, it goes with them."""
    assert "th:empty:not(:first-child)" in page.own("style.css") and "th:empty {" not in page.own("style.css")
