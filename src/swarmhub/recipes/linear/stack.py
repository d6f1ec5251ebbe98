"""K models at one hospital, trained at the same time over the same rows.

Model k of the swarm minimises, over all rows j of all hospitals that it may see (N_k of them),

    1/N_k sum_j s_kj loss(y_j, w . x_j + b)  +  penalty_k/2 |w|^2

with class weights s = N_k / (classes N_k,class), so that all classes weigh the same, and penalty
1 / (C N_k): scikit-learn's LogisticRegression(C, class_weight="balanced") for two classes and for
more (softmax), Ridge(alpha=1 / C) for numbers. The intercept is free. With e outputs (`losses`) a
point has the e (p + 1) parameters of one output after the other.

There are many for folds x penalties (`grid`), or for one model per hospital that is left out. A row
that a model may not see has the weight 0 in it, so all models share one matrix and its axes. A
hospital without a row for model k has rows[k] = 0: its contribution to that model weighs nothing.

Own intercepts. If hospitals differ in what they measure, each may have intercepts of its own: model
k minimises the same over w and one b for each hospital. A hospital's b is the best one for w on its
own rows, so its objective is a function of w alone, which is convex, too. Its points have 0 in
place of intercepts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from swarmhub.data.matrix import multiply
from swarmhub.recipes.linear.axes import Array, Axes, SparseAxes
from swarmhub.recipes.linear.losses import LOGISTIC, Loss
from swarmhub.recipes.linear.newton import BLOCK, Problems, minimise

FEATURES = 20.0  # with more, free columns are bound less strongly
UNPENALISED = 1e-12  # pull on the intercept if a hospital is alone; in units of the mean loss


@dataclass(frozen=True, eq=False)
class Models:
    """K objectives, the same at every hospital: penalty (K,) and class_weights (K, c), those of a
    row of each class; c is 1 if the outcome has no classes. `own`: each hospital has intercepts of
    its own."""

    penalty: Array
    class_weights: Array
    loss: Loss = LOGISTIC
    own: bool = False

    @classmethod
    def of(
        cls,
        strengths: Sequence[float],
        class_rows: npt.ArrayLike,
        loss: Loss = LOGISTIC,
        own: bool = False,
    ) -> Models:
        """Return the models of these C, one each; class_rows (K, c), or (c,) for all alike, are the
        rows of each class that they see in the whole swarm."""
        c = np.asarray(strengths, dtype=np.float64)  # (K,)
        rows = np.atleast_1d(np.asarray(class_rows, dtype=np.float64))
        seen = np.broadcast_to(rows, (len(c), rows.shape[-1]))
        total = seen.sum(axis=1, keepdims=True)  # (K, 1)
        each = total / (seen.shape[1] * np.maximum(seen, 1.0))
        return cls(1.0 / (c * total[:, 0]), each, loss, own)

    def __len__(self) -> int:
        return len(self.penalty)

    def take(self, part: slice) -> Models:
        """Return some of the models."""
        return Models(self.penalty[part], self.class_weights[part], self.loss, self.own)


@dataclass(frozen=True, eq=False)
class Stack:
    """K models over a hospital's rows: outcomes y (n,), rows (K,) seen by each model, and weights
    (K, n), of which a row of model k has s / rows[k] if the model sees it, else 0."""

    models: Models
    axes: Axes | SparseAxes
    y: Array
    weights: Array
    rows: Array

    @classmethod
    def of(
        cls,
        models: Models,
        axes: Axes | SparseAxes,
        y: npt.ArrayLike,
        seen: npt.NDArray[np.bool_] | None = None,
    ) -> Stack:
        """Return the stack over outcomes y (n,), numbers of classes or standardised values; seen
        (K, n) tells which model sees which row (default: all)."""
        outcome = np.asarray(y, dtype=np.float64)
        each = weigh_rows(models, outcome)
        if seen is None:
            seen = np.ones(each.shape, dtype=bool)
        rows: Array = seen.sum(axis=1).astype(np.float64)
        weights: Array = np.where(seen, each, 0.0) / np.maximum(rows, 1.0)[:, None]
        return cls(models, axes, outcome, weights, rows)

    @property
    def shape(self) -> tuple[int, int]:
        """The shape (K, d) of the stack's points: d parameters each, of one output after the
        other, the free ones last."""
        return len(self.models), self.outputs * self.axes.size

    @property
    def outputs(self) -> int:
        """Margins of a row, e."""
        return self.models.loss.outputs

    @cached_property
    def metric(self) -> Array:
        """The share of the coupling that binds each parameter, (d,): 1, and less for free columns.

        Standardised rows of many features are long, and an intercept is a short direction beside
        them: bound as strongly as the features it would lag behind.
        """
        p = self.axes.x.shape[1]
        return np.where(self.is_free, 1.0 / max(1.0, p / FEATURES), 1.0)

    @cached_property
    def is_free(self) -> npt.NDArray[np.bool_]:
        """Which parameters have no penalty, (d,)."""
        one = np.arange(self.axes.size) >= self.axes.x.shape[1]
        return np.tile(one, self.outputs)

    def ridge(self, points: Array) -> Array:
        """Return the penalty's gradient; (K, d) -> (K, d)."""
        return np.where(self.is_free, 0.0, self.models.penalty[:, None] * points)

    def margins(self, points: Array) -> Array:
        """Return the margins of all rows; (K, d) -> (K, e, n)."""
        by_output = points.reshape(-1, self.axes.size)
        found = self.axes.margins(by_output).reshape(len(points), self.outputs, -1)
        return found + self.intercepts(found)[:, :, None] if self.models.own else found

    def intercepts(self, margins: Array) -> Array:
        """Return what this hospital's own intercepts add to margins (K, e, n), -> (K, e): the best
        for its rows. A hospital that lacks a class is held back as by one row."""
        bare = Axes.of(np.zeros((len(self.y), 0)))
        held = UNPENALISED if self._has_all_classes else 1.0 / max(1, len(self.y))
        pulls = np.full((len(self.models), bare.width), held)
        problems = Problems(bare, self.models.loss, self.y, self.weights, pulls, margins)
        return minimise(problems)[:, :, 0]

    def intercepts_of(self, weight: Array) -> Array:
        """Return the own intercepts, (e,), of one model with these weights, (p,) or (e, p)."""
        margins = multiply(np.atleast_2d(weight), self.axes.x)
        found: Array = self.intercepts(margins[None])[0]
        return found

    @cached_property
    def _has_all_classes(self) -> bool:
        classes = self.models.class_weights.shape[1]
        return not self.models.loss.has_classes or len(np.unique(self.y)) == classes

    def parts(self) -> list[slice]:
        """Return which models are looked at together: their margins take BLOCK numbers at most, or
        there is one."""
        many = max(1, BLOCK // max(1, self.outputs * len(self.y)))
        return [slice(k, k + many) for k in range(0, len(self.models), many)]

    def take(self, part: slice) -> Stack:
        """Return the stack of some of the models."""
        models = self.models.take(part)
        return Stack(models, self.axes, self.y, self.weights[part], self.rows[part])

    def _by_parts(self, compute: Callable[..., Array], *by_model: Array) -> Array:
        """Return what a function of a stack and of values by model (K, ...) finds, part by part."""
        parts = self.parts()
        if len(parts) <= 1:
            return compute(self, *by_model)
        found = [compute(self.take(part), *(v[part] for v in by_model)) for part in parts]
        return np.concatenate(found)

    def losses(self, points: Array) -> Array:
        """Return the mean loss over the rows seen, without the penalty; (K, d) -> (K,)."""
        return self._by_parts(Stack._losses, points)

    def _losses(self, points: Array) -> Array:
        each = self.models.loss.each(self.y, self.margins(points))
        found: Array = (self.weights * each).sum(axis=1)
        return found

    def gradient(self, points: Array) -> Array:
        """Return the gradient of the mean loss with the penalty; (K, d) -> (K, d)."""
        return self._by_parts(Stack._gradient, points)

    def _gradient(self, points: Array) -> Array:
        slopes = self.models.loss.slopes(self.y, self.margins(points)) * self.weights[:, None]
        by_output = slopes.reshape(-1, len(self.y))
        found = self.axes.gather(by_output).reshape(points.shape) + self.ridge(points)
        return np.where(self.is_free, 0.0, found) if self.models.own else found

    def proximal(self, coupling: Array, centre: Array) -> Array:
        """Return argmin over v of the mean loss with the penalty + coupling/2 |v - centre|^2, the
        norm in the metric; (K,), (K, d) -> (K, d)."""
        return self._by_parts(Stack._proximal, coupling, centre)

    def _proximal(self, coupling: Array, centre: Array) -> Array:
        strength = coupling + self.models.penalty
        shrink = (coupling / strength)[:, None]  # to the centre of both pulls together
        start = np.where(self.is_free, centre, centre * shrink)
        free = coupling * self.metric[-1]
        if self.models.own:
            free = np.full(len(self.models), UNPENALISED)
        found = start + self._lift(self._minimise(strength, free, self.margins(start)))
        return np.where(self.is_free, centre, found) if self.models.own else found

    def optimum(self) -> Array:
        """Return the models of this hospital alone, (K, d)."""
        return self._by_parts(Stack._optimum)

    def _optimum(self) -> Array:
        free = np.full(len(self.models), UNPENALISED)
        offset = np.zeros((len(self.models), self.outputs, len(self.y)))
        return self._lift(self._minimise(self.models.penalty, free, offset))

    def _lift(self, t: Array) -> Array:
        """Return points from their coordinates; (K, e, q) -> (K, d)."""
        return self.axes.lift(t.reshape(-1, t.shape[2])).reshape(len(t), -1)

    def _minimise(self, strength: Array, free: Array, offset: Array) -> Array:
        """Return coordinates of the solutions, (K, e, q); strength (K,) of the pull on features,
        free (K,) of that on free columns, offset (K, e, n) of the margins."""
        pulls = np.repeat(strength[:, None], self.axes.width, axis=1)
        pulls[:, self.axes.penalised :] = free[:, None]
        problems = Problems(self.axes, self.models.loss, self.y, self.weights, pulls, offset)
        return minimise(problems)


def weigh_rows(models: Models, y: Array) -> Array:
    """Return the class weight of each row; (n,) -> (K, n)."""
    label = y.astype(np.int64) if models.loss.has_classes else np.zeros(len(y), dtype=np.int64)
    found: Array = models.class_weights[:, label]
    return found
