"""K models at one hospital, trained at the same time over the same rows.

Model k of the swarm minimises, over all rows j of all hospitals that it may see (N_k of them),

    1/N_k sum_j s_kj log(1 + exp(-y_j (w . x_j + b)))  +  penalty_k/2 |w|^2

with class weights s = N_k / (2 N_k,class), so that both classes weigh the same, and penalty
1 / (C N_k): scikit-learn's LogisticRegression(C, class_weight="balanced"). The intercept is free.

There are many for folds x penalties (`grid`), or for one model per hospital that is left out. A row
that a model may not see has the weight 0 in it, so all models share one matrix and its axes. A
hospital without a row for model k has rows[k] = 0: its contribution to that model weighs nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from swarmhub.recipes.linear.axes import Array, Axes
from swarmhub.recipes.linear.newton import Problems, minimise, sigmoid, softplus

FEATURES = 20.0  # with more, free columns are bound less strongly
UNPENALISED = 1e-12  # pull on the intercept if a hospital is alone; in units of the mean loss


@dataclass(frozen=True, eq=False)
class Models:
    """K objectives, the same at every hospital: penalty (K,) and class_weights (K, 2), those of a
    row with label 0 and 1."""

    penalty: Array
    class_weights: Array

    @classmethod
    def of(cls, strengths: Sequence[float], class_rows: npt.ArrayLike) -> Models:
        """Return the models of these C, one each; class_rows (K, 2), or (2,) for all alike, are the
        rows of each class that they see in the whole swarm."""
        c = np.asarray(strengths, dtype=np.float64)  # (K,)
        seen = np.broadcast_to(np.asarray(class_rows, dtype=np.float64), (len(c), 2))
        total = seen[:, :1] + seen[:, 1:]  # (K, 1)
        return cls(1.0 / (c * total[:, 0]), total / (2.0 * np.maximum(seen, 1.0)))

    def __len__(self) -> int:
        return len(self.penalty)


@dataclass(frozen=True, eq=False)
class Stack:
    """K models over a hospital's rows: signs (n,) of -1 and 1, rows (K,) seen by each model, and
    weights (K, n), of which a row of model k has s / rows[k] if the model sees it, else 0."""

    models: Models
    axes: Axes
    signs: Array
    weights: Array
    rows: Array

    @classmethod
    def of(
        cls, models: Models, axes: Axes, y: npt.ArrayLike, seen: npt.NDArray[np.bool_] | None = None
    ) -> Stack:
        """Return the stack over labels y (n,) in {0, 1}; seen (K, n) tells which model sees which
        row (default: all)."""
        label = np.asarray(y, dtype=np.int64)
        each = models.class_weights[:, label]  # (K, n)
        if seen is None:
            seen = np.ones(each.shape, dtype=bool)
        rows: Array = seen.sum(axis=1).astype(np.float64)
        weights: Array = np.where(seen, each, 0.0) / np.maximum(rows, 1.0)[:, None]
        return cls(models, axes, np.where(label > 0, 1.0, -1.0), weights, rows)

    @property
    def shape(self) -> tuple[int, int]:
        """The shape (K, d) of the stack's points: d parameters each, the free ones last."""
        return len(self.models), self.axes.size

    @cached_property
    def metric(self) -> Array:
        """The share of the coupling that binds each parameter, (d,): 1, and less for free columns.

        Standardised rows of many features are long, and an intercept is a short direction beside
        them: bound as strongly as the features it would lag behind.
        """
        d, p = self.axes.size, self.axes.x.shape[1]
        return np.where(np.arange(d) < p, 1.0, 1.0 / max(1.0, p / FEATURES))

    def ridge(self, points: Array) -> Array:
        """Return the penalty's gradient; (K, d) -> (K, d)."""
        found = self.models.penalty[:, None] * points
        found[:, self.axes.x.shape[1] :] = 0.0
        return found

    def losses(self, points: Array) -> Array:
        """Return the mean loss over the rows seen, without the penalty; (K, d) -> (K,)."""
        margins = self.axes.margins(points)
        found: Array = (self.weights * softplus(-self.signs * margins)).sum(axis=1)
        return found

    def gradient(self, points: Array) -> Array:
        """Return the gradient of the mean loss with the penalty; (K, d) -> (K, d)."""
        margins = self.axes.margins(points)
        slopes = -self.weights * self.signs * sigmoid(-self.signs * margins)
        return self.axes.gather(slopes) + self.ridge(points)

    def proximal(self, coupling: Array, centre: Array) -> Array:
        """Return argmin over v of the mean loss with the penalty + coupling/2 |v - centre|^2, the
        norm in the metric; (K,), (K, d) -> (K, d)."""
        p = self.axes.x.shape[1]
        strength = coupling + self.models.penalty
        start = centre.copy()
        start[:, :p] *= (coupling / strength)[:, None]  # centre of both pulls together
        found = self._minimise(strength, coupling * self.metric[-1], self.axes.margins(start))
        return start + self.axes.lift(found)

    def optimum(self) -> Array:
        """Return the models of this hospital alone, (K, d)."""
        free, offset = np.full(len(self.models), UNPENALISED), np.zeros_like(self.weights)
        return self.axes.lift(self._minimise(self.models.penalty, free, offset))

    def _minimise(self, strength: Array, free: Array, offset: Array) -> Array:
        """Return coordinates of the solutions, (K, q); strength (K,) of the pull on features, free
        (K,) of that on free columns, offset (K, n) of the margins."""
        pulls = np.repeat(strength[:, None], self.axes.a.shape[1], axis=1)
        pulls[:, self.axes.penalised :] = free[:, None]
        return minimise(Problems(self.axes, self.signs, self.weights, pulls, offset))
