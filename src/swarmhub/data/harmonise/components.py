"""Principal components of all hospitals' rows.

The covariance is never formed: each round settles its product with a few agreed directions, of
which the best combinations are taken (Rayleigh-Ritz). The directions are the newest components,
their residuals, and the way that they came; this converges as conjugate gradients do, in far fewer
rounds than powers of the covariance (Knyazev, SIAM J Sci Comput 2001;23:517, without a
preconditioner). Some components more than wanted are kept, since close eigenvalues converge slowly.

Rounds: 1 the means, 2 the standard deviations, then one for each set of directions, until the
residual of each wanted component is at most `TOLERANCE` of its eigenvalue, or `MOST_ROUNDS`. The
angle to the true component is at most residual / distance to the next eigenvalue.

A missing value counts as the mean, as does a column that a hospital lacks. A column is divided by
its standard deviation if `scaled`; a constant one is left out. A component's sign is such that its
largest loading in size (of equal ones the first) is positive. All steps between rounds have the
same bits on every machine (`small`), so that the agreed directions are equal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from swarmhub.data.harmonise.iterate import (
    MAX_SENT,
    Array,
    Arrays,
    Mask,
    Sums,
    check_rows,
    need_shapes,
    turn_array,
    turn_of,
)
from swarmhub.data.harmonise.moments import read_moments, sums_about
from swarmhub.data.harmonise.small import combine, eigen, fold_sum, inner, orthonormalise
from swarmhub.errors import BadInput

AGREED = ("turn", "centre", "scale", "directions")

TOLERANCE = 1e-8  # of an eigenvalue: angles below 1e-6 from a distance of 1% on
NOISE = 1e-13  # of the largest eigenvalue: residuals below it are rounding errors
SPARE = 4  # components more than wanted
MOST_COMPONENTS = 64
MOST_ROUNDS = 200
SEED = 2001  # of the first directions


@dataclass(frozen=True, eq=False)
class Components:
    """The first k principal components of p columns: `loadings` (p, k) of unit length, `variance`
    (k,) along each (ddof 1), its `share` of the total, and the `centre` and `scale` (p,) of the
    columns. `residual` is the largest, relative to its eigenvalue."""

    loadings: Array
    variance: Array
    share: Array
    centre: Array
    scale: Array
    rows: int
    residual: float

    def project(self, x: npt.ArrayLike) -> Array:
        """Return the scores of rows (n, p) -> (n, k); a missing value counts as the mean."""
        return standardise(check_rows(x), self.centre, self.scale) @ self.loadings


@dataclass(frozen=True, eq=False)
class ComponentsStep:
    """A hospital's side: its rows x (n, p) with NaN for missing, the number of components, and
    whether columns are scaled. Raises BadInput for more components than `MOST_COMPONENTS` or p."""

    x: Array
    components: int
    scaled: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "x", check_rows(self.x))
        p = self.x.shape[1]
        most = min(MOST_COMPONENTS, p)
        if not 1 <= self.components <= most:
            raise BadInput(
                f"Expected 1 to {most} components of {p} columns, got {self.components}; give a "
                "number in this range."
            )
        if p * 3 * _width(self.components, p) > MAX_SENT:
            raise BadInput(
                f"Expected at most {MAX_SENT:,} values in the directions, got {p:,} columns for "
                f"{self.components} components; choose fewer of either."
            )

    @property
    def turns(self) -> int:
        """Most rounds that it takes."""
        return MOST_ROUNDS

    def arrays(self, sums: Sums | None) -> Arrays:
        """Return this hospital's arrays of the next round."""
        turn = turn_of(sums) + 1
        point = next_point(sums, self.x.shape[1], self.components, self.scaled)
        found = sums_about(self.x, point["centre"]) | point
        found["turn"] = turn_array(turn)
        found["rows"] = np.array([len(self.x)], dtype=np.int64)
        s = standardise(self.x, point["centre"], point["scale"])
        found["product"] = s.T @ (s @ point["directions"])  # (p, 3w), 0 in the first two rounds
        return found

    def is_last(self, sums: Sums) -> bool:
        """Return whether these sums are the last."""
        turn = turn_of(sums)
        if turn < 3 or turn >= MOST_ROUNDS:
            return turn >= MOST_ROUNDS
        best = _Best.of(sums, self.x.shape[1], self.components)
        return best.residual(self.components) <= TOLERANCE


def standardise(x: Array, centre: Array, scale: Array) -> Array:
    """Return (x - centre) / scale, 0 for a missing value and for a column of scale 0."""
    used = ~np.isnan(x) & (scale > 0)
    return np.where(used, (x - centre) / np.where(scale > 0, scale, 1.0), 0.0)


def next_point(sums: Sums | None, p: int, k: int, scaled: bool) -> Arrays:
    """Return centre (p,), scale (p,) and directions (p, 3w) of the round after `sums`, for k
    components of p columns."""
    wide = _width(k, p)
    none = np.zeros((p, 3 * wide))
    if sums is None:
        return {"centre": np.zeros(p), "scale": np.ones(p), "directions": none}
    if turn_of(sums) > 2:
        directions = _Best.of(sums, p, k).next_directions()
        return {"centre": sums["centre"], "scale": sums["scale"], "directions": directions}
    moments = read_moments(sums, p, False)
    centre, scale = np.nan_to_num(moments.mean), np.ones(p)
    if turn_of(sums) == 2:
        varies = moments.variance > 0
        scale = np.where(varies, moments.sd if scaled else 1.0, 0.0)
        none = _first_directions(p, 3 * wide, scale > 0)
    return {"centre": centre, "scale": scale, "directions": none}


def _width(k: int, p: int) -> int:
    return min(k + SPARE, p)


def _first_directions(p: int, wide: int, used: Mask) -> Array:
    """Return an orthonormal basis of random directions (p, wide) in the used columns, of the raw
    bits of a generator that NumPy keeps stable."""
    bits = np.random.PCG64(SEED).random_raw(p * wide) >> np.uint64(11)
    uniform = bits.astype(np.float64) * 2.0**-53 - 0.5
    return orthonormalise(np.where(used[:, None], uniform.reshape(p, wide), 0.0))


@dataclass(frozen=True, eq=False)
class _Best:
    """The best combinations of a round's directions: `vectors` (p, w), `images` (p, w), their
    products with the covariance times rows, their eigenvalues `values` (w,), and the part of the
    vectors that is not in the last ones, `ways` (p, w)."""

    vectors: Array
    images: Array
    values: Array
    ways: Array

    @classmethod
    def of(cls, sums: Sums, p: int, k: int) -> _Best:
        wide = _width(k, p)
        need_shapes(sums, dict.fromkeys(("directions", "product"), (p, 3 * wide)))
        directions, product = np.asarray(sums["directions"]), np.asarray(sums["product"])
        ritz = inner(directions, product)
        values, weights = eigen((ritz + ritz.T) / 2)
        weights = weights[:, :wide]
        ways = combine(directions[:, wide:], weights[wide:])
        return cls(
            combine(directions, weights), combine(product, weights), values[:wide], ways
        )  # fmt: skip

    def _residuals(self) -> Array:
        return self.images - self.vectors * self.values

    def residual(self, k: int) -> float:
        """Return the largest residual of the first k, relative to the eigenvalue."""
        sizes = np.sqrt(fold_sum(np.square(self._residuals()[:, :k])))
        top = max(float(self.values[0]), 0.0)
        sizes = np.where(sizes > NOISE * top, sizes, 0.0)
        found = np.divide(sizes, self.values[:k], out=sizes, where=self.values[:k] > 0)
        return float(found.max())

    def next_directions(self) -> Array:
        return orthonormalise(np.concatenate([self.vectors, self._residuals(), self.ways], axis=1))


def read_components(sums: Sums, p: int, k: int) -> Components:
    """Return the first k components of p columns from the last sums. Raises BadInput if there are
    not more than k rows, or the sums are of other columns."""
    rows = int(sums["rows"][0]) if "rows" in sums else 0
    if rows <= k:
        raise BadInput(
            f"Expected more than {k} rows for {k} components, got {rows}; choose fewer components."
        )
    best = _Best.of(sums, p, k)
    loadings = best.vectors[:, :k].copy()
    at = np.argmax(np.abs(loadings), axis=0)
    loadings *= np.where(loadings[at, np.arange(k)] < 0, -1.0, 1.0)
    variance = np.maximum(best.values[:k], 0.0) / (rows - 1)
    centre, scale = np.asarray(sums["centre"]), np.asarray(sums["scale"])
    squares = np.where(scale > 0, sums["second"] / np.where(scale > 0, scale, 1.0) ** 2, 0.0)
    total = float(fold_sum(squares)) / (rows - 1)
    share = variance / total if total > 0 else np.full(k, math.nan)
    return Components(loadings, variance, share, centre, scale, rows, best.residual(k))
