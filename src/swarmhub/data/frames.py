"""The contents of one file, before the study's declaration is applied to it.

A reader (package `readers`) turns one file or folder into a `Frame`: numbers as one matrix, words
as columns of a sheet, and the names of the samples if the format has them. Missing values are NaN
in a dense matrix, and -1 in the codes of words; a sparse matrix has none: what it does not store
is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.errors import BadInput

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

MISSING = frozenset(["", "na", "n/a", "nan", "null", "none", "?", ".", "<na>"])  # any case


@dataclass(frozen=True, eq=False)
class Words:
    """A column of words: `codes` (n,) int32 into the distinct `words`, -1 if missing."""

    codes: npt.NDArray[np.int32]
    words: tuple[str, ...]

    @classmethod
    def of(cls, texts: Iterable[str | None]) -> Words:
        """Return the column of these texts, None for missing."""
        place: dict[str, int] = {}
        codes = [-1 if t is None else place.setdefault(t, len(place)) for t in texts]
        return cls(np.array(codes, dtype=np.int32), tuple(place))

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Which rows have a word, (n,)."""
        return self.codes >= 0

    def texts(self) -> list[str | None]:
        """Return the word of each row, None if missing."""
        return [None if c < 0 else self.words[c] for c in self.codes.tolist()]

    def counts(self) -> dict[str, int]:
        """Return the number of rows of each word, without words that no row has."""
        found = np.bincount(self.codes[self.known], minlength=len(self.words))
        return {w: int(n) for w, n in zip(self.words, found, strict=True) if n}

    def take(self, index: npt.ArrayLike) -> Words:
        """Return the column of these rows, by position or by a mask (n,)."""
        return Words(self.codes[np.asarray(index)], self.words)

    def mapped(self, change: Callable[[str], str | None]) -> Words:
        """Return the column with each word changed; None makes it missing."""
        made = [change(word) for word in self.words]
        place: dict[str, int] = {}
        code = [-1 if t is None else place.setdefault(t, len(place)) for t in made]
        table = np.array([*code, -1], dtype=np.int32)
        return Words(table[self.codes], tuple(place))


@dataclass(frozen=True)
class Request:
    """How to read a file. `as_words`: columns that are read as their exact text (identifiers,
    labels, dates), also if all of it looks like numbers. `separator` "" finds out; `decimal` is the
    mark in numbers; `sheet` names a sheet of a workbook, or a layer of an .h5ad file; `allele`
    names the counted allele of genotypes. `missing` are words for "not known", in lower case."""

    as_words: frozenset[str] = frozenset()
    separator: str = ""
    decimal: str = "."
    sheet: str = ""
    format: str = ""  # a reader's name; "" goes by the file
    allele: str = ""
    missing: frozenset[str] = MISSING
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Frame:
    """The contents of a file. `x` (n, p) is float64 with NaN, or a `scipy.sparse.csr_matrix`-like
    value; `names` are those of its p columns. `sheet` has the columns of words. Names are distinct
    in both together.

    `samples` are the names of the rows, if the format has them (AnnData, 10x, NPX, PLINK); `lines`
    the line on which each row starts, if it is a text file. `aside` names columns of the sheet that
    tell of samples and are no measurements (plate, sex, phenotype): they are inputs only if a study
    names them. `notes` are sentences for a person:
    what was left out and why, never a cell's content.
    """

    source: str
    x: Any
    names: tuple[str, ...]
    sheet: Mapping[str, Words] = field(default_factory=dict)
    samples: Words | None = None
    lines: Sequence[int] | npt.NDArray[np.int64] = ()
    namespace: str = ""  # of the names of x: "uniprot", "ensembl", "olink", "rsid"; "" if not known
    unit: str = ""  # of x, as the format defines it: "NPX", "log2 intensity", "count", "dosage"
    notes: tuple[str, ...] = ()
    aside: frozenset[str] = frozenset()

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.x.shape[0])

    def place(self, row: int | None = None, column: str = "") -> str:
        """Return a place for errors: file, line, column."""
        line = ""
        if row is not None:
            line = f", line {int(self.lines[row])}" if len(self.lines) else f", row {row + 1}"
        return f"{self.source}{line}" + (f", column '{column[:60]}'" if column else "")


Reader = Callable[[Path, Request], Frame]


def explain_unreadable(path: Path, error: OSError) -> BadInput:
    """Return a sentence that tells absence from permission from a damaged disk."""
    if isinstance(error, FileNotFoundError):
        return BadInput(f"There is no file {path}; check the path.")
    if isinstance(error, PermissionError):
        return BadInput(
            f"{path} is there, but this user may not read it (permission denied); the data are "
            "not damaged: ask the file's owner, or run as another user."
        )
    if isinstance(error, IsADirectoryError):
        return BadInput(f"Expected a file, got the folder {path}; name the file in it.")
    return BadInput(f"{path} cannot be read ({error.strerror}); look at the disk.")
