"""A round of `consensus` as the arrays of a `sum` stage.

float64 arrays are added over hospitals, each multiplied by the rows that the model sees there, so
that sums divided by the summed rows are means. `coupling` and `turn` are the same at all hospitals:
name them in the terms (AGREED), and they are not added.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.recipes.linear.axes import Array
from swarmhub.recipes.linear.consensus import Settled, State, advance
from swarmhub.recipes.linear.stack import Stack

Arrays = dict[str, npt.NDArray[Any]]
Sums = Mapping[str, npt.NDArray[Any]]

AGREED = ("coupling", "turn")
WEIGHED = ("point", "multiplier", "gram", "secant", "fresh")


def sum_round(
    stack: Stack, sums: Sums | None, state: State, start: Settled
) -> tuple[Arrays, State]:
    """Train one round at one hospital: the newest sums (None before the first: `start`), its state
    ({} at first or after a loss) -> (arrays to be added, new state)."""
    settled = start if sums is None else from_sums(sums)
    contribution, new = advance(stack, settled, state)
    return to_sums(contribution, stack.rows), new


def to_sums(contribution: Settled, rows: Array) -> Arrays:
    """Return a contribution as arrays to be added; rows (K,) of this hospital."""
    found: Arrays = {name: _weigh(getattr(contribution, name), rows) for name in WEIGHED}
    found["rows"] = rows
    found["coupling"] = contribution.coupling
    found["tag"] = np.array([contribution.tag])
    found["turn"] = np.array([contribution.turn], dtype=np.int64)
    return found


def from_sums(sums: Sums) -> Settled:
    """Return the settled round of added arrays."""
    share = 1.0 / np.maximum(np.asarray(sums["rows"], dtype=np.float64), 1.0)
    means = {name: _weigh(np.asarray(sums[name]), share) for name in WEIGHED}
    tag, turn = float(sums["tag"][0]), int(sums["turn"][0])
    return Settled(coupling=np.asarray(sums["coupling"]), tag=tag, turn=turn, **means)


def _weigh(values: Array, weights: Array) -> Array:
    """Multiply values (K, ...) by weights (K,)."""
    found: Array = values * weights.reshape(-1, *[1] * (values.ndim - 1))
    return found
