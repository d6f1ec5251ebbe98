"""Chunk hashes of buffers: of a file, and as stored beside it (`<digest>.leaves`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from swarmhub import codec
from swarmhub.errors import BlobError, Malformed
from swarmhub.files import fill
from swarmhub.params import CHUNK_BYTES, ChunkHasher, Fingerprint, chunk_count
from swarmhub.types import Digest


def fingerprint_of(path: Path, layout: Digest) -> Fingerprint:
    """Hash a file chunk by chunk."""
    hasher, chunk = ChunkHasher(layout), memoryview(bytearray(CHUNK_BYTES))
    with path.open("rb", buffering=0) as file:
        while got := fill(file, chunk):
            hasher.feed(chunk[:got])
    return hasher.finish()


def write_leaves(fingerprint: Fingerprint) -> bytes:
    """Return the list of chunks as stored on disk; see `read_leaves`."""
    return codec.encode(
        {
            "layout": fingerprint.layout,
            "leaves": b"".join(fingerprint.leaves).hex(),
            "nbytes": fingerprint.nbytes,
        }
    )


@dataclass(frozen=True)
class _Leaves:
    layout: Digest
    leaves: str  # hex
    nbytes: int


def read_leaves(data: bytes) -> Fingerprint:
    """Parse a list of chunks as stored on disk. Raises Malformed or BlobError if it is not one."""
    found = codec.unpack(_Leaves, data, limit_bytes=1 << 30)
    try:
        leaves = bytes.fromhex(found.leaves)
    except ValueError:
        raise Malformed("The chunk hashes are not in hex.") from None
    if not codec.is_digest(found.layout) or found.nbytes < 0:
        raise Malformed("The list of chunks is not one.")
    return parse_fingerprint(found.layout, found.nbytes, leaves)


def parse_fingerprint(layout: Digest, nbytes: int, leaves: bytes) -> Fingerprint:
    """Return a fingerprint from its parts. Raises BlobError if the number of hashes does not
    fit."""
    if nbytes < 0 or len(leaves) != 32 * chunk_count(nbytes):
        raise BlobError(f"Expected {chunk_count(nbytes)} chunk hashes, got {len(leaves) // 32}.")
    parts = tuple(leaves[i : i + 32] for i in range(0, len(leaves), 32))
    return Fingerprint(layout, nbytes, parts)
