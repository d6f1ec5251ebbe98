"""One step of a hospital of which each patient has a bounded part: differential privacy before the
noise (Abadi et al., "Deep learning with differential privacy", CCS 2016; all rows in each step).

Theory. A contribution is merged - rate x (G / samples + penalty), with G the sum of the patients'
gradients and the samples declared at enrolment as its weight. Weight x (contribution - merged) is
then -rate x G, and a part that no patient is in. Each patient's gradient, that of all their rows
together, is clipped to the L2 norm clip / rate: whether a patient is there or not changes
rate x G by at most the clip.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from swarmhub.recipes.linear.axes import Array
from swarmhub.recipes.linear.losses import Loss
from swarmhub.train.bounded import Bound

AT_ONCE = 1 << 22  # values of single gradients in memory


@dataclass(frozen=True)
class Step:
    """The terms of a step: its length, the penalty, and the bound of a patient's part, with the
    samples by which the sum is divided."""

    rate: float
    penalty: float
    bound: Bound


@dataclass(frozen=True, eq=False)
class Rows:
    """A hospital's rows x (n, p) with outcomes y (n,), sorted by patient; `starts` (patients,) has
    the first row of each."""

    x: Array
    y: Array
    starts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, x: Array, y: npt.ArrayLike, patients: npt.NDArray[np.int64]) -> Rows:
        """Return the rows of these patients, numbers (n,)."""
        order = np.argsort(patients, kind="stable")
        starts = np.flatnonzero(np.diff(patients[order], prepend=-1))
        return cls(x[order], np.asarray(y, dtype=np.float64)[order], starts)


def take_step(rows: Rows, loss: Loss, merged: Array, step: Step) -> Array:
    """Return the contribution to a round: merged point (e, p + 1) -> (e, p + 1), the intercepts
    last."""
    total = sum_clipped(rows, loss, merged, step.bound.clip / step.rate)
    ridge = step.penalty * merged
    ridge[:, -1] = 0.0
    return merged - step.rate * (total / step.bound.samples + ridge)


def sum_clipped(rows: Rows, loss: Loss, point: Array, bound: float) -> Array:
    """Return the sum of the patients' gradients of the loss, (e, p + 1), each of an L2 norm of at
    most `bound`."""
    total = np.zeros_like(point)
    ends = np.append(rows.starts[1:], len(rows.y))
    many = max(1, AT_ONCE // max(1, point.size))  # rows at once; a patient's stay together
    first = 0
    while first < len(rows.starts):
        limit = np.searchsorted(ends, rows.starts[first] + many, side="right")
        last = max(first + 1, int(limit))
        part = slice(int(rows.starts[first]), int(ends[last - 1]))
        each = compute_gradients(rows.x[part], rows.y[part], loss, point)
        total += clip_each(each, rows.starts[first:last] - part.start, bound)
        first = last
    return total


def compute_gradients(x: Array, y: Array, loss: Loss, point: Array) -> Array:
    """Return the gradient of each row's loss, (n, e, p + 1)."""
    wide = np.column_stack([x, np.ones(len(x))])  # (n, p + 1)
    slopes = loss.slopes(y, (point @ wide.T)[None])[0]  # (e, n)
    found: Array = slopes.T[:, :, None] * wide[:, None, :]
    return found


def clip_each(each: Array, starts: npt.NDArray[np.int64], bound: float) -> Array:
    """Return the sum over patients of their rows' gradients (n, e, d), clipped: (e, d)."""
    by_patient = np.add.reduceat(each, starts, axis=0)  # (patients, e, d)
    norms = np.sqrt((by_patient**2).sum(axis=(1, 2)))
    share = np.minimum(1.0, bound / np.maximum(norms, 1e-300))
    found: Array = np.einsum("i,ijk->jk", share, by_patient)
    return found
