"""Reports on the time to an event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swarmhub.operations.report.gather import Reported
from swarmhub.operations.report.kinds.times import say
from swarmhub.operations.report.kinds.times.answers import (
    answer_probast,
    answer_tripod,
    say_rows,
)
from swarmhub.operations.report.kinds.times.contents import PredictedTime, ReportOfTimes
from swarmhub.operations.report.kinds.times.measure import (
    NAMES,
    list_groups,
    list_own,
    measure_hospital,
    measure_pooled,
    pool,
    predict_mean,
)
from swarmhub.operations.report.kinds.times.pictures import draw
from swarmhub.operations.report.measuring import has_left_out
from swarmhub.operations.report.say import say_positive

__all__ = [
    "BY_CLASS", "HAS_THRESHOLD", "NAMES", "TEMPLATE", "answer_probast", "answer_tripod", "compose",
    "draw", "list_limits", "say", "say_rows",
]  # fmt: skip
TEMPLATE, HAS_THRESHOLD = "report_times.html", False
BY_CLASS = ", with and without an event,"


def compose(found: Reported, common: Mapping[str, Any]) -> ReportOfTimes:
    """Return the report: every figure computed once."""
    swarm, left_out = pool(found, "swarm"), pool(found, "left-out")
    return ReportOfTimes(
        **common,
        outcome=_outcome(found),
        swarm=measure_pooled(swarm, "swarm"),
        left_out=measure_pooled(left_out, "left-out"),
        hospitals=tuple(measure_hospital(s, has_left_out(found)) for s in found.sites),
        groups=list_groups(swarm),
        predicted=predict_mean(swarm),
        own=list_own(found),
    )


def _outcome(found: Reported) -> PredictedTime:
    outcome, agreed = found.outcome, found.agreed
    horizon = None if agreed is None else float(agreed.grid.ends[agreed.horizon])
    return PredictedTime(
        "time_to_event", outcome["column"],
        say_positive(outcome["column"], outcome.get("positive", ())), sum(found.class_rows),
        str(outcome.get("time", "")), str(outcome.get("unit", "")), horizon, found.class_rows[-1],
    )  # fmt: skip


def list_limits(report: ReportOfTimes) -> list[str]:
    """Return the limits that the outcome brings."""
    return [
        f"Calibration is known up to {say.say_horizon(report)} only.",
        "Patients who are censored are taken to be like those who are followed on.",
        "Not evaluated in subgroups.",
    ]
