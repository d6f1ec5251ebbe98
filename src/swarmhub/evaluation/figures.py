"""Figures of a two-class model on test patients, each with its support and a 95% interval.

One code serves exact scores and histograms: distinct scores, ascending, with the positive and the
negative rows that have each. Definitions:

    auc          area under the ROC curve, ties count half; interval by DeLong, DeLong and
                 Clarke-Pearson (Biometrics 1988;44:837) on the logit scale
    auprc        average precision: sum over scores, from high to low, of precision times the gain
                 in recall; interval on the logit scale (Boyd, Eng and Page, ECML 2013)
    accuracy, recall, specificity, precision
                 at the threshold (score >= threshold is positive); interval by Wilson (JASA 1927)
    brier, loss  mean squared error of the probability; mean -log of that of the true class
    ece          expected calibration error over ten bins of equal width, weighted by rows
    slope        of a logistic regression of the outcome on the logit of the score; 1 is right
    intercept    of one with the slope fixed at 1 (calibration in the large); 0 is right

A figure that has no meaning (one class only, no row) is None, never 0 or one half.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.errors import BadInput

Array = npt.NDArray[np.float64]

Z = 1.959963984540054  # of a two-sided interval of 95%
DESCRIPTIVE = 10  # positives or negatives: with fewer, figures describe these patients only
BINS = 10  # of the calibration error
SMALLEST = 1e-12  # distance of a probability from 0 and 1 in logits and logarithms
STEPS = 50  # of Newton's method; it needs less than ten


@dataclass(frozen=True)
class Figure:
    """A figure with a 95% interval; `support` is the number of rows that it is about. Parts that
    cannot be computed are None."""

    value: float | None
    low: float | None
    high: float | None
    support: int


@dataclass(frozen=True)
class Evaluation:
    """All figures of a model on the same rows."""

    positives: int
    negatives: int
    threshold: float
    figures: dict[str, Figure]

    @property
    def is_descriptive(self) -> bool:
        """Whether there are too few patients of a class to say something of other patients."""
        return min(self.positives, self.negatives) < DESCRIPTIVE


@dataclass(frozen=True)
class Scored:
    """Distinct scores (k,), ascending, with positive and negative rows of each, (k,)."""

    scores: Array
    ones: Array
    zeros: Array

    @classmethod
    def of(cls, y: npt.ArrayLike, probability: npt.ArrayLike) -> Scored:
        """Return the distinct scores of rows. Raises BadInput if they are no probabilities."""
        label, p = np.asarray(y, dtype=np.float64), np.asarray(probability, dtype=np.float64)
        if label.shape != p.shape or label.ndim != 1:
            raise BadInput(f"Expected as many scores as labels, got {p.shape} and {label.shape}.")
        if not (np.isfinite(p).all() and ((p >= 0) & (p <= 1)).all()):
            raise BadInput("Expected scores to be probabilities from 0 to 1, got others.")
        if not np.isin(label, (0.0, 1.0)).all():
            raise BadInput("Expected labels of 0 and 1, got others.")
        scores, place = np.unique(p, return_inverse=True)
        ones = np.bincount(place, weights=label, minlength=len(scores)).astype(np.float64)
        zeros = np.bincount(place, weights=1.0 - label, minlength=len(scores)).astype(np.float64)
        return cls(scores, ones, zeros)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return round(float(self.ones.sum() + self.zeros.sum()))


def evaluate_scores(
    y: npt.ArrayLike, probability: npt.ArrayLike, threshold: float = 0.5
) -> Evaluation:
    """Return the figures of rows with labels y (n,) in {0, 1} and probabilities (n,). Raises
    BadInput for anything else."""
    scored = Scored.of(y, probability)
    positive = scored.scores >= threshold
    cells = (
        int(scored.ones[positive].sum()), int(scored.zeros[positive].sum()),
        int(scored.zeros[~positive].sum()), int(scored.ones[~positive].sum()),
    )  # fmt: skip
    return Evaluation(
        int(scored.ones.sum()), int(scored.zeros.sum()), threshold,
        measure_order(scored) | measure_cells(*cells) | measure_calibration(scored),
    )  # fmt: skip


# order


def measure_order(scored: Scored) -> dict[str, Figure]:
    """Return auc and auprc."""
    ones, zeros, rows = float(scored.ones.sum()), float(scored.zeros.sum()), scored.rows
    if not ones or not zeros:
        return {"auc": nothing(rows), "auprc": nothing(rows)}
    below = np.cumsum(scored.zeros) - scored.zeros / 2.0  # negatives below each score
    above = ones - (np.cumsum(scored.ones) - scored.ones / 2.0)
    of_ones, of_zeros = below / zeros, above / ones  # placements, (k,)
    area = min(float((scored.ones * of_ones).sum()) / ones, 1.0)  # sums round
    variance = _spread(of_ones, scored.ones, area) / ones + _spread(of_zeros, scored.zeros,
                                                                   area) / zeros  # fmt: skip
    edge = 0.5 / (ones * zeros)  # an area of 0 or 1 is known to half a pair only
    inner = min(max(area, edge), 1.0 - edge)
    variance = max(variance, inner * (1.0 - inner) / (ones * zeros))
    found = np.cumsum(scored.ones[::-1]) / np.cumsum((scored.ones + scored.zeros)[::-1])
    average = min(float((found * scored.ones[::-1]).sum()) / ones, 1.0)
    return {
        "auc": on_logits(area, inner, math.sqrt(variance), rows),
        "auprc": on_logits(
            average, min(average, 1 - 0.5 / ones), math.sqrt(average * (1 - average) / ones), rows
        ),
    }


def _spread(placements: Array, counts: Array, mean: float) -> float:
    total = float(counts.sum())
    return float((counts * (placements - mean) ** 2).sum()) / max(total - 1.0, 1.0)


def on_logits(value: float, inner: float, error: float, support: int) -> Figure:
    """Return a share with an interval that is symmetric in logits, of a standard error at `inner`
    (the share, kept off 0 and 1)."""
    inner = min(max(inner, 1e-9), 1 - 1e-9)
    middle, half = math.log(inner / (1 - inner)), Z * error / (inner * (1 - inner))
    low, high = (1 / (1 + math.exp(-min(max(middle + s * half, -50), 50))) for s in (-1, 1))
    return Figure(value, min(low, value), max(high, value), support)


# at the threshold


def measure_cells(tp: int, fp: int, tn: int, fn: int) -> dict[str, Figure]:
    """Return the figures at the threshold."""
    return {
        "accuracy": share(tp + tn, tp + fp + tn + fn),
        "precision": share(tp, tp + fp),
        "recall": share(tp, tp + fn),
        "specificity": share(tn, tn + fp),
    }


def share(found: int, of: int) -> Figure:
    """Return a share with Wilson's interval; None of nothing."""
    if not of:
        return nothing(0)
    p, square = found / of, Z * Z
    middle = (p + square / (2 * of)) / (1 + square / of)
    half = Z * math.sqrt(p * (1 - p) / of + square / (4 * of * of)) / (1 + square / of)
    return Figure(p, max(0.0, middle - half), min(1.0, middle + half), of)


def nothing(support: int) -> Figure:
    """Return a figure that cannot be computed."""
    return Figure(None, None, None, support)


# calibration


def measure_calibration(scored: Scored) -> dict[str, Figure]:
    """Return brier, loss, ece, slope and intercept."""
    rows = scored.rows
    if not rows:
        return {name: nothing(0) for name in ("brier", "loss", "ece", "slope", "intercept")}
    p = np.clip(scored.scores, SMALLEST, 1 - SMALLEST)
    slope, intercept = nothing(rows), nothing(rows)
    if scored.ones.sum() and scored.zeros.sum():
        logits = np.log(p / (1 - p))
        intercept = _fit(np.ones((len(p), 1)), logits, scored, 0)
        slope = _fit(np.stack([np.ones(len(p)), logits], axis=1), np.zeros(len(p)), scored, 1)
    return {
        "brier": _mean((1 - scored.scores) ** 2, scored.scores**2, scored),
        "loss": _mean(-np.log(p), -np.log(1 - p), scored),
        "ece": Figure(calibration_error(scored), None, None, rows),
        "slope": slope,
        "intercept": intercept,
    }


def _mean(of_ones: Array, of_zeros: Array, scored: Scored) -> Figure:
    """Return the mean over rows of what positive and negative rows of each score cost."""
    rows = scored.rows
    mean = float((scored.ones * of_ones + scored.zeros * of_zeros).sum()) / rows
    squares = scored.ones * (of_ones - mean) ** 2 + scored.zeros * (of_zeros - mean) ** 2
    if rows < 2:
        return Figure(mean, None, None, rows)
    half = Z * math.sqrt(float(squares.sum()) / (rows - 1) / rows)
    return Figure(mean, max(0.0, mean - half), mean + half, rows)


def calibration_error(scored: Scored) -> float:
    """Return the mean distance of predicted and found shares over ten bins, weighted by rows."""
    bins = np.minimum((scored.scores * BINS).astype(np.int64), BINS - 1)
    rows = scored.ones + scored.zeros
    found = np.bincount(bins, weights=scored.ones, minlength=BINS)
    said = np.bincount(bins, weights=rows * scored.scores, minlength=BINS)
    return float(np.abs(found - said).sum() / rows.sum())


def _fit(columns: Array, offset: Array, scored: Scored, wanted: int) -> Figure:
    """Return one coefficient of a logistic regression by Newton's method; columns (k, q), offset
    (k,). None if it has no maximum (the scores part the classes)."""
    beta: Any = np.zeros(columns.shape[1])
    rows = scored.ones + scored.zeros
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-np.clip(columns @ beta + offset, -500, 500)))
        gradient = columns.T @ (scored.ones - rows * p)
        curvature = columns.T @ (columns * (rows * p * (1 - p))[:, None])
        if not np.linalg.cond(curvature) < 1e12:
            return nothing(scored.rows)
        step = np.linalg.solve(curvature, gradient)
        beta = beta + step * min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-300))
        if np.abs(step).max() < 1e-10:
            break
    else:
        return nothing(scored.rows)
    error = math.sqrt(float(np.linalg.inv(curvature)[wanted, wanted]))
    value = float(beta[wanted])
    return Figure(value, value - Z * error, value + Z * error, scored.rows)
