"""The terms of an evaluation, as the arrays of a settled Cox model have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from swarmhub.errors import BadInput
from swarmhub.evaluation.figures import Array
from swarmhub.evaluation.survival import Agreed
from swarmhub.recipes.survival.times import TimeGrid

DIGITS = 6  # of grid times in a model: a mean of equal numbers differs by rounding


def find_place(grid: TimeGrid, survival: Array, censoring: Array, declared: str = "") -> int:
    """Return the place of the horizon on the grid: the last time <= the declared one; without one
    the first time by which half of the training patients have left. Some are followed up to it.
    Raises BadInput if the declared one is before the first grid time."""
    if declared:
        place = grid.find_horizon(float(declared))
    else:
        left = np.round(1.0 - survival * censoring, 9)  # the curves' rounding
        place = min(int(np.searchsorted(left, 0.5)), len(grid) - 1)
    while place and not censoring[place] > 0:
        place -= 1
    return place


def read_agreed(parameters: Mapping[str, Any], horizon: str) -> Agreed:
    """Return what a model's arrays say of its evaluation; `horizon` is the declared one, "" if
    there is none. Raises BadInput if they contradict each other."""
    wanted = ("times", "hazard", "censoring", "survival", "cuts")
    times, hazard, censoring, survival, cuts = (np.asarray(parameters[name]) for name in wanted)
    grid = TimeGrid.of([float(f"{value:.{DIGITS}g}") for value in times.tolist()])
    if hazard.shape != times.shape or not (np.isfinite(hazard) & (hazard >= 0)).all():
        raise BadInput(f"Expected a hazard of 0 or more at each of {len(times)} times, got others.")
    place = find_place(grid, survival, censoring, horizon)
    return Agreed(grid, place, cuts, censoring, survival)
