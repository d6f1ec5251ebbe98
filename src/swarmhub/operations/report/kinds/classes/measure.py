"""The figures of a report on several classes: over all hospitals out of the settled counts, and of
each hospital as it published them under its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from swarmhub.evaluation.classes import COUNTED, ClassEvaluation, evaluate_counts
from swarmhub.evaluation.figures import DESCRIPTIVE, share
from swarmhub.operations.report.contents import Evaluated, Hospital, Measured
from swarmhub.operations.report.gather import Reported, SiteReported
from swarmhub.operations.report.kinds.classes.contents import Confusion, OfClass
from swarmhub.operations.report.measuring import (
    ALL,
    MEAN,
    NO_PATIENTS,
    UNPUBLISHED,
    WILSON,
    describe_site,
    measure_beside,
    measured_of,
    nothing,
    read_own_figures,
    read_rows,
    select_counts,
    why_no_counts,
)

NAMES = ("accuracy", "balanced_accuracy", "macro_f1", "macro_auc", "loss")
OF_CLASS = ("precision", "recall", "f1", "auc")
METHODS = {
    "accuracy": WILSON, "precision": WILSON, "recall": WILSON, "loss": MEAN,
    "f1": "Wilson, of tp / (tp + fp + fn)", "auc": "DeLong, on the logit scale",
    "balanced_accuracy": "normal, of independent shares",
}  # fmt: skip
OTHER = "the settled counts are of other classes than the terms declare"
WHY = {
    "precision": "the model names it for no published sample, or its samples are withheld",
    "recall": "no test sample of it is published",
    "f1": "it is neither named nor found, or its samples are withheld",
    "auc": "no hospital has enough test samples of it and of others to publish scores",
}
TOO_FEW_FOR_CLASSES = "no hospital has enough test samples of a class to publish them"


@dataclass(frozen=True, eq=False)
class Pooled:
    """A model over the test rows of all hospitals; `reason` says why it was not evaluated."""

    found: ClassEvaluation | None
    reason: str = ""


def pool(found: Reported, model: str) -> Pooled:
    """Return the pooled evaluation of `swarm` or `left-out` out of the settled counts."""
    counts = select_counts(found, model, COUNTED)
    if counts is None:
        return Pooled(None, why_no_counts(found, model))
    size = len(found.outcome.get("classes", ()))
    if np.shape(counts["confusion"]) != (size, size):
        return Pooled(None, OTHER)
    evaluation = evaluate_counts(counts)
    return Pooled(evaluation) if evaluation.rows else Pooled(None, NO_PATIENTS)


def measure_pooled(pooled: Pooled, model: str) -> Evaluated:
    """Return the figures of a model over all hospitals."""
    if pooled.found is None:
        return Evaluated(model, ALL, reason=pooled.reason)
    few = dict.fromkeys(NAMES, pooled.found.is_descriptive)
    few |= dict.fromkeys(("accuracy", "loss"), pooled.found.rows < DESCRIPTIVE)
    figures = tuple(
        measured_of(n, pooled.found.figures[n], METHODS, few[n], TOO_FEW_FOR_CLASSES) for n in NAMES
    )
    return Evaluated(model, ALL, pooled.found.rows, figures)


def list_classes(found: Reported, pooled: Pooled) -> tuple[OfClass, ...]:
    """Return the figures of each class; none if the model was not evaluated."""
    if pooled.found is None:
        return ()
    return tuple(
        OfClass(
            name, one.support,
            **{n: measured_of(n, one.figures[n], METHODS, one.support < DESCRIPTIVE, WHY[n])
               for n in OF_CLASS},
        )
        for name, one in zip(found.outcome["classes"], pooled.found.classes, strict=True)
    )  # fmt: skip


def confuse(pooled: Pooled) -> Confusion:
    """Return the confusion matrix as it is published."""
    if pooled.found is None:
        return Confusion()
    cells = tuple(tuple(int(n) for n in row) for row in pooled.found.confusion)
    return Confusion(cells, pooled.found.rows - sum(sum(row) for row in cells))


def name_most_frequent(found: Reported, pooled: Pooled) -> tuple[Measured, str]:
    """Return the share of published test rows for which the most frequent class is right, and that
    class."""
    if pooled.found is None:
        return nothing("most frequent", pooled.reason), ""
    rows = pooled.found.confusion.sum(axis=1)
    best = share(int(rows.max()), int(rows.sum()))
    name = str(found.outcome["classes"][int(rows.argmax())]) if rows.any() else ""
    return measured_of("most frequent", best, {}, False, TOO_FEW_FOR_CLASSES), name


# each hospital


def measure_hospital(site: SiteReported, is_left_out: bool) -> Hospital:
    """Return a hospital's part and the figures that it published."""
    rows, reason = read_rows(site, is_possible(site.figures))

    def make(value: float) -> Measured:
        return measured_of(
            "accuracy", share(round(value * rows), rows), METHODS, rows < DESCRIPTIVE, UNPUBLISHED
        )

    figures = []
    for name in ("accuracy", "macro_f1", "loss"):
        value = site.figures.get(name)
        if value is None or not rows:
            figures.append(nothing(name, reason or UNPUBLISHED))
        elif name == "accuracy":
            figures.append(make(value))
        else:
            figures.append(Measured(name, value, None, None, rows))
    swarm = Evaluated("swarm", site.name, rows, tuple(figures) if rows else (), reason)
    beside = measure_beside(site, "accuracy", reason, is_left_out, make)
    return Hospital(**describe_site(site), swarm=swarm, **beside)


def is_possible(figures: Mapping[str, float]) -> bool:
    """Return whether published numbers can be those of test rows: a ledger takes any."""
    shares = (v for k, v in figures.items() if k.endswith("accuracy") or k == "macro_f1")
    sound = all(0.0 <= v <= 1.0 for v in shares)
    return sound and min(figures.get("samples", 0.0), figures.get("loss", 0.0)) >= 0


def list_own(found: Reported) -> tuple[Evaluated, ...]:
    """Return this hospital's own evaluation of the models out of its record."""
    return read_own_figures(found, NAMES, METHODS, "there are too few test samples")
