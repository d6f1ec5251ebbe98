"""Reports on an outcome of two classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swarmhub.operations.report.gather import Reported
from swarmhub.operations.report.kinds.binary import say
from swarmhub.operations.report.kinds.binary.answers import (
    answer_probast,
    answer_tripod,
    say_rows,
)
from swarmhub.operations.report.kinds.binary.contents import PredictedTwo, ReportOfTwo
from swarmhub.operations.report.kinds.binary.hospitals import measure_hospital, measure_within
from swarmhub.operations.report.kinds.binary.measure import (
    NAMES,
    list_own,
    list_subgroups,
    measure_curves,
    measure_pooled,
)
from swarmhub.operations.report.kinds.binary.pictures import draw
from swarmhub.operations.report.measuring import has_left_out
from swarmhub.operations.report.private import LIMIT
from swarmhub.operations.report.say import say_positive

__all__ = [
    "BY_CLASS", "HAS_THRESHOLD", "NAMES", "TEMPLATE", "answer_probast", "answer_tripod", "compose",
    "draw", "list_limits", "say", "say_rows",
]  # fmt: skip
TEMPLATE, BY_CLASS, HAS_THRESHOLD = "report_binary.html", " of each class", True


def compose(found: Reported, common: Mapping[str, Any]) -> ReportOfTwo:
    """Return the report: every figure computed once."""
    hospitals = tuple(measure_hospital(site, has_left_out(found)) for site in found.sites)
    return ReportOfTwo(
        **common,
        outcome=_outcome(found),
        swarm=measure_pooled(found, "swarm"),
        left_out=measure_pooled(found, "left-out"),
        within=measure_within(hospitals),
        hospitals=hospitals,
        subgroups=list_subgroups(found),
        curves=measure_curves(found),
        own=list_own(found),
    )


def _outcome(found: Reported) -> PredictedTwo:
    column, without_having = found.outcome["column"], found.class_rows
    positive = tuple(found.outcome["positive"])
    trained, having = sum(without_having), without_having[1]
    return PredictedTwo(
        "binary", column, say_positive(column, positive),
        found.trained if found.is_private else trained, positive,
        tuple(found.outcome.get("negative", ())), None if found.is_private else having,
    )  # fmt: skip


def list_limits(report: ReportOfTwo) -> list[str]:
    """Return the limits that the outcome brings."""
    found = [
        LIMIT
        if report.outcome.positives is None
        else "Both classes had the same weight in training: recalibrate it before a probability is "
        "read as a risk.",
    ]
    return found if report.subgroups else [*found, "Not evaluated in subgroups."]
