"""Times of events and of censoring on a grid that all hospitals agree on.

A time is a patient's own, so none leaves as it is. Before anything is computed a time t becomes
the first grid time >= t: it is rounded up. At a grid time events come before censoring: a patient
who is censored there was at risk there. A patient beyond the last grid time is censored at it,
whatever came later. All methods of this package are exact about rounded times.

The grid is declared, or derived from summed counts of times in bins of fixed width on a logarithmic
scale (`count_times`, `derive_grid`), which have at least `least` patients of a hospital each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from swarmhub.errors import BadInput
from swarmhub.evaluation.figures import Array
from swarmhub.evaluation.sums import Counts, group_bins

MOST_TIMES = 200
LOWEST, HIGHEST, PER_DOUBLING = -30, 40, 16  # bins from 2^-30 to 2^40 of any unit, 4.4% wide
TIME_BINS = (HIGHEST - LOWEST) * PER_DOUBLING
DIGITS = 3  # of a derived grid time


@dataclass(frozen=True, eq=False)
class TimeGrid:
    """Grid times (T,), above 0 and ascending, in the unit of the study."""

    ends: Array

    @classmethod
    def of(cls, values: Sequence[float] | Array) -> TimeGrid:
        """Return the grid of declared times. Raises BadInput if they are no 1 to 200 finite numbers
        above 0 in ascending order."""
        if not 1 <= len(values) <= MOST_TIMES:
            raise BadInput(f"Expected 1 to {MOST_TIMES} grid times, got {len(values)}.")
        ends = np.asarray(values, dtype=np.float64)
        sound = ends.ndim == 1 and bool(np.isfinite(ends).all()) and ends[0] > 0
        if not (sound and bool((np.diff(ends) > 0).all())):
            raise BadInput("Expected grid times above 0 in ascending order, got others.")
        return cls(ends)

    def __len__(self) -> int:
        return len(self.ends)

    def including(self, time: float) -> TimeGrid:
        """Return the grid with another time, if it is not beyond the last one."""
        if not 0 < time <= self.ends[-1]:
            return self
        return TimeGrid.of(np.unique(np.append(self.ends, time)))

    def find_horizon(self, horizon: float) -> int:
        """Return the place of the last grid time <= horizon. Raises BadInput if there is none."""
        place = int(np.searchsorted(self.ends, horizon, side="right")) - 1
        if place < 0 or not math.isfinite(horizon):
            raise BadInput(
                f"Expected a horizon from the first grid time ({self.ends[0]:g}) on, got "
                f"{horizon:g}; declare a later one."
            )
        return place


@dataclass(frozen=True, eq=False)
class Observed:
    """A hospital's patients on a grid: `place` (n,) of each one's rounded time, int64, and `event`
    (n,), False if censored."""

    grid: TimeGrid
    place: npt.NDArray[np.int64]
    event: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.place)

    def take(self, at: npt.NDArray[np.bool_]) -> Observed:
        """Return some of the patients."""
        return Observed(self.grid, self.place[at], self.event[at])


def observe(grid: TimeGrid, time: npt.ArrayLike, event: npt.ArrayLike) -> Observed:
    """Return patients with times (n,) and events (n,) in {0, 1} on the grid. Raises BadInput for
    other events, and for times that are negative or not finite."""
    t, e = _check_times(time), np.asarray(event)
    if e.shape != t.shape:
        raise BadInput(f"Expected as many events as times, got {e.shape} and {t.shape}.")
    if not np.isin(e, (0, 1)).all():
        raise BadInput("Expected events of 0 and 1, got others.")
    place = np.searchsorted(grid.ends, t, side="left").astype(np.int64)
    beyond = place == len(grid)
    return Observed(grid, np.where(beyond, len(grid) - 1, place), (e == 1) & ~beyond)


def _check_times(time: npt.ArrayLike) -> Array:
    t = np.asarray(time, dtype=np.float64)
    if t.ndim != 1:
        raise BadInput(f"Expected one time for each patient, got an array of {t.shape}.")
    bad = np.flatnonzero(~(np.isfinite(t) & (t >= 0)))
    if len(bad):
        raise BadInput(
            f"Expected finite times of 0 or more, got another in patient {bad[0] + 1} of {len(t)}; "
            "correct it, or remove the row."
        )
    return t


def tally(observed: Observed, group: npt.ArrayLike | None = None, groups: int = 1) -> Counts:
    """Return what leaves a hospital for survival curves: `events` and `censored`, patients by group
    and grid time, (groups, T) int64. group (n,) from 0 to groups - 1 (default: one group). Raises
    BadInput for other groups."""
    size = len(observed.grid)
    which = np.zeros(len(observed), dtype=np.int64) if group is None else np.asarray(group)
    if which.shape != observed.place.shape or which.dtype.kind not in "iu":
        raise BadInput(f"Expected a group for each of {len(observed)} patients, got others.")
    if len(which) and not (which.min() >= 0 and which.max() < groups):
        raise BadInput(f"Expected groups from 0 to {groups - 1}, got others.")
    cell = which.astype(np.int64) * size + observed.place
    return {
        name: np.bincount(cell[at], minlength=groups * size).astype(np.int64).reshape(groups, size)
        for name, at in (("events", observed.event), ("censored", ~observed.event))
    }


def count_small(observed: Observed, least: int = 5) -> int:
    """Return the number of grid times at which this hospital has 1 to `least` - 1 patients: the
    leader and the auditors see their sums."""
    rows = np.bincount(observed.place, minlength=len(observed.grid))
    return int(((rows > 0) & (rows < least)).sum())


# a grid out of the data


def count_times(time: npt.ArrayLike, least: int = 5) -> npt.NDArray[np.int64]:
    """Return what leaves a hospital to derive the grid: patients by bin of their time, (TIME_BINS,)
    int64, in groups of at least `least`; zeros of fewer patients. Raises BadInput for times that
    are negative or not finite."""
    t = np.maximum(_check_times(time), 2.0**LOWEST)
    bins = np.ceil((np.log2(t) - LOWEST) * PER_DOUBLING).astype(np.int64) - 1
    return group_bins(np.clip(bins, 0, TIME_BINS - 1), TIME_BINS, least)


def derive_grid(counts: npt.ArrayLike, most: int = MOST_TIMES) -> TimeGrid:
    """Return a grid of at most `most` times out of summed counts (TIME_BINS,): ends of bins that
    part the patients into nearly equal numbers, rounded up to three digits. Raises BadInput if no
    hospital had enough patients."""
    rows = np.asarray(counts, dtype=np.float64)
    total = float(rows.sum())
    if rows.shape != (TIME_BINS,) or not (total > 0 and rows.min() >= 0):
        raise BadInput(
            "Expected counts of patients by time to derive the grid from, got none: no hospital "
            "has enough patients; enrol hospitals with more."
        )
    wanted = total * np.arange(1, most + 1) / most
    chosen = np.unique(np.searchsorted(np.cumsum(rows), wanted * (1 - 1e-12)))
    powers = LOWEST + (np.minimum(chosen, TIME_BINS - 1) + 1) / PER_DOUBLING
    return TimeGrid.of([_round_up(2.0**power) for power in powers.tolist()])


def _round_up(value: float) -> float:
    """Return the next number of DIGITS digits that is not below."""
    digits = DIGITS - 1 - math.floor(math.log10(value))
    return float(f"{math.ceil(value * 10.0**digits - 1e-9) / 10.0**digits:.{DIGITS}g}")
