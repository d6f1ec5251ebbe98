"""The patients of rows: thresholds count these, not rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.data.dataset import Dataset

MAX_TABLE = 1 << 16  # patients x codes that are counted in a table

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class People:
    """The patients of some rows, (n,). `single`: each row is of another one."""

    codes: Codes
    single: bool

    @classmethod
    def of(cls, dataset: Dataset) -> People:
        """Return the patients of a dataset's rows."""
        codes = dataset.patient_codes()
        return cls(codes, dataset.patient is None or int(codes.max(initial=-1)) + 1 == len(codes))

    def __getitem__(self, rows: npt.NDArray[Any]) -> People:
        return People(self.codes[rows], self.single)

    def count(self) -> int:
        """Return the number of distinct patients."""
        return len(self.codes) if self.single else len(np.unique(self.codes))

    def has(self, least: int) -> bool:
        """Return whether these are `least` patients or more (and any at all)."""
        least = max(1, least)
        if self.single or len(self.codes) < least:
            return len(self.codes) >= least
        return len(np.unique(self.codes[: 20 * least])) >= least or self.count() >= least

    def count_by_column(self, rows: npt.NDArray[np.bool_]) -> Codes:
        """Return the number of patients with a row in each column: (n, p) -> (p,)."""
        if self.single or not len(rows):
            return np.asarray(rows.sum(axis=0), dtype=np.int64)
        order = np.argsort(self.codes, kind="stable")
        starts = np.flatnonzero(np.diff(self.codes[order], prepend=-1))
        found: Codes = np.logical_or.reduceat(rows[order], starts, axis=0).sum(axis=0)
        return found

    def count_by_code(self, codes: npt.NDArray[Any], kinds: int) -> list[int]:
        """Return the number of patients of each code: (n,) -> (kinds,)."""
        if self.single:
            return [int(n) for n in np.bincount(codes, minlength=kinds)]
        most = int(self.codes.max(initial=0)) + 1
        pairs = codes.astype(np.int64) * most + self.codes
        if most * kinds <= MAX_TABLE:
            table = np.bincount(pairs, minlength=most * kinds).reshape(kinds, most)
            return [int(n) for n in (table > 0).sum(axis=1)]
        pairs = np.unique(pairs)
        return [int(n) for n in np.bincount(pairs // most, minlength=kinds)]

    def without(self, rows: npt.NDArray[Any]) -> People:
        """Return the patients of all rows but these, by position, each position once at most."""
        if self.single:
            return People(np.broadcast_to(np.int64(0), len(self.codes) - len(rows)), True)
        left = self.rows_by_patient - np.bincount(self.codes[rows], minlength=self.most)
        return People(np.repeat(np.arange(self.most), left > 0), False)

    @cached_property
    def most(self) -> int:
        """The largest number of a patient, and 1."""
        return int(self.codes.max(initial=-1)) + 1

    @cached_property
    def rows_by_patient(self) -> Codes:
        """Rows of each patient, (most,)."""
        return np.bincount(self.codes, minlength=self.most)

    def together(self, other: People) -> People:
        """Return the patients of these rows and of other ones."""
        return People(np.concatenate([self.codes, other.codes]), self.single)
