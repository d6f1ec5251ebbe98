"""SQLite files of the drivers: how one is made, and what an error of SQLite means.

An error is a fault of the machine, which may pass (no descriptor, no space) or not (permissions),
or it is damage of the file.
"""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from swarmhub import files
from swarmhub.errors import LedgerShortage
from swarmhub.files import SHARED, SHARED_FOLDER, sync

SHORTAGE_PAUSE_S = 3.0  # between two tries to write, if the machine is short of something
PASSING = {
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL,
}  # fmt: skip
MACHINES_FAULTS = {*PASSING, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY}


@contextlib.contextmanager
def making_database(path: Path) -> Iterator[Path]:
    """Yield a path for a ledger's new file, which gets its name when it is complete and closed;
    only this user's group can open it. Raises LedgerShortage if it cannot be made; nothing is left
    of it then."""
    partial = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=SHARED_FOLDER)
        _remove(partial)  # of a killed try
        partial.touch()
        partial.chmod(SHARED)  # SQLite gives its other files the same mode
        yield partial
        sync(partial)
        partial.replace(path)
        sync(path.parent)
    except (sqlite3.Error, OSError) as error:
        raise shortage_of(error, path) from None
    finally:
        _remove(partial)


def _remove(path: Path) -> None:
    """Delete a file of SQLite, and SQLite's files beside it."""
    for end in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def is_machines_fault(error: Exception) -> bool:
    """Return whether SQLite reports a failure of the machine (no descriptor, no memory, a lock, the
    disk), which says nothing about the file's content."""
    return _code(error) in MACHINES_FAULTS


def is_passing(error: Exception) -> bool:
    """Return whether the machine is short of something (descriptors, space, memory, a lock) that
    may soon be available again: worth another try."""
    if isinstance(error, OSError):
        return files.is_passing(error)
    return _code(error) in PASSING


def shortage_of(error: sqlite3.Error | OSError, path: Path) -> LedgerShortage:
    """Return an error for a ledger's file that cannot be written."""
    number = error.errno if isinstance(error, OSError) else 0
    why = error.strerror if isinstance(error, OSError) else str(error)
    if number in (errno.ENOSPC, errno.EDQUOT) or _code(error) == sqlite3.SQLITE_FULL:
        hint = "free disk space"
    elif number in (errno.EMFILE, errno.ENFILE) or _code(error) == sqlite3.SQLITE_CANTOPEN:
        hint = "check the limit of open files (ulimit -n)"
    elif _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        hint = "look for a program that has it open and stands still"
    else:
        hint = "check the disk and the file's permissions"
    sentence = f"The ledger {path} cannot be written ({why}); {hint}."
    return LedgerShortage(sentence, is_passing(error))


def _code(error: Exception) -> int:
    """Return SQLite's primary code of an error; 0 if there is none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
