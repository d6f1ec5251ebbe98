"""Counts, missing values, means, variances and quantiles of each column, over all hospitals.

Rounds: 1 the counts and the means; 2 the squares about the agreed means, so that nothing cancels
(Chan, Golub and LeVeque, Am Stat 1983;37:242); 3, if asked for, rows by bin. Each round sends sums
about the agreed `centre`, 0 at first; in the result the mean is the centre and the mean difference
from it.

A bin is an eighth of the standard deviation wide, and the bins reach 8 standard deviations to both
sides, so that no edge is a patient's value. By Chebyshev's inequality at most one value in 64 lies
beyond; a quantile there is given as the outermost edge.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from swarmhub.data.harmonise.iterate import (
    ROUNDING,
    Array,
    Arrays,
    Mask,
    Sums,
    Whole,
    check_rows,
    divide,
    first_known,
    need_shapes,
    turn_array,
    turn_of,
)
from swarmhub.errors import BadInput

AGREED = ("turn", "centre", "scale")

PER_SD = 8  # bins in a standard deviation
REACH = 8  # standard deviations to each side
BINS = 2 * REACH * PER_SD + 2  # with one for all that lies beyond, on each side


@dataclass(frozen=True, eq=False)
class Moments:
    """Statistics of p columns over all rows. `mean`, `variance` (ddof 1) and `sd` (p,) are NaN for
    fewer than one and two values; the variance of a `constant` column is exactly 0. `bins` (p,
    `BINS`) are rows by bin, empty (p, 0) if they were not asked for."""

    count: Whole
    missing: Whole
    mean: Array
    variance: Array
    constant: Mask
    bins: Whole
    centre: Array  # of the bins
    shift: Array  # mean - centre, with the digits that the mean has no room for
    scale: Array  # standard deviation that the bins are eighths of

    @property
    def sd(self) -> Array:
        """Standard deviation (ddof 1), (p,)."""
        return np.sqrt(self.variance)

    @property
    def bin_width(self) -> Array:
        """How far a quantile may be off, (p,)."""
        return self.scale / PER_SD

    def quantile(self, q: float) -> Array:
        """Return the q-quantile of each column, (p,), right to one bin: the smallest value that at
        least a share q of the values do not exceed. Raises BadInput if q is not in 0 to 1 or the
        rows were not counted by bin."""
        if not 0 <= q <= 1 or not self.bins.size:
            raise BadInput(
                f"Expected a share from 0 to 1 and rows by bin, got {q:g} and "
                f"{self.bins.shape[1]} bins; compute the moments with histogram=True."
            )
        found = np.full(len(self.count), np.nan)
        for k in np.flatnonzero(self.bins.sum(axis=1)):
            found[k] = self.mean[k] if self.constant[k] else self._quantile(int(k), q)
        return found

    def _quantile(self, k: int, q: float) -> float:
        total = np.cumsum(self.bins[k])
        rank = max(1, math.ceil(q * int(total[-1]) * (1 - 2**-52)))
        place = int(np.searchsorted(total, rank))
        before = int(total[place - 1]) if place else 0
        share = (rank - before - 0.5) / int(self.bins[k, place])
        edge = {0: 0.0, BINS - 1: BINS - 2.0}.get(place, place - 1 + share)  # in bins
        return float(self.centre[k] + (edge / PER_SD - REACH) * self.scale[k])


@dataclass(frozen=True, eq=False)
class MomentsStep:
    """A hospital's side, for its rows x (n, p) with NaN for missing; see the module."""

    x: Array
    histogram: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "x", check_rows(self.x))

    @property
    def turns(self) -> int:
        """Most rounds that it takes."""
        return 3 if self.histogram else 2

    def arrays(self, sums: Sums | None) -> Arrays:
        """Return this hospital's arrays of the next round."""
        turn, p = turn_of(sums) + 1, self.x.shape[1]
        centre, scale = next_point(sums, p, self.histogram)
        found = sums_about(self.x, centre)
        found |= {"turn": turn_array(turn), "centre": centre, "scale": scale}
        if self.histogram:
            found["bins"] = np.zeros((p, BINS), dtype=np.int64)
            if turn == self.turns:
                _count_bins(self.x, centre, scale, found["bins"])
        return found

    def is_last(self, sums: Sums) -> bool:
        """Return whether these sums are the last."""
        return turn_of(sums) >= self.turns


def sums_about(x: Array, centre: Array) -> Arrays:
    """Return count, missing, and sums of (x - centre) and of its square, (p,) each."""
    known = ~np.isnan(x)
    count = known.sum(axis=0).astype(np.int64)
    start = first_known(x)
    moved = np.where(known, x - start, 0.0).sum(axis=0)
    about = np.where(known, x - centre, 0.0)
    return {
        "count": count,
        "missing": len(x) - count,
        "first": count * (start - centre) + moved,
        "second": np.square(about).sum(axis=0),
    }


def next_point(sums: Sums | None, p: int, histogram: bool = False) -> tuple[Array, Array]:
    """Return the centre and the scale (p,) of the round after `sums`."""
    if sums is None:
        return np.zeros(p), np.ones(p)
    found = read_moments(sums, p, histogram)
    centre = np.nan_to_num(found.mean)
    if turn_of(sums) < 2:
        return centre, np.ones(p)
    return centre, np.where(found.variance > 0, found.sd, 1.0)


def _count_bins(x: Array, centre: Array, scale: Array, into: Whole) -> None:
    for k in range(x.shape[1]):
        known = x[~np.isnan(x[:, k]), k]
        place = np.floor((known - centre[k]) / scale[k] * PER_SD) + (REACH * PER_SD + 1)
        into[k] = np.bincount(np.clip(place, 0, BINS - 1).astype(np.int64), minlength=BINS)


def read_moments(sums: Sums, p: int, histogram: bool) -> Moments:
    """Return the moments of p columns from the last sums. Raises BadInput if the sums are of other
    columns."""
    names = ("centre", "scale", "count", "missing", "first", "second")
    need_shapes(sums, dict.fromkeys(names, (p,)) | ({"bins": (p, BINS)} if histogram else {}))
    centre, count = np.asarray(sums["centre"], dtype=np.float64), np.asarray(sums["count"])
    shift = divide(sums["first"], count)
    squares = np.maximum(sums["second"] - np.nan_to_num(shift * sums["first"]), 0.0)
    mean = centre + shift
    constant = (count > 0) & (squares <= ROUNDING * count * np.nan_to_num(mean) ** 2)
    variance = divide(np.where(constant, 0.0, squares), count - 1)
    bins = np.asarray(sums["bins"]) if histogram else np.zeros((p, 0), dtype=np.int64)
    return Moments(
        count.astype(np.int64), np.asarray(sums["missing"]).astype(np.int64), mean, variance,
        constant, bins.astype(np.int64), centre, shift,
        np.asarray(sums["scale"], dtype=np.float64),
    )  # fmt: skip
