"""Files of buffers: random access, overwriting, and the errors of their disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import IO

from swarmhub.errors import BlobError, DiskError
from swarmhub.files import fill_at
from swarmhub.params import ChunkHasher


class FileSource:
    """Random access to a buffer on disk, for merging; holds one descriptor and one chunk.

    With `hasher`, chunks that are read in order are hashed on the way.
    """

    def __init__(self, path: Path, hasher: ChunkHasher | None = None, start: int = 0) -> None:
        self._fd = os.open(path, os.O_RDONLY)
        self._start = start  # of the buffer in the file
        self._chunk = bytearray()  # as large as the largest read
        self._hasher = hasher

    def read_at(self, offset: int, length: int) -> memoryview:
        """Return exactly `length` bytes (at most a chunk) from `offset`; valid until the next
        call."""
        if len(self._chunk) < length:
            self._chunk = bytearray(length)
        view = memoryview(self._chunk)[:length]
        got = fill_at(self._fd, view, self._start + offset)
        if got != length:
            raise BlobError(f"A stored buffer ends at {offset + got}, before its length.")
        if self._hasher is not None:
            self._hasher.feed(view)
        return view

    def close(self) -> None:
        """Release the descriptor."""
        os.close(self._fd)


def open_to_overwrite(path: Path) -> IO[bytes]:
    """Open for reading and writing from the start, without clearing the content. Truncate to the
    length written before use."""
    return path.open("r+b" if path.exists() else "w+b", buffering=0)


def disk_error(error: OSError, root: Path) -> DiskError:
    """Return an error for a failed write."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskError(f"The disk of {root} is full; free space, then the round goes on.")
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return DiskError("Too many open files; raise the limit (ulimit -n), then start again.")
    return DiskError(f"Cannot write to {root} ({error.strerror}); check the disk and permissions.")
