"""How good a model of a number is at test patients, out of sums of hospitals.

What leaves a hospital (`make_counts`): whole numbers, sums in steps of 2^-30 (squares 2^-16) of a
standardised outcome: all values are less the mean and divided by the standard deviation of all
training patients (`Baseline`), and figures are turned back into the unit of the outcome. With an
error e = y - predicted, a = y - mean of all training patients, s = y - mean of this hospital's:

    rows      rows, (1,)
    errors    sums of e, |e|, e^2, e^4, (4,)
    moments   sums of y, p, y^2, p^2, y p, (5,), p the predicted value
    plain     sums of |a|, a^2, |s|, s^2, (4,)
    gains     sums of |a| - |e|, |s| - |e| and of their squares, (4,)

A hospital with fewer than `min_count` patients gives zeros but for `rows`, one with fewer than
`few` gives `errors`, too: `counted` (2,) has the rows that are in `errors` and in the other sums.

    mae, rmse       mean absolute error, root of the mean squared error; bias is the mean error
    mae_mean, rmse_mean, mae_site, rmse_site
                    the same if everybody is given the mean of all training patients, or of their
                    own hospital's
    gain_mean, gain_site
                    by how much the model's mae is smaller; with an interval of pairs
    r2              1 - sum of e^2 / sum of (y - mean of the test patients)^2
    correlation     Pearson's; interval by Fisher's z
    slope           of a regression of y on the predicted value; 1 is right

Intervals are normal ones of a mean, that of rmse by the one of its square.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.errors import BadInput
from swarmhub.evaluation.counts import FEW, MIN_COUNT
from swarmhub.evaluation.figures import DESCRIPTIVE, Array, Figure, Z, nothing
from swarmhub.evaluation.sums import (
    COARSE,
    FINE,
    Counts,
    convert,
    count_patients,
    from_steps,
    mean_of,
    to_steps,
)

FARTHEST = 25.0  # standard deviations from the mean; outcomes and predictions beyond count as it
COUNTED = ("rows", "counted", "errors", "moments", "plain", "gains")
BITS = {
    "errors": (FINE, FINE, FINE, COARSE),
    "moments": (FINE,) * 5,
    "plain": (FINE,) * 4,
    "gains": (FINE, FINE, FINE, FINE),
}


@dataclass(frozen=True)
class Baseline:
    """Mean and standard deviation of the outcome over all training patients (agreed), and the mean
    at this hospital, in the outcome's unit."""

    mean: float
    deviation: float
    site: float

    def __post_init__(self) -> None:
        sound = all(math.isfinite(v) for v in (self.mean, self.deviation, self.site))
        if not (sound and self.deviation > 0):
            raise BadInput("Expected an outcome that varies among training patients, got others.")


@dataclass(frozen=True)
class NumberEvaluation:
    """Figures over all hospitals by name, in the outcome's unit or without one."""

    rows: int
    figures: dict[str, Figure]

    @property
    def is_descriptive(self) -> bool:
        """Whether there are too few rows to say something of other patients."""
        return self.rows < DESCRIPTIVE


def make_counts(
    y: npt.ArrayLike,
    predicted: npt.ArrayLike,
    baseline: Baseline,
    patients: npt.NDArray[Any] | None = None,
    min_count: int = MIN_COUNT,
    few: int = FEW,
) -> Counts:
    """Return what leaves a hospital, int64: y and predicted (n,), patients (n,) says which rows are
    of the same one. Raises BadInput if they are no finite numbers of the same shape, or sums are
    too large."""
    found, guess = (np.asarray(v, dtype=np.float64) for v in (y, predicted))
    if found.ndim != 1 or found.shape != guess.shape:
        raise BadInput(f"Expected as many values as outcomes, got {guess.shape}, {found.shape}.")
    if not (np.isfinite(found).all() and np.isfinite(guess).all()):
        raise BadInput("Expected finite outcomes and predicted values, got others.")
    number = count_patients(len(found), patients)
    shown = [len(found) if number >= least else 0 for least in (min_count, few)]
    z, p = (np.clip((v - baseline.mean) / baseline.deviation, -FARTHEST, FARTHEST)
            for v in (found, guess))  # fmt: skip
    sums = _sum(z[: shown[0]], p[: shown[0]], baseline)
    whole = {k: _to_whole(k, v) for k, v in sums.items()}
    if shown[1] < len(found):
        whole |= {k: np.zeros_like(v) for k, v in whole.items() if k != "errors"}
    return whole | {
        "rows": np.array([len(found)], dtype=np.int64),
        "counted": np.array(shown, dtype=np.int64),
    }


def _sum(y: Array, p: Array, baseline: Baseline) -> dict[str, list[float]]:
    site = (baseline.site - baseline.mean) / baseline.deviation
    e, at_mean, at_site = np.abs(y - p), np.abs(y), np.abs(y - site)
    gains = (at_mean - e, at_site - e)
    arrays = {
        "errors": (y - p, e, e**2, e**4),
        "moments": (y, p, y**2, p**2, y * p),
        "plain": (at_mean, at_mean**2, at_site, at_site**2),
        "gains": (*gains, *(v**2 for v in gains)),
    }
    return {name: [math.fsum(v) for v in several] for name, several in arrays.items()}


def _to_whole(name: str, sums: list[float]) -> npt.NDArray[np.int64]:
    return np.concatenate([to_steps([v], bits) for v, bits in zip(sums, BITS[name], strict=True)])


def evaluate_counts(counts: Mapping[str, npt.ArrayLike], deviation: float) -> NumberEvaluation:
    """Return the figures of summed counts; `deviation` is that of the agreed Baseline. Correlation,
    slope, r2 and all about baselines are about hospitals with enough test patients."""
    rows = int(np.asarray(counts["rows"])[0])
    many, enough = (int(v) for v in np.asarray(counts["counted"]))
    sums = {
        name: [float(from_steps(v, b)) for v, b in zip(np.asarray(counts[name]), bits, strict=True)]
        for name, bits in BITS.items()
    }
    total, absolute, squares, fourth = sums["errors"]
    figures = {
        "mae": mean_of(many, absolute, squares),
        "rmse": _root(mean_of(many, squares, fourth)),
        "bias": mean_of(many, total, squares, is_signed=True),
    }
    plain, gains = sums["plain"], sums["gains"]
    for k, name in enumerate(("mean", "site")):
        figures[f"mae_{name}"] = mean_of(enough, plain[2 * k], plain[2 * k + 1])
        figures[f"rmse_{name}"] = _root(_without(mean_of(enough, plain[2 * k + 1], 0.0)))
        figures[f"gain_{name}"] = mean_of(enough, gains[k], gains[2 + k], is_signed=True)
    scaled = {name: convert(figure, lambda v: v * deviation) for name, figure in figures.items()}
    return NumberEvaluation(rows, scaled | _relate(enough, sums["moments"]))


def _root(square: Figure) -> Figure:
    return convert(square, lambda v: math.sqrt(max(v, 0.0)))


def _without(figure: Figure) -> Figure:
    """Return a figure without its interval."""
    return Figure(figure.value, None, None, figure.support)


def _relate(n: int, moments: list[float]) -> dict[str, Figure]:
    """Return r2, correlation and slope of n rows out of sums of y, p, y^2, p^2, y p."""
    empty = {name: nothing(n) for name in ("r2", "correlation", "slope")}
    if n < 2:
        return empty
    y, p, yy, pp, yp = moments
    of_y, of_p, both = yy - y * y / n, pp - p * p / n, yp - y * p / n
    floor = n * 2.0**-24  # of sums of squares in steps; no variation is left below
    if of_y <= floor:
        return empty
    found = empty | {"r2": Figure(1 - (yy - 2 * yp + pp) / of_y, None, None, n)}
    if of_p <= floor:
        return found
    r = min(max(both / math.sqrt(of_y * of_p), -1.0), 1.0)
    slope = both / of_p
    error = math.sqrt(max(of_y - slope * both, 0.0) / max(n - 2, 1) / of_p)
    ends = (slope - Z * error, slope + Z * error) if n > 2 else (None, None)
    low, high = _fisher(r, n)
    return found | {
        "correlation": Figure(r, low, high, n),
        "slope": Figure(slope, ends[0], ends[1], n),
    }


def _fisher(r: float, n: int) -> tuple[float | None, float | None]:
    """Return the interval of a correlation (Fisher, Metron 1921;1:3)."""
    if n <= 3 or abs(r) >= 1:
        return (None, None)
    middle, half = math.atanh(r), Z / math.sqrt(n - 3)
    return math.tanh(middle - half), math.tanh(middle + half)
