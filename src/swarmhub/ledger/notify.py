"""Notification of the other processes that share a ledger file, without a busy loop.

Each process creates a named pipe in the folder `<ledger>.bells` and has its event loop watch it;
the writer of a block opens every pipe there without blocking and writes one byte. A pipe without a
reader belongs to a process that died: it is removed. A lost notification does no harm, because a
slow check of the file (once a second) finds the block too.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import uuid
from collections.abc import Callable
from pathlib import Path

from swarmhub.files import SHARED, make_shared_folder


class Notifier:
    """One process's pipe at a ledger file."""

    def __init__(self, ledger: Path) -> None:
        self._folder = ledger.with_name(ledger.name + ".bells")
        self._path: Path | None = None
        self._fd = -1

    def listen(self, answer: Callable[[], None]) -> None:
        """Call `answer` on the running loop whenever another process notifies."""
        make_shared_folder(self._folder)
        self._path = self._folder / f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
        hidden = self._folder / f".{self._path.name}"  # not visible before it has a reader
        os.mkfifo(hidden, SHARED)
        hidden.chmod(SHARED)  # independent of the umask
        self._fd = os.open(hidden, os.O_RDWR | os.O_NONBLOCK)
        hidden.rename(self._path)

        def drain() -> None:
            with contextlib.suppress(BlockingIOError):
                os.read(self._fd, 4096)
            answer()

        asyncio.get_running_loop().add_reader(self._fd, drain)

    def ring(self) -> None:
        """Notify all other processes."""
        if not self._folder.is_dir():
            return
        for path in self._folder.iterdir():
            if path == self._path or path.name.startswith("."):
                continue
            try:
                fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno == errno.ENXIO:  # no reader: its process is gone
                    path.unlink(missing_ok=True)
                continue
            with contextlib.suppress(OSError):
                os.write(fd, b"\1")
            os.close(fd)

    def count(self) -> int:
        """Return the number of listening processes (this one included)."""
        if not self._folder.is_dir():
            return 0
        return sum(not path.name.startswith(".") for path in self._folder.iterdir())

    def close(self) -> None:
        """Remove the pipe."""
        if self._path is not None:
            asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._path.unlink(missing_ok=True)
            self._path = None
