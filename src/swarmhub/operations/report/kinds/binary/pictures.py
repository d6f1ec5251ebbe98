"""The charts of a report on an outcome of two classes."""

from __future__ import annotations

import math

from swarmhub.evaluation import charts, rows
from swarmhub.operations.report.kinds.binary.contents import HospitalOfTwo, ReportOfTwo
from swarmhub.operations.report.say import say_count

STEP = 0.1  # of the lower end of the forest plot


def draw(report: ReportOfTwo) -> dict[str, str]:
    """Return the charts by name."""
    curves = report.curves
    return {
        "found": _draw_hundred(report, "recall", 0),
        "alarms": _draw_hundred(report, "specificity", 1),
        "forest": draw_forest(report),
        "roc": _draw_roc(report),
        "calibration": "" if not curves.calibration else charts.draw_calibration(
            [(b.predicted, b.found.value or 0.0, b.found.support) for b in curves.calibration],
            [(b.found.low, b.found.high) for b in curves.calibration
             if b.found.low is not None and b.found.high is not None],
        ),
        "features": "" if not report.features else rows.draw_bars(
            [(f.name, f.weight) for f in report.features],
            "lowers the probability ← weight per standard deviation → raises it",
            "Features with the largest weights",
        ),
    }  # fmt: skip


def _draw_hundred(report: ReportOfTwo, name: str, colour: int) -> str:
    """Return the sensitivity, or the false alarms (of the specificity), as dots."""
    value = report.swarm.figure(name).value
    if value is None:
        return ""
    share, title = value, f"Found, of 100 patients with {report.outcome.phrase}"
    if name == "specificity":
        share, title = 1 - value, f"False alarms, of 100 patients without {report.outcome.phrase}"
    return rows.draw_hundred(round(100 * share), colour, f"{title}: {say_count(share)}")


def _draw_roc(report: ReportOfTwo) -> str:
    if not report.curves.roc:
        return ""
    recall, spared = (report.swarm.figure(n).value for n in ("recall", "specificity"))
    at = None if recall is None or spared is None else (1 - spared, recall)
    return charts.draw_roc([charts.Series("all hospitals", report.curves.roc)], at)


def draw_forest(report: ReportOfTwo) -> str:
    """Return the AUROC at each hospital and over all, with those of other models beside it."""
    found = [_interval_of(hospital) for hospital in report.hospitals]
    for name, figure in (
        ("mean of hospitals", report.within),
        ("all, joint model", report.swarm.figure("auc")),
        ("all, without own hospital", report.left_out.figure("auc")),
    ):
        if figure.value is not None:
            found.append(
                rows.Interval(name, figure.value, figure.low, figure.high, shape="diamond")
            )
    lows = [v for r in found for v in (r.value, r.low, *r.beside) if v is not None]
    low = min(0.5, max(0.0, STEP * math.floor(min(lows, default=0.5) / STEP)))
    models = ("joint model, 95% interval", "trained without the hospital", "hospital's own model")
    return rows.draw_forest(found, (low, 1.0), "AUROC", models, "AUROC at each hospital")


def _interval_of(hospital: HospitalOfTwo) -> rows.Interval:
    area = hospital.swarm.figure("auc")
    if area.value is None:
        return rows.Interval(hospital.name, None, note=f"not known: {area.reason}")
    beside = (hospital.left_out.value, hospital.local.value)
    shape, note = ("open", "descriptive") if area.is_descriptive else ("square", "")
    return rows.Interval(hospital.name, area.value, area.low, area.high, note, shape, beside)
