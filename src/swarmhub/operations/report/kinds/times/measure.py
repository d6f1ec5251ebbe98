"""The figures of a report on the time to an event: over all hospitals out of the settled counts,
and of each hospital as it published them under its name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from swarmhub.evaluation.figures import Figure
from swarmhub.evaluation.survival import (
    DESCRIPTIVE,
    Agreed,
    Group,
    SurvivalEvaluation,
    evaluate_counts,
)
from swarmhub.operations.report.contents import Evaluated, Measured
from swarmhub.operations.report.gather import Reported, SiteReported
from swarmhub.operations.report.kinds.times.contents import (
    EvaluatedTimes,
    HospitalOfTimes,
    RiskGroup,
)
from swarmhub.operations.report.measuring import (
    ALL,
    MEAN,
    NO_PATIENTS,
    UNPUBLISHED,
    describe_site,
    measure_beside,
    measured_of,
    nothing,
    read_own_figures,
    read_rows,
    select_counts,
    why_no_counts,
)
from swarmhub.recipes.kinds.times import COUNTED

NAMES = (
    "c_index_within", "c_index", "integrated_brier", "skill", "brier", "observed_expected",
    "calibration_error",
)  # fmt: skip
JACKKNIFE, GREENWOOD = "infinitesimal jackknife, on the logit scale", "Greenwood, on log(-log S)"
METHODS = {
    "c_index_within": JACKKNIFE, "brier": MEAN, "integrated_brier": MEAN,
    "observed_expected": GREENWOOD, "found": GREENWOOD, "median": "Brookmeyer and Crowley",
}  # fmt: skip
PUBLISHED = {
    "c_index_within": "c_index", "integrated_brier": "integrated_brier", "skill": "skill",
    "brier": "brier", "observed_expected": "observed/expected",
}  # fmt: skip
NO_TERMS = "this node does not hold the model, whose times the counts are about"
OTHER = "the settled counts have another form than the model's times and risk groups"
NO_PAIRS = "no hospital has enough test patients, or no two of them can be compared"
NO_RISK = "no patient is left at the horizon to tell"
NO_MEDIAN = "half of the group has no event while it is followed"


@dataclass(frozen=True, eq=False)
class Pooled:
    """A model over the test rows of all hospitals; `reason` says why it was not evaluated."""

    found: SurvivalEvaluation | None
    reason: str = ""


def pool(found: Reported, model: str) -> Pooled:
    """Return the pooled evaluation of `swarm` or `left-out` out of the settled counts."""
    counts = select_counts(found, model, COUNTED)
    if counts is None:
        return Pooled(None, why_no_counts(found, model))
    if found.agreed is None:
        return Pooled(None, NO_TERMS)
    if not _fits(counts, found.agreed):
        return Pooled(None, OTHER)
    evaluation = evaluate_counts(found.agreed, counts)
    return Pooled(evaluation) if evaluation.patients else Pooled(None, NO_PATIENTS)


def _fits(counts: Mapping[str, Any], agreed: Agreed) -> bool:
    table = (agreed.groups, len(agreed.grid))
    shapes = {
        "events": table, "censored": table, "risk": table[:1], "totals": (2,), "pairs": (3,),
        "coarse": (3,), "spread": (3,), "brier": (2,), "integrated": (2,), "null": (2,),
    }  # fmt: skip
    return all(np.shape(counts[name]) == shape for name, shape in shapes.items())


def measure_pooled(pooled: Pooled, model: str) -> EvaluatedTimes:
    """Return the figures of a model over all hospitals."""
    if pooled.found is None:
        return EvaluatedTimes(model, ALL, reason=pooled.reason)
    few = pooled.found.is_descriptive
    figures = tuple(
        measured_of(n, pooled.found.figures[n], METHODS, few, _why_not(n)) for n in NAMES
    )
    return EvaluatedTimes(model, ALL, pooled.found.patients, figures, "", pooled.found.events)


def _why_not(name: str) -> str:
    return NO_RISK if name in ("observed_expected", "calibration_error") else NO_PAIRS


def list_groups(pooled: Pooled) -> tuple[RiskGroup, ...]:
    """Return the risk groups from low to high; none if the model was not evaluated."""
    return tuple(_read_group(g) for g in pooled.found.groups) if pooled.found else ()


def _read_group(group: Group) -> RiskGroup:
    curve, events = group.curve, round(float(group.curve.events.sum()))
    few = events < DESCRIPTIVE
    followed = int((curve.at_risk > 0).sum())
    ends = zip(curve.grid.ends[:followed], curve.survival[:followed], strict=True)
    return RiskGroup(
        curve.rows, events, group.predicted,
        measured_of("found", group.found, METHODS, few, NO_RISK),
        measured_of("median", curve.median, METHODS, few, NO_MEDIAN),
        ((0.0, 1.0), *((float(t), float(s)) for t, s in ends)) if curve.rows else (),
    )  # fmt: skip


def predict_mean(pooled: Pooled) -> float | None:
    """Return the mean predicted risk at the horizon over the risk groups; None of nobody."""
    if pooled.found is None:
        return None
    known = [(g.predicted, g.curve.rows) for g in pooled.found.groups if g.predicted is not None]
    rows = sum(n for _, n in known)
    return math.fsum(p * n for p, n in known) / rows if rows else None


# each hospital


def measure_hospital(site: SiteReported, is_left_out: bool) -> HospitalOfTimes:
    """Return a hospital's part and the figures that it published."""
    rows, reason = read_rows(site, is_possible(site.figures), "integrated_brier")
    events = round(site.figures.get("events", 0.0))
    few, figures = events < DESCRIPTIVE, []
    for name, key in PUBLISHED.items():
        value = site.figures.get(key)
        if value is None or not rows:
            figures.append(nothing(name, reason or UNPUBLISHED))
            continue
        low, high = (site.figures.get(f"{key} {end}") for end in ("low", "high"))
        if low is None or high is None or not low <= value <= high:
            low = high = None
        figure = Figure(value, low, high, rows)
        figures.append(measured_of(name, figure, METHODS, few, UNPUBLISHED))
    swarm = EvaluatedTimes(
        "swarm", site.name, rows, tuple(figures) if rows else (), reason, events if rows else 0
    )
    beside = measure_beside(
        site, "c_index", reason, is_left_out,
        lambda value: Measured("c_index_within", value, None, None, rows, is_descriptive=few),
    )  # fmt: skip
    said = events if "events" in site.figures else None
    return HospitalOfTimes(**describe_site(site), swarm=swarm, events=said, **beside)


def is_possible(figures: Mapping[str, float]) -> bool:
    """Return whether published numbers can be those of test rows: a ledger takes any."""
    shares = [v for k, v in figures.items() if "c_index" in k]
    errors = [figures.get(k, 0.0) for k in ("brier", "integrated_brier", "observed/expected")]
    sound = all(0.0 <= v <= 1.0 for v in shares) and min(errors) >= 0
    return sound and 0 <= figures.get("events", 0.0) <= figures.get("samples", 0.0)


def list_own(found: Reported) -> tuple[Evaluated, ...]:
    """Return this hospital's own evaluation of the models out of its record."""
    return read_own_figures(found, NAMES, METHODS, NO_PAIRS, "patients")
