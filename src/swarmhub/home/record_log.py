"""Records of a home as JSON lines, in files that are rotated.

    sent.jsonl, sent.1.jsonl (older), ...     FILES of MAX_BYTES each, the oldest is dropped

Nothing is synced: a power cut may lose some lines.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from swarmhub import codec
from swarmhub.errors import BadInput
from swarmhub.files import lock

MAX_BYTES = 16 << 20
FILES = 4


class Timed(Protocol):
    """A record with a time by this machine's clock, in ms."""

    @property
    def time_ms(self) -> int:
        """Milliseconds since 1970."""


R = TypeVar("R", bound=Timed)


class RecordLog(Generic[R]):
    """Records of one class in a home. Several processes may append."""

    def __init__(self, path: Path, kind: type[R]) -> None:
        self.path = path
        self._kind = kind

    def append(self, *records: R) -> None:
        """Write records. Raises OSError if this machine cannot."""
        data = b"".join(b"\n" + codec.pack(record) for record in records)  # ends a torn line
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

    def read(self, since_ms: int = 0) -> Iterator[R]:
        """Yield the records since a time, oldest first; torn lines are skipped."""
        for path in reversed(self._files()):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime * 1000 < since_ms:
                    continue
                with path.open("rb") as file:
                    for line in file:
                        with contextlib.suppress(BadInput):
                            record = codec.unpack(self._kind, line.strip())
                            if record.time_ms >= since_ms:
                                yield record
