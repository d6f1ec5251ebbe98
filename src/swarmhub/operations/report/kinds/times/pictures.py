"""The charts of a report on the time to an event."""

from __future__ import annotations

import math

from swarmhub.errors import plain
from swarmhub.evaluation import charts, rows
from swarmhub.operations.report.contents import Measured
from swarmhub.operations.report.kinds.times.contents import HospitalOfTimes, ReportOfTimes
from swarmhub.operations.report.kinds.times.say import name_group

STEP = 0.1  # of the lower end of the forest plot


def draw(report: ReportOfTimes) -> dict[str, str]:
    """Return the charts by name."""
    return {
        "forest": draw_forest(report),
        "survival": _draw_survival(report),
        "calibration": _draw_calibration(report),
        "features": "" if not report.features else rows.draw_bars(
            [(f.name, f.weight) for f in report.features],
            "lowers the hazard ← weight per standard deviation → raises it",
            "Features with the largest weights",
        ),
    }  # fmt: skip


def _draw_survival(report: ReportOfTimes) -> str:
    """Return the Kaplan-Meier curves of the risk groups."""
    series = [charts.Series(name_group(report, g), g.curve) for g in report.groups if g.curve]
    if not series:
        return ""
    o = report.outcome
    unit = f", {plain(o.unit, 30)}" if o.unit else ""
    title = "Share without the event by time and predicted risk"
    return charts.draw_steps(series, f"{plain(o.time, 40)}{unit}", o.horizon, title)


def _draw_calibration(report: ReportOfTimes) -> str:
    known = [
        (g.predicted, g.found.value, g.rows, g.found.low, g.found.high)
        for g in report.groups
        if g.predicted is not None and g.found.value is not None
    ]
    if not known:
        return ""
    return charts.draw_calibration(
        [(p, v, n) for p, v, n, _, _ in known],
        [(v if low is None else low, v if high is None else high) for _, v, _, low, high in known],
        "Calibration at the horizon", "share with the event (Kaplan-Meier)",
    )  # fmt: skip


def draw_forest(report: ReportOfTimes) -> str:
    """Return the C-index at each hospital and over all, with those of other models beside it."""
    found = [_interval_of(hospital) for hospital in report.hospitals]
    for name, figure in (
        ("all, joint model", report.swarm.figure("c_index_within")),
        ("all, without own hospital", report.left_out.figure("c_index_within")),
    ):
        if figure.value is not None:
            found.append(_row(name, figure, "diamond"))
    lows = [v for r in found for v in (r.value, r.low, *r.beside) if v is not None]
    low = min(0.5, max(0.0, STEP * math.floor(min(lows, default=0.5) / STEP)))
    models = ("joint model, 95% interval", "trained without the hospital", "hospital's own model")
    return rows.draw_forest(found, (low, 1.0), "C-index", models, "C-index at each hospital")


def _interval_of(hospital: HospitalOfTimes) -> rows.Interval:
    figure = hospital.swarm.figure("c_index_within")
    if figure.value is None:
        return rows.Interval(hospital.name, None, note=f"not known: {figure.reason}")
    beside = (hospital.left_out.value, hospital.local.value)
    return _row(hospital.name, figure, "open" if figure.is_descriptive else "square", beside)


def _row(
    name: str, figure: Measured, shape: str, beside: tuple[float | None, ...] = ()
) -> rows.Interval:
    note = "descriptive" if figure.is_descriptive else ""
    return rows.Interval(name, figure.value, figure.low, figure.high, note, shape, beside)
