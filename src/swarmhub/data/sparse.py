"""Columns of sparse rows, looked at by their stored values: what is not stored is 0.

Bins, codes and patients are counted over stored values, and the zeros by what is left. Means and
sums of squares are added up over a dense copy of a few columns, in the same order as those of dense
rows: the statistics of a dataset do not depend on how its matrix is stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.data.frames import Floats
from swarmhub.data.numbers import (
    MAX_CODES,
    bin_of,
    is_coded,
    merge_bins,
    merge_for_patients,
)
from swarmhub.data.people import Codes, People

STORED = 1 << 23  # values of the columns that are copied together, about
LOOKED_AT = 5000  # stored values of which more than MAX_CODES distinct ones are no codes


def cut_columns(x: Any, step: int) -> Iterator[tuple[int, Any]]:
    """Yield `step` columns of a CSR matrix (n, p) at a time, as CSC, and the place of the first."""
    columns = x.shape[1]
    wide = max(1, min(STORED * columns // max(1, x.nnz), (1 << 26) // step)) * step
    for first in range(0, columns, wide):
        part = x[:, first : first + wide].tocsc()
        for start in range(0, part.shape[1], step):
            yield first + start, part[:, start : start + step]


class SparseColumns:
    """Columns of a CSC matrix (n, p)."""

    def __init__(self, part: Any) -> None:
        part.sum_duplicates()
        part.eliminate_zeros()
        self.part = part
        self.x: Floats = part.toarray(order="C").astype(np.float64, copy=False)
        self.is_complete = not np.isnan(part.data).any()

    @cached_property
    def known(self) -> npt.NDArray[np.bool_]:
        """Which values are known, (n, p)."""
        if self.is_complete:
            return np.broadcast_to(np.True_, self.x.shape)
        return ~np.isnan(self.x)

    def count_people(self, people: People, rows: npt.NDArray[np.bool_] | None = None) -> Codes:
        """Return the patients with a known value of each column among these rows, (p,)."""
        if self.is_complete:
            count = (people if rows is None else people[rows]).count()
            return np.full(self.x.shape[1], count, dtype=np.int64)
        return people.count_by_column(self.known if rows is None else self.known & rows[:, None])

    def _stored(self, k: int) -> tuple[Floats, Codes, Codes]:
        """Return the known values of column k that are stored, their rows, and the rows of all
        values that are stored, (m,), (m,), (l,)."""
        at = slice(self.part.indptr[k], self.part.indptr[k + 1])
        values, rows = self.part.data[at], self.part.indices[at]
        if self.is_complete:
            return values, rows, rows
        known = ~np.isnan(values)
        return values[known], rows[known], rows

    def has_small_code(self, k: int, people: People, least: int) -> bool:
        """Return whether column k is one of codes, and one of them belongs to fewer patients."""
        values, rows, stored = self._stored(k)
        if len(np.unique(values[:LOOKED_AT])) > MAX_CODES:
            return False
        distinct, codes = np.unique(values, return_inverse=True)
        zeros = len(self.x) - len(stored)
        kinds, known = len(distinct) + (zeros > 0), len(values) + zeros
        if not is_coded(kinds, known, bool(np.all(distinct == np.round(distinct)))):
            return False
        counts = people[rows].count_by_code(codes, len(distinct))
        return min(counts + [people.without(stored).count()] * (zeros > 0)) < least

    def make_bins(self, people: People, least: int) -> list[dict[str, int]]:
        """Return rows by bin of each column; neighbours are merged until each bin has values of
        `least` patients."""
        return [self._make_bins(k, people, least) for k in range(self.x.shape[1])]

    def _make_bins(self, k: int, people: People, least: int) -> dict[str, int]:
        values, rows, stored = self._stored(k)
        places = bin_of(values)
        lowest = int(places.min(initial=0))
        count = np.bincount(places - lowest, minlength=1 - lowest)
        zeros = len(self.x) - len(stored)
        count[-lowest] += zeros
        filled = np.flatnonzero(count)
        groups = merge_bins(filled.tolist(), count[filled].tolist(), least)
        if not people.single:
            rest = people.without(stored) if zeros else None
            groups = merge_for_patients(
                groups, places - lowest, people[rows], least, rest, -lowest
            )  # fmt: skip
        return {str(lowest + place): n for place, n, _ in groups}
