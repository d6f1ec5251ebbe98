"""Blobs on disk.

    <root>/<digest>.bin     the canonical buffer
    <root>/<digest>.leaves  layout digest, length and chunk hashes (JSON): for verification
    <root>/incoming/        files being pulled, merged or written by a trainer
    <root>/layouts/         layout documents by digest

A buffer appears under its digest only when every chunk of it has been checked. At start every
buffer is hashed again: a torn or altered one is removed and named, and the node pulls it anew. A
power cut can cost a contribution (the round then excludes it), never a wrong byte, because of the
check at start, and never a settled model: a node that merges or signs for one syncs bytes, list and
names first (`sync`). A trainer's small answer is synced before it is submitted to the ledger, all
else that may outlive its round some seconds later, if it is still here: no round waits for a disk
that writes what is swept in the next.
"""

from __future__ import annotations

import shutil
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from swarmhub.blobs.files import FileSource, disk_error
from swarmhub.blobs.leaves import fingerprint_of, read_leaves, write_leaves
from swarmhub.blobs.spares import Spares
from swarmhub.errors import BlobError, Malformed
from swarmhub.failpoints import failpoint
from swarmhub.files import NO_ROOM, sync
from swarmhub.params import CHUNK_BYTES, Fingerprint, Layout, chunk_count
from swarmhub.types import Digest

SYNC_FIRST_BYTES = 8 << 20  # up to this size syncing costs milliseconds, above it seconds
SYNC_AFTER_S = 5.0  # in this time most blobs of a quick round are swept, and need no disk at all


class BlobStore:
    """The blobs of one node. Safe to use from several threads for different digests."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._index: dict[Digest, Fingerprint] = {}
        self._condemned: set[Digest] = set()
        self._idle: set[Path] = set()  # pulls without a waiter at the last sweep
        self._unsound: set[Digest] = set()  # the disk has failed to write them
        self._views: dict[Digest, tuple[Digest, int]] = {}  # parts of other blobs: whole and start
        self._syncing = threading.Semaphore(1)
        self._waiting: deque[tuple[float, Digest]] = deque()  # (time, blob) to be synced
        self._queueing = threading.Lock()
        self._naming = threading.Lock()  # held while files of a blob appear or disappear
        self._spares = Spares(root / "incoming")
        for folder in (root, root / "incoming", root / "layouts"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def load(self) -> list[str]:
        """Check the blobs on disk; returns a sentence for each that had to be removed. Raises
        BlobError if this machine cannot open files now: that is no damage, and nothing is
        removed."""
        removed = []
        for leftover in (self.root / "incoming").iterdir():
            if leftover.suffix != ".part":
                leftover.unlink(missing_ok=True)
        for path in sorted(self.root.glob("*.bin")):
            digest = path.stem
            try:
                self._index[digest] = self._recheck(digest)
            except (BlobError, Malformed, OSError) as error:
                self._need_room(error)
                removed.append(f"The blob {digest[:16]}… was damaged and is removed: {error}")
                self._delete(digest)
        for orphan in self.root.glob("*.leaves"):
            if orphan.stem not in self._index:  # a crash came between the two files
                orphan.unlink(missing_ok=True)
        for path in sorted((self.root / "layouts").iterdir()):
            if self._read_layout(path) is None:
                path.unlink(missing_ok=True)
                if path.suffix == ".json":
                    removed.append(f"The layout {path.name} was damaged and is removed; this "
                                   "node's trainer brings it again.")  # fmt: skip
        return removed

    def find(self, digest: Digest) -> bool:
        """Check a single blob, without touching anything else: for commands beside a running
        node."""
        try:
            self._index[digest] = self._recheck(digest)
        except (BlobError, Malformed, OSError):
            return False
        return True

    def _recheck(self, digest: Digest) -> Fingerprint:
        print_ = read_leaves(self._leaves_path(digest).read_bytes())
        if print_.digest != digest:
            raise BlobError("its list of chunks does not have its digest")
        if fingerprint_of(self.path(digest), print_.layout).digest != digest:
            raise BlobError("its bytes do not have its digest")
        return print_

    # reading

    def __contains__(self, digest: Digest) -> bool:
        return digest in self._index

    def digests(self) -> set[Digest]:
        """Return the digests of all held blobs."""
        return set(self._index)

    @property
    def nbytes(self) -> int:
        """Bytes of all held blobs."""
        found = list(self._index.items())
        return sum(blob.nbytes for digest, blob in found if digest not in self._views)

    def path(self, digest: Digest) -> Path:
        """Return the path of a digest's buffer."""
        return self.root / f"{digest}.bin"

    def fingerprint(self, digest: Digest) -> Fingerprint:
        """Return layout, length and chunk hashes of a held blob. Raises BlobError if it is not
        held."""
        found = self._index.get(digest)
        if found is None:
            raise BlobError(f"The blob {digest[:16]}… is not held here.")
        return found

    def locate(self, digest: Digest) -> tuple[Path, int]:
        """Return the file of a held blob, and where the blob begins in it: a part of another blob
        has no file of its own."""
        self.fingerprint(digest)
        whole, start = self._views.get(digest, (digest, 0))
        return self.path(whole), start

    def source(self, digest: Digest) -> FileSource:
        """Open a held blob for random access."""
        path, start = self.locate(digest)
        return FileSource(path, start=start)

    def view(self, digest: Digest, layout: Digest, start: int, nbytes: int) -> Digest:
        """Make a range of chunks of a held blob a blob of its own, with that layout, for as long as
        the whole is held; returns its digest."""
        first = start // CHUNK_BYTES
        leaves = self.fingerprint(digest).leaves[first : first + chunk_count(nbytes)]
        found = Fingerprint(layout, nbytes, leaves)
        if found.digest not in self._index:
            self._views[found.digest] = (digest, start)
            self._index[found.digest] = found
        return found.digest

    def read(self, digest: Digest) -> bytes:
        """Return a held document."""
        self.fingerprint(digest)
        return self.path(digest).read_bytes()

    # writing

    def incoming(self, nbytes: int = 0, name: str = "") -> Path:
        """Return a path for a new file, on the same file system.

        A spare file of that length may be there: open it with `open_to_overwrite`.
        """
        path = self.root / "incoming" / (name or uuid.uuid4().hex)
        self._spares.take(nbytes, path)
        return path

    def adopt(
        self, path: Path, fingerprint: Fingerprint, durable: bool = True, first: bool = False
    ) -> Digest:
        """Move a complete file, with chunks checked against the fingerprint, into the store.

        A durable blob is synced to disk some seconds later, if it is still here, or `first` if it
        is small; one that is needed for this round only (another member's contribution) is not.
        `sync` syncs blobs that others depend on. Raises BlobError on a full disk.
        """
        digest = fingerprint.digest
        if digest in self._index:
            path.unlink(missing_ok=True)
            self._condemned.discard(digest)
            return digest
        try:
            leaves = self._leaves_path(digest)
            leaves.write_bytes(write_leaves(fingerprint))
            failpoint("blob.leaves")
            if first and fingerprint.nbytes <= SYNC_FIRST_BYTES:
                self._sync_new(path)
            path.replace(self.path(digest))
            failpoint("blob.named")
        except FileNotFoundError:
            raise BlobError(f"The blob {digest[:16]}… was swept before it was complete.") from None
        except OSError as error:
            raise disk_error(error, self.root) from None
        self._index[digest] = fingerprint
        if durable:
            self._sync_later(digest)
        return digest

    def _sync_new(self, path: Path) -> None:
        """Sync a new file. If that fails it is removed: a retry would succeed wrongly (see
        `_write_again`)."""
        try:
            sync(path)
        except OSError:
            path.unlink(missing_ok=True)
            raise

    def _sync_later(self, digest: Digest) -> None:
        with self._queueing:
            self._waiting.append((time.monotonic() + SYNC_AFTER_S, digest))
            if len(self._waiting) == 1:
                threading.Thread(target=self._sync_waiting, daemon=True).start()

    def _sync_waiting(self) -> None:
        while True:
            at_s, digest = self._waiting[0]
            time.sleep(max(0.0, at_s - time.monotonic()))
            self._sync_bytes(digest)
            with self._queueing:
                self._waiting.popleft()
                if not self._waiting:
                    return

    def _sync_bytes(self, digest: Digest) -> None:
        with self._syncing:
            try:
                if digest in self._index:
                    sync(self.path(digest))
            except FileNotFoundError:
                pass  # deleted meanwhile
            except OSError:
                self._unsound.add(digest)

    def sync(self, digest: Digest) -> None:
        """Return when a held blob would survive a power cut: its bytes, its chunk hashes and their
        names. Raises BlobError if it is not held, or the disk fails."""
        digest = self._views.get(digest, (digest, 0))[0]
        found = self.fingerprint(digest)
        with self._syncing:
            try:
                if digest in self._unsound:
                    self._write_again(found)
                for path in (self.path(digest), self._leaves_path(digest), self.root):
                    sync(path)
            except FileNotFoundError:
                raise BlobError(f"The blob {digest[:16]}… is not held here any more.") from None
            except OSError as error:
                self._unsound.add(digest)
                raise disk_error(error, self.root) from None

    def _write_again(self, found: Fingerprint) -> None:
        """Write a blob into new files: a system reports once that a file could not be written to
        disk, and then treats its pages as written (this process remembers until it ends). Damaged
        blobs are removed."""
        digest = found.digest
        path, leaves = self.incoming(), self.incoming()
        try:
            shutil.copyfile(self.path(digest), path)
            is_whole = fingerprint_of(path, found.layout).digest == digest
            leaves.write_bytes(write_leaves(found))
            for partial in (path, leaves):  # before they replace synced ones
                sync(partial)
            with self._naming:
                if digest not in self._index:  # swept meanwhile
                    raise FileNotFoundError
                if not is_whole:
                    self._delete(digest)
                    raise BlobError(f"The blob {digest[:16]}… was damaged on disk and is removed.")
                leaves.replace(self._leaves_path(digest))
                path.replace(self.path(digest))
                self._unsound.discard(digest)
        finally:
            for partial in (path, leaves):
                partial.unlink(missing_ok=True)

    def put_layout(self, layout: Layout) -> None:
        """Store a layout document, so that models can be exported by name."""
        path = self.layout_path(layout.digest)
        if self._read_layout(path) is None:  # missing, or damaged meanwhile
            partial = path.with_suffix(f".{uuid.uuid4().hex[:8]}")
            try:
                partial.write_bytes(layout.pack())
                sync(partial)  # once for a study: without it no merge or audit is possible here
                partial.replace(path)
                try:
                    sync(path.parent)
                except OSError:
                    path.unlink(missing_ok=True)  # so that a retry stores and syncs it
                    raise
            finally:
                partial.unlink(missing_ok=True)

    def layout(self, digest: Digest) -> Layout | None:
        """Return a layout document held here, checked against its digest."""
        return self._read_layout(self.layout_path(digest))

    def layout_path(self, digest: Digest) -> Path:
        """Return the path of a digest's layout document, if it is held."""
        return self.root / "layouts" / f"{digest}.json"

    def _read_layout(self, path: Path) -> Layout | None:
        try:
            found = Layout.parse(path.read_bytes())
        except (OSError, Malformed) as error:
            self._need_room(error)
            return None
        return found if f"{found.digest}.json" == path.name else None

    def _need_room(self, error: Exception) -> None:
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            raise disk_error(error, self.root) from None

    def retain(self, kept: Iterable[Digest]) -> None:
        """Delete blobs that are kept neither now nor at the last call, interrupted pulls included.

        The second chance lets a trainer or a peer finish reading a blob that has just become
        history.
        """
        keep = set(kept)
        for digest in [d for d in self._condemned if d not in keep]:
            with self._naming:
                self._spare(digest)
                self._delete(digest)
        self._condemned = {d for d in self._index if d not in keep}
        pulls = {p for p in (self.root / "incoming").glob("*.part") if p.stem not in keep}
        for path in pulls & self._idle:
            path.unlink(missing_ok=True)
        self._idle = pulls - self._idle

    @property
    def condemned(self) -> set[Digest]:
        """Return the digests that the next call of `retain` would delete."""
        return set(self._condemned)

    def forget(self, digests: Iterable[Digest], layouts: Iterable[Digest] = ()) -> int:
        """Delete blobs and layouts at once, interrupted pulls, and all spare files; returns the
        bytes of the blobs."""
        freed = 0
        with self._naming:
            for digest in digests:
                if self.path(digest).exists():
                    freed += self.path(digest).stat().st_size
                self._delete(digest)
                self._condemned.discard(digest)
                (self.root / "incoming" / f"{digest}.part").unlink(missing_ok=True)
            for layout in layouts:
                (self.root / "layouts" / f"{layout}.json").unlink(missing_ok=True)
            self._spares.clear()
        return freed

    def _spare(self, digest: Digest) -> None:
        """Keep the file of a large blob for overwriting."""
        found = self._index.get(digest)
        is_file = digest not in self._views
        if is_file and found is not None and found.nbytes > SYNC_FIRST_BYTES:
            self._spares.add(self.path(digest), found.nbytes)

    def _delete(self, digest: Digest) -> None:
        for view in [v for v, (whole, _) in self._views.items() if whole == digest]:
            self._index.pop(view, None)
            del self._views[view]
        self._index.pop(digest, None)
        if self._views.pop(digest, None) is not None:
            return
        self._unsound.discard(digest)
        self.path(digest).unlink(missing_ok=True)
        failpoint("blob.unnamed")
        self._leaves_path(digest).unlink(missing_ok=True)

    def _leaves_path(self, digest: Digest) -> Path:
        return self.root / f"{digest}.leaves"
