"""Charts are sound XML of their own, whatever the names and numbers are."""

from xml.etree import ElementTree

import pytest

from swarmhub.evaluation.charts import (
    Series,
    draw_calibration,
    draw_learning,
    draw_penalty,
    draw_roc,
)
from swarmhub.evaluation.rows import Interval, draw_bars, draw_forest, draw_grid, draw_hundred
from swarmhub.evaluation.svg import legend, mark, nice_ticks

HOSTILE = '<script>alert("x")</script> & \u202e' + "n" * 500
CHARTS = [
    draw_roc([Series(HOSTILE, [(0, 0), (0.2, 0.7), (1, 1)])], (0.2, 0.7)),
    draw_calibration([(0.1, 0.2, 30), (0.8, 0.7, 12)], [(0.1, 0.3), (0.5, 0.9)]),
    draw_learning([Series(f"{k}{HOSTILE}", [(1, 0.5)], k == 9) for k in range(10)], "auc"),
    draw_penalty([0.01, 0.1, 1.0], [0.6, 0.5, 0.55], 0.1), draw_penalty([], []),
    draw_hundred(37, 1, HOSTILE), draw_grid([HOSTILE], [[k % 7 != 0 for k in range(500)]]),
    draw_learning([Series(HOSTILE, [(1, 0.7), (2, None), (3, 0.8)])], "auc"),
    draw_forest(
        [
            Interval(HOSTILE, 0.8, 0.7, 0.9, "few", "open", (0.7, None)),
            Interval("B", None, note=HOSTILE), Interval("C", 0.9, shape="diamond"),
        ],
        (0.5, 1), "AUC", ("joint", HOSTILE, "own"),
    ),
    draw_bars([(HOSTILE, 0.4), ("b", -0.2)], "weight"),
    draw_grid([HOSTILE, "B"], [[True, False], [True, True]]),
    draw_roc([]), draw_calibration([]), draw_learning([], "auc"), draw_forest([], (0, 1), "AUC"),
    draw_bars([], "w"), draw_grid([], []),
]  # fmt: skip


@pytest.mark.parametrize("chart", CHARTS)
def test_a_chart_is_sound_and_refers_to_nothing(chart):
    root = ElementTree.fromstring(chart)
    names = {element.tag.split("}")[1] for element in root.iter()}
    assert names <= {"svg", "title", "desc", "text", "line", "rect", "circle", "path", "g"}
    assert root.get("role") == "img"
    assert "href" not in chart
    assert "n" * 101 not in chart
    assert "nan" not in chart.lower().replace("nn", "")


def test_a_missing_value_interrupts_the_line():
    chart = draw_learning([Series("A", [(1, 0.7), (2, None), (3, 0.8)])], "auc")
    assert chart.count("M") == 2


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0, 1, [0, 0.25, 0.5, 0.75, 1]), (0.43, 0.62, [0.45, 0.5, 0.55, 0.6]), (3, 3, [3])],
)
def test_ticks_are_round_numbers(low, high, ticks):
    assert nice_ticks(low, high) == ticks


def test_of_many_lines_the_main_one_alone_is_named():
    lines = [Series(f"site {k}", [(1, 0.5), (2, 0.6)], k == 11) for k in range(12)]
    chart = draw_learning(lines, "auc")
    assert "site 11" in chart
    assert "site 3" not in chart


def test_many_rounds_are_runs():
    few, many = (draw_grid(["A"], [[True] * n]) for n in (40, 400))
    assert (few.count("<rect"), many.count("<rect")) == (40, 1)
    assert "round 1 to 400: contributed" in many


def test_a_hundred_dots_show_a_share():
    chart = draw_hundred(37, 1, "found")
    assert chart.count("<circle") == 100
    assert chart.count('fill="none"') == 63


def test_a_legend_takes_lines_as_it_needs():
    drawing = mark((0, 0), "ring", "red")
    assert legend([(drawing, "A")], 400, 10)[1] == 24
    assert legend([(drawing, "A" * 40)] * 3, 400, 10)[1] == 60
