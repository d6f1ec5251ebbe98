"""The hash tree behind every blob digest, and proofs that a chunk belongs to a digest. Pure.

leaf = sha256(0x00 || chunk), node = sha256(0x01 || left || right), an odd last node moves up
unchanged (the tree of RFC 6962, section 2.1; proofs are those of section 2.1.1). The digest of a
blob binds the root, its length in bytes and its layout, so any chunk can be checked, fetched and
audited alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from swarmhub import codec

CHUNK_BYTES = 1 << 20  # 1 MiB: 32 bytes of leaf for each, a transfer unit of about a millisecond


def leaf_of(chunk: bytes | bytearray | memoryview) -> bytes:
    """Return the leaf hash (32 bytes) of one chunk (releases the GIL on large chunks)."""
    h = hashlib.sha256(b"\0")
    h.update(chunk)
    return h.digest()


def chunk_count(nbytes: int) -> int:
    """Return the number of chunks of a buffer of `nbytes` bytes (an empty buffer has none)."""
    return -(-nbytes // CHUNK_BYTES)


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def _parents(level: Sequence[bytes]) -> list[bytes]:
    paired = [_node(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
    return [*paired, *level[len(paired) * 2 :]]


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Return the Merkle root (32 bytes) of the leaves; 32 zero bytes for none."""
    level = list(leaves)
    while len(level) > 1:
        level = _parents(level)
    return level[0] if level else bytes(32)


def roots_of(leaves: Sequence[bytes], size: int) -> list[bytes]:
    """Return the roots (32 bytes each) of ranges of `size` leaves, a power of two; the last range
    may be shorter. `root_of` these is the root of all leaves: a range is a subtree."""
    return [root_of(leaves[at : at + size]) for at in range(0, len(leaves), size)]


def path_of(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Return the proof of leaf `index`: the siblings (32 bytes each) on its way to the root."""
    level, path = list(leaves), []
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        level, index = _parents(level), index // 2
    return tuple(path)


def climb(leaf: bytes, index: int, count: int, path: Sequence[bytes]) -> bytes | None:
    """Return the root to which a proof leads; None if the proof's length does not fit the tree."""
    node, rest = leaf, list(path)
    while count > 1:
        if index ^ 1 < count:
            if not rest:
                return None
            sibling = rest.pop(0)
            node = _node(sibling, node) if index & 1 else _node(node, sibling)
        index, count = index // 2, (count + 1) // 2
    return None if rest else node


def blob_digest(layout: str, nbytes: int, root: bytes) -> str:
    """Return the digest of a blob, 64 hex digits, from its layout's digest, its length and its
    root."""
    return codec.digest(b"swarmhub/blob/1", layout.encode(), str(nbytes).encode(), root)
