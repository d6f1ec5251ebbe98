"""Digests of buffers, computed while bytes pass by."""

from __future__ import annotations

from dataclasses import dataclass

from swarmhub.merkle import CHUNK_BYTES, blob_digest, chunk_count, leaf_of, path_of, root_of

__all__ = ["CHUNK_BYTES", "ChunkHasher", "Fingerprint", "chunk_count", "leaf_of", "root_of"]


@dataclass(frozen=True)
class Fingerprint:
    """The identity of a buffer, by which each chunk can be checked alone."""

    layout: str  # digest of the layout document, 64 hex digits
    nbytes: int
    leaves: tuple[bytes, ...]  # 32 bytes each, one a chunk

    @property
    def root(self) -> str:
        """The root of the hash tree, 64 hex digits."""
        return root_of(self.leaves).hex()

    @property
    def digest(self) -> str:
        """The blob digest, 64 hex digits."""
        return blob_digest(self.layout, self.nbytes, root_of(self.leaves))

    def path(self, index: int) -> tuple[str, ...]:
        """Return the proof (hex) that chunk `index` belongs to the digest."""
        return tuple(h.hex() for h in path_of(self.leaves, index))


class ChunkHasher:
    """Collects leaves of a buffer that is fed chunk by chunk, in order."""

    def __init__(self, layout: str) -> None:
        self._layout = layout
        self._nbytes = 0
        self._leaves: list[bytes] = []

    def feed(self, chunk: bytes | bytearray | memoryview) -> None:
        """Add one chunk; all but the last are exactly CHUNK_BYTES long."""
        if self._nbytes % CHUNK_BYTES or not 0 < len(chunk) <= CHUNK_BYTES:
            raise ValueError("chunks have CHUNK_BYTES, only the last one may be short")
        self._leaves.append(leaf_of(chunk))
        self._nbytes += len(chunk)

    def finish(self) -> Fingerprint:
        """Return the fingerprint of all chunks."""
        return Fingerprint(self._layout, self._nbytes, tuple(self._leaves))
