"""The figures of a report on a measured outcome: over all hospitals out of the settled sums, and of
each hospital as it published them under its name.

A hospital publishes the mean and the root mean square of its errors. Both give the interval of the
mean absolute error: the sum of squares is rows times rmse^2.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from swarmhub.evaluation.figures import DESCRIPTIVE
from swarmhub.evaluation.regression import COUNTED, evaluate_counts
from swarmhub.evaluation.sums import from_steps, mean_of
from swarmhub.operations.report.contents import Evaluated, Hospital, Measured
from swarmhub.operations.report.gather import Reported, SiteReported
from swarmhub.operations.report.kinds.numbers.contents import Calibration
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

GUESSES = ("mean", "site")  # of all training rows; of the hospital's own
ERRORS = ("mae", "rmse")
RELATED = ("r2", "correlation", "slope")
NAMES = (
    *ERRORS, "bias", *RELATED, *(f"{e}_{g}" for g in GUESSES for e in (*ERRORS, "gain")),
)  # fmt: skip
METHODS = {
    "mae": MEAN, "rmse": "normal, of the mean square", "bias": MEAN, "correlation": "Fisher's z",
    "slope": "normal, of a regression", "mae_mean": MEAN, "mae_site": MEAN,
    "gain_mean": "normal, of the mean difference by patient",
    "gain_site": "normal, of the mean difference by patient",
}  # fmt: skip
SHAPES = {"rows": 1, "counted": 2, "errors": 4, "moments": 5, "plain": 4, "gains": 4}
OTHER = "the settled sums have another form than this version of swarmhub reads"
FEW_ROWS = "no hospital has enough test patients to publish sums of errors"
FLAT = "values predicted or found do not vary among the published test patients"
ROUNDING = 2e-6  # of published figures


def select(found: Reported, model: str) -> tuple[dict[str, Any] | None, str]:
    """Return a model's settled sums, or None and why there are none."""
    counts = select_counts(found, model, COUNTED)
    if counts is None:
        return None, why_no_counts(found, model)
    if any(np.shape(counts[name]) != (size,) for name, size in SHAPES.items()):
        return None, OTHER
    return (counts, "") if counts["rows"][0] else (None, NO_PATIENTS)


def measure_pooled(found: Reported, model: str) -> Evaluated:
    """Return the figures of a model over all hospitals."""
    counts, reason = select(found, model)
    if counts is None:
        return Evaluated(model, ALL, reason=reason)
    pooled = evaluate_counts(counts, found.scale[1])
    figures = (
        measured_of(n, pooled.figures[n], METHODS, pooled.is_descriptive, _why_not(n, counts))
        for n in NAMES
    )
    return Evaluated(model, ALL, pooled.rows, tuple(figures))


def _why_not(name: str, counts: Mapping[str, Any]) -> str:
    return FLAT if name in RELATED and counts["counted"][1] else FEW_ROWS


def calibrate(found: Reported) -> Calibration | None:
    """Return values predicted and found; None if no hospital publishes their sums."""
    counts, _ = select(found, "swarm")
    if counts is None or not counts["counted"][1]:
        return None
    n, (mean, deviation) = int(counts["counted"][1]), found.scale
    y, p, yy, pp, _ = (float(v) for v in from_steps(counts["moments"]))
    spread_y, spread_p = (
        math.sqrt(max(square / n - (total / n) ** 2, 0.0)) for total, square in ((y, yy), (p, pp))
    )
    slope = evaluate_counts(counts, deviation).figures["slope"]
    return Calibration(
        n, mean + deviation * p / n, deviation * spread_p, mean + deviation * y / n,
        deviation * spread_y, measured_of("slope", slope, METHODS, n < DESCRIPTIVE, FLAT),
    )  # fmt: skip


# each hospital


def measure_hospital(site: SiteReported, is_left_out: bool) -> Hospital:
    """Return a hospital's part and the figures that it published."""
    rows, reason = read_rows(site, is_possible(site.figures), "mae")
    few, figures = rows < DESCRIPTIVE, []
    for name, key in (("mae", "mae"), ("rmse", "rmse"), ("r2", "r2"), ("mae_site", "baseline mae")):
        value = site.figures.get(key)
        if value is None or not rows:
            figures.append(nothing(name, reason or UNPUBLISHED))
        elif name == "mae" and "rmse" in site.figures:
            around = mean_of(rows, value * rows, site.figures["rmse"] ** 2 * rows)
            figures.append(measured_of(name, around, METHODS, few, UNPUBLISHED))
        else:
            figures.append(Measured(name, value, None, None, rows, is_descriptive=few))
    swarm = Evaluated("swarm", site.name, rows, tuple(figures) if rows else (), reason)
    beside = measure_beside(
        site, "mae", reason, is_left_out,
        lambda value: Measured("mae", value, None, None, rows, is_descriptive=few),
    )  # fmt: skip
    return Hospital(**describe_site(site), swarm=swarm, **beside)


def is_possible(figures: Mapping[str, float]) -> bool:
    """Return whether published numbers can be those of errors: a ledger takes any."""
    errors = [v for k, v in figures.items() if k.endswith(("mae", "rmse")) or k == "loss"]
    sound = all(v >= 0 and math.isfinite(v) for v in errors)
    mae, rmse = figures.get("mae", 0.0), figures.get("rmse", math.inf)
    return sound and figures.get("r2", 0.0) <= 1 and mae <= rmse * (1 + 1e-9) + ROUNDING


def list_own(found: Reported) -> tuple[Evaluated, ...]:
    """Return this hospital's own evaluation of the models out of its record."""
    return read_own_figures(found, NAMES, METHODS, FLAT)
