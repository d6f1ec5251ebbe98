"""Arrays of a `sum` stage as they are stored: int64, fixed point or float64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.contract.records import Bound, Stage
from swarmhub.errors import TrainerError, plain
from swarmhub.params.buffer import Array


@dataclass(frozen=True)
class Summed:
    """The settled result of a round of a `sum` stage: sums by name, int64 or float64."""

    arrays: dict[str, npt.NDArray[Any]]  # the sums by name; `agreed` arrays as all have them
    turn: int  # round of the stage, from 1
    is_last: bool  # no other round of the stage follows
    met: bool  # the stage's test holds (`until`)
    digest: str  # of the settled result


def encode(stage: Stage, arrays: Any) -> dict[str, Array]:
    """Return a site's arrays as int64 or float64, those with bounds in whole steps. Raises
    TrainerError, which names the array, if one cannot be added."""
    if not isinstance(arrays, Mapping) or not arrays:
        raise TrainerError(
            f"Expected arrays by name for the stage '{stage.name}', got {plain(repr(arrays), 40)}."
        )
    bounds = {b.array: b for b in stage.bounds}
    found = {}
    for name, value in arrays.items():
        array = np.asarray(value)
        if not isinstance(name, str) or array.dtype.kind not in "biuf":
            raise TrainerError(f"Expected numbers in {plain(repr(name), 40)}, got {array.dtype}.")
        found[name] = _encode(name, array, bounds.get(name))
    return found


def _encode(name: str, array: Array, bound: Bound | None) -> Array:
    if array.dtype.kind in "biu" and (bound is None or not bound.bits):
        return array.astype(np.int64)
    values = array.astype(np.float64)
    if bound is None:
        return values
    if not np.isfinite(values).all():
        raise TrainerError(f"Expected finite numbers in '{name}', got NaN or infinity.")
    if values.size and (values.min() < bound.low or values.max() > bound.high):
        low, high = float(values.min()), float(values.max())
        raise TrainerError(
            f"Expected {bound.low} to {bound.high} in '{name}' (the study's terms), "
            f"got {low:g} to {high:g}; nothing was sent."
        )
    steps = values * float(1 << bound.bits)  # exact: a power of two
    whole = np.rint(steps)
    if not bound.bits and not np.array_equal(whole, steps):
        raise TrainerError(f"Expected whole numbers in '{name}': the terms give it no fraction.")
    return whole.astype(np.int64)


def decode(stage: Stage, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return settled sums in the unit of their values: fixed point becomes float64."""
    bits = {b.array: b.bits for b in stage.bounds}
    return {
        name: array.astype(np.float64) / float(1 << bits[name]) if bits.get(name) else array
        for name, array in arrays.items()
    }
