"""Averaging of linear models: a few steps down the gradient at each hospital, then the mean.

Theory. With weights by rows, the mean of one step of each hospital from the same point is exactly
one step of all rows in one place, since the gradient of the pooled loss is the mean of the
hospitals' gradients. With more steps a round the hospitals go further between two merges, and each
a little towards its own optimum: the point at rest is near the pooled one and not equal to it
(McMahan et al., "Communication-efficient learning of deep networks from decentralized data",
AISTATS 2017).

A step is a fixed length times the gradient over all rows of the hospital, so nothing but the point
goes from round to round. If a hospital's own loss would rise by it, the length is halved there
until it does not (tables of many features are steep); else all hospitals take the same length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from swarmhub.recipes.linear.axes import Array
from swarmhub.recipes.linear.stack import Stack

STEPS = 5  # of a round
RATE = 0.5  # the length; standardised features of small tables have curvatures of 1 to 3
HALVINGS = 40


@dataclass(frozen=True)
class Walk:
    """The local training of a round: how many steps, and their length."""

    steps: int = STEPS
    rate: float = RATE


def compute_update(stack: Stack, point: Array, rate: float) -> Array:
    """Return what one step over all rows of one model's stack adds to a point, (d,) -> (d,)."""
    found: Array = -rate * stack.gradient(point[None])[0]
    return found


def compute_objective(stack: Stack, point: Array) -> float:
    """Return the mean loss of a point (d,) over these rows, with the penalty."""
    penalised = np.where(stack.is_free, 0.0, point)
    ridge = 0.5 * float(stack.models.penalty[0]) * float(penalised @ penalised)
    return float(stack.losses(point[None])[0]) + ridge


def walk_down(stack: Stack, point: Array, walk: Walk) -> Array:
    """Return the point after a round of steps from a merged one, (d,) -> (d,)."""
    now, rate = compute_objective(stack, point), walk.rate
    for _ in range(walk.steps):
        for _ in range(HALVINGS):
            new = point + compute_update(stack, point, rate)
            reached = compute_objective(stack, new)
            if reached <= now:
                point, now = new, reached
                break
            rate /= 2.0
    return point
