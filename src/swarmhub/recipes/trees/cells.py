"""Cells of a histogram that are large enough to leave a hospital."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]


def mark_patients(codes: Whole) -> npt.NDArray[np.bool_]:
    """Return which rows are counted as patients: the first row of each, (n,) -> (n,). In any part
    of the rows these are at most as many as its patients."""
    found = np.zeros(len(codes), dtype=bool)
    found[np.unique(codes, return_index=True)[1]] = True
    return found


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of neighbouring bins: `place` (..., B) is the bin in which each bin's values are
    told, `is_told` (...) whether there are any groups."""

    place: Whole
    is_told: npt.NDArray[np.bool_]

    def merge(self, values: Array) -> Array:
        """Return values (..., B) told by group; 0 in all other bins."""
        found = np.zeros_like(values)
        for b in range(values.shape[-1]):
            at = self.place[..., b : b + 1]
            before = np.take_along_axis(found, at, axis=-1)
            np.put_along_axis(found, at, before + values[..., b : b + 1], axis=-1)
        return np.where(self.is_told[..., None], found, 0.0)


def group_cells(patients: Array, least: int) -> Groups:
    """Return groups of neighbouring bins of at least `least` patients each; the last bins join the
    group before them. patients (..., B) -> groups; none if all are fewer. A group is told in its
    bin with the most patients."""
    bins = patients.shape[-1]
    number = np.zeros(patients.shape, dtype=np.int64)
    count = np.zeros(patients.shape[:-1])
    groups = np.zeros(patients.shape[:-1], dtype=np.int64)
    for b in range(bins):
        number[..., b] = groups
        count += patients[..., b]
        is_full = count >= max(least, 1)
        groups += is_full
        count = np.where(is_full, 0.0, count)
    number = np.minimum(number, np.maximum(groups - 1, 0)[..., None])
    most, largest = np.full(patients.shape, -1.0), np.zeros(patients.shape, dtype=np.int64)
    for b in range(bins):
        at, here = number[..., b : b + 1], patients[..., b : b + 1]
        before = np.take_along_axis(most, at, axis=-1)
        bin_before = np.take_along_axis(largest, at, axis=-1)
        np.put_along_axis(largest, at, np.where(here > before, b, bin_before), axis=-1)
        np.put_along_axis(most, at, np.maximum(here, before), axis=-1)
    return Groups(np.take_along_axis(largest, number, axis=-1), groups > 0)
