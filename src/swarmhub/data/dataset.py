"""A hospital's data as a study declares them: rows of numbers and categories, an outcome, patients.

`assemble` makes it from the files. It never leaves the process that has read them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.contract.records.declaration import OutcomeKind
from swarmhub.data.frames import Floats, Words


@dataclass(frozen=True)
class Block:
    """Columns of x that are measured together: features `start` to `stop`."""

    name: str
    start: int
    stop: int
    namespace: str = ""
    unit: str = ""


@dataclass(frozen=True, eq=False)
class Dataset:
    """A hospital's rows.

    `x` (n, p) is float64 with NaN for missing, or a CSR matrix in which what is not stored is 0.
    `features` names its columns, which lie in `blocks`. `categories` are the inputs that are words,
    `obs` the other columns of the sample table that the study names (subgroups, batch). `y` (n,) is
    the outcome as the declaration codes it; of `time_to_event` whether it was observed, with `time`
    (n,). `patient` says which rows are of the same patient, None if each is of another one.
    """

    x: Any
    features: tuple[str, ...]
    blocks: tuple[Block, ...] = ()
    categories: Mapping[str, Words] = field(default_factory=dict)
    obs: Mapping[str, Words] = field(default_factory=dict)
    y: Floats | None = None
    kind: OutcomeKind = "binary"  # of the outcome
    time: Floats | None = None
    patient: Words | None = None
    batch: Words | None = None
    samples: Words | None = None
    lines: Any = ()  # (n,) of the file with the outcome
    source: str = ""

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.x.shape[0])

    @property
    def is_sparse(self) -> bool:
        """Whether x is a sparse matrix."""
        return not isinstance(self.x, np.ndarray)

    @property
    def has_classes(self) -> bool:
        """Whether the outcome has classes (or an event): counts of these say nothing of a single
        patient, while a measured outcome is a patient's own."""
        return self.kind != "continuous"

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all inputs: numbers, then categories."""
        return (*self.features, *self.categories)

    def take(self, index: npt.ArrayLike) -> Dataset:
        """Return the dataset of these rows, by position or by a mask (n,)."""
        at = np.asarray(index)
        at = np.arange(self.rows)[at if at.size else at.astype(np.int64)]

        def chosen(value: Any) -> Any:
            return None if value is None else value[at]

        def words(value: Words | None) -> Words | None:
            return None if value is None else value.take(at)

        return replace(
            self,
            x=self.x[at],
            categories={name: column.take(at) for name, column in self.categories.items()},
            obs={name: column.take(at) for name, column in self.obs.items()},
            y=chosen(self.y),
            time=chosen(self.time),
            patient=words(self.patient),
            batch=words(self.batch),
            samples=words(self.samples),
            lines=self.lines[at] if len(self.lines) else (),
        )  # fmt: skip

    def patient_codes(self) -> npt.NDArray[np.int64]:
        """Return a number for the patient of each row, (n,) from 0 on; a row without a name is a
        patient of its own."""
        if self.patient is None:
            return np.arange(self.rows)
        codes = self.patient.codes.astype(np.int64)
        unnamed = codes < 0
        codes[unnamed] = len(self.patient.words) + np.arange(int(unnamed.sum()))
        _, dense = np.unique(codes, return_inverse=True)
        return dense.astype(np.int64)

    def count_patients(self, rows: npt.NDArray[np.bool_] | None = None) -> int:
        """Return the number of patients in these rows (a mask; all rows by default)."""
        codes = self.patient_codes()
        return len(np.unique(codes if rows is None else codes[rows]))
