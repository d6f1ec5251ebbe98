"""Standardised features of sparse rows, without a dense copy of them.

Theory. A stored value v of column j becomes (v - mean_j) / sd_j, within the bounds, and a value
that is not stored, which is 0, becomes one constant: the column's shift. So

    x = raw diag(scale) + fix + 1 shift'        scale = 1 / sd,  shift = clip(-mean / sd)

with a sparse `fix` for the stored values whose standardised value is bounded or missing, mostly
few. Products with x are products with `raw` and `fix`, and a sum for the shift. `raw` is the
dataset's own matrix: nothing of it is copied unless a missing value (NaN) is stored in it.

Sources: the shift is the implicit centring of sparse matrices, as in scikit-learn's and scanpy's
principal components.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

MAX_DENSE = 1 << 26  # features of rows (512 MB) up to which sparse rows are made dense
MAX_FORCED = 1 << 28  # (2 GB) the same for a recipe that needs dense rows
AT_ONCE = 1 << 22  # stored values that are looked at in one piece


@dataclass(frozen=True, eq=False)
class SparseRows:
    """Rows (n, p) of standardised features, of which `raw`, a CSR matrix (n, c) without NaN, has
    the columns `column` (s,); they are the features `at` (s,), with `scale` and `shift` (s,). `fix`
    (n, c) is added where a value is bounded or missing, `None` if there is none. The features
    `rest` are dense, in `extra` (n, r)."""

    raw: Any
    fix: Any
    column: Places
    at: Places
    scale: Floats
    shift: Floats
    rest: Places
    extra: Floats

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and features, (n, p)."""
        return int(self.raw.shape[0]), len(self.at) + len(self.rest)

    def __len__(self) -> int:
        return int(self.raw.shape[0])

    def times(self, points: Floats) -> Floats:
        """Return the products of all rows with points; (K, p) -> (K, n)."""
        own = points[:, self.at]
        found = _multiply(self.raw, self._spread(own * self.scale))
        if self.fix is not None:
            found += _multiply(self.fix, self._spread(own))
        found += (own @ self.shift)[:, None]
        return found + points[:, self.rest] @ self.extra.T if len(self.rest) else found

    def gather(self, slopes: Floats) -> Floats:
        """Return sums of rows, each times a slope; (K, n) -> (K, p)."""
        own = _multiply(self.raw.T, slopes)[:, self.column] * self.scale
        if self.fix is not None:
            own += _multiply(self.fix.T, slopes)[:, self.column]
        own += np.outer(slopes.sum(axis=1), self.shift)
        return self._join(own, slopes @ self.extra)

    def squares(self, weights: Floats) -> Floats:
        """Return sums of squared rows, each times a weight; (K, n) -> (K, p)."""
        scale = self._spread(self.scale[None])[0]
        own = np.zeros((len(weights), len(self.at)))
        for start, stop, part in _in_rows(self.raw):
            part.data *= scale[part.indices]
            part = part if self.fix is None else part + self.fix[start:stop]
            own += 2.0 * self.shift * _multiply(part.T, weights[:, start:stop])[:, self.column]
            part.data **= 2
            own += _multiply(part.T, weights[:, start:stop])[:, self.column]
        own += np.outer(weights.sum(axis=1), self.shift**2)
        return self._join(np.maximum(own, 0.0), weights @ self.extra**2)

    def take(self, rows: npt.ArrayLike) -> SparseRows:
        """Return these rows, by position or by a mask (n,)."""
        at = np.asarray(rows)
        at = np.flatnonzero(at) if at.dtype == bool else at
        fix = None if self.fix is None else self.fix[at]
        return SparseRows(self.raw[at], fix, self.column, self.at, self.scale, self.shift,
                          self.rest, self.extra[at])  # fmt: skip

    def dense(self) -> Floats:
        """Return the same rows as a dense matrix, (n, p)."""
        found = np.empty(self.shape)
        for start in range(0, len(self), step := max(1, AT_ONCE // max(1, self.raw.shape[1]))):
            rows = slice(start, start + step)
            part = self.raw[rows].toarray()[:, self.column] * self.scale
            if self.fix is not None:
                part += self.fix[rows].toarray()[:, self.column]
            found[rows, self.at] = part + self.shift
        found[:, self.rest] = self.extra
        return found

    def _spread(self, own: Floats) -> Floats:
        """Return values of features as those of columns, (K, s) -> (K, c)."""
        found = np.zeros((len(own), self.raw.shape[1]))
        found[:, self.column] = own
        return found

    def _join(self, own: Floats, rest: Floats) -> Floats:
        found = np.empty((len(own), self.shape[1]))
        found[:, self.at], found[:, self.rest] = own, rest
        return found


Rows = Floats | SparseRows


def multiply(points: Floats, x: Rows) -> Floats:
    """Return the products of points (K, p) with rows x (n, p), (K, n)."""
    if isinstance(x, SparseRows):
        return x.times(points)
    found: Floats = points @ x.T
    return found


def take_rows(x: Rows, rows: npt.ArrayLike) -> Rows:
    """Return some rows, by position or by a mask (n,)."""
    return x.take(rows) if isinstance(x, SparseRows) else x[np.asarray(rows)]


def standardise(
    raw: Any, column: Places, mean: Floats, sd: Floats, bound: float
) -> tuple[Any, Any, Floats, Floats]:
    """Return what `SparseRows` has of raw values: (raw, fix, scale, shift). `mean` and `sd` (s,)
    are those of the columns `column`; standardised values are bounded by `bound`, missing ones
    0."""
    width = raw.shape[1]
    scale, shift = 1.0 / sd, np.clip(-mean / sd, -bound, bound)
    centre, spread, add = np.zeros(width), np.ones(width), np.zeros(width)
    is_used = np.zeros(width, dtype=bool)
    centre[column], spread[column], add[column], is_used[column] = mean, sd, shift, True
    is_moved = np.zeros(width, dtype=bool)
    is_moved[column] = shift != -mean / sd
    places: list[Places] = []
    fixes: list[Floats] = []
    has_missing = False
    for start in range(0, raw.nnz, AT_ONCE):
        values, at = raw.data[start : start + AT_ONCE], raw.indices[start : start + AT_ONCE]
        z = (values - centre[at]) / spread[at]
        missing = np.isnan(values)
        has_missing |= bool(missing.any())
        found = np.flatnonzero(is_used[at] & (missing | is_moved[at] | (np.abs(z) > bound)))
        here, off = at[found], missing[found]
        wanted = np.where(off, 0.0, np.clip(z[found], -bound, bound))
        plain = np.where(off, 0.0, values[found]) / spread[here] + add[here]
        places.append(found + start)
        fixes.append(wanted - plain)
    if has_missing:
        raw = type(raw)(
            (np.nan_to_num(raw.data, nan=0.0), raw.indices, raw.indptr), shape=raw.shape
        )
    place = np.concatenate(places) if places else np.zeros(0, dtype=np.int64)
    if not len(place):
        return raw, None, scale, shift
    starts = np.searchsorted(place, raw.indptr).astype(raw.indptr.dtype)
    fix = type(raw)((np.concatenate(fixes), raw.indices[place], starts), shape=raw.shape)
    return raw, fix, scale, shift


def _multiply(matrix: Any, points: Floats) -> Floats:
    """Return matrix (n, c) times points (K, c), as (K, n)."""
    if len(points) == 1:
        found: Floats = (matrix @ points[0])[None]
        return found
    found = (matrix @ np.ascontiguousarray(points.T)).T
    return np.ascontiguousarray(found)


def _in_rows(matrix: Any) -> Iterator[tuple[int, int, Any]]:
    """Yield parts of a CSR matrix, copies of some rows each, and their first and last place."""
    rows = matrix.shape[0]
    step = max(1, AT_ONCE * rows // max(1, matrix.nnz))
    for start in range(0, rows, step):
        stop = min(start + step, rows)
        yield start, stop, matrix[start:stop]
