"""The charts of a report on a measured outcome."""

from __future__ import annotations

from swarmhub.errors import plain
from swarmhub.evaluation import charts, rows
from swarmhub.operations.report.contents import Hospital, Measured
from swarmhub.operations.report.kinds.numbers.contents import ReportOfNumber
from swarmhub.operations.report.say import say_in_unit

ABOVE = 1.05  # upper end of the forest plot by the largest value


def draw(report: ReportOfNumber) -> dict[str, str]:
    """Return the charts by name."""
    unit = _in_unit(report)
    return {
        "forest": draw_forest(report),
        "calibration": _draw_calibration(report),
        "features": "" if not report.features else rows.draw_bars(
            [(f.name, f.weight) for f in report.features],
            f"lowers the prediction ← change per standard deviation{unit} → raises it",
            "Features with the largest weights",
        ),
    }  # fmt: skip


def _in_unit(report: ReportOfNumber) -> str:
    return f", {plain(report.outcome.unit, 30)}" if report.outcome.unit else ""


def draw_forest(report: ReportOfNumber) -> str:
    """Return the mean absolute error at each hospital and over all, with those of other models
    beside it."""
    found = [_interval_of(hospital) for hospital in report.hospitals]
    for name, figure in (
        ("all, joint model", report.swarm.figure("mae")),
        ("all, without own hospital", report.left_out.figure("mae")),
        ("all, guessing the mean", report.swarm.figure("mae_mean")),
    ):
        if figure.value is not None:
            found.append(_row(name, figure, "diamond"))
    highs = [v for r in found for v in (r.value, r.high, *r.beside) if v is not None]
    models = ("joint model, 95% interval", "trained without the hospital", "hospital's own model")
    return rows.draw_forest(
        found, (0.0, ABOVE * max(highs, default=0.0) or 1.0),
        f"mean absolute error{_in_unit(report)}", models, "Mean absolute error at each hospital",
    )  # fmt: skip


def _interval_of(hospital: Hospital) -> rows.Interval:
    figure = hospital.swarm.figure("mae")
    if figure.value is None:
        return rows.Interval(hospital.name, None, note=f"not known: {figure.reason}")
    return _row(hospital.name, figure, "square", (hospital.left_out.value, hospital.local.value))


def _row(
    name: str, figure: Measured, shape: str, beside: tuple[float | None, ...] = ()
) -> rows.Interval:
    return rows.Interval(
        name, figure.value, figure.low, figure.high, "", shape, beside, say_in_unit(figure)
    )


def _draw_calibration(report: ReportOfNumber) -> str:
    """Return the line of found on predicted values, over two deviations to either side."""
    known = report.calibration
    if known is None or known.slope.value is None or not known.predicted_deviation > 0:
        return ""
    half = 2 * known.predicted_deviation
    rise = known.slope.value * half
    ends = ((known.predicted - half, known.found - rise), (known.predicted + half,
                                                           known.found + rise))  # fmt: skip
    name = plain(report.outcome.column, 40) + _in_unit(report)
    return charts.draw_agreement(ends, (known.predicted, known.found), name)
