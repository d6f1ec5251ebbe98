"""Digests of buffers: a Merkle tree over fixed chunks of 1 MiB.

leaf = sha256(0x00 || chunk), node = sha256(0x01 || left || right), an odd last node moves up
unchanged (the tree of RFC 6962, section 2.1). The digest of a blob binds the root, its length in
bytes and its layout, so any chunk can be checked, fetched and audited alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from swarmhub import codec

CHUNK_BYTES = 1 << 20  # 1 MiB: 32 bytes of leaf for each, a transfer unit of about a millisecond


def leaf_of(chunk: bytes | bytearray | memoryview) -> bytes:
    """Leaf hash (32 bytes) of one chunk (releases the GIL on large chunks)."""
    h = hashlib.sha256(b"\0")
    h.update(chunk)
    return h.digest()


def chunk_count(nbytes: int) -> int:
    """Number of chunks of a buffer of `nbytes` bytes (an empty buffer has none)."""
    return -(-nbytes // CHUNK_BYTES)


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Merkle root (32 bytes) of the leaves; 32 zero bytes for none."""
    level = list(leaves)
    if not level:
        return bytes(32)
    while len(level) > 1:
        paired = [
            hashlib.sha256(b"\1" + level[i] + level[i + 1]).digest()
            for i in range(0, len(level) - 1, 2)
        ]
        level = paired + level[len(paired) * 2 :]
    return level[0]


@dataclass(frozen=True)
class Fingerprint:
    """What identifies a buffer and lets each chunk be checked alone."""

    layout: str  # digest of the layout document, 64 hex digits
    nbytes: int
    leaves: tuple[bytes, ...]  # 32 bytes each, one a chunk

    @property
    def digest(self) -> str:
        """The blob digest, 64 hex digits."""
        return codec.digest(
            b"swarmhub/blob/1",
            self.layout.encode(),
            str(self.nbytes).encode(),
            root_of(self.leaves),
        )


class ChunkHasher:
    """Collects leaves of a buffer that is fed chunk by chunk, in order."""

    def __init__(self, layout: str) -> None:
        self._layout = layout
        self._nbytes = 0
        self._leaves: list[bytes] = []

    def feed(self, chunk: bytes | bytearray | memoryview) -> None:
        """One chunk; all but the last are exactly CHUNK_BYTES long."""
        if self._nbytes % CHUNK_BYTES or not 0 < len(chunk) <= CHUNK_BYTES:
            raise ValueError("chunks have CHUNK_BYTES, only the last one may be short")
        self._leaves.append(leaf_of(chunk))
        self._nbytes += len(chunk)

    def finish(self) -> Fingerprint:
        """The fingerprint of all that was fed."""
        return Fingerprint(self._layout, self._nbytes, tuple(self._leaves))
