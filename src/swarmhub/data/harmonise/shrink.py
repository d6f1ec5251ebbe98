"""A batch's own shift and spread of each column, shrunken towards those of its other columns.

Johnson, Li and Rabinovic, Biostatistics 2007;8:118, parametric: of the standardised residuals of a
batch, the column's mean g has a normal prior and its variance d an inverse gamma prior; both priors
are fitted by moments to the batch's own columns (variances with ddof 1, as in Bioconductor's sva),
and the two posterior means are iterated. With n rows, their mean `mean` and the sum `squares` about
it:

    g = (n t2 mean + d gbar) / (n t2 + d)
    d = (b + squares/2 + n (mean - g)^2 / 2) / (a - 1 + n/2)

until no g and d of the batch changes by more than `stop` of itself. As in sva, the change of g is
divided by g with its sign, so that negative g do not count: results are those of published tools.

Not defined there, and here as follows. A column with one row, or without spread, in this batch
takes no part in the prior of d; it is shrunken like the others. If fewer than two columns have a
spread (one row in the batch), d is 1. With one column there is no prior: g and d are its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from swarmhub.data.harmonise.iterate import Array, Mask, divide

STOP = 1e-4  # of sva, neuroCombat and pyComBat
MOST = 10_000  # iterations


@dataclass(frozen=True, eq=False)
class Residuals:
    """A batch's standardised residuals by column, (p,) each: rows `n`, their mean, the sum of
    squares about it, and whether these are more than rounding errors."""

    n: Array
    mean: Array
    squares: Array
    varies: Mask

    def take(self, at: Mask) -> Residuals:
        """Return the residuals of some columns."""
        return Residuals(self.n[at], self.mean[at], self.squares[at], self.varies[at])


@dataclass(frozen=True)
class Priors:
    """Mean and variance of g; shape and scale of the inverse gamma of d."""

    gbar: float
    t2: float
    a: float
    b: float


def shrink(found: Residuals, stop: float = STOP) -> tuple[Array, Array]:
    """Return shift and variance (p,) of each column of a batch; 0 and 1 if it has no rows."""
    shift, spread = np.zeros(len(found.n)), np.ones(len(found.n))
    here = found.n > 0
    varies = here & found.varies & (found.n > 1)
    own = divide(found.squares, found.n - 1)
    if here.sum() < 2:
        shift[here], spread[varies] = found.mean[here], own[varies]
        return shift, spread
    gbar, t2 = float(found.mean[here].mean()), float(found.mean[here].var(ddof=1))
    m, v = 1.0, 0.0
    if varies.sum() > 1:
        m, v = float(own[varies].mean()), float(own[varies].var(ddof=1))
    if not v > 0:
        weight = found.n[here] * t2
        shift[here] = (weight * found.mean[here] + gbar) / (weight + 1)
        return shift, spread
    priors = Priors(gbar, t2, 2 + m * m / v, m + m**3 / v)
    start = np.where(varies, np.nan_to_num(own), m)
    for part in (varies, here & ~varies):
        if part.any():
            shift[part], spread[part] = _iterate(found.take(part), start[part], priors, stop)
    return shift, spread


def _iterate(found: Residuals, start: Array, priors: Priors, stop: float) -> tuple[Array, Array]:
    g_old, d_old = found.mean, start
    weight = found.n * priors.t2
    for _ in range(MOST):
        g = (weight * found.mean + d_old * priors.gbar) / (weight + d_old)
        squares = found.squares + found.n * (found.mean - g) ** 2
        d = (0.5 * squares + priors.b) / (0.5 * found.n + priors.a - 1)
        change = max(_largest(np.abs(g - g_old), g_old), _largest(np.abs(d - d_old), d_old))
        g_old, d_old = g, d
        if not change > stop:
            break
    return g_old, d_old


def _largest(above: Array, below: Array) -> float:
    return float(np.divide(above, below, out=np.zeros_like(above), where=below != 0).max())
