"""Tables as text: names and cells, and how they are written into a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MISSING = ("", "NA")


@dataclass
class Sheet:
    """A table of texts, as they stand in the file."""

    names: list[str]
    rows: list[list[str]]

    def cells(self, name: str) -> list[str]:
        """Gives a column's texts from the first row to the last."""
        k = self.names.index(name)
        return [row[k] for row in self.rows]

    def fill(self, name: str, texts: Sequence[str]) -> None:
        """Replaces a column's texts."""
        k = self.names.index(name)
        for row, text in zip(self.rows, texts, strict=True):
            row[k] = text

    def get(self, row: int, name: str) -> str:
        """Gives one cell."""
        return self.rows[row][self.names.index(name)]

    def put(self, row: int, name: str, text: str) -> None:
        """Replaces one cell."""
        self.rows[row][self.names.index(name)] = text

    def add(self, name: str, texts: Sequence[str], at: int | None = None) -> None:
        """Inserts a column, at the end unless told."""
        at = len(self.names) if at is None else at
        self.names.insert(at, name)
        for row, text in zip(self.rows, texts, strict=True):
            row.insert(at, text)

    def drop(self, name: str) -> None:
        """Removes a column."""
        k = self.names.index(name)
        del self.names[k]
        for row in self.rows:
            del row[k]

    def rename(self, old: str, new: str) -> None:
        """Gives a column another name."""
        self.names[self.names.index(old)] = new

    def pick(self, names: Sequence[str], order: Sequence[int] | None = None) -> Sheet:
        """Copies some columns, and rows in the order given."""
        places = [self.names.index(name) for name in names]
        rows = self.rows if order is None else [self.rows[k] for k in order]
        return Sheet(list(names), [[row[k] for k in places] for row in rows])

    def filled(self, name: str) -> list[int]:
        """Gives the rows with a value in this column."""
        return [k for k, text in enumerate(self.cells(name)) if text not in MISSING]

    def text(self, separator: str = ",", end: str = "\n", quote: int = csv.QUOTE_MINIMAL) -> str:
        """Writes the table as a file's text."""
        out = io.StringIO()
        writer = csv.writer(out, delimiter=separator, lineterminator=end, quoting=quote)  # type: ignore[arg-type]
        writer.writerows([self.names, *self.rows])
        return out.getvalue()

    def lines(self, **dialect: Any) -> list[str]:
        """Gives the lines of the file, without their ends; line 1 is the header."""
        return self.text(**dialect).split("\n")[:-1]


def line_of(row: int) -> int:
    """Gives the line of a row in a file without odd lines: the header is line 1."""
    return row + 2


def write_lines(lines: Sequence[str]) -> bytes:
    """Joins lines into a file's content."""
    return "".join(line + "\n" for line in lines).encode()
