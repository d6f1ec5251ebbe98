"""The figures of each hospital, as it published them under its name.

A hospital publishes the interval of the model's AUROC (DeLong). Those of the models beside it
follow from area and numbers of patients: Hanley and McNeil, Radiology 1982;143:29, on the logit
scale. A ledger takes any numbers: those that no patients can have are said to be so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from swarmhub.evaluation.figures import DESCRIPTIVE, Z, on_logits, share
from swarmhub.operations.report.contents import Measured
from swarmhub.operations.report.gather import SiteReported
from swarmhub.operations.report.kinds.binary.contents import EvaluatedTwo, HospitalOfTwo
from swarmhub.operations.report.kinds.binary.measure import METHODS, NAMES, SHARES
from swarmhub.operations.report.measuring import (
    IMPOSSIBLE,
    NO_LEFT_OUT,
    TOO_FEW,
    UNPUBLISHED,
    describe_site,
    measured_of,
    nothing,
    why_untested,
)

HANLEY = "Hanley and McNeil, on the logit scale"
EXTREME = "Clopper and Pearson, of the smaller class"
DELONG = "DeLong, on the logit scale"
ONE_CLASS = "its test patients are all of one class"
WITHIN_ONE = (
    "auc",
    "auc low",
    "auc high",
    "local auc",
    "left-out auc",
    "auprc",
    "brier",
    "ece",
    *SHARES,
)


def measure_hospital(site: SiteReported, has_left_out: bool) -> HospitalOfTwo:
    """Return a hospital's part and its figures."""
    rows, ones = site.figures.get("samples"), site.figures.get("positives")
    evaluated = _evaluate_site(site, rows, ones)
    few = any(f.is_descriptive for f in evaluated.figures)
    beside = {}
    for key, why in (
        ("left-out auc", UNPUBLISHED if has_left_out else NO_LEFT_OUT),
        ("local auc", "it is not published, or its training patients are all of one class"),
    ):
        area = site.figures.get(key)
        figure = nothing("auc", evaluated.reason or why)
        if area is not None and rows is not None and ones is not None and not evaluated.reason:
            figure = measure_area(area, round(ones), round(rows - ones), few)
        beside[key] = figure
    return HospitalOfTwo(
        **describe_site(site), swarm=evaluated, left_out=beside["left-out auc"],
        local=beside["local auc"], positives=None if ones is None else round(ones),
    )  # fmt: skip


def _evaluate_site(site: SiteReported, rows: float | None, ones: float | None) -> EvaluatedTwo:
    """Return the figures that a hospital published; those of shares and areas with intervals."""
    if rows is None or ones is None or not rows:
        return EvaluatedTwo("swarm", site.name, reason=why_untested(site))
    if not is_possible(site.figures):
        return EvaluatedTwo("swarm", site.name, reason=IMPOSSIBLE)
    positives, negatives = round(ones), round(rows - ones)
    why = "" if "loss" in site.figures else TOO_FEW
    one_class = ONE_CLASS if not positives or not negatives else UNPUBLISHED
    few = min(positives, negatives) < DESCRIPTIVE
    figures = []
    for name in NAMES:
        value = site.figures.get(name)
        if value is None:
            figures.append(nothing(name, why or one_class))
        elif name == "auc":
            figures.append(_publish_area(site.figures, positives, negatives, few))
        elif name in ("recall", "specificity", "accuracy"):
            of = {"recall": positives, "specificity": negatives}.get(name, positives + negatives)
            figures.append(measured_of(name, share(round(value * of), of), METHODS, few, one_class))
        else:
            figures.append(Measured(name, value, None, None, round(rows), is_descriptive=few))
    return EvaluatedTwo(
        "swarm", site.name, positives + negatives, tuple(figures), why, positives, negatives
    )


def _publish_area(figures: Mapping[str, float], ones: int, zeros: int, few: bool) -> Measured:
    """Return the AUROC with the interval that the hospital published, or one of its numbers."""
    area, low, high = (figures.get(name) for name in ("auc", "auc low", "auc high"))
    assert area is not None
    if low is None or high is None or not low <= area <= high:
        return measure_area(area, ones, zeros, few)
    return Measured("auc", area, low, high, ones + zeros, DELONG, is_descriptive=few)


def is_possible(figures: Mapping[str, float]) -> bool:
    """Return whether published numbers can be those of patients: a ledger takes any."""
    rows, ones = figures.get("samples", 0.0), figures.get("positives", 0.0)
    shares = (v for k, v in figures.items() if k in WITHIN_ONE)
    return 0 <= ones <= rows and all(0.0 <= v <= 1.0 for v in shares)


def compute_error(area: float, ones: int, zeros: int) -> float:
    """Return the standard error of an area under the ROC curve (Hanley and McNeil)."""
    first, second = area / (2 - area), 2 * area * area / (1 + area)
    spread = area * (1 - area) + (ones - 1) * (first - area**2) + (zeros - 1) * (second - area**2)
    return math.sqrt(max(spread, 0.0) / (ones * zeros))


def measure_area(area: float, ones: int, zeros: int, few: bool) -> Measured:
    """Return a published AUROC with its interval."""
    if not ones or not zeros:
        return nothing("auc", ONE_CLASS, ones + zeros)
    edge = 0.5 / (ones * zeros)  # an area of 0 or 1 is known to half a pair only
    if not edge <= area <= 1 - edge:
        low, high = bound_extreme(area, min(ones, zeros))
        return Measured("auc", area, low, high, ones + zeros, EXTREME, is_descriptive=few)
    found = on_logits(area, area, compute_error(area, ones, zeros), ones + zeros)
    return Measured("auc", area, found.low, found.high, ones + zeros, HANLEY, is_descriptive=few)


def bound_extreme(area: float, fewer: int) -> tuple[float, float]:
    """Return an interval of an area of 0 or 1. The order of patients has no spread then, so no
    standard error says anything: it is the exact one of a share of 0 or 1 of as many patients as
    the smaller class has (Clopper and Pearson, Biometrika 1934;26:404)."""
    far = 0.025 ** (1.0 / fewer)
    return (far, 1.0) if area > 0.5 else (0.0, 1.0 - far)


def measure_within(hospitals: Iterable[HospitalOfTwo]) -> Measured:
    """Return the mean of the hospitals' AUROCs, weighted by their test rows: the order of patients
    within hospitals alone."""
    weights, areas, errors = [], [], []
    for one in hospitals:
        area = one.swarm.figure("auc").value
        ones, zeros = one.swarm.positives, one.swarm.negatives
        if area is not None and ones and zeros:
            weights.append(ones + zeros)
            areas.append(area)
            errors.append(compute_error(area, ones, zeros))
    if not weights:
        return nothing("mean auc", "no hospital has published an AUROC")
    shares = np.array(weights) / sum(weights)
    mean = float((shares * areas).sum())
    half = Z * math.sqrt(float(((shares * errors) ** 2).sum()))
    return Measured(
        "mean auc", mean, max(0.0, mean - half), min(1.0, mean + half), sum(weights),
        "hospitals taken as independent, Hanley and McNeil",
    )  # fmt: skip
