"""Least squares of many columns on a few covariates, with an intercept for each batch.

A batch's rows are all at one hospital, so its intercept is eliminated there: values and covariates
are taken about their means over the batch's rows, and only sums of products leave (Frisch and
Waugh, Econometrica 1933;1:387). A column's fit is over the rows in which it is known; a batch
without such a row takes no part in it.

Two rounds: each sends, about the agreed coefficients `at` (0 at first), the residuals' products
with the covariates. The solution is `at` and a correction, so that the second round makes good the
cancellation of the normal equations (iterative refinement).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from swarmhub.data.harmonise.iterate import (
    MAX_SENT,
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
from swarmhub.data.harmonise.small import solve_in_order
from swarmhub.errors import BadInput

AGREED = ("turn", "at")

TURNS = 2
MAX_COVARIATES = 64  # their products are sent for each column


@dataclass(frozen=True, eq=False)
class Fit:
    """The fit of p columns on q covariates and the batches' intercepts.

    `count` rows and `batches` with such rows; `coefficients` (p, q), 0 for a covariate that is not
    `estimable` (p, q) beside the batches and the covariates before it; `pivots` (p, q), the last of
    which is 1 / (the last diagonal element of the inverse); residual sum of `squares`; `grand`, the
    mean over rows of value - covariates x coefficients; `flat`: the residuals are rounding errors.
    """

    count: Whole
    batches: Whole
    coefficients: Array
    estimable: Mask
    pivots: Array
    squares: Array
    grand: Array
    flat: Mask

    @property
    def df(self) -> Whole:
        """Residual degrees of freedom, (p,)."""
        found: Whole = self.count - self.batches - self.estimable.sum(axis=1)
        return found


@dataclass(frozen=True, eq=False)
class FitStep:
    """A hospital's side: rows x (n, p) with NaN for missing, covariates z (n, q) without, `batch`
    the batch's name of each row (none: the hospital is one). Raises BadInput if these do not fit
    together, or a covariate is missing."""

    x: Array
    z: Array
    batch: Sequence[str] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "x", check_rows(self.x))
        object.__setattr__(self, "z", check_rows(self.z, "covariates"))
        check_covariates(self.x, self.z, self.batch)

    @property
    def turns(self) -> int:
        """Most rounds that it takes."""
        return TURNS

    def arrays(self, sums: Sums | None) -> Arrays:
        """Return this hospital's arrays of the next round."""
        p, q = self.x.shape[1], self.z.shape[1]
        at = np.zeros((p, q)) if sums is None else read_fit(sums, p, q).coefficients
        shapes = _shapes(p, q)
        found: Arrays = {name: np.zeros(shapes[name]) for name in shapes if name != "at"}
        found["count"] = found["count"].astype(np.int64)
        found["batches"] = found["batches"].astype(np.int64)
        for rows in rows_by_batch(self.batch, len(self.x)).values():
            for name, value in _sums_of_batch(self.x[rows], self.z[rows], at).items():
                found[name] += value
        return found | {"turn": turn_array(turn_of(sums) + 1), "at": at}

    def is_last(self, sums: Sums) -> bool:
        """Return whether these sums are the last."""
        return turn_of(sums) >= self.turns


def check_covariates(x: Array, z: Array, batch: Sequence[str] | None) -> None:
    """Raise BadInput if covariates or batches do not fit the rows, or a covariate is missing."""
    if len(z) != len(x) or (batch is not None and len(batch) != len(x)):
        named = len(x) if batch is None else len(batch)
        raise BadInput(
            f"Expected covariates and batches of {len(x)} rows, got {len(z)} and {named}; give one "
            "of each for every row."
        )
    if z.shape[1] > MAX_COVARIATES:
        raise BadInput(
            f"Expected at most {MAX_COVARIATES} covariates, got {z.shape[1]}; choose fewer."
        )
    columns, most = x.shape[1], MAX_SENT // max(1, z.shape[1] ** 2)
    if columns > most:
        raise BadInput(
            f"Expected at most {most:,} columns with {z.shape[1]} covariates, got {columns:,}; "
            "choose fewer covariates, or compute the fit of fewer columns at a time."
        )
    if np.isnan(z).any():
        row, column = map(int, np.argwhere(np.isnan(z))[0])
        raise BadInput(
            f"Expected all covariates to be known, got none in row {row + 1}, covariate "
            f"{column + 1}; leave such rows out."
        )


def rows_by_batch(batch: Sequence[str] | None, rows: int) -> dict[str, npt.NDArray[np.intp]]:
    """Return the rows of each batch by its name, in the order of names; all rows under "" if there
    are no batches."""
    if batch is None:
        return {"": np.arange(rows)} if rows else {}
    names, place = np.unique(np.asarray([str(b) for b in batch]), return_inverse=True)
    return {str(name): np.flatnonzero(place == k) for k, name in enumerate(names)}


def _shapes(p: int, q: int) -> dict[str, tuple[int, ...]]:
    per_column = ("count", "batches", "squares", "total", "level")
    return {
        "at": (p, q), "gram": (p, q, q), "size": (p, q), "slope": (p, q), "moved": (p, q)
    } | dict.fromkeys(per_column, (p,))  # fmt: skip


def _sums_of_batch(x: Array, z: Array, at: Array) -> Arrays:
    """Return the sums of one batch's rows about the coefficients `at`.

    gram: products of the covariates about their means; size: their squares before the means of the
    known rows are taken out; slope: products of residuals and covariates; squares: of residuals;
    moved: sums of covariates; total: sum of value - covariates x at; level: squares of values.
    """
    p, q = at.shape
    known = ~np.isnan(x)
    mask = known.astype(np.float64)
    count = known.sum(axis=0).astype(np.int64)
    n = np.maximum(count, 1)
    centre = z[0] + (z - z[0]).mean(axis=0)
    zc = z - z[0] - (z - z[0]).mean(axis=0)  # (n, q); exactly 0 for a constant covariate
    pairs = (zc[:, :, None] * zc[:, None, :]).reshape(len(z), q * q)
    products = (mask.T @ pairs).reshape(p, q, q)
    shift = mask.T @ zc  # (p, q)
    start = first_known(x)
    residual = np.where(known, x - start - zc @ at.T, 0.0)
    residual_sum = residual.sum(axis=0)
    about = np.where(known, residual - residual_sum / n, 0.0)
    return {
        "count": count,
        "batches": (count > 0).astype(np.int64),
        "gram": products - shift[:, :, None] * shift[:, None, :] / n[:, None, None],
        "size": np.einsum("pqq->pq", products),
        "slope": about.T @ zc,
        "squares": np.square(about).sum(axis=0),
        "moved": count[:, None] * centre + shift,
        "total": residual_sum + count * (start - at @ centre),
        "level": np.square(np.where(known, x, 0.0)).sum(axis=0),
    }


def read_fit(sums: Sums, p: int, q: int) -> Fit:
    """Return the fit of p columns on q covariates from a round's sums; right to the last digits
    after the second. Raises BadInput if the sums are of other columns or covariates."""
    need_shapes(sums, _shapes(p, q))
    step, pivots, kept, explained = solve_in_order(
        np.asarray(sums["gram"]), np.asarray(sums["size"]), np.asarray(sums["slope"])
    )
    squares = np.maximum(np.asarray(sums["squares"]) - explained, 0.0)
    moved = np.zeros(p)
    for k in range(q):
        moved += np.asarray(sums["moved"])[:, k] * step[:, k]
    count = np.asarray(sums["count"]).astype(np.int64)
    return Fit(
        count, np.asarray(sums["batches"]).astype(np.int64), np.asarray(sums["at"]) + step, kept,
        pivots, squares, divide(sums["total"] - moved, count),
        squares <= ROUNDING * np.asarray(sums["level"]),
    )  # fmt: skip
