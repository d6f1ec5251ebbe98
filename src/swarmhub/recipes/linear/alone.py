"""The same recipe at one place: one hospital alone, or all rows together, for comparison."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from swarmhub.contract.records import Spec
from swarmhub.data.matrix import Rows
from swarmhub.recipes.linear.axes import Array, Axes, SparseAxes
from swarmhub.recipes.linear.folds import FOLDS, STRENGTHS, Plan, choose, curves, held_out
from swarmhub.recipes.linear.losses import LOGISTIC, Loss
from swarmhub.recipes.linear.stack import Models, Stack


def fit_alone(
    x: Rows,
    y: npt.ArrayLike,
    fold: npt.ArrayLike,
    strengths: tuple[float, ...] = STRENGTHS,
    loss: Loss = LOGISTIC,
) -> tuple[float, Array]:
    """Choose C by these folds and fit all rows -> (C, point (e (p + 1),)), each output's intercept
    last; x (n, p), y (n,), fold (n,). Raises ValueError if a class is absent: there is no model."""
    axes = Axes.of(x)
    strength = choose_alone(axes, y, fold, strengths, loss)
    return strength, fit_at(axes, y, strength, loss)


def choose_alone(
    axes: Axes | SparseAxes,
    y: npt.ArrayLike,
    fold: npt.ArrayLike,
    strengths: tuple[float, ...] = STRENGTHS,
    loss: Loss = LOGISTIC,
) -> float:
    """Return the C that these folds choose. Raises ValueError if a class is absent."""
    rows = count_rows(y, loss)
    if not min(rows):
        all_of = "both" if len(rows) == 2 else "all"
        raise ValueError(f"Expected rows of {all_of} classes, got {rows}.")
    folds = max(2, int(np.max(np.asarray(fold), initial=0)) + 1)
    plan = Plan(rows, strengths, max(folds, FOLDS), loss)
    stack = plan.stack(axes, y, fold)
    held, weight = held_out(stack, stack.optimum())
    return strengths[choose(curves(plan, held, weight))]


def fit_linear(
    spec: Spec, x: Array, y: Array, fold: npt.NDArray[np.int64], loss: Loss
) -> Callable[[Array], Array]:
    """Fit a linear model of rows x (n, p), its penalty chosen by these folds, whatever the terms
    say; return the margins of other rows, (n, p) -> (e, n). Raises ValueError if a class is
    absent."""
    point = fit_alone(x, y, fold, loss=loss)[1].reshape(loss.outputs, -1)
    return lambda tested: point[:, :-1] @ tested.T + point[:, -1:]


def fit_at(
    axes: Axes | SparseAxes, y: npt.ArrayLike, strength: float, loss: Loss = LOGISTIC
) -> Array:
    """Return the model of these rows at this C, (e (p + 1),), each output's intercept last."""
    models = Models.of([strength], count_rows(y, loss), loss)
    point: Array = Stack.of(models, axes, y).optimum()[0]
    return point


def count_rows(y: npt.ArrayLike, loss: Loss) -> tuple[int, ...]:
    """Return the rows of each class; the number of rows if there are no classes."""
    outcome = np.asarray(y)
    if not loss.has_classes:
        return (len(outcome),)
    classes = max(2, loss.outputs)
    return tuple(int(n) for n in np.bincount(outcome.astype(np.int64), minlength=classes))
