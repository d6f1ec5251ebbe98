"""Rows of the table that `exactness.py` prints, and differences between two results."""

from __future__ import annotations

from typing import Any

import numpy as np

from swarmhub.recipes.linear.offline import add

Array = np.ndarray
Row = tuple[str, str, float, float]  # method, oracle, largest difference, limit


def settle(steps: list[Any], agreed: tuple[str, ...]) -> dict[str, Array]:
    """Run all rounds of hospitals' steps -> last sums."""
    sums = None
    while sums is None or not steps[0].is_last(sums):
        sums = add([step.arrays(sums) for step in steps], agreed)
    return sums


def apart(found: Array, expected: Array) -> float:
    """Largest difference, relative to the expected value; infinite if one of the two is missing."""
    if not np.array_equal(np.isnan(found), np.isnan(expected)):
        return float("inf")
    size = np.where(expected == 0, 1.0, np.abs(expected))
    return float(np.nanmax(np.abs(found - expected) / size))


def largest(found: Array, expected: Array) -> float:
    """Largest difference, absolute; infinite if a value is missing."""
    off = float(np.max(np.abs(np.asarray(found) - np.asarray(expected))))
    return off if np.isfinite(off) else float("inf")
