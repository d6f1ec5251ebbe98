"""This node's own record of data that left the hospital: JSON lines in its home.

    state/sent.jsonl, sent.1.jsonl (older), ...     FILES of MAX_BYTES each, the oldest is dropped

Blobs are recorded with the bytes that went out, added up for each member and blob over a fifth of
a second, so that a round costs no more for it; a crash may lose that fifth. Transactions are
recorded when they are signed. Nothing is synced: a power cut may lose some lines more.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarmhub import codec
from swarmhub.clock import wall_clock_ms
from swarmhub.contract.transactions import Contribute
from swarmhub.errors import BadInput
from swarmhub.files import lock

KINDS = {
    "parameters": "this hospital's own parameters after training",
    "document": "this hospital's own statistics document",
    "sums": "this hospital's own arrays, to be added to the others'",
    "counts": "this hospital's own counts of an evaluation, to be added to the others'",
    "merged": "a merged model, or merged statistics",
    "passed on": "another member's contribution, for those who audit a merge",
    "layout": "names and shapes of a model's arrays, without numbers",
    "metrics": "a transaction with metrics and their numbers of samples",
    "transaction": "another transaction",
}
MAX_BYTES = 16 << 20
FILES = 4
ALL = "all members"  # a transaction is on the ledger


@dataclass(frozen=True)
class Sent:
    """An item that left this hospital. `what` is a blob's digest or a transaction's kind."""

    time_ms: int  # by this machine's clock
    kind: str
    to: str  # a member's name, or ALL
    study: str
    nbytes: int
    what: str


class SentBook:
    """The record in a home. Several processes may append to it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, *entries: Sent) -> None:
        """Write entries. Raises OSError if this machine cannot."""
        data = b"".join(b"\n" + codec.pack(entry) for entry in entries)  # ends a torn line
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            while data:
                data = data[os.write(fd, data) :]
            full = os.fstat(fd).st_size > MAX_BYTES
        finally:
            os.close(fd)
        if full:
            self._rotate()

    def _rotate(self) -> None:
        held = lock(self.path.with_suffix(".lock"))
        if held is None:
            return  # another process rotates the files
        try:
            if self.path.stat().st_size > MAX_BYTES:
                files = self._files()
                for newer, older in reversed(list(itertools.pairwise(files))):
                    with contextlib.suppress(FileNotFoundError):
                        newer.replace(older)
        finally:
            held.close()

    def _files(self) -> list[Path]:
        """Return the files, newest first."""
        older = [self.path.with_suffix(f".{i}{self.path.suffix}") for i in range(1, FILES)]
        return [self.path, *older]

    def read(self, since_ms: int = 0) -> Iterator[Sent]:
        """Yield the entries since a time, oldest first; torn lines are skipped."""
        for path in reversed(self._files()):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime * 1000 < since_ms:
                    continue
                with path.open("rb") as file:
                    for line in file:
                        with contextlib.suppress(BadInput):
                            entry = codec.unpack(Sent, line.strip())
                            if entry.time_ms >= since_ms:
                                yield entry


def sent_of(body: Any, nbytes: int) -> Sent:
    """Return the entry of a transaction."""
    measured = isinstance(body, Contribute) and bool(body.evaluations)
    place = getattr(body, "ref", body)
    study = getattr(place, "study", "") or getattr(getattr(body, "spec", None), "name", "")
    kind = "metrics" if measured else "transaction"
    return Sent(wall_clock_ms(), kind, ALL, study, nbytes, str(body.KIND))
