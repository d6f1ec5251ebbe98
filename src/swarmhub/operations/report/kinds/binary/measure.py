"""The figures of a report over all hospitals and of its subgroups, out of the settled counts, and
this hospital's own evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from swarmhub.evaluation.counts import (
    HISTOGRAMS,
    MIN_COUNT,
    evaluate_counts,
    scored_of,
    trace_roc,
)
from swarmhub.evaluation.figures import DESCRIPTIVE, Evaluation, Figure, share
from swarmhub.operations.report.contents import Measured
from swarmhub.operations.report.gather import Reported
from swarmhub.operations.report.kinds.binary.contents import Bin, Curves, EvaluatedTwo, Subgroup
from swarmhub.operations.report.measuring import (
    ALL,
    MEAN,
    NO_PATIENTS,
    WALD,
    WILSON,
    measured_of,
    read_own,
    select_counts,
    why_no_counts,
)

SHARES = ("recall", "specificity", "precision", "accuracy")
CALIBRATION = ("intercept", "slope", "ece", "brier", "loss")
NAMES = ("auc", *SHARES, *CALIBRATION, "auprc")
COUNTED = (*HISTOGRAMS, "pairs", "threshold")
METHODS = {
    "auc": "DeLong, on the logit scale", "auprc": "binomial, on the logit scale",
    **dict.fromkeys(SHARES, WILSON), "intercept": WALD, "slope": WALD, "brier": MEAN, "loss": MEAN,
}  # fmt: skip
CURVE_BINS = 10  # of the calibration plot
FEW_OF_A_CLASS = "no hospital has enough test patients of both classes to publish scores"


# all hospitals


def evaluate_model(found: Reported, model: str) -> Evaluation | None:
    """Return the pooled evaluation of `swarm` or `left-out` out of the settled counts; None if no
    patient was counted."""
    counts = select_counts(found, model, COUNTED)
    if counts is None or not sum(counts["threshold"]):
        return None
    return evaluate_counts(counts, found.threshold)


def measure_pooled(found: Reported, model: str) -> EvaluatedTwo:
    """Return the figures of a model over the test patients of all hospitals."""
    counts = select_counts(found, model, COUNTED)
    if counts is None:
        return EvaluatedTwo(model, ALL, reason=why_no_counts(found, model))
    pooled = evaluate_model(found, model)
    if pooled is None:
        return EvaluatedTwo(model, ALL, reason=NO_PATIENTS)
    tp, fp, tn, fn = (int(n) for n in counts["threshold"])
    few = pooled.is_descriptive
    figures = (measured_of(n, pooled.figures[n], METHODS, few, _why_not(n, pooled)) for n in NAMES)
    return EvaluatedTwo(
        model, ALL, pooled.positives + pooled.negatives, tuple(figures),
        positives=pooled.positives, negatives=pooled.negatives, cells=(tp, fp, tn, fn),
    )  # fmt: skip


def _why_not(name: str, pooled: Evaluation) -> str:
    if name in SHARES:
        absent = {"recall": "with the outcome", "specificity": "without the outcome",
                  "precision": "that the model calls positive"}  # fmt: skip
        return f"there is no test patient {absent.get(name, '')}".rstrip()
    if not pooled.positives or not pooled.negatives:
        return "the test patients are all of one class"
    if "brier" not in pooled.figures or not pooled.figures["brier"].support:
        return FEW_OF_A_CLASS
    return "the scores part the classes, or are of one class"


def measure_curves(found: Reported) -> Curves:
    """Return the curves of the model over all hospitals; empty ones if there are no histograms."""
    counts = select_counts(found, "swarm", COUNTED)
    scored = scored_of(counts) if counts is not None else None
    if scored is None or not scored.rows:
        return Curves()
    rows = scored.ones + scored.zeros
    total = float(rows.sum())
    roc: tuple[tuple[float, float], ...] = ()
    if scored.ones.sum() and scored.zeros.sum():
        across, up = trace_roc(scored)
        roc = tuple((float(x), float(y)) for x, y in zip(across, up, strict=True))
    return Curves(
        roc, tuple(list_bins(scored)), float((scored.scores * rows).sum()) / total,
        float(scored.ones.sum()) / total,
    )  # fmt: skip


def list_bins(scored: Any) -> Iterable[Bin]:
    """Yield ten bins of equal width, those with MIN_COUNT rows or more. Parts of rows are rounded
    for the intervals."""
    place = np.minimum((scored.scores * CURVE_BINS).astype(int), CURVE_BINS - 1)
    both = scored.ones + scored.zeros
    rows, ones, said = (
        np.bincount(place, weights=w, minlength=CURVE_BINS)
        for w in (both, scored.ones, both * scored.scores)
    )
    for k in range(CURVE_BINS):
        if rows[k] >= MIN_COUNT:
            around = share(round(float(ones[k])), round(float(rows[k])))
            value = float(ones[k] / rows[k])
            yield Bin(
                float(said[k] / rows[k]),
                Measured("share", value, around.low, around.high, around.support, WILSON),
            )


# subgroups, and this hospital


def list_subgroups(found: Reported) -> tuple[Subgroup, ...]:
    """Return the figures of declared subgroups at the threshold."""
    cells = found.counts.get("swarm/subgroups", [])
    return tuple(
        Subgroup(
            name, tp + fp + tn + fn,
            _measure_part("recall", tp, tp + fn), _measure_part("specificity", tn, tn + fp),
        )
        for name, (tp, fp, tn, fn) in zip(found.subgroups, cells, strict=False)
    )  # fmt: skip


def _measure_part(name: str, part: int, whole: int) -> Measured:
    why = "withheld: a hospital has too few of them for one of the counts, or there are none"
    return measured_of(name, share(part, whole), METHODS, whole < DESCRIPTIVE, why)


def list_own(found: Reported) -> tuple[EvaluatedTwo, ...]:
    """Return this hospital's own evaluation of the models out of its record."""
    read = (_read_own(found, model, kept) for model, kept in read_own(found))
    return tuple(one for one in read if one is not None)


def _read_own(found: Reported, model: str, kept: Mapping[str, Any]) -> EvaluatedTwo | None:
    """Return a kept evaluation; None for one that another version of swarmhub has written."""
    try:
        evaluation = Evaluation(
            int(kept["positives"]), int(kept["negatives"]), float(kept["threshold"]),
            {name: Figure(**figure) for name, figure in kept["figures"].items()},
        )  # fmt: skip
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    figures = tuple(
        measured_of(
            n, evaluation.figures[n], METHODS, evaluation.is_descriptive, _why_not(n, evaluation)
        )
        for n in NAMES
        if n in evaluation.figures
    )
    ones, zeros = evaluation.positives, evaluation.negatives
    return EvaluatedTwo(
        model, found.hospital, ones + zeros, figures, positives=ones, negatives=zeros
    )
