"""Arrays of a `sum` stage as they are stored: int64, fixed point or float64."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.contract.records import Bound, Stage
from swarmhub.contract.stages import MAX_STORED
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
    is_whole = array.dtype.kind in "biu"
    if bound is not None:
        _check_bound(name, array, bound)
        if not is_whole or bound.bits:
            return _to_steps(name, array, bound.bits)
    elif not is_whole:
        return array.astype(np.float64)
    elif array.size and array.max() > MAX_STORED:  # uint64 may not fit
        raise TrainerError(f"Expected up to 2^53 in '{name}', got {array.max()}.")
    return array.astype(np.int64)


def _check_bound(name: str, array: Array, bound: Bound) -> None:
    if not np.isfinite(array).all():
        raise TrainerError(f"Expected finite numbers in '{name}', got NaN or infinity.")
    if array.size and (array.min() < bound.low or array.max() > bound.high):
        raise TrainerError(
            f"Expected {bound.low} to {bound.high} in '{name}' (the study's terms), "
            f"got {float(array.min()):g} to {float(array.max()):g}; nothing was sent."
        )


def _to_steps(name: str, array: Array, bits: int) -> Array:
    steps = array.astype(np.float64) * float(1 << bits)  # exact: a power of two
    whole = np.rint(steps)
    if not bits and not np.array_equal(whole, steps):
        raise TrainerError(f"Expected whole numbers in '{name}': the terms give it no fraction.")
    return whole.astype(np.int64)


def decode(stage: Stage, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return settled sums in the unit of their values: fixed point becomes float64."""
    bits = {b.array: b.bits for b in stage.bounds}
    return {
        name: array.astype(np.float64) / float(1 << bits[name]) if bits.get(name) else array
        for name, array in arrays.items()
    }
