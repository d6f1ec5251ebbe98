"""Charts are sound XML of their own, whatever the names and numbers are."""

import re
from xml.etree import ElementTree

import pytest

from swarmhub.evaluation.charts import (
    Series,
    draw_agreement,
    draw_calibration,
    draw_learning,
    draw_penalty,
    draw_roc,
    draw_steps,
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
    draw_agreement(((20.0, 30.0), (70.0, 60.0)), (45.0, 45.0), HOSTILE),
    draw_agreement(((5.0, 5.0), (5.0, 5.0)), (5.0, 5.0), "flat"), draw_steps([], "months"),
    draw_steps([Series(HOSTILE, [(0, 1.0), (2, 0.5), (3, 0.5)])], HOSTILE, 2.0),
    draw_forest([Interval("A", 46130.0, 40000.0, 5e4, said=HOSTILE)], (0, 5e4), HOSTILE),
    draw_bars([("a", 1e9), ("b", 1e-9)], "weight"),
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


def test_a_share_holds_until_the_next_time():
    chart = draw_steps([Series("A", [(0, 1.0), (2, 0.5), (4, 0.5)])], "months")
    path = chart.partition('<path d="')[2].partition('"')[0]
    points = [tuple(float(v) for v in p[1:].split()) for p in re.findall(r"[ML][^ML]+", path)]
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = points
    assert (x1, y0, y2) == (x2, y1, y3)  # along, down, along
    assert (x1 - x0) == pytest.approx(x3 - x2)
    assert y2 > y1


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
