"""Gradients and curvatures of rows, in whole steps of 2^-BITS.

    logistic, softmax, squared   `recipes.linear.losses`

The curvature of an output is the diagonal of the Hessian, for softmax twice that, as XGBoost has
it. A row of a class weighs N / (classes N_class), as in the linear recipe.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from swarmhub.recipes.linear.losses import Loss
from swarmhub.recipes.trees.cells import Array

BITS = 30
MOST = 1 << 23  # of a sum at one hospital: 2^53 steps


def weigh_classes(class_rows: npt.ArrayLike, loss: Loss) -> Array:
    """Return the weight of a row of each class; rows by class (c,) -> (c,). All 1 if the outcome
    has no classes."""
    rows = np.asarray(class_rows, dtype=np.float64)
    if not loss.has_classes:
        return np.ones(len(rows))
    found: Array = rows.sum() / (len(rows) * np.maximum(rows, 1.0))
    return found


def find_slopes(loss: Loss, y: Array, margins: Array, weights: Array) -> tuple[Array, Array]:
    """Return gradients and curvatures by the margins, (e, n) each: y (n,), margins (e, n), weights
    (n,)."""
    gradient = loss.slopes(y, margins[None])[0] * weights
    factor = 2.0 if loss.outputs > 1 else 1.0
    curvature = loss.curvature(y, margins[None])[0][0] * (factor * weights)
    return _round(gradient), _round(curvature)


def _round(values: Array) -> Array:
    found: Array = np.rint(values * float(1 << BITS)) / float(1 << BITS)
    return found
