"""Reports on an outcome of several classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swarmhub.errors import plain
from swarmhub.operations.report.gather import Reported
from swarmhub.operations.report.kinds.classes import say
from swarmhub.operations.report.kinds.classes.answers import (
    answer_probast,
    answer_tripod,
    say_rows,
)
from swarmhub.operations.report.kinds.classes.contents import PredictedClasses, ReportOfClasses
from swarmhub.operations.report.kinds.classes.measure import (
    NAMES,
    confuse,
    list_classes,
    list_own,
    measure_hospital,
    measure_pooled,
    name_most_frequent,
    pool,
)
from swarmhub.operations.report.kinds.classes.pictures import draw
from swarmhub.operations.report.measuring import has_left_out
from swarmhub.operations.report.private import LIMIT

__all__ = [
    "BY_CLASS", "HAS_THRESHOLD", "NAMES", "TEMPLATE", "answer_probast", "answer_tripod", "compose",
    "draw", "list_limits", "say", "say_rows",
]  # fmt: skip
TEMPLATE, BY_CLASS, HAS_THRESHOLD = "report_classes.html", " of each class", False


def compose(found: Reported, common: Mapping[str, Any]) -> ReportOfClasses:
    """Return the report: every figure computed once."""
    swarm, left_out = pool(found, "swarm"), pool(found, "left-out")
    share, name = name_most_frequent(found, swarm)
    column, classes = found.outcome["column"], tuple(found.outcome["classes"])
    return ReportOfClasses(
        **common,
        outcome=PredictedClasses(
            "classes", column, f"the class of '{plain(column, 60)}'",
            found.trained if found.is_private else sum(found.class_rows),
            classes, () if found.is_private else tuple(found.class_rows),
        ),
        swarm=measure_pooled(swarm, "swarm"),
        left_out=measure_pooled(left_out, "left-out"),
        hospitals=tuple(measure_hospital(s, has_left_out(found)) for s in found.sites),
        classes=list_classes(found, swarm),
        confusion=confuse(swarm),
        most_frequent=share,
        most_frequent_class=name,
        own=list_own(found),
    )  # fmt: skip


def list_limits(report: ReportOfClasses) -> list[str]:
    """Return the limits that the outcome brings."""
    found = [
        "It names one of its classes for every sample, also for one that is of none of them.",
        "All classes had the same weight in training: recalibrate it before a probability is read "
        "as one."
        if report.outcome.trained_by_class
        else LIMIT,
        "Not evaluated in subgroups.",
    ]
    absent = [plain(c.name, 40) for c in report.classes if not c.tested]
    if absent:
        found.append(f"No published test samples of {', '.join(absent[:12])}.")
    return found
