"""Blobs that are being pulled from a peer."""

from __future__ import annotations

from swarmhub.blobs.files import disk_error, open_to_overwrite
from swarmhub.blobs.store import BlobStore
from swarmhub.errors import BlobError
from swarmhub.failpoints import failpoint
from swarmhub.files import fill, write_all
from swarmhub.params import CHUNK_BYTES, Fingerprint, leaf_of
from swarmhub.types import Digest


class Incoming:
    """A blob being pulled: chunks are checked, then written in order. Survives a restart.

    Only checked chunks reach the file, so after a crash the whole chunks in it are checked again
    and the pull continues behind them.
    """

    def __init__(self, store: BlobStore, fingerprint: Fingerprint, durable: bool = True) -> None:
        self.fingerprint = fingerprint
        self._store = store
        self._durable = durable
        self._path = store.incoming(fingerprint.nbytes, f"{fingerprint.digest}.part")
        self._done = 0
        try:
            self._file = open_to_overwrite(self._path)
            self._resume()
        except OSError as error:
            raise disk_error(error, store.root) from None

    def _resume(self) -> None:
        room = memoryview(bytearray(self.wanted))
        while self._done < len(self.fingerprint.leaves):
            chunk = room[: fill(self._file, room[: self.wanted])]
            if not chunk or leaf_of(chunk) != self.fingerprint.leaves[self._done]:
                break
            self._done += 1
        self._file.seek(self.offset)

    def _size(self, index: int) -> int:
        return min(CHUNK_BYTES, self.fingerprint.nbytes - index * CHUNK_BYTES)

    @property
    def offset(self) -> int:
        """Bytes that are here and checked."""
        return min(self._done * CHUNK_BYTES, self.fingerprint.nbytes)

    @property
    def wanted(self) -> int:
        """Size of the next chunk; 0 when complete."""
        return self._size(self._done) if self._done < len(self.fingerprint.leaves) else 0

    def feed(self, chunk: bytes | bytearray | memoryview) -> None:
        """Check and write the next whole chunk. Raises BlobError if it is not the one announced."""
        if len(chunk) != self.wanted or leaf_of(chunk) != self.fingerprint.leaves[self._done]:
            raise BlobError(f"Chunk {self._done} does not have its announced hash.")
        try:
            failpoint("pull.half", lambda: write_all(self._file, chunk[: len(chunk) // 2]))
            write_all(self._file, chunk)
        except OSError as error:
            raise disk_error(error, self._store.root) from None
        self._done += 1

    def finish(self) -> Digest:
        """Pass the complete blob to the store."""
        if self.wanted:
            raise BlobError("The blob is not complete.")
        self._file.truncate(self.fingerprint.nbytes)
        self.close()
        failpoint("pull.whole")
        return self._store.adopt(self._path, self.fingerprint, self._durable)

    def close(self) -> None:
        """Close the file; its content stays for a later resumption."""
        self._file.close()
