"""Charts are sound XML of their own, whatever the names and numbers are."""

from xml.etree import ElementTree

import pytest

from swarmhub.evaluation.charts import (
    Interval,
    Series,
    draw_bars,
    draw_calibration,
    draw_forest,
    draw_grid,
    draw_learning,
    draw_roc,
)

HOSTILE = '<script>alert("x")</script> & \u202e' + "n" * 500
CHARTS = [
    draw_roc([Series(HOSTILE, [(0, 0), (0.2, 0.7), (1, 1)])]),
    draw_calibration([(0.1, 0.2, 30), (0.8, 0.7, 12)]),
    draw_learning([Series(HOSTILE, [(1, 0.7), (2, None), (3, 0.8)])], "auc"),
    draw_forest(
        [Interval(HOSTILE, 0.8, 0.7, 0.9), Interval("B", None, note=HOSTILE)], (0.5, 1), "AUC"
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
    assert names <= {"svg", "title", "desc", "text", "line", "rect", "circle", "path"}
    assert root.get("role") == "img"
    assert "href" not in chart
    assert "n" * 60 not in chart
    assert "nan" not in chart.lower().replace("nn", "")


def test_a_missing_value_interrupts_the_line():
    chart = draw_learning([Series("A", [(1, 0.7), (2, None), (3, 0.8)])], "auc")
    assert chart.count("M") == 2
