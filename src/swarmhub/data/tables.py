"""Reading a hospital's table.

One row per patient (or sample), one named column per measurement, one of them the label. Comma
separated, or tab separated where the name ends in .tsv; .gz is unpacked; UTF-8, with or without a
byte order mark. Empty, NA, N/A, NaN, null, none, ? and . are missing, in any case.

A column is numeric if every value that is not missing parses as a finite number, else text. A
column without any value is numeric: the other hospitals know better. The label is 0 or 1, spelled
as 0/1, false/true, no/yes or negative/positive in any case. Other pairs of words are refused: a
hospital cannot know which of them another hospital takes for 1, least of all one that has only
one of the two. Rows without a label are dropped and counted.

Whatever is wrong is said before anything is trained: BadInput, one sentence that names the file,
the line and the column, and says what to do. Cell values are quoted only where they are numbers
or labels.
"""

from __future__ import annotations

import csv
import difflib
import gzip
import io
import math
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.errors import BadInput, plain

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "."})
LABELS = {"0": 0, "false": 0, "no": 0, "negative": 0, "1": 1, "true": 1, "yes": 1, "positive": 1}
LARGEST = 1e100  # above it a square overflows and it is no measurement
MAX_NAME = 512  # characters of a column name or a category, as in the statistics document

Column = npt.NDArray[Any]  # (n,) float64 with NaN, or (n,) object of str | None


@dataclass(frozen=True, eq=False)
class Table:
    """A hospital's rows. `columns` are the features: name -> (rows,) float64 with NaN for missing,
    or (rows,) object of str | None. `label` is (rows,) int64 of 0 and 1, None if none was asked
    for. `dropped` rows had no label."""

    columns: dict[str, Column]
    label: npt.NDArray[np.int64] | None
    rows: int
    dropped: int = 0

    def take(self, index: npt.ArrayLike) -> Table:
        """The table of these rows, by position or by a mask (rows,)."""
        chosen = np.arange(self.rows)[np.asarray(index)]
        columns = {name: values[chosen] for name, values in self.columns.items()}
        return Table(columns, None if self.label is None else self.label[chosen], len(chosen))


def is_text(column: Column) -> bool:
    """Whether a table's column is text (else numeric)."""
    return column.dtype == np.dtype(object)


def read_table(path: Path | str, label: str | None) -> Table:
    """The table in a .csv, .tsv, .csv.gz or .tsv.gz file. `label` names the label column."""
    path = Path(path)
    tabs = path.name.removesuffix(".gz").endswith(".tsv")
    text = _text_of(path)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if tabs else ",")
    return parse_table(_numbered(reader, path.name), label, path.name)


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


def _text_of(path: Path) -> str:
    try:
        data = path.read_bytes()
        if path.name.endswith(".gz"):
            data = gzip.decompress(data)
        text = data.decode("utf-8-sig")
    except FileNotFoundError:
        raise BadInput(f"There is no file {path}; check the path.") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadInput(
            f"{path.name}, line {line}: expected UTF-8 text, got other bytes; "
            "save the table as CSV (UTF-8)."
        ) from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise BadInput(f"{path.name} does not unpack as gzip ({error}); copy it again.") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}).") from None
    if "\0" in text:
        raise BadInput(
            f"{path.name}: expected text, got zero bytes; save the table as CSV (UTF-8)."
        )
    return text


def _numbered(reader: Any, source: str) -> Iterator[tuple[int, list[str]]]:
    try:
        for row in reader:
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise BadInput(
            f"{source}, line {reader.line_num}: expected CSV, got text that does not parse "
            f"({error}); save the table as CSV (UTF-8)."
        ) from None


def parse_table(
    numbered: Iterable[tuple[int, Sequence[str]]], label: str | None, source: str
) -> Table:
    """A table from (line number, cells) pairs, the header first. `source` names it in errors."""
    rows = iter(numbered)
    first = next(rows, None)
    if first is None:
        raise BadInput(f"{source} is empty; expected a header line and one line per patient.")
    header = _header([cell.strip() for cell in first[1]], source)
    at = None if label is None else _position(label, header, source)
    lines: list[int] = []
    kept: list[Sequence[str]] = []
    labels: list[int] = []
    found = 0
    for line, row in rows:
        if len(row) != len(header):
            raise BadInput(
                f"{source}, line {line}: expected {len(header)} cells as in the header, "
                f"got {len(row)}; look for a missing or unquoted comma."
            )
        found += 1
        if at is not None:
            value = _label(row[at], f"{source}, line {line}, column '{_short(header[at])}'")
            if value is None:
                continue
            labels.append(value)
        lines.append(line)
        kept.append(row)
    if not found:
        raise BadInput(f"{source} has a header but no rows; expected one line per patient.")
    if not kept:
        raise BadInput(
            f"{source}: the label '{label}' is missing in all {found} rows; fill in the column."
        )
    columns = {
        name: _column([cell.strip() for cell in cells], lines, f"{source}, column '{_short(name)}'")
        for k, (name, cells) in enumerate(zip(header, zip(*kept, strict=True), strict=True))
        if k != at
    }
    if not columns:
        raise BadInput(f"{source} has no column but the label; add columns to learn from.")
    y = None if at is None else np.array(labels, dtype=np.int64)
    return Table(columns, y, len(kept), found - len(kept))


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
            raise BadInput(
                f"{source}: columns {seen[name]} and {k} are both named '{_short(name)}'; "
                "rename or remove one."
            )
        seen[name] = k
    return names


def _position(label: str, header: list[str], source: str) -> int:
    if label in header:
        return header.index(label)
    near = difflib.get_close_matches(label, header, 1, 0.5)
    listed = ", ".join(_short(name) for name in header[:8]) + (", ..." if len(header) > 8 else "")
    hint = f"did you mean '{_short(near[0])}'?" if near else f"the columns are {listed}."
    raise BadInput(f"{source} has no column '{_short(label)}' for the label; {hint}")


def _label(cell: str, where: str) -> int | None:
    text = cell.strip().lower()
    if text in MISSING:
        return None
    if text not in LABELS:
        number = _number(text)
        if number not in (0.0, 1.0):
            raise BadInput(
                f"{where}: expected the label 0 or 1 (or no/yes, false/true, negative/positive), "
                f"got '{_short(cell)}'; code it as 0 and 1, the same way at every hospital."
            )
        return int(number)
    return LABELS[text]


def _number(text: str) -> float | None:
    """A number (possibly infinite), NaN for missing, None for text."""
    try:
        return float(text) if "_" not in text else None  # Python alone reads 1_000 as a number
    except ValueError:
        return math.nan if text.lower() in MISSING else None


def _column(cells: list[str], lines: list[int], where: str) -> Column:
    numbers = [_number(cell) for cell in cells]
    if None in numbers:
        return _text(cells, numbers, where)
    values = np.array(numbers, dtype=np.float64)
    wrong = np.flatnonzero(np.abs(values) > LARGEST)
    if len(wrong):
        k = int(wrong[0])
        raise BadInput(
            f"{where}, line {lines[k]}: expected a finite number of at most {LARGEST:g}, got "
            f"'{_short(cells[k])}'; leave the cell empty if the value is not known."
        )
    return values


def _text(cells: list[str], numbers: list[float | None], where: str) -> Column:
    words = [cell for cell, number in zip(cells, numbers, strict=True) if number is None]
    if all(cell.count(",") == 1 and _number(cell.replace(",", ".")) is not None for cell in words):
        raise BadInput(f"{where}: numbers have decimal commas; write them with decimal points.")
    values = np.empty(len(cells), dtype=object)
    values[:] = [None if cell.lower() in MISSING else cell[:MAX_NAME] for cell in cells]
    return values
