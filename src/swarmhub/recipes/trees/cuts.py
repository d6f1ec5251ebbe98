"""Cut points of features, the same at all hospitals, out of counts on a grid.

Standardised features lie within MAX_DEVIATIONS. The first round counts rows on a grid of FIRST
equal bins. The second one divides each bin by its share of the rows into a part of FIRST more, so
that a feature of which most values lie close together is cut there, too. Bins of nearly equal
numbers follow, at most MOST_BINS; if a feature has fewer values than that, each has its own. A cut
is in the middle of the gap between the bins that it parts.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from swarmhub.data.design import MAX_DEVIATIONS
from swarmhub.errors import BadInput
from swarmhub.recipes.trees.cells import Array, Whole, group_cells

FIRST = 256  # bins of the first round
GRID = 2 * FIRST  # bins of an array of counts; those that are not used have no width
MOST_BINS = 31
ROUNDS = 2


@dataclass(frozen=True, eq=False)
class Cuts:
    """Cut points, (p, B - 1), ascending, filled up with infinity: a row is in bin b of a feature if
    b of its cut points are smaller."""

    points: Array

    @property
    def bins(self) -> int:
        """Bins of a feature at most, B."""
        return int(self.points.shape[1]) + 1

    def place(self, x: Array) -> Whole:
        """Return the bin of each row in each feature; (n, p) -> (n, p)."""
        found = np.empty(x.shape, dtype=np.int64)
        for j, points in enumerate(self.points):
            found[:, j] = np.searchsorted(points, x[:, j], side="left")
        return found


def make_grid(features: int) -> Array:
    """Return the edges of the first round's bins, (p, GRID + 1)."""
    edges = np.full(GRID + 1, MAX_DEVIATIONS)
    edges[:FIRST] = np.arange(FIRST) * (2 * MAX_DEVIATIONS / FIRST) - MAX_DEVIATIONS
    return np.repeat(edges[None], features, axis=0)


def count_rows(x: Array, edges: Array, counted: Array, least: int) -> Whole:
    """Return this hospital's rows by bin, (p, GRID) int64, in groups of at least `least` patients
    each; x (n, p), edges (p, GRID + 1), counted (n,) is 1 for a row that counts as a patient. Exact
    if `least` is 1. Raises BadInput if the edges do not ascend."""
    if edges.shape != (x.shape[1], GRID + 1) or not (np.diff(edges, axis=1) >= 0).all():
        raise BadInput("Expected ascending edges of bins of every feature, got others.")
    rows, patients = np.zeros((2, len(edges), GRID))
    for j, row in enumerate(edges):
        place = np.searchsorted(row[1:-1], x[:, j], side="left")
        rows[j] = np.bincount(place, minlength=GRID)
        patients[j] = np.bincount(place, counted, minlength=GRID)
    if least > 1:
        rows = group_cells(patients, least).merge(rows)
    return rows.astype(np.int64)


def refine(edges: Array, counts: Whole) -> Array:
    """Return finer edges where the rows are, (p, GRID + 1): each of the FIRST bins gets one part,
    and its share of FIRST more."""
    found = np.full((len(edges), GRID + 1), MAX_DEVIATIONS)
    for j in range(len(edges)):
        rows = counts[j, :FIRST]
        parts = 1 + FIRST * rows // max(int(rows.sum()), 1)
        low, high = edges[j, :FIRST].repeat(parts), edges[j, 1 : FIRST + 1].repeat(parts)
        place = np.arange(len(low)) - (np.cumsum(parts) - parts).repeat(parts)
        found[j, : len(low)] = low + (high - low) * (place / parts.repeat(parts))
    return found


def choose_cuts(edges: Array, counts: Whole) -> Cuts:
    """Return the cut points of summed counts (p, GRID) on a grid (p, GRID + 1)."""
    every = [_choose(row, rows) for row, rows in zip(edges, counts, strict=True)]
    points = np.full((len(every), max(1, *map(len, every))), np.inf)
    for row, chosen in zip(points, every, strict=True):
        row[: len(chosen)] = chosen
    return Cuts(points)


def _choose(edges: Array, rows: Whole) -> list[float]:
    """Return the cut points of one feature. A bin is closed as soon as it has its share of the rows
    that are left, so that a value that many rows share does not use up the others' bins."""
    filled = np.flatnonzero(rows > 0).tolist()
    left, bins, count = int(rows.sum()), MOST_BINS, 0
    points: list[float] = []
    is_few = len(filled) <= MOST_BINS
    for place, following in itertools.pairwise(filled):
        count += int(rows[place])
        if is_few or (bins > 1 and count * bins >= left):
            points.append(0.5 * (float(edges[place + 1]) + float(edges[following])))
            left, bins, count = left - count, bins - 1, 0
    return points
