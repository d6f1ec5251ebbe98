"""Entries of the ledger as a file: JSON lines, or a table for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import msgspec

from swarmhub.clock import wall_clock_ms
from swarmhub.contract.records import get_names
from swarmhub.errors import BadInput, plain
from swarmhub.hub.read_model import Entry, ReadModel, Search
from swarmhub.operations.log import find_member
from swarmhub.operations.record import read_record
from swarmhub.types import MemberId
from swarmhub.words import read_since, say_time

Form = Literal["jsonl", "csv"]
MEDIA: dict[str, str] = {"jsonl": "application/jsonl", "csv": "text/csv"}
AT_ONCE = 500  # entries of one piece
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would compute what begins so


@dataclass(frozen=True)
class Selection:
    """The entries that are exported; unset fields select all. Times are block times."""

    text: str = ""
    study: str = ""
    member: MemberId = 0
    since_ms: int = 0
    until_ms: int = 0

    def search(self) -> Search:
        """Return the same as a search. Raises BadInput for a negative number."""
        if min(self.member, self.since_ms, self.until_ms) < 0:
            raise BadInput("Expected no negative number.")
        return Search(self.text, self.study, self.member, self.since_ms, self.until_ms)


def read_form(text: str) -> Form:
    """Return a form of export by its name. Raises BadInput if there is none."""
    if text in MEDIA:
        return "csv" if text == "csv" else "jsonl"
    raise BadInput(f"Expected jsonl or csv for --format, got '{plain(text, 40)}'.")


def write_entries(model: ReadModel, wanted: Search, form: Form) -> Iterator[bytes]:
    """Yield the file of the entries that fit, oldest first, in pieces."""
    if form == "csv":
        yield _write_rows([[*(f.name for f in fields(Entry)), "time"]])
    for piece in model.every(wanted, AT_ONCE):
        yield _write_csv(piece) if form == "csv" else _write_lines(piece)


def _write_lines(entries: Iterable[Entry]) -> bytes:
    return b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries)


def _write_csv(entries: Iterable[Entry]) -> bytes:
    return _write_rows(
        [*(_disarm(getattr(entry, f.name)) for f in fields(entry)), say_time(entry.time_ms)]
        for entry in entries
    )


def _disarm(value: object) -> object:
    """Return a cell that no spreadsheet takes for a formula: words may be strangers'."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def _write_rows(rows: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", "replace")


@dataclass(frozen=True)
class Asked:
    """A selection as a person types it: a member by name or number, a time as `read_since` takes
    it."""

    text: str = ""
    study: str = ""
    member: str = ""
    since: str = ""


def export_ledger(file: Path | None, home: Path, asked: Asked, form: Form) -> Iterator[bytes]:
    """Verify a ledger, and yield the file of its entries. Raises BadInput for a member that it
    does not have."""
    record = read_record(file, home)
    names = get_names(record.state)
    model = ReadModel(lambda: names)
    for block in record.blocks:
        model.see(block)
    member = find_member(names, asked.member) if asked.member else 0
    since_ms = read_since(asked.since, wall_clock_ms()) if asked.since else 0
    return write_entries(model, Search(asked.text, asked.study, member, since_ms), form)
