"""The charts of a report on several classes."""

from __future__ import annotations

import math

from swarmhub.errors import plain
from swarmhub.evaluation import rows
from swarmhub.operations.report.contents import Hospital, Measured
from swarmhub.operations.report.features import Feature
from swarmhub.operations.report.kinds.classes.contents import ReportOfClasses
from swarmhub.operations.report.kinds.classes.say import find_class
from swarmhub.operations.report.say import say_count

STEP = 0.1  # of the lower end of a forest plot


def draw(report: ReportOfClasses) -> dict[str, str]:
    """Return the charts by name."""
    right = report.swarm.figure("accuracy").value
    title = "Named rightly, of 100 samples"
    return {
        "right": "" if right is None else rows.draw_hundred(
            round(100 * right), 0, f"{title}: {say_count(right)}"
        ),
        "most_frequent": _draw_baseline(report),
        "forest": draw_forest(report),
        "classes": _draw_classes(report),
        "features": "" if not report.features else rows.draw_bars(
            [(_name(f, report), f.weight) for f in report.features],
            "away from the class ← weight per standard deviation → towards it",
            "Features with the largest weights, and the class of each",
        ),
    }  # fmt: skip


def _name(feature: Feature, report: ReportOfClasses) -> str:
    name = find_class(feature, report)
    return f"{plain(feature.name, 20)}: {plain(name, 12)}" if name else feature.name


def _draw_baseline(report: ReportOfClasses) -> str:
    share = report.most_frequent.value
    if share is None:
        return ""
    title = "Right if the most frequent class is named for all, of 100 samples"
    return rows.draw_hundred(round(100 * share), 1, f"{title}: {say_count(share)}")


def draw_forest(report: ReportOfClasses) -> str:
    """Return the accuracy at each hospital and over all, with those of other models beside it."""
    found = [_interval_of(hospital) for hospital in report.hospitals]
    for name, figure in (
        ("all, joint model", report.swarm.figure("accuracy")),
        ("all, without own hospital", report.left_out.figure("accuracy")),
    ):
        if figure.value is not None:
            found.append(_row(name, figure, "diamond"))
    models = ("joint model, 95% interval", "trained without the hospital", "hospital's own model")
    return rows.draw_forest(found, _range(found), "accuracy", models, "Accuracy at each hospital")


def _draw_classes(report: ReportOfClasses) -> str:
    found = [
        _row(one.name, one.recall, "open" if one.recall.is_descriptive else "square")
        if one.recall.value is not None
        else rows.Interval(one.name, None, note=f"not known: {one.recall.reason}")
        for one in report.classes
    ]
    title = "Share found of each class"
    return rows.draw_forest(found, _range(found), "share found", (), title) if found else ""


def _interval_of(hospital: Hospital) -> rows.Interval:
    figure = hospital.swarm.figure("accuracy")
    if figure.value is None:
        return rows.Interval(hospital.name, None, note=f"not known: {figure.reason}")
    beside = (hospital.left_out.value, hospital.local.value)
    return _row(hospital.name, figure, "square", beside)


def _row(
    name: str, figure: Measured, shape: str, beside: tuple[float | None, ...] = ()
) -> rows.Interval:
    return rows.Interval(
        name, figure.value, figure.low, figure.high, shape=shape, beside=beside,
        note="descriptive" if figure.is_descriptive else "",
    )  # fmt: skip


def _range(found: list[rows.Interval]) -> tuple[float, float]:
    lows = [v for r in found for v in (r.value, r.low, *r.beside) if v is not None]
    return max(0.0, STEP * math.floor(min(lows, default=0.0) / STEP)), 1.0
