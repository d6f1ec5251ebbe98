"""Sums of an evaluation as whole numbers, which are added exactly, and figures of such sums."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.errors import BadInput
from swarmhub.evaluation.figures import Array, Figure, Z, nothing

FINE, COARSE = 30, 16  # bits of a step: of sums, and of sums of squares
MOST = 1 << 53  # steps; the contract stores no larger whole number
Counts = dict[str, npt.NDArray[np.int64]]


def to_steps(values: npt.ArrayLike, bits: int = FINE) -> npt.NDArray[np.int64]:
    """Return values in whole steps of 2^-bits, of the same shape, int64. Raises BadInput if one is
    not finite or needs more than 2^53 steps."""
    steps = np.rint(np.asarray(values, dtype=np.float64) * float(1 << bits))
    if not (np.abs(steps) < MOST).all():
        raise BadInput(
            f"Expected finite sums below {MOST >> bits} at one hospital, got larger ones; evaluate "
            "a sample of the test patients, or a model whose errors are not that large."
        )
    return steps.astype(np.int64)


def from_steps(steps: npt.ArrayLike, bits: int = FINE) -> Array:
    """Return the values of whole steps of 2^-bits, float64 of the same shape."""
    return np.asarray(steps, dtype=np.float64) / float(1 << bits)


def mean_of(rows: int, total: float, squares: float, is_signed: bool = False) -> Figure:
    """Return the mean of rows out of their sum and the sum of their squares, with the normal
    interval of a mean; its lower end is at least 0 unless `is_signed`."""
    if rows <= 0:
        return nothing(0)
    mean = total / rows
    if rows < 2:
        return Figure(mean, None, None, rows)
    spread = max(squares - total * mean, 0.0) / (rows - 1)
    half = Z * math.sqrt(spread / rows)
    low = mean - half
    return Figure(mean, low if is_signed else max(0.0, low), mean + half, rows)


def convert(figure: Figure, change: Callable[[float], float]) -> Figure:
    """Return a figure and its interval after a monotone change, either way."""
    value, one, other = (
        None if v is None else change(v) for v in (figure.value, figure.low, figure.high)
    )
    if one is None or other is None:
        return Figure(value, one, other, figure.support)
    return Figure(value, min(one, other), max(one, other), figure.support)


def count_patients(rows: int, patients: npt.NDArray[Any] | None) -> int:
    """Return the number of patients that rows belong to; each row is one if `patients` is None.
    Raises BadInput if there are not as many patients as rows."""
    if patients is None:
        return rows
    if np.shape(patients) != (rows,):
        raise BadInput(f"Expected a patient for each of {rows} rows, got {np.shape(patients)}.")
    return len(np.unique(patients))


def group_bins(place: npt.NDArray[np.int64], bins: int, least: int) -> npt.NDArray[np.int64]:
    """Return rows by bin, (bins,), neighbours put together until each group has `least`: a group
    stands in the highest of its bins, the last rows in that of the group before. Fewer than `least`
    rows in all give zeros. place (n,) has the bin of each row."""
    ordered = np.sort(place)
    found = np.zeros(bins, dtype=np.int64)
    size = max(least, 1)
    start = 0
    while start + size <= len(ordered):
        last = ordered[start + size - 1]
        end = int(np.searchsorted(ordered, last, side="right"))  # all rows of that bin
        found[last] += end - start
        start = end
    if start and start < len(ordered):
        found[ordered[start - 1]] += len(ordered) - start
    return found
