"""Sums in fixed point, as masked studies add them: whole numbers of steps, within bounds.

The terms of a stage have bounds for its arrays: a range, and steps of 2^-bits. Sums over rows grow
with the study, and steps do not: so arrays of `parts` are divided by the rows of all hospitals
before they are added, a number that all of them know. Then they are parts of a mean. Values beyond
the range are cut to it, as those of an iteration that runs away may be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.contract.records import Bound, Spec
from swarmhub.contract.stages import MAX_BITS, find_stage

Arrays = dict[str, npt.NDArray[Any]]
Sums = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Fixed:
    """The fixed point of a stage: the bounds of its arrays, those that are sent as parts of the
    whole, and the whole."""

    bounds: tuple[Bound, ...]
    parts: frozenset[str]
    whole: float

    def write(self, arrays: Sums) -> Arrays:
        """Return a hospital's arrays as they are added."""
        found: Arrays = {
            name: array / self.whole if name in self.parts else array
            for name, array in arrays.items()
        }
        for bound in self.bounds:
            if bound.array in found:
                found[bound.array] = np.clip(found[bound.array], bound.low, bound.high)
        return found

    def read(self, sums: Sums) -> Arrays:
        """Return settled sums of arrays that were written so."""
        return {
            name: array * self.whole if name in self.parts else array
            for name, array in sums.items()
        }


def find_fixed(spec: Spec, stage: str, parts: frozenset[str], whole: float) -> Fixed | None:
    """Return the fixed point of a stage; None in a study that is not masked."""
    terms = find_stage(spec, stage)
    if not spec.privacy.masked or terms is None:
        return None
    return Fixed(terms.bounds, parts, max(1.0, whole))


def range_of(array: str, most: int, low: int | None = None) -> Bound:
    """Return the bound of an array from -most (or `low`) to a power of two, with the finest steps
    that a stored value has room for."""
    bits = min(MAX_BITS, 53 - most.bit_length())
    return Bound(array, -most if low is None else low, most, bits)
