"""A look for decimal commas in a text table without a stated decimal mark.

The first rows are looked at. A column has decimal commas if most of its cells are numbers, some of
them with one comma that can be no separator of thousands (1,5 or 0,123 and not 1,234), and none
with a point. A table with a column of points as well is left to the reader, which names the cells.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from swarmhub.data.cells import tidy
from swarmhub.data.frames import MISSING
from swarmhub.data.readers.text import Block, open_delimited
from swarmhub.errors import BadInput

ROWS, LEAST_ROWS = 100, 5
MOST_CELLS = 200_000  # of wide tables
MOST_NUMBERS = 0.75  # of the known cells of a column of numbers
WHOLE = re.compile(r"[-+]?\d+")
COMMA = re.compile(r"[-+]?\d+,\d+(?:[eE][-+]?\d+)?")
THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(?:,\d{3})+")
POINT = re.compile(r"[-+]?\d*\.\d+(?:[eE][-+]?\d+)?")


@dataclass(frozen=True)
class Marks:
    """The columns of a table with decimal commas, and whether any column has decimal points."""

    commas: tuple[str, ...] = ()
    has_points: bool = False


def find_marks(path: Path, separator: str = "") -> Marks:
    """Return the decimal marks in the first rows of a text table; none of a file that cannot be
    read: its reader says why."""
    try:
        with open_delimited(path, separator) as (header, blocks):
            names = [tidy(cell) for cell in header.cells]
            block = next(blocks, None)
            rows = take_rows(block, len(names)) if block is not None else []
    except BadInput:
        return Marks()
    columns = [[row[k] for row in rows if k < len(row)] for k in range(len(names))]
    kinds = [find_mark(cells) for cells in columns]
    commas = tuple(name for name, kind in zip(names, kinds, strict=True) if kind == ",")
    return Marks(commas, "." in kinds)


def take_rows(block: Block, columns: int) -> list[list[str]]:
    """Return the cells of a block's first rows."""
    end = -1
    for _ in range(max(LEAST_ROWS, min(ROWS, MOST_CELLS // columns))):
        after = block.data.find(b"\n", end + 1)
        if after < 0:
            break
        end = after
    lines = block.data[: end + 1].decode().split("\n")
    return [line.split(block.separator) for line in lines if line]


def find_mark(cells: list[str]) -> str:
    """Return the decimal mark of a column's cells: ',' or '.', "" if they have none."""
    known = [text for cell in cells if (text := tidy(cell)) and text.lower() not in MISSING]
    commas = [c for c in known if COMMA.fullmatch(c)]
    points = sum(bool(POINT.fullmatch(c)) for c in known)
    numbers = len(commas) + points + sum(bool(WHOLE.fullmatch(c)) for c in known)
    if not known or numbers < MOST_NUMBERS * len(known):
        return ""
    if points:
        return "."
    return "," if any(not THOUSANDS.fullmatch(c) for c in commas) else ""
