"""Reports on a measured outcome."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swarmhub.errors import plain
from swarmhub.operations.report.gather import Reported
from swarmhub.operations.report.kinds.numbers import say
from swarmhub.operations.report.kinds.numbers.answers import (
    answer_probast,
    answer_tripod,
    say_rows,
)
from swarmhub.operations.report.kinds.numbers.contents import PredictedNumber, ReportOfNumber
from swarmhub.operations.report.kinds.numbers.measure import (
    NAMES,
    calibrate,
    list_own,
    measure_hospital,
    measure_pooled,
)
from swarmhub.operations.report.kinds.numbers.pictures import draw
from swarmhub.operations.report.measuring import has_left_out

__all__ = [
    "BY_CLASS", "HAS_THRESHOLD", "NAMES", "TEMPLATE", "answer_probast", "answer_tripod", "compose",
    "draw", "list_limits", "say", "say_rows",
]  # fmt: skip
TEMPLATE, BY_CLASS, HAS_THRESHOLD = "report_numbers.html", "", False


def compose(found: Reported, common: Mapping[str, Any]) -> ReportOfNumber:
    """Return the report: every figure computed once."""
    column = found.outcome["column"]
    return ReportOfNumber(
        **common,
        outcome=PredictedNumber(
            "continuous", column, f"'{plain(column, 60)}'",
            found.trained if found.is_private else sum(found.class_rows),
            str(found.outcome.get("unit", "")), *found.scale, found.is_private,
        ),
        swarm=measure_pooled(found, "swarm"),
        left_out=measure_pooled(found, "left-out"),
        hospitals=tuple(measure_hospital(s, has_left_out(found)) for s in found.sites),
        calibration=calibrate(found),
        own=list_own(found),
    )  # fmt: skip


def list_limits(report: ReportOfNumber) -> list[str]:
    """Return the limits that the outcome brings."""
    o = report.outcome
    low, high = (say.say_value(o.mean + s * 2 * o.deviation, o.unit) for s in (-1, 1))
    whose = "Usual values are" if o.is_declared else "Most training patients had values"
    return [
        f"{whose} from {low} to {high} (two standard deviations around the mean): beyond, a "
        "prediction is an extrapolation.",
        "It gives a single value, without an interval for the patient.",
        "Not evaluated in subgroups.",
    ]
