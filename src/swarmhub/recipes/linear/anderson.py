"""Anderson mixing: the combination of past rounds that brings an iteration nearest to rest.

Theory. An iteration c <- F(c) has the residual g(c) = F(c) - c. Out of the last m rounds, the
weights alpha (sum 1) that minimise |sum_j alpha_j g(c_j)|^2 define the next point,

    c <- sum_j alpha_j F(c_j),

which for a linear F is GMRES (Walker and Ni, "Anderson acceleration for fixed-point iterations",
SIAM J Numer Anal 2011;49:1715). Zhang, O'Donoghue and Boyd (SIAM J Optim 2020;30:3170) and Fu,
Zhang and Boyd (A2DR, SIAM J Sci Comput 2020;42:A3560) use it on Douglas-Rachford splitting, of
which consensus ADMM is a case. The weights follow from the m x m inner products of the residuals
alone:

    alpha = G^-1 1 / (1' G^-1 1),      G_ij = sum over hospitals of rows <g_i, g_j>

so a hospital adds its m x m inner products to the sums, and its part of the residuals stays at
home.

Every hospital has to find the same alpha: elimination by elementwise float64 operations, which
round alike on every machine, and no LAPACK. G is nearly singular once residuals are alike; a small
share of its diagonal is added, which bounds alpha.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from swarmhub.recipes.linear.axes import Array

REGULAR = 1e-8  # share of each diagonal element that is added to it
GROWTH = 4.0  # of the squared residual in a round: more, and the mixing starts anew


def mix(gram: Array, depth: npt.NDArray[np.int64]) -> Array:
    """Return alpha (K, m), oldest first, zero but for the newest depth[k] rounds; gram (K, m,
    m)."""
    models, m, _ = gram.shape
    usable = np.arange(m) >= (m - depth)[:, None]  # (K, m)
    both = usable[:, :, None] & usable[:, None, :]
    system = np.where(both, gram, 0.0)
    for j in range(m):
        system[:, j, j] = np.where(usable[:, j], system[:, j, j] * (1.0 + REGULAR), 1.0)
    found = _eliminate(system, usable.astype(np.float64))
    total = np.zeros(models)
    for j in range(m):
        total = total + found[:, j]
    newest = np.where(np.arange(m) == m - 1, 1.0, 0.0)
    sound = (total > 0.0) & np.isfinite(total)
    alpha: Array = np.where(sound[:, None], found / np.where(sound, total, 1.0)[:, None], newest)
    return alpha


def has_grown(gram: Array, depth: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Return for which models the last mixing made the residual grow too much; (K, m, m) ->
    (K,)."""
    if gram.shape[1] < 2:
        return np.zeros(len(gram), dtype=bool)
    grown: npt.NDArray[np.bool_] = gram[:, -1, -1] > GROWTH * gram[:, -2, -2]
    return (depth > 1) & grown


def _eliminate(system: Array, right: Array) -> Array:
    """Solve K positive definite systems; (K, m, m), (K, m) -> (K, m). Overwrites both; a pivot that
    rounding made zero or negative drops its unknown."""
    m = right.shape[1]
    for i in range(m):
        pivot = system[:, i, i]
        bad = ~(pivot > 0.0)
        system[:, i, i] = np.where(bad, 1.0, pivot)
        system[:, i, i + 1 :] = np.where(bad[:, None], 0.0, system[:, i, i + 1 :])
        right[:, i] = np.where(bad, 0.0, right[:, i])
        for j in range(i + 1, m):
            factor = np.where(bad, 0.0, system[:, j, i] / system[:, i, i])
            system[:, j, i:] = system[:, j, i:] - factor[:, None] * system[:, i, i:]
            right[:, j] = right[:, j] - factor * right[:, i]
    found = np.zeros_like(right)
    for i in reversed(range(m)):
        rest = right[:, i]
        for j in range(i + 1, m):
            rest = rest - system[:, i, j] * found[:, j]
        found[:, i] = rest / system[:, i, i]
    return found
