"""Covariances and correlations of all pairs of columns, over the rows in which both are known.

Two rounds: the means; then for each pair the rows, and sums of products, of differences and of
squares about the agreed means (p, p). A pair's own means and variances are of its common rows, as
in pandas' `DataFrame.corr` and `DataFrame.cov` (ddof 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from swarmhub.data.harmonise.iterate import (
    ROUNDING,
    Array,
    Arrays,
    Sums,
    Whole,
    check_rows,
    divide,
    need_shapes,
    turn_array,
    turn_of,
)
from swarmhub.data.harmonise.moments import next_point, sums_about
from swarmhub.errors import BadInput

AGREED = ("turn", "centre", "scale")

MAX_COLUMNS = 4096  # four matrices of 128 MiB


@dataclass(frozen=True, eq=False)
class Correlations:
    """Of each pair of p columns, (p, p): rows in which both are known, covariance (NaN for fewer
    than two rows), and Pearson's correlation (NaN as well if one of the two is constant there)."""

    count: Whole
    covariance: Array
    correlation: Array


@dataclass(frozen=True, eq=False)
class CorrelationsStep:
    """A hospital's side, for its rows x (n, p) with NaN for missing. Raises BadInput for more than
    `MAX_COLUMNS` columns."""

    x: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "x", check_rows(self.x))
        if self.x.shape[1] > MAX_COLUMNS:
            raise BadInput(
                f"Expected at most {MAX_COLUMNS} columns to correlate, got {self.x.shape[1]}; "
                "choose fewer, such as the most variable ones."
            )

    @property
    def turns(self) -> int:
        """Most rounds that it takes."""
        return 2

    def arrays(self, sums: Sums | None) -> Arrays:
        """Return this hospital's arrays of the next round."""
        p = self.x.shape[1]
        centre, scale = next_point(sums, p)
        found = sums_about(self.x, centre)
        found |= {"turn": turn_array(turn_of(sums) + 1), "centre": centre, "scale": scale}
        known = ~np.isnan(self.x)
        about = np.where(known, self.x - centre, 0.0) if sums else np.zeros_like(self.x)
        mask = known.astype(np.float64)
        found["pairs"] = np.rint(mask.T @ mask).astype(np.int64)
        found["products"] = about.T @ about
        found["differences"] = about.T @ mask  # of the first column in the rows of the second
        found["squares"] = np.square(about).T @ mask
        return found

    def is_last(self, sums: Sums) -> bool:
        """Return whether these sums are the last."""
        return turn_of(sums) >= self.turns


def read_correlations(sums: Sums, p: int) -> Correlations:
    """Return the correlations of p columns from the last sums. Raises BadInput if the sums are of
    other columns."""
    names = ("pairs", "products", "differences", "squares")
    need_shapes(sums, dict.fromkeys(names, (p, p)) | {"centre": (p,)})
    n, first = np.asarray(sums["pairs"]), np.asarray(sums["differences"])
    mean = np.nan_to_num(divide(first, n))
    products = np.asarray(sums["products"]) - mean * first.T
    squares = np.maximum(np.asarray(sums["squares"]) - mean * first, 0.0)
    level = np.asarray(sums["centre"])[:, None] + mean
    squares[squares <= ROUNDING * n * level**2] = 0.0
    covariance = divide(products, n - 1)
    below = np.sqrt(squares) * np.sqrt(squares.T)
    correlation = np.clip(divide(products, below), -1.0, 1.0)
    correlation[n < 2] = np.nan
    return Correlations(n.astype(np.int64), covariance, correlation)
