"""The charts of a report, as SVG by name; "" for one that has nothing to show."""

from __future__ import annotations

from swarmhub.evaluation import charts, rows
from swarmhub.operations.report.contents import Report
from swarmhub.operations.report.kinds.kind import kind_of


def draw_all(report: Report) -> dict[str, str]:
    """Return the charts by name: those of its kind of outcome, and those of all kinds."""
    kind, penalty = kind_of(report.outcome.kind), report.penalty
    metric = kind.say.METRICS.get(report.metric, report.metric)
    return kind.draw(report) | {
        "learning": "" if not has_curves(report)
        else charts.draw_learning(list_curves(report), metric),
        "penalty": "" if penalty is None or penalty.is_fixed
        else charts.draw_penalty(penalty.strengths, penalty.losses, penalty.chosen),
        "grid": rows.draw_grid(
            [h.name for h in report.hospitals], [h.took_part for h in report.hospitals],
        ),
    }  # fmt: skip


def has_curves(report: Report) -> bool:
    """Return whether a hospital has measured the model during training: in masked rounds none
    publishes it, and the evaluation alone is no curve."""
    measured = any(v is not None for s in list_curves(report) for _, v in s.points)
    return measured and "excluded" not in report.conditions.privacy


def list_curves(report: Report) -> list[charts.Series]:
    """Return the metric by round, of each hospital and in the mean."""
    curves = [charts.Series(h.name, list(enumerate(h.curve, 1))) for h in report.hospitals]
    return [*curves, charts.Series("mean", list(enumerate(report.learning, 1)), is_main=True)]
