"""Files that must be whole or not there, seals that show a changed byte, locks that die with their
process, and files that a group of users shares and nobody else can open.

Who may read a file may lock it, and who may lock it can hold up all that wait for the lock.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import resource
import stat
from pathlib import Path
from typing import IO, Any

from swarmhub.moments import reach

SHARED, SHARED_FOLDER = 0o660, 0o770
NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # to open a file: nothing is wrong with it


def lock(path: Path) -> IO[Any] | None:
    """Take an exclusive lock that the kernel frees when this process ends; None if it is taken."""
    file = open_shared(path)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def open_shared(path: Path) -> IO[Any]:
    """Open a file that this user's group may write to and others may not open; made if it is not
    there."""
    flags = os.O_RDWR | os.O_APPEND
    try:
        fd = os.open(path, flags | os.O_CREAT | os.O_EXCL, SHARED)
        os.fchmod(fd, SHARED)  # whatever the umask
    except FileExistsError:
        shut_out_others(path)
        fd = os.open(path, flags | os.O_CREAT, SHARED)
    return os.fdopen(fd, "a+b")


def make_shared_folder(path: Path) -> None:
    """The same for a folder."""
    try:
        path.mkdir(mode=SHARED_FOLDER)
        path.chmod(SHARED_FOLDER)
    except FileExistsError:
        shut_out_others(path)


def shut_out_others(path: Path) -> None:
    """Take from others what they may do with this user's file or folder; owner and group keep what
    they have. Nothing if it is another user's, or not there."""
    with contextlib.suppress(OSError):
        found = path.stat()
        if found.st_uid == os.getuid() and found.st_mode & stat.S_IRWXO:
            path.chmod(stat.S_IMODE(found.st_mode) & ~stat.S_IRWXO)


def raise_file_limit(wanted: int = 8192) -> None:
    """Allow this process more open files, as far as the system lets it: all members' connections
    and the blobs that they read are more than the usual 1024 (or 256)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file as a whole, also for one who reads it meanwhile, or when this process dies.
    Not synced: a power cut may leave the old content, or a damaged file."""
    partial = path.with_name(path.name + ".new")
    partial.write_bytes(data)
    reach("file.written")
    partial.replace(path)


def write_durably(path: Path, data: bytes) -> None:
    """Replace a file as a whole, also over a power cut: there is the old or the new content."""
    partial = path.with_name(path.name + ".new")
    with partial.open("wb") as file:
        reach("file.half", lambda: os.write(file.fileno(), data[: len(data) // 2]))
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    reach("file.whole")
    partial.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Come back when a file's bytes, or a folder's names, outlive a power cut."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def seal(data: bytes) -> bytes:
    """The data behind a line with its sha256: a disk's mistake in it will be noticed."""
    return hashlib.sha256(data).hexdigest().encode() + b"\n" + data


def unseal(sealed: bytes) -> bytes | None:
    """The data that was sealed; None where a byte of it or of the seal is another one now."""
    data = sealed[65:]
    return data if seal(data) == sealed else None
