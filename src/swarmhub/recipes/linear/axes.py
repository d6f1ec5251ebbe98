"""A hospital's rows in coordinates in which all of its local problems are small.

Theory. A local problem is a loss of the margins x v plus a pull of equal strength on every feature:

    minimise over v:   g(x v) + 1/2 s |v - centre|^2

1. The solution differs from the centre by a combination of the rows, since the gradient of g does.
   With fewer rows than features, x = U S V' (thin), it is v = centre + V t with t of at most n
   elements, and the margins are x centre + (U S) t: 20,000 features x 300 rows become 300 x 300.
2. V has orthonormal columns, so the pull on t is 1/2 s |t|^2: equal strengths stay equal.
3. (U S)' (U S) is diagonal. A weighted Gram matrix of these columns, which is what the Hessian of
   a loss is, is close to diagonal, and conjugate gradients with a diagonal preconditioner need few
   steps even if features are strongly correlated. This also pays with more rows than features.

The decomposition depends on x alone: not on the round, the penalty, the coupling or the fold (rows
left out of a fold get the weight 0). It is computed once.

Columns without a pull (the intercept; later, an intercept per site) are `free`: they are kept as
they are, beside the axes.

Sparse rows (`SparseAxes`) are not rotated, since that would fill them: x stays as it is, and V,
from the Gram matrix of SAMPLE rows, is applied to points and gradients, which are short. V need not
be exact: it only has to bring the Hessian close to a diagonal. With more than MAX_SIDE features V
is the identity.

Sources: Hastie and Tibshirani, "Efficient quadratic regularization for expression arrays",
Biostatistics 2004;5:329 (the reduction from p to n).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from swarmhub.data.matrix import Rows, SparseRows

Array = npt.NDArray[np.float64]

MAX_SIDE = 2000  # of the smaller side of x; a decomposition of 2000 x 2000 takes three seconds
MAX_CELLS = 1 << 26  # of x; above (512 MB), a rotated copy of tall rows is too much memory
SAMPLE = 16_384  # sparse rows from which axes are made; their Gram matrix takes three seconds
TOLERANCE = 1e-10  # to which problems are solved: of the gradient's norm, relative to the first one
OF_SPARSE = 1e-7  # the same for sparse rows: a third of the products would go into what is below
SMALLEST = 1e-12  # eigenvalues below this share of the largest are rounding


@dataclass(frozen=True, eq=False)
class Axes:
    """Rows x (n, p) with free columns (n, e), and the same in coordinates of their own: `a` (n, q)
    = [x V, free]. V is `basis` (p, r) if x is tall, x' `duals` with (n, r) if it is wide; if both
    are None, V is the identity. A point (p + e,) has the free columns' parameters last."""

    x: Array
    free: Array
    a: Array
    basis: Array | None = None
    duals: Array | None = None
    tolerance: float = TOLERANCE

    @staticmethod
    def of(x: Rows, free: Array | None = None) -> Axes | SparseAxes:
        """Return the axes of rows x (n, p); the free columns are an intercept if none are given."""
        n, p = x.shape
        if free is None:
            free = np.ones((n, 1))
        if isinstance(x, SparseRows):
            return SparseAxes.of_rows(x, free)
        basis, duals, rows = None, None, x
        if n < p and n <= MAX_SIDE:
            values, vectors = np.linalg.eigh(x @ x.T)
            kept = values > SMALLEST * max(values[-1], SMALLEST)
            scale = np.sqrt(values[kept])  # (r,)
            duals, rows = vectors[:, kept] / scale, vectors[:, kept] * scale
        elif p <= MAX_SIDE and n * p <= MAX_CELLS:
            _, basis = np.linalg.eigh(x.T @ x)
            rows = x @ basis
        return Axes(x, free, np.concatenate([rows, free], axis=1), basis, duals)

    @property
    def size(self) -> int:
        """The number of parameters, p + e."""
        return int(self.x.shape[1] + self.free.shape[1])

    @property
    def width(self) -> int:
        """The number of coordinates of a point, q."""
        return int(self.a.shape[1])

    @property
    def penalised(self) -> int:
        """The number of coordinates that are penalised, r."""
        return int(self.a.shape[1] - self.free.shape[1])

    @cached_property
    def _squares(self) -> Array:
        """The squares of `a`, for diagonals of Hessians."""
        return self.a * self.a

    def along(self, t: Array) -> Array:
        """Return the margins of points by their coordinates; (K, e, q) -> (K, e, n)."""
        found: Array = t @ self.a.T
        return found

    def across(self, slopes: Array) -> Array:
        """Return gradients by the coordinates from slopes by the margins; (K, e, n) -> (K, e,
        q)."""
        found: Array = slopes @ self.a
        return found

    def diagonal(self, weights: Array) -> Array:
        """Return the diagonal of a' diag(weights) a; (K, e, n) -> (K, e, q)."""
        found: Array = weights @ self._squares
        return found

    def margins(self, points: Array) -> Array:
        """Return the margins of all rows; (K, p + e) -> (K, n)."""
        p = self.x.shape[1]
        found: Array = points[:, :p] @ self.x.T + points[:, p:] @ self.free.T
        return found

    def gather(self, slopes: Array) -> Array:
        """Return gradients by the parameters from slopes by the margins; (K, n) -> (K, p + e)."""
        return np.concatenate([slopes @ self.x, slopes @ self.free], axis=1)

    def lift(self, t: Array) -> Array:
        """Return points from their coordinates; (K, q) -> (K, p + e)."""
        r = self.penalised
        if self.duals is not None:
            w = (t[:, :r] @ self.duals.T) @ self.x
        elif self.basis is not None:
            w = t[:, :r] @ self.basis.T
        else:
            w = t[:, :r]
        return np.concatenate([w, t[:, r:]], axis=1)


@dataclass(frozen=True, eq=False)
class SparseAxes:
    """The same methods over sparse rows x (n, p) and free columns (n, e). `basis` (p, p) is V, and
    `curvature` (p,) the mean square of each of its coordinates; None if V is the identity."""

    x: SparseRows
    free: Array
    basis: Array | None = None
    curvature: Array | None = None
    tolerance: float = OF_SPARSE

    @classmethod
    def of_rows(cls, x: SparseRows, free: Array) -> SparseAxes:
        """Return the axes of sparse rows."""
        n, p = x.shape
        if not 0 < p <= MAX_SIDE or not n:
            return cls(x, free)
        step = -(-n // SAMPLE)
        gram, rows = np.zeros((p, p)), np.arange(step // 2, n, step)
        many = max(1, MAX_CELLS // 8 // p)
        for start in range(0, len(rows), many):
            part = x.take(rows[start : start + many]).dense()
            gram += part.T @ part
        values, basis = np.linalg.eigh(gram / max(1, len(rows)))
        return cls(x, free, basis, np.maximum(values, SMALLEST * max(values[-1], SMALLEST)))

    @property
    def size(self) -> int:
        """The number of parameters, p + e."""
        return int(self.x.shape[1] + self.free.shape[1])

    @property
    def width(self) -> int:
        """The number of coordinates of a point, p + e."""
        return self.size

    @property
    def penalised(self) -> int:
        """The number of coordinates that are penalised, p."""
        return self.x.shape[1]

    def along(self, t: Array) -> Array:
        """Return the margins of points by their coordinates; (K, e, q) -> (K, e, n)."""
        return self.margins(self.lift(t.reshape(-1, t.shape[-1]))).reshape(*t.shape[:-1], -1)

    def across(self, slopes: Array) -> Array:
        """Return gradients by the coordinates from slopes by the margins; (K, e, n) -> (K, e,
        q)."""
        found = self.gather(slopes.reshape(-1, slopes.shape[-1]))
        if self.basis is not None:
            found[:, : self.penalised] = found[:, : self.penalised] @ self.basis
        return found.reshape(*slopes.shape[:-1], -1)

    def diagonal(self, weights: Array) -> Array:
        """Return nearly the diagonal of a' diag(weights) a; (K, e, n) -> (K, e, q). With a basis
        the weights count by their sum."""
        flat = weights.reshape(-1, weights.shape[-1])
        if self.curvature is None:
            own = self.x.squares(flat)
        else:
            own = np.outer(flat.sum(axis=1), self.curvature)
        found = np.concatenate([own, flat @ self.free**2], axis=1)
        return found.reshape(*weights.shape[:-1], -1)

    def margins(self, points: Array) -> Array:
        """Return the margins of all rows; (K, p + e) -> (K, n)."""
        p = self.penalised
        found = self.x.times(points[:, :p])
        found += points[:, p:] @ self.free.T
        return found

    def gather(self, slopes: Array) -> Array:
        """Return gradients by the parameters from slopes by the margins; (K, n) -> (K, p + e)."""
        return np.concatenate([self.x.gather(slopes), slopes @ self.free], axis=1)

    def lift(self, t: Array) -> Array:
        """Return points from their coordinates; (K, q) -> (K, p + e)."""
        if self.basis is None:
            return t
        p = self.penalised
        return np.concatenate([t[:, :p] @ self.basis.T, t[:, p:]], axis=1)
