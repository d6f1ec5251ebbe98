"""The local problems of one hospital, all K models at the same time.

    minimise over t_k (e, q):   sum_j weights_kj loss(y_j, m_kj) + 1/2 strength_k . t_k^2
    with margins                m_k = offset_k + t_k a'                       for k = 0 .. K - 1

with e margins of each row. They share the matrix a (n, q) and differ in row weights (folds, class
weights), in strengths and in offsets. Newton's method with a halving line search, each step by
conjugate gradients with a diagonal preconditioner (see `axes` for why few steps are enough). The
models advance side by side, so the work is products of a with (K, n) and (K, q) matrices; those
that are done drop out. A step is only solved as precisely as it pays: to 10% far from the solution,
then more and more (Dembo, Eisenstat and Steihaug, "Inexact Newton methods", SIAM J Numer Anal
1982;19:400), which keeps the convergence superlinear.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.recipes.linear.axes import Array, Axes, SparseAxes
from swarmhub.recipes.linear.losses import Loss

SMALLEST = 1e-15  # gradient norm that is rounding: losses are means per row, features about 1
STEPS = 50
HALVINGS = 25
BLOCK = 1 << 22  # models x rows that are solved at the same time: 32 MB an array


@dataclass(frozen=True, eq=False)
class Problems:
    """K local problems over one hospital's axes: outcomes y (n,), weights (K, n), strength (K, q),
    offset (K, e, n)."""

    axes: Axes | SparseAxes
    loss: Loss
    y: Array
    weights: Array
    strength: Array
    offset: Array

    def take(self, at: npt.NDArray[Any] | slice) -> Problems:
        """Return the problems at these positions."""
        weights, strength, offset = self.weights[at], self.strength[at], self.offset[at]
        return Problems(self.axes, self.loss, self.y, weights, strength, offset)

    def value(self, t: Array, margin: Array) -> Array:
        """Return the objectives; (K, e, q), (K, e, n) -> (K,)."""
        loss = (self.weights * self.loss.each(self.y, margin)).sum(axis=1)
        found: Array = loss + 0.5 * (self.strength[:, None] * t * t).sum(axis=(1, 2))
        return found


def minimise(problems: Problems) -> Array:
    """Return the solutions t (K, e, q) of strictly convex problems."""
    models, outputs, rows = problems.offset.shape
    many = max(1, BLOCK // max(1, outputs * rows))
    parts = [_newton(problems.take(slice(k, k + many))) for k in range(0, models, many)]
    return np.concatenate(parts)


def _newton(problems: Problems) -> Array:
    """Return the solutions (K, e, q) of problems that fit into memory together."""
    models, outputs, _ = problems.offset.shape
    t = np.zeros((models, outputs, problems.strength.shape[1]))
    live = np.arange(len(t))
    now, here, margin = problems, t.copy(), problems.offset
    value, first = now.value(here, margin), None
    for _ in range(STEPS):
        slopes = now.weights[:, None] * now.loss.slopes(now.y, margin)
        gradient = now.axes.across(slopes) + now.strength[:, None] * here
        size = np.sqrt((gradient * gradient).sum(axis=(1, 2)))
        first = size if first is None else first
        going = (size > now.axes.tolerance * first) & (size > SMALLEST)
        precision = np.minimum(0.1, size / np.maximum(first, SMALLEST))
        step = _solve(now, margin, -gradient * going[:, None, None], precision)
        here, margin, value, moved = _search(now, (here, margin, value), gradient, step)
        going &= moved
        t[live] = here
        if not going.any():
            break
        if going.sum() <= 0.7 * len(going):  # else copying costs more than it saves
            live, now = live[going], now.take(going)
            here, margin, value, first = here[going], margin[going], value[going], first[going]
    return t


def _search(
    problems: Problems, start: tuple[Array, Array, Array], gradient: Array, step: Array
) -> tuple[Array, Array, Array, npt.NDArray[np.bool_]]:
    """Halve each model's step until its objective falls enough (Armijo); return the new t, margins
    and values, and which models moved."""
    t, margin, value = start
    along = problems.axes.along(step)
    downhill = (gradient * step).sum(axis=(1, 2))
    length = np.where(downhill < 0.0, 1.0, 0.0)
    found = value
    for _ in range(HALVINGS):
        trial = length[:, None, None]
        found = problems.value(t + trial * step, margin + trial * along)
        high = found > value + 1e-4 * length * downhill + 1e-15 * np.abs(value)
        if not high.any():
            break
        length = np.where(high, 0.5 * length, length)
    else:
        length = np.where(high, 0.0, length)  # no descent left within rounding
        found = np.where(high, value, found)
    trial = length[:, None, None]
    return t + trial * step, margin + trial * along, found, length > 0.0


def _solve(problems: Problems, margin: Array, right: Array, precision: Array) -> Array:
    """Solve H_k v_k = right_k for the Hessian at these margins, to this relative precision (K,), by
    conjugate gradients; (K, e, n), (K, e, q) -> (K, e, q)."""
    axes, weights, strength = problems.axes, problems.weights[:, None], problems.strength[:, None]
    diagonal, product = problems.loss.curvature(problems.y, margin)
    inverse = 1.0 / (axes.diagonal(weights * diagonal) + strength)
    v, residual = np.zeros_like(right), right.copy()
    scaled = inverse * residual
    direction, energy = scaled.copy(), (residual * scaled).sum(axis=(1, 2))
    stop = precision**2 * energy
    for _ in range(2 * right.shape[1] * right.shape[2] + 20):
        going = energy > stop
        if not going.any():
            break
        image = axes.across(weights * product(axes.along(direction))) + strength * direction
        along = (direction * image).sum(axis=(1, 2))
        length = np.divide(energy, along, out=np.zeros_like(energy), where=going & (along > 0))
        v += length[:, None, None] * direction
        residual -= length[:, None, None] * image
        scaled = inverse * residual
        now = (residual * scaled).sum(axis=(1, 2))
        energy, before = np.where(going, now, energy), energy
        ratio = np.divide(energy, before, out=np.zeros_like(energy), where=going & (before > 0))
        direction = scaled + ratio[:, None, None] * direction
    return v
