"""Atomic writes, reads and writes of any length, checksums, locks that end with their process, and
files that a group of users shares and nobody else can open.

One read(2) or write(2) moves at most 0x7ffff000 bytes, and a signal or a full pipe cuts it shorter:
every unbuffered file is read and written by `fill`, `fill_at`, `read_at` and `write_all`. Any user
that may read a file may lock it, and then delay all that wait for the lock.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import resource
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from swarmhub.errors import BadInput, BlobError
from swarmhub.failpoints import failpoint

SHARED, SHARED_FOLDER = 0o660, 0o770
NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)  # to open a file: nothing is wrong with it
NO_COPY = (errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)  # of this file system
PASSING_ERRNOS = {
    errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.ENOLCK, errno.ENOSPC,
    errno.EDQUOT, errno.EIO,
}  # fmt: skip


def is_passing(error: OSError) -> bool:
    """Return whether the machine is short of something (descriptors, space, memory) that may soon
    be available again: worth another try."""
    return error.errno in PASSING_ERRNOS


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
    """Open a file that this user's group may write to and others may not open; create it if it is
    missing."""
    flags = os.O_RDWR | os.O_APPEND
    try:
        fd = os.open(path, flags | os.O_CREAT | os.O_EXCL, SHARED)
        os.fchmod(fd, SHARED)  # whatever the umask
    except FileExistsError:
        shut_out_others(path)
        fd = os.open(path, flags | os.O_CREAT, SHARED)
    return os.fdopen(fd, "a+b")


def make_shared_folder(path: Path) -> None:
    """Create a folder that this user's group may write to and others may not open, if it is
    missing."""
    try:
        path.mkdir(mode=SHARED_FOLDER)
        path.chmod(SHARED_FOLDER)
    except FileExistsError:
        shut_out_others(path)


def shut_out_others(path: Path) -> None:
    """Remove others' permissions on this user's file or folder; owner and group keep theirs. Do
    nothing if it is another user's, or missing."""
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


@contextlib.contextmanager
def held(path: Path) -> Iterator[IO[bytes]]:
    """Open a file of a store that a running node may sweep at any time. Raises FileNotFoundError,
    also at the end of the block, if it is missing (by now): a node overwrites a file that it no
    longer needs, so the bytes that were read are to be discarded."""
    with path.open("rb", buffering=0) as file:
        try:
            yield file
        except BlobError:  # too short, for example: expected if it has been swept
            _need_same(file, path)
            raise
        _need_same(file, path)


def _need_same(file: IO[bytes], path: Path) -> None:
    if not os.path.samestat(os.fstat(file.fileno()), path.stat()):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file as a whole, also for a reader meanwhile, or if this process dies. Not synced:
    a power cut may leave the old content, or a damaged file."""
    partial = path.with_name(path.name + ".new")
    partial.write_bytes(data)
    failpoint("file.written")
    partial.replace(path)


def write_new(path: Path, pieces: Iterable[bytes]) -> int:
    """Write pieces into a new file; return their bytes. Raises BadInput if there is a file already;
    the first piece is made before the file is."""
    place, left = path.expanduser(), iter(pieces)
    first = next(left, b"")
    try:
        with place.open("xb") as file:
            return file.write(first) + sum(file.write(piece) for piece in left)
    except FileExistsError:
        raise BadInput(f"Expected no file at {place}, found one; it is not overwritten.") from None


def write_durably(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Replace a file as a whole, also over a power cut: there is the old or the new content.
    `mode`: permissions, within the process's mask."""
    partial = path.with_name(path.name + ".new")
    partial.unlink(missing_ok=True)  # it may be left of a crash, with other permissions
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        failpoint("file.half", lambda: os.write(file.fileno(), data[: len(data) // 2]))
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    failpoint("file.whole")
    partial.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Return when a file's bytes, or a folder's names, outlive a power cut."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def without_mark(data: bytes) -> bytes:
    """Return the bytes of a text file without the byte order mark that some editors put first."""
    return data.removeprefix(b"\xef\xbb\xbf")


def copy_range(source: tuple[Path, int], nbytes: int, out: IO[bytes]) -> None:
    """Append so many bytes of a file, from a position on, to an unbuffered file: in the kernel if
    it can. Raises BlobError if there are fewer."""
    path, at = source
    fd, end = os.open(path, os.O_RDONLY), at + nbytes
    try:
        while at < end:
            size = min(end - at, 1 << 30)
            try:
                moved = os.copy_file_range(fd, out.fileno(), size, at)
            except (AttributeError, OSError) as error:
                if isinstance(error, OSError) and error.errno not in NO_COPY:
                    raise
                moved = len(data := read_at(fd, min(size, 1 << 20), at))
                write_all(out, data)
            if moved == 0:
                raise BlobError(f"A stored buffer ends at {at}, before its length.")
            at += moved
    finally:
        os.close(fd)


def write_all(file: IO[bytes], data: bytes | bytearray | memoryview) -> None:
    """Write everything, also to an unbuffered file, which may take a part at a time. Raises OSError
    if it takes nothing more."""
    view = memoryview(data)
    while view.nbytes:
        taken = file.write(view)
        if not taken:
            raise OSError(errno.EIO, "a file takes no more bytes")
        view = view[taken:]


def fill(file: IO[bytes], into: memoryview) -> int:
    """Read until the buffer (bytes) is full or the file ends; return the number of bytes read."""
    at = 0
    while at < len(into) and (got := file.readinto(into[at:])):  # type: ignore[attr-defined]
        at += got
    return at


def fill_at(fd: int, into: memoryview, offset: int) -> int:
    """Read from a place of a file until the buffer (bytes) is full or the file ends; return the
    number of bytes read."""
    at = 0
    while at < len(into) and (got := os.preadv(fd, [into[at:]], offset + at)):
        at += got
    return at


def read_at(fd: int, size: int, offset: int) -> bytes:
    """Return up to `size` bytes from a place of a file; fewer only if it ends before."""
    data = os.pread(fd, size, offset)
    while len(data) < size and (more := os.pread(fd, size - len(data), offset + len(data))):
        data += more
    return data


def seal(data: bytes) -> bytes:
    """Return the data behind a line with its sha256, by which a fault of the disk is noticed."""
    return hashlib.sha256(data).hexdigest().encode() + b"\n" + data


def unseal(sealed: bytes) -> bytes | None:
    """Return the data that was sealed; None if a byte of it or of the seal has changed."""
    data = sealed[65:]
    return data if seal(data) == sealed else None
