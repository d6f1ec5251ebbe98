"""CSV, TSV and other delimited text, read by pandas' C engine.

The engine gets regular rows only (`text`), is told to read doubles exactly (`round_trip`) and to
take our own words for missing values; what it cannot read as numbers comes back as the exact text
of each cell, and becomes numbers only if all of it is. The same file gives the same numbers at
every hospital.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from swarmhub.data.cells import MAX_NAME, is_number, number_of, tidy
from swarmhub.data.frames import Floats, Frame, Request, Words
from swarmhub.data.identifiers import why_named
from swarmhub.data.readers.text import UNIT, Block, open_delimited
from swarmhub.errors import BadInput, plain

WIDE = 200  # columns: from here on the engine's cost for each column counts
FIRST_ROWS = 8
EXACT = 2**53  # whole numbers beyond it are record numbers, not measurements


def read_delimited(path: Path, request: Request) -> Frame:
    """Return the table in a text file. Columns of numbers are in `x`, others in `sheet`; a column
    without any value is one of numbers. An unnamed first column has the samples' names."""
    words = set(request.as_words)
    while True:
        found = _read(path, request, words)
        if not found.mixed:
            return found.frame(path.name, request)
        words |= found.mixed  # numbers in one block, text in another: read again as text


def frame_of_texts(
    source: str, rows: Sequence[tuple[int, Sequence[str]]], request: Request, notes: Sequence[str]
) -> Frame:
    """Return a table out of (line, cells) pairs of text, the header first: by the same rules as a
    text file."""
    (_, header), *body = rows
    names = check_header([tidy(cell) for cell in header], source)
    if not body:
        raise BadInput(f"{source} has a header but no rows; expected one line per patient.")
    found = _Columns(names, set(names))
    found.x, found.rows = np.zeros((len(body), 0)), len(body)
    found.lines = [np.array([line for line, _ in body], dtype=np.int64)]
    for k, name in enumerate(names):
        growing = found.texts[name] = _Growing()
        growing.add(np.array([cells[k] for _, cells in body], dtype=object))
    made = found.frame(source, request)
    return replace(made, notes=(*notes, *made.notes))


@dataclass
class _Columns:
    """The columns as they grow block by block."""

    names: list[str]  # "" for an unnamed first column
    as_words: set[str]
    separator: str = ","
    numeric: list[str] = field(default_factory=list)  # fixed by the first block
    x: Floats | None = None  # (room, numeric): rows beyond `rows` are not filled yet
    rows: int = 0
    lines: list[Any] = field(default_factory=list)
    texts: dict[str, _Growing] = field(default_factory=dict)
    mixed: set[str] = field(default_factory=set)  # numbers in the first block, text in a later one

    def separate(self, text: set[int]) -> None:
        """Take columns, by their place, for words from now on."""
        self.as_words |= {self.names[k] for k in text}
        self.numeric = [n for n in self.numeric if n not in self.as_words]

    def make_room(self, more: int, expected: int) -> Floats:
        """Return the rows of x for the next block; `expected` is a guess of the rows in all, which
        costs memory only when they come."""
        if self.x is None:
            self.x = np.empty((max(more, expected), len(self.numeric)))
        elif self.rows + more > len(self.x):
            grown = np.empty((max(self.rows + more, 2 * self.rows), len(self.numeric)))
            grown[: self.rows] = self.x[: self.rows]
            self.x = grown
        start, self.rows = self.rows, self.rows + more
        return self.x[start : self.rows]

    def frame(self, source: str, request: Request) -> Frame:
        """Return the frame of all blocks."""
        assert self.x is not None
        x = self.x[: self.rows]
        names, sheet, more = list(self.numeric), {}, []
        for name, growing in self.texts.items():
            column = growing.finish(request.missing)
            is_kept = name in request.as_words or not name or bool(why_named(name))
            values = None if is_kept else _as_numbers(column, request)
            if values is None:
                sheet[name] = column
            else:
                names.append(name)
                more.append(values)
        if more:
            order = {name: k for k, name in enumerate(self.names)}
            by_file = sorted(range(len(names)), key=lambda k: order[names[k]])
            x, names = np.column_stack([x, *more])[:, by_file], [names[k] for k in by_file]
        samples = sheet.pop("", None)
        notes = []
        if samples is not None:
            notes.append(
                f"{source}: the first column, which has no name, is taken for the samples' names."
            )
        if self.separator not in ",\t":
            notes.append(f"{source} is read with '{self.separator}' between cells.")
        lines = np.concatenate(self.lines)
        return Frame(source, x, tuple(names), sheet, samples, lines, notes=tuple(notes))


@dataclass
class _Growing:
    """A column of text that grows: distinct words, and their codes block by block."""

    place: dict[str, int] = field(default_factory=dict)
    codes: list[Any] = field(default_factory=list)

    def add(self, cells: Any) -> None:
        """Add a block's cells, an array of objects."""
        import pandas as pd

        codes, distinct = pd.factorize(cells)
        place = self.place
        table = np.array([place.setdefault(w, len(place)) for w in distinct], dtype=np.int32)
        self.codes.append(table[codes] if len(table) else np.zeros(0, np.int32))

    def finish(self, missing: frozenset[str]) -> Words:
        """Return the column, tidied, without the words for missing values."""
        raw = Words(np.concatenate(self.codes), tuple(self.place))

        def tidied(word: str) -> str | None:
            text = tidy(word)
            return None if text.lower() in missing else text[:MAX_NAME]

        return raw.mapped(tidied)


def _as_numbers(column: Words, request: Request) -> Floats | None:
    """Return a column of words as numbers if all of them are, (n,) with NaN; else None."""
    values = []
    for word in column.words:
        text = word if request.decimal == "." else word.replace(request.decimal, ".")
        number = number_of(text) if "." not in word or request.decimal == "." else None
        if number is None or (abs(number) > EXACT and _is_whole(text)):
            return None
        values.append(number)
    table = np.array([*values, math.nan], dtype=np.float64)
    found: Floats = table[column.codes]
    return found


def _is_whole(text: str) -> bool:
    return text.lstrip("+-").isdigit()


def _read(path: Path, request: Request, as_words: set[str]) -> _Columns:
    with open_delimited(path, request.separator) as (header, blocks):
        names = check_header([tidy(cell) for cell in header.cells], path.name)
        named = {n for n in names if why_named(n)}  # their digits are no numbers
        found = _Columns(names, as_words | named | {""}, header.separator)
        found.numeric = [n for n in names if n not in found.as_words]
        size = path.stat().st_size
        for block in blocks:
            _add(found, block, request, int(1.1 * size * len(block.lines) / len(block.data)) + 1)
    if not found.lines:
        raise BadInput(f"{path.name} has a header but no rows; expected one line per patient.")
    return found


def _add(found: _Columns, block: Block, request: Request, expected: int) -> None:
    """Add a block: numbers if the engine reads them, else text."""
    found.lines.append(block.lines)
    place = {name: k for k, name in enumerate(found.names)}
    if found.x is None and found.numeric:
        found.separate(_find_text(block, [place[n] for n in found.numeric], request))
    part = found.make_room(len(block.lines), expected)
    wanted = [place[n] for n in found.numeric]
    values = _parse_wide(block, found, request) if len(wanted) >= WIDE else None
    if values is not None:
        part[:] = values[:, wanted]
    elif wanted:
        frame = _parse(block, wanted, request)
        is_good = _are_numbers(frame)
        found.mixed |= {n for n, good in zip(found.numeric, is_good, strict=True) if not good}
        if not found.mixed:  # else the file is read again, and x does not matter
            part[:] = frame.to_numpy(dtype=np.float64)
    text = [n for n in found.names if n in found.as_words]
    if text:
        exact = _parse_text(block, [place[n] for n in text])
        for name in text:
            cells = exact[place[name]].to_numpy(dtype=object)
            found.texts.setdefault(name, _Growing()).add(cells)


def _find_text(block: Block, columns: Sequence[int], request: Request) -> set[int]:
    """Return which columns the first block has text in: those of its first rows, if it is wide."""
    if len(columns) >= WIDE:
        end = -1
        for _ in range(min(FIRST_ROWS, len(block.lines))):
            end = block.data.index(b"\n", end + 1)
        block = Block(block.data[: end + 1], block.separator, block.lines[:FIRST_ROWS])
    is_good = _are_numbers(_parse(block, columns, request))
    return {k for k, good in zip(columns, is_good, strict=True) if not good}


def _parse_wide(block: Block, found: _Columns, request: Request) -> Floats | None:
    """Return all cells of a block as numbers, (rows, columns), 0 in columns of words; None if not
    all of them are. The engine reads them as one long column, which costs nothing for a column."""
    import pandas as pd

    rows, columns = len(block.lines), len(found.names)
    cells = np.frombuffer(block.data.strip(b"\n") + b"\n", np.uint8).copy()
    ends = np.flatnonzero((cells == ord(block.separator)) | (cells == 10))
    if len(ends) != rows * columns:
        return None  # blank lines
    starts = np.concatenate([[0], ends[:-1] + 1])
    for k, name in enumerate(found.names):
        if name in found.as_words:
            for cell in range(k, rows * columns, columns):
                cells[starts[cell] : ends[cell]] = ord("0")
    cells[ends] = 10
    frame = pd.read_csv(
        io.BytesIO(cells.tobytes()), header=None, names=[0], sep=UNIT, skip_blank_lines=False,
        **_engine(request),
    )  # fmt: skip
    values = frame[0].to_numpy()
    if values.dtype.kind not in "fi" or np.nanmax(np.abs(values), initial=0) > EXACT:
        return None
    found_x: Floats = values.astype(np.float64).reshape(rows, columns)
    return found_x


def _are_numbers(frame: Any) -> list[bool]:
    """Return for each column whether the engine has read numbers, without a loss of digits."""
    kinds = [dtype.kind for dtype in frame.dtypes]
    return [
        kind == "f" or (kind == "i" and not _is_large(frame.iloc[:, k]))
        for k, kind in enumerate(kinds)
    ]


def _is_large(column: Any) -> bool:
    return bool(len(column)) and bool(column.max() > EXACT or column.min() < -EXACT)


def _parse(block: Block, columns: Sequence[int], request: Request) -> Any:
    import pandas as pd

    return pd.read_csv(
        io.BytesIO(block.data), header=None, sep=block.separator, usecols=columns,
        **_engine(request),
    )  # fmt: skip


def _engine(request: Request) -> dict[str, Any]:
    """Return the engine's settings for numbers."""
    import pandas as pd

    # before 3.1 the last bits of long doubles are wrong by default, and since then always right
    major, minor, *_ = pd.__version__.split(".")
    exact = {"float_precision": "round_trip"} if (int(major), int(minor)) < (3, 1) else {}
    return exact | {
        "engine": "c", "quoting": csv.QUOTE_NONE, "keep_default_na": False,
        "na_values": _spellings(request.missing),
        "decimal": request.decimal, "low_memory": False, "index_col": False,
    }  # fmt: skip


def _parse_text(block: Block, columns: Sequence[int]) -> Any:
    import pandas as pd

    return pd.read_csv(
        io.BytesIO(block.data), header=None, sep=block.separator, engine="c", usecols=columns,
        quoting=csv.QUOTE_NONE, dtype=str, keep_default_na=False, na_filter=False,
        low_memory=False, index_col=False,
    )  # fmt: skip


def _spellings(missing: Iterable[str]) -> list[str]:
    """Return the usual spellings of words in lower case; others are found later, more slowly."""
    special = {"nan": ["NaN"]}
    return sorted({s for w in missing for s in (w, w.upper(), w.title(), *special.get(w, []))})


def check_header(names: list[str], source: str) -> list[str]:
    """Return the header's names; the first may be "". Raises BadInput for a name that is missing,
    too long, or there twice."""
    seen: dict[str, int] = {}
    for k, name in enumerate(names, start=1):
        if not name and (k > 1 or len(names) == 1):
            raise BadInput(f"{source}: column {k} has no name; name it in the header.")
        if len(name) > MAX_NAME:
            raise BadInput(f"{source}: the name of column {k} is longer than {MAX_NAME} letters.")
        if name in seen:
            if any(is_number(n) for n in names):  # perhaps a patient's value: it is not shown
                raise BadInput(
                    f"{source}: columns {seen[name]} and {k} have the same name, and the first "
                    "line has numbers as a row has; put a header line above it."
                )
            raise BadInput(
                f"{source}: columns {seen[name]} and {k} have the same name '{plain(name, 60)}'; "
                "rename or remove one."
            )
        seen[name] = k
    return names
