"""Survival curves and log-rank tests out of summed counts by group and grid time.

at risk     n_t: patients with an event or censored at t or later
survival    S_t = product over u <= t of (1 - d_u / n_u), Kaplan and Meier (JASA 1958;53:457)
interval    of 95%, by Greenwood's variance on the scale log(-log S): exp(-exp(log(-log S_t) +-
            z s_t / log S_t)) with s_t^2 = sum over u <= t of d_u / (n_u (n_u - d_u)),
            Kalbfleisch and Prentice, The Statistical Analysis of Failure Time Data (1980); 1
            before the first event, NaN from S = 0 and after the last patient
median      first grid time with S <= 0.5; None if there is none. S counts as one half if it
            differs by rounding only. Software differs if a curve stands at one half: for events
            at 1, 2 and patients censored at 3, 4 this is 2, others give 3 (the middle of the
            step) or nothing. Ends of its interval: first grid time at which those of the curve
            are <= 0.5, Brookmeyer and Crowley (Biometrics 1982;38:29)
log-rank    sum of events less expected ones, and their hypergeometric covariance, Mantel
            (Cancer Chemother Rep 1966;50:163). Parts of hospitals may be added: that is the
            test stratified by hospital
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from swarmhub.errors import BadInput
from swarmhub.evaluation.figures import Array, Figure, Z
from swarmhub.recipes.survival.times import TimeGrid

ROUNDING = 1e-9  # of S beside one half
RANK = 1e-9  # eigenvalues of the covariance below this share of the largest are zero


@dataclass(frozen=True, eq=False)
class Curve:
    """A survival curve on the grid, all (T,): survival after each grid time with its interval
    (NaN if there is none), patients at risk, events and censored ones at each."""

    grid: TimeGrid
    survival: Array
    low: Array
    high: Array
    at_risk: Array
    events: Array
    censored: Array

    @property
    def rows(self) -> int:
        """Number of patients."""
        return round(float(self.at_risk[0]))

    @property
    def median(self) -> Figure:
        """The median time with its interval; `support` is the number of patients."""
        value, low, high = (self._first_half(v) for v in (self.survival, self.low, self.high))
        return Figure(value, low, high, self.rows)

    def _first_half(self, values: Array) -> float | None:
        below = np.flatnonzero(values <= 0.5 + ROUNDING)
        return float(self.grid.ends[below[0]]) if len(below) else None

    def at(self, place: int) -> Figure:
        """Return survival after a grid time; None once no patient is left to tell."""
        if not (self.at_risk[place] > 0 or self.survival[place] == 0):
            return Figure(None, None, None, self.rows)
        low, high = (float(v[place]) for v in (self.low, self.high))
        known = not math.isnan(low)
        return Figure(
            float(self.survival[place]), low if known else None, high if known else None, self.rows
        )


@dataclass(frozen=True, eq=False)
class LogRank:
    """A log-rank test of G groups: chi-square statistic, degrees of freedom and p; None if no group
    can be told from the others. `excess` (G,) has events less expected ones."""

    statistic: float | None
    degrees: int
    p: float | None
    excess: Array


def count_at_risk(events: npt.ArrayLike, censored: npt.ArrayLike) -> Array:
    """Return patients at risk at each grid time; (..., T), (..., T) -> (..., T)."""
    leaving = np.asarray(events, dtype=np.float64) + np.asarray(censored, dtype=np.float64)
    found: Array = np.cumsum(leaving[..., ::-1], axis=-1)[..., ::-1]
    return found


def draw_curve(grid: TimeGrid, events: npt.ArrayLike, censored: npt.ArrayLike) -> Curve:
    """Return the survival curve of summed counts (T,) of events and of censored patients. Raises
    BadInput if they do not fit the grid."""
    d, c = (_check_counts(v, (len(grid),)) for v in (events, censored))
    n = count_at_risk(d, c)
    hazard = np.divide(d, n, out=np.zeros_like(d), where=n > 0)
    survival = np.cumprod(1.0 - hazard, dtype=np.float64)
    survival[np.cumsum(hazard >= 1.0) > 0] = 0.0
    left = n * (n - d)
    spread = np.sqrt(np.cumsum(np.divide(d, left, out=np.zeros_like(d), where=left > 0)))
    low, high = np.ones(len(grid)), np.ones(len(grid))
    inner = (survival > 0) & (survival < 1)
    log = np.log(survival[inner])
    for ends, sign in ((low, -1.0), (high, 1.0)):
        ends[inner] = np.exp(-np.exp(np.log(-log) + sign * Z * spread[inner] / log))
        ends[(survival <= 0) | (n <= 0)] = np.nan
    return Curve(grid, survival, low, high, n, d, c)


def draw_censoring(grid: TimeGrid, events: npt.ArrayLike, censored: npt.ArrayLike) -> Array:
    """Return the share G (T,) of patients that censoring leaves after each grid time: the curve of
    censoring, at which those with an event at the same grid time are no longer at risk."""
    d, c = (_check_counts(v, (len(grid),)) for v in (events, censored))
    n = count_at_risk(d, c) - d
    share = np.divide(c, n, out=np.zeros_like(c), where=n > 0)
    return np.cumprod(1.0 - share, dtype=np.float64)


def log_rank_parts(events: npt.ArrayLike, censored: npt.ArrayLike) -> tuple[Array, Array]:
    """Return events less expected ones (G,), and their covariance (G, G), of counts (G, T)."""
    d = np.asarray(events, dtype=np.float64)
    if d.ndim != 2 or len(d) < 2:
        raise BadInput(f"Expected counts of two or more groups, got an array of {d.shape}.")
    d, c = _check_counts(events, d.shape), _check_counts(censored, d.shape)
    n = count_at_risk(d, c)
    total, deaths = n.sum(axis=0), d.sum(axis=0)  # (T,)
    share = np.divide(n, total, out=np.zeros_like(n), where=total > 0)
    rest = np.divide(total - deaths, total - 1, out=np.zeros_like(total), where=total > 1)
    weight = deaths * rest  # (T,)
    covariance: Array = np.diag((share * weight).sum(axis=1)) - (share * weight) @ share.T
    return d.sum(axis=1) - (share * deaths).sum(axis=1), covariance


def log_rank(excess: Array, covariance: Array) -> LogRank:
    """Return the test of parts, which may be sums over hospitals: (G,), (G, G)."""
    values, vectors = np.linalg.eigh(covariance)
    used = values > RANK * max(float(values[-1]), 1e-300)
    degrees = int(used.sum()) if values[-1] > 0 else 0
    if not degrees:
        return LogRank(None, 0, None, excess)
    along = vectors[:, used].T @ excess
    statistic = float((along**2 / values[used]).sum())
    return LogRank(statistic, degrees, chi_square_tail(statistic, degrees), excess)


def chi_square_tail(value: float, degrees: int) -> float:
    """Return the probability that a chi-square of so many degrees of freedom is larger: the finite
    sums of Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 26.4.4 and 26.4.5."""
    half = value / 2.0
    if value <= 0:
        return 1.0
    odd = degrees % 2
    found = math.erfc(math.sqrt(half)) if odd else math.exp(-half)
    power = 0.5 if odd else 1.0
    while power < degrees / 2.0:
        found += math.exp(power * math.log(half) - half - math.lgamma(power + 1.0))
        power += 1.0
    return min(found, 1.0)


def _check_counts(values: npt.ArrayLike, shape: tuple[int, ...]) -> Array:
    counts = np.asarray(values, dtype=np.float64)
    if counts.shape != shape or not (counts >= 0).all():
        raise BadInput(f"Expected counts of patients in an array of {shape}, got {counts.shape}.")
    return counts
