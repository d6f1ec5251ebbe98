"""Reading a hospital's table.

One row per patient (or sample), one named column per measurement, one of them the label. The
formats of files are in `csvfile`, those of cells in `cells`. Empty, NA, N/A, NaN, null, none, ? and
. are missing, in any case. A column without any value is numeric: the other hospitals know better.
The label is 0 or 1, spelled as 0/1, false/true, no/yes or negative/positive in any case. Other
pairs of words are refused: a hospital cannot know which of them another hospital takes for 1, least
of all one that has only one of the two. Rows without a label are dropped and counted. Columns that
identify patients are left out and named (`identifiers`).

Errors come before any training: BadInput, one sentence that names the file, the line and the
column, and says what to do. Cells are patients' data: no message shows one.
"""

from __future__ import annotations

import csv
import difflib
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from swarmhub.data.cells import (
    MAX_NAME,
    MISSING,
    Cells,
    Column,
    is_number,
    number_of,
    tidy,
    tidy_row,
)
from swarmhub.data.csvfile import Rows, read_rows
from swarmhub.data.identifiers import find_patient, is_counter, why_identifier
from swarmhub.errors import BadInput, plain

LABELS = {"0": 0, "false": 0, "no": 0, "negative": 0, "1": 1, "true": 1, "yes": 1, "positive": 1}
LOOK_AT = 200  # rows, to see whether the first line is one of them


@dataclass(frozen=True, eq=False)
class Table:
    """A hospital's rows.

    `columns` are the features: name -> (rows,) float64 with NaN for missing, or (rows,) object of
    str | None. `label` is (rows,) int64 of 0 and 1, None if none was asked for. `dropped` rows had
    no label. `patients` (rows,) says which rows are of the same patient, None if each is of
    another one; it never leaves this process. `notes` are sentences for the table's owner.
    """

    columns: dict[str, Column]
    label: npt.NDArray[np.int64] | None
    rows: int
    dropped: int = 0
    patients: Column | None = None
    notes: tuple[str, ...] = ()

    def take(self, index: npt.ArrayLike) -> Table:
        """Return the table of these rows, by position or by a mask (rows,)."""
        at = np.asarray(index)
        chosen = np.arange(self.rows)[at if at.size else at.astype(np.int64)]
        columns = {name: values[chosen] for name, values in self.columns.items()}
        label = None if self.label is None else self.label[chosen]
        patients = None if self.patients is None else self.patients[chosen]
        return Table(columns, label, len(chosen), patients=patients)


def is_text(column: Column) -> bool:
    """Return whether a table's column is text (else numeric)."""
    return column.dtype == np.dtype(object)


def read_table(path: Path | str, label: str | None, patient: str | None = None) -> Table:
    """Read the table in a .csv, .tsv, .csv.gz or .tsv.gz file. `label` names the label column,
    `patient` the one that says which rows are of the same patient."""
    path = Path(path)
    return parse_table(read_rows(path), label, path.name, patient)


def write_table(table: Table, label: str, path: Path) -> None:
    """Write a labelled table as CSV (UTF-8) that `read_table` reads back to the bit."""
    assert table.label is not None
    cells = [
        [("" if v is None else v) if is_text(c) else ("" if math.isnan(v) else repr(float(v)))
         for v in c]
        for c in table.columns.values()
    ]  # fmt: skip
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([label, *table.columns])
        writer.writerows(zip(map(str, table.label.tolist()), *cells, strict=True))


@dataclass(frozen=True)
class _Grid:
    """Rows under a header, before they are numbers or categories. `found` rows were read, those
    with a label kept."""

    columns: dict[str, Cells]
    lines: list[int]
    labels: list[int]
    found: int


def parse_table(
    numbered: Rows, label: str | None, source: str, patient: str | None = None
) -> Table:
    """Return a table from (line, cells) pairs, the header first. `source` names it in errors."""
    grid = _grid(numbered, label, source)
    kept = len(grid.lines)
    if not kept:
        raise BadInput(
            f"{source}: the label '{_short(label or '')}' is missing in all {grid.found} rows; "
            "fill in the column."
        )
    notes = []
    if grid.found > kept:
        dropped = grid.found - kept
        notes.append(f"{source}: {dropped} of {grid.found} rows have no label and are left out.")
    if patient is not None:
        if patient == label:
            raise BadInput(f"{source}: '{_short(patient)}' cannot be label and patient; name two.")
        _position(patient, list(grid.columns), source, "the patient")
    columns = {}
    identifiers = []
    for name, cells in grid.columns.items():
        if name in (label, patient):
            continue
        why = why_identifier(cells)
        if why:
            identifiers.append(cells)
            notes.append(f"{cells.place()} is left out: {why}.")
            continue
        columns[name], note = cells.column()
        if note:
            notes.append(note)
        if not is_text(columns[name]) and is_counter(columns[name]):
            notes.append(f"{cells.place()} counts the rows; remove it if it is no measurement.")
    if not columns:
        raise BadInput(f"{source} has no column to learn from beside the label; add some.")
    named = find_patient(identifiers) if patient is None else grid.columns[patient]
    patients = None
    if named is not None:
        patients = _patients(named)
        how = "is taken for" if patient is None else "names"
        count = len(set(patients.tolist()))
        notes.append(f"{named.place()} {how} the patient: {count} patients in {kept} rows.")
    y = None if label is None else np.array(grid.labels, dtype=np.int64)
    return Table(columns, y, kept, grid.found - kept, patients, tuple(notes))


def _patients(named: Cells) -> Column:
    """Return a name for the patient of each row; a row without an identifier is a patient of its
    own."""
    patients = np.empty(len(named.cells), dtype=object)
    patients[:] = [
        f"row {k}" if cell.lower() in MISSING else f"id {cell}"
        for k, cell in enumerate(named.cells)
    ]
    return patients


def parse_columns(numbered: Rows, kinds: Mapping[str, bool], source: str) -> Table:
    """Return a table of some columns only, each text (True) or numeric (False), without a label.

    Raises BadInput if one of them is not there, or a cell of a numeric one is no number.
    """
    grid = _grid(numbered, None, source)
    absent = [name for name in kinds if name not in grid.columns]
    if absent:
        listed = ", ".join(f"'{_short(n)}'" for n in absent[:8]) + (", ..." * (len(absent) > 8))
        raise BadInput(
            f"{source} lacks {len(absent)} of the {len(kinds)} columns that are needed: {listed}; "
            "name them as in the study (case counts), and leave cells empty that are not known."
        )
    columns = {name: grid.columns[name].column(as_text)[0] for name, as_text in kinds.items()}
    return Table(columns, None, len(grid.lines))


def _grid(numbered: Rows, label: str | None, source: str) -> _Grid:
    """Return the rows that have a label (all rows, if None is asked for)."""
    rows = iter(numbered)
    first = next(rows, None)
    if first is None:
        raise BadInput(f"{source} is empty; expected a header line and one line per patient.")
    header = _header(tidy_row(first[1]), source)
    at = None if label is None else _position(label, header, source, "the label", rows)
    lines: list[int] = []
    kept: list[list[str]] = []
    labels: list[int] = []
    found = 0
    for line, row in rows:
        if len(row) != len(header):
            raise BadInput(
                f"{source}, line {line}: expected {len(header)} cells as in the header, "
                f"got {len(row)}; look for a missing or unquoted separator or line break."
            )
        found += 1
        if at is not None:
            value = _label(row[at], f"{source}, line {line}, column '{_short(header[at])}'")
            if value is None:
                continue
            labels.append(value)
        lines.append(line)
        kept.append(tidy_row(row))
    if not found:
        raise BadInput(f"{source} has a header but no rows; expected one line per patient.")
    columns = {
        name: Cells(source, name, lines, list(cells))
        for name, cells in zip(header, zip(*kept, strict=True) if kept else [], strict=False)
    }
    return _Grid(columns, lines, labels, found)


def _short(name: str) -> str:
    return plain(name, 60)


def _header(names: list[str], source: str) -> list[str]:
    if len(names) == 1 and (";" in names[0] or "\t" in names[0]):
        raise BadInput(
            f"{source}: expected columns separated by commas, got semicolons or tabs; save the "
            "table with commas and decimal points, or name a tab-separated file .tsv."
        )
    seen: dict[str, int] = {}
    for k, name in enumerate(names, start=1):
        if not name:
            raise BadInput(f"{source}: column {k} has no name; name it in the header.")
        if len(name) > MAX_NAME:
            raise BadInput(f"{source}: the name of column {k} is longer than {MAX_NAME} letters.")
        if name in seen:
            if any(map(_is_value, names)):  # perhaps a patient's value: it is not shown
                raise BadInput(
                    f"{source}: columns {seen[name]} and {k} have the same name, and the first "
                    "line has numbers as a row has; put a header line above it."
                )
            raise BadInput(
                f"{source}: columns {seen[name]} and {k} are both named '{_short(name)}'; "
                "rename or remove one."
            )
        seen[name] = k
    return names


def _is_value(name: str) -> bool:
    return is_number(name) or name.lower() in MISSING


def _position(name: str, header: list[str], source: str, what: str, rows: Rows = ()) -> int:
    """Return the place of a column that a person has named. Raises BadInput if it is not there; it
    shows the first line only if nothing in it, nor in some of the `rows` below, looks like a row of
    values."""
    if name in header:
        return header.index(name)
    below = itertools.islice(rows, LOOK_AT)
    repeated = any(a == tidy(b) for _, row in below for a, b in zip(header, row, strict=False))
    if repeated or any(map(_is_value, header)):
        raise BadInput(
            f"{source} has no column '{_short(name)}' for {what}, and its first line looks like a "
            "row; put a header line above it, or correct the name."
        )
    near = difflib.get_close_matches(name, header, 1, 0.5)
    near = near or [n for n in header if n.lower() == name.lower()]
    listed = ", ".join(_short(n) for n in header[:8]) + (", ..." if len(header) > 8 else "")
    hint = f"did you mean '{_short(near[0])}'?" if near else f"the columns are {listed}."
    raise BadInput(f"{source} has no column '{_short(name)}' for {what}; {hint}")


def _label(cell: str, where: str) -> int | None:
    text = tidy(cell).lower()
    if text in LABELS:
        return LABELS[text]
    number = number_of(text)
    if number is not None and math.isnan(number):
        return None
    if number not in (0.0, 1.0):
        found = "text" if number is None else "another number"
        raise BadInput(
            f"{where}: expected the label 0 or 1 (or no/yes, false/true, negative/positive), "
            f"got {found}; code it as 0 and 1, the same way at every hospital."
        )
    return int(number)
