"""Rows of cells from a file, each with the line on which it starts.

Comma separated, or tab separated if the name ends in .tsv; .gz is unpacked; UTF-8, with or without
a byte order mark. Line breaks within quotes are legal (RFC 4180). Nothing is guessed: a quote that
is not closed, or that swallows rows up to the next one, is refused with its line. No message shows
the content of a cell.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from swarmhub.data.cells import is_number
from swarmhub.errors import BadInput

Rows = Iterable[tuple[int, Sequence[str]]]  # (line, cells), the header first
_BREAK = re.compile(r"\r\n|\r|\n")

# first bytes -> kind of a file that is no CSV
KINDS = {
    b"PK\x03\x04": "a spreadsheet or a zip archive",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet",
    b"\x1f\x8b": "a gzip archive (its name should end in .gz)",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}


def read_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of each row that is not blank, the header first. Raises BadInput if the
    file cannot be read, or is no CSV (from the row on at which that shows)."""
    delimiter = "\t" if path.name.removesuffix(".gz").endswith(".tsv") else ","
    text = _text_of(path)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line, columns = 1, 0
    try:
        for row in reader:
            columns = columns or len(row)
            if reader.line_num > line and _has_swallowed(row, columns, delimiter):
                raise _unclosed(path.name, line)
            if row:
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        if "unexpected end" in str(error) or "field limit" in str(error):
            raise _unclosed(path.name, line) from None
        if "expected after" not in str(error):
            raise BadInput(
                f"{path.name}, line {line}: expected CSV, got text that does not parse; save the "
                "table as CSV (UTF-8)."
            ) from None
        raise BadInput(
            f"{path.name}, line {line}: a quoted cell goes on behind its closing quote; double the "
            'quotes within a cell ("") or remove them.'
        ) from None


def _unclosed(name: str, line: int) -> BadInput:
    return BadInput(
        f"{name}, line {line}: a quote opens in this row and is not closed in it, so the rows that "
        "follow would be lost; close or remove it."
    )


def _has_swallowed(row: list[str], columns: int, delimiter: str) -> bool:
    """Return whether a cell with line breaks is the end of one row, whole rows and the start of
    another one: its lines have as many separators as that needs, and numbers between them."""
    for k, cell in enumerate(row):
        if not _BREAK.search(cell):
            continue
        first, *between, last = [line.split(delimiter) for line in _BREAK.split(cell)]
        whole = all(len(line) == columns for line in between)
        ends = len(first) == columns - k and len(last) == k + 1
        swallowed = [*first[1:], *(c for line in between for c in line), *last[:-1]]
        if whole and ends and any(is_number(c.strip()) for c in swallowed):
            return True
    return False


def _text_of(path: Path) -> str:
    try:
        data = path.read_bytes()
        if path.name.endswith(".gz"):
            data = gzip.decompress(data)
    except FileNotFoundError:
        raise BadInput(f"There is no file {path}; check the path.") from None
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise BadInput(f"{path.name} does not unpack as gzip; copy it again.") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}).") from None
    for start, kind in KINDS.items():
        if data.startswith(start):
            raise BadInput(f"{path.name}: expected CSV, got {kind}; save it as CSV (UTF-8).")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(
            f"{path.name}, line {_line_at(data, error.start)}: expected UTF-8 text, got other "
            "bytes (often Windows-1252 or Latin-1); save the table as CSV (UTF-8)."
        ) from None
    if b"\0" in data:
        raise BadInput(
            f"{path.name}, line {_line_at(data, data.index(0))}: expected text, got zero bytes; "
            "save the table as CSV (UTF-8)."
        )
    return text


def _line_at(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1
