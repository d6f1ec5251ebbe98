"""Text files of delimited cells as blocks of regular rows: each row has as many cells as the
header, and the line on which it starts is known.

The separator is the request's, or follows from the name (.tsv) or from the header. .gz is unpacked;
UTF-8, with or without a byte order mark. Line breaks within quotes are legal (RFC 4180). Nothing is
guessed: a quote that is not closed, or that swallows rows up to the next one, a row that is shorter
or longer than the header, other bytes than UTF-8 are refused with their line. No message shows the
content of a cell.

Memory does not grow with the file. Without quotes a block is the file's own bytes, checked with
NumPy; from the first quote on, rows go through `csv` and come out with a separator that no cell
has.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from swarmhub.data.cells import is_number
from swarmhub.data.frames import explain_unreadable
from swarmhub.errors import BadInput

BLOCK_BYTES = 4 << 20
ROWS_AT_ONCE = 20_000  # with quotes
LOOK_AT = 5  # lines, for the separator
MAX_LINE = 64 << 20  # bytes of a line; a table of 200,000 columns has 4 MB
UNIT = "\x1f"  # between cells of rows that had quotes: ASCII's own unit separator
SEPARATORS = (",", ";", "\t", "|")
_BREAK = re.compile(r"\r\n|\r|\n")

# first bytes -> kind of a file that is no text
KINDS = {
    b"PK\x03\x04": "a spreadsheet or a zip archive",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet",
    b"\x1f\x8b": "a gzip archive (its name should end in .gz)",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}


@dataclass(frozen=True, eq=False)
class Block:
    """Rows as bytes: cells between `separator`, no quotes, a line each; `lines` (rows,) are those
    of the file."""

    data: bytes
    separator: str
    lines: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Header:
    """The first row: the cells as they stand, and how the file separates them."""

    cells: tuple[str, ...]
    separator: str


@contextlib.contextmanager
def open_delimited(path: Path, separator: str = "") -> Iterator[tuple[Header, Iterator[Block]]]:
    """Open a text table: the header, and the blocks of rows below it. `separator` "" finds out.
    Raises BadInput if the file cannot be read or is no such text (while iterating: from the row on
    at which that shows)."""
    source = _Source(path)
    with contextlib.closing(source):
        yield _begin(source, path.name, separator)


def _begin(source: _Source, name: str, separator: str) -> tuple[Header, Iterator[Block]]:
    first = source.first_line()
    if first is None:
        raise BadInput(f"{name} is empty; expected a header line and one line per patient.")
    if not separator:
        separator = _find_separator(name, source.peek(LOOK_AT))
    if '"' in first:
        rows = _parse_quoted(source, separator, 0)
        cells = next(rows, (1, []))[1]
        return Header(tuple(cells), separator), _join(rows, len(cells), name)
    source.skip_line()
    header = Header(tuple(first.split(separator)), separator)
    return header, _blocks(source, header)


def _find_separator(name: str, lines: list[str]) -> str:
    """Return the separator of a text table: that of the name, or the one that all of the first
    lines have equally often (of several: the one that they have most often), or a comma."""
    if name.removesuffix(".gz").endswith((".tsv", ".tab")):
        return "\t"
    plain = [re.sub(r'"[^"]*"', "", line) for line in lines]
    counts = {s: [line.count(s) for line in plain] for s in SEPARATORS}
    even = [s for s in SEPARATORS if min(counts[s]) == max(counts[s]) > 0]
    return max(even, key=lambda s: counts[s][0], default=",")


def _open(path: Path) -> IO[bytes]:
    if path.name.endswith(".gz"):
        return gzip.open(path, "rb")  # type: ignore[return-value]
    return path.open("rb")


class _Source:
    """A text file as lines and blocks of bytes that end with a line."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.line = 1  # of the next byte
        self._rest = b""
        self._is_over = False
        self._has_cr = False
        try:
            self._file = _open(path)
        except OSError as error:
            raise explain_unreadable(path, error) from None
        self._path = path
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _begin(self) -> None:
        self._fill()
        for start, kind in KINDS.items():
            if self._rest.startswith(start):
                raise BadInput(f"{self.name}: expected CSV, got {kind}; save it as CSV (UTF-8).")
        self._rest = self._rest.removeprefix(b"\xef\xbb\xbf")

    def _fill(self) -> None:
        """Read on until there is a whole line, or the end."""
        while not self._is_over:
            try:
                data = self._file.read(BLOCK_BYTES)
            except (gzip.BadGzipFile, EOFError, zlib.error):
                raise BadInput(f"{self.name} does not unpack as gzip; copy it again.") from None
            except OSError as error:
                raise explain_unreadable(self._path, error) from None
            if self._has_cr and data.startswith(b"\n"):
                data = data[1:]  # the other half of a break at the end of the last block
            self._is_over = not data
            if not self._is_over:
                self._has_cr = data.endswith(b"\r")
            if b"\r" in data:
                data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            self._rest += data
            if b"\n" in data:
                break
            if len(self._rest) > MAX_LINE:
                raise BadInput(
                    f"{self.name}, line {self.line}: expected a line of at most "
                    f"{MAX_LINE >> 20} MB; is this a text table?"
                )

    def first_line(self) -> str | None:
        """Return the first line that is not blank, without passing it; None for an empty file."""
        while True:
            end = self._rest.find(b"\n")
            line = self._rest if end < 0 else self._rest[:end]
            if line:
                self._check(line)
                return line.decode("utf-8")
            if end < 0:
                return None
            self._rest = self._rest[end + 1 :]
            self.line += 1
            if not self._rest:
                self._fill()

    def peek(self, most: int) -> list[str]:
        """Return the next lines, without passing them."""
        lines = self._rest[: 64 * BLOCK_BYTES].split(b"\n", most)[:most]
        return [line.decode("utf-8", "replace") for line in lines if line]

    def skip_line(self) -> None:
        """Pass a line."""
        end = self._rest.find(b"\n")
        self._rest = b"" if end < 0 else self._rest[end + 1 :]
        self.line += 1

    def take(self) -> bytes:
        """Return the next bytes that end with a line (the last line of a file may lack its break);
        b"" at the end. The caller counts `line` on."""
        end = self._rest.rfind(b"\n") + 1
        while not end and not self._is_over:
            self._fill()
            end = self._rest.rfind(b"\n") + 1
        if not end:
            end = len(self._rest)
        data, self._rest = self._rest[:end], self._rest[end:]
        self._check(data)
        return data

    def give_back(self, data: bytes) -> None:
        """Undo `take`."""
        self._rest = data + self._rest

    def _check(self, data: bytes) -> None:
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise BadInput(
                f"{self.name}, line {self.line + data.count(10, 0, error.start)}: expected UTF-8 "
                "text, got other bytes (often Windows-1252 or Latin-1); save the table as CSV "
                "(UTF-8)."
            ) from None
        if b"\0" in data:
            at = self.line + data.count(10, 0, data.index(0))
            raise BadInput(
                f"{self.name}, line {at}: expected text, got zero bytes; save the table as CSV "
                "(UTF-8)."
            )

    def text_lines(self) -> Iterator[str]:
        """Yield the lines that are left, each with its break."""
        while data := self.take():
            yield from io.StringIO(data.decode("utf-8"), newline="\n")


def _blocks(source: _Source, header: Header) -> Iterator[Block]:
    while data := source.take():
        if b'"' in data:
            source.give_back(data)
            rows = _parse_quoted(source, header.separator, len(header.cells))
            yield from _join(rows, len(header.cells), source.name)
            return
        found = _regular(data, header, source)
        if found is not None:
            yield found


def _regular(data: bytes, header: Header, source: _Source) -> Block | None:
    """Return a block without quotes after a look at its separators; None if all lines are blank."""
    if not data.endswith(b"\n"):
        data += b"\n"
    array = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(array == 10)  # (lines,)
    lengths = np.diff(ends, prepend=-1) - 1
    marks = np.flatnonzero(array == ord(header.separator))
    cells = np.diff(np.searchsorted(marks, ends), prepend=0) + 1
    filled = lengths > 0
    wrong = np.flatnonzero(filled & (cells != len(header.cells)))
    if len(wrong):
        raise _uneven(source.name, source.line + int(wrong[0]), len(header.cells),
                      int(cells[wrong[0]]))  # fmt: skip
    lines = source.line + np.flatnonzero(filled)
    source.line += len(ends)
    return Block(data, header.separator, lines) if len(lines) else None


def _uneven(name: str, line: int, expected: int, got: int) -> BadInput:
    return BadInput(
        f"{name}, line {line}: expected {expected} cells as in the header, got {got}; look for a "
        "missing or unquoted separator or line break."
    )


def _parse_quoted(source: _Source, separator: str, columns: int) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) of each row that is not blank. Raises BadInput for quotes that are not
    closed, or swallow rows."""
    name, start = source.name, source.line
    reader = csv.reader(source.text_lines(), delimiter=separator, strict=True)
    line = start
    try:
        for row in reader:
            columns = columns or len(row)
            if start + reader.line_num - 1 > line and _has_swallowed(row, columns, separator):
                raise _unclosed(name, line)
            if row:
                yield line, row
            line = start + reader.line_num
    except csv.Error as error:
        if "unexpected end" in str(error) or "field limit" in str(error):
            raise _unclosed(name, line) from None
        if "expected after" not in str(error):
            raise BadInput(
                f"{name}, line {line}: expected CSV, got text that does not parse; save the "
                "table as CSV (UTF-8)."
            ) from None
        raise BadInput(
            f"{name}, line {line}: a quoted cell goes on behind its closing quote; double the "
            'quotes within a cell ("") or remove them.'
        ) from None


def _join(rows: Iterator[tuple[int, list[str]]], columns: int, name: str) -> Iterator[Block]:
    """Yield blocks of parsed rows."""
    lines: list[int] = []
    texts: list[str] = []
    size = 0
    for line, row in rows:
        if len(row) != columns:
            raise _uneven(name, line, columns, len(row))
        text = UNIT.join(row)
        if "\n" in text or text.count(UNIT) != columns - 1:
            text = UNIT.join(" ".join(cell.replace(UNIT, " ").split("\n")) for cell in row)
        lines.append(line)
        texts.append(text)
        size += len(text)
        if len(lines) == ROWS_AT_ONCE or size > BLOCK_BYTES:
            yield _make_block(lines, texts)
            lines, texts, size = [], [], 0
    if lines:
        yield _make_block(lines, texts)


def _make_block(lines: list[int], texts: list[str]) -> Block:
    data = ("\n".join(texts) + "\n").encode()
    return Block(data, UNIT, np.array(lines, dtype=np.int64))


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
