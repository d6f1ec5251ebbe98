"""The same recipe at one place: one hospital alone, or all rows together, for comparison."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from swarmhub.recipes.linear.axes import Array, Axes
from swarmhub.recipes.linear.folds import FOLDS, STRENGTHS, Plan, choose, curves, held_out
from swarmhub.recipes.linear.stack import Models, Stack


def fit_alone(
    x: Array,
    y: npt.ArrayLike,
    fold: npt.ArrayLike,
    strengths: tuple[float, ...] = STRENGTHS,
    folds: int = FOLDS,
) -> tuple[float, Array]:
    """Choose C by these folds and fit all rows -> (C, point (p + 1,)), the intercept last; x (n,
    p), y (n,) in {0, 1}, fold (n,). Raises ValueError if a class is absent: there is no model."""
    label = np.asarray(y, dtype=np.int64)
    ones = int(label.sum())
    class_rows = (len(label) - ones, ones)
    if not min(class_rows):
        raise ValueError(f"Expected rows of both classes, got {class_rows}.")
    plan, axes = Plan(class_rows, strengths, folds), Axes.of(x)
    stack = plan.stack(axes, label, fold)
    loss, weight = held_out(stack, stack.optimum())
    chosen = choose(curves(plan, loss, weight))
    return strengths[chosen], fit_at(axes, label, strengths[chosen])


def fit_at(axes: Axes, y: npt.ArrayLike, strength: float) -> Array:
    """Return the model of these rows at this C, (p + 1,), the intercept last."""
    label = np.asarray(y, dtype=np.int64)
    ones = int(label.sum())
    models = Models.of([strength], (len(label) - ones, ones))
    point: Array = Stack.of(models, axes, label).optimum()[0]
    return point
