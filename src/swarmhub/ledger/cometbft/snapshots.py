"""Snapshots of the state: how they are packed, described and restored, and which are kept.

An incoming one is hostile until its root is the one that the validators agreed on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from swarmhub import codec
from swarmhub.contract import State
from swarmhub.errors import Malformed
from swarmhub.ledger.cometbft.store_rows import Snapshot

SNAPSHOTS_KEPT = 2
SNAPSHOT_CHUNK_BYTES = 1 << 20
MAX_SNAPSHOT_CHUNKS = 256


class Restoring:
    """An incoming snapshot. Chunks that differ from the offer are not accepted."""

    def __init__(self, snapshot: Any, app_hash: bytes) -> None:
        if not 0 < snapshot.chunks <= MAX_SNAPSHOT_CHUNKS:
            raise Malformed("A snapshot has 1 to 256 chunks.")
        metadata = codec.decode(snapshot.metadata, 128 * MAX_SNAPSHOT_CHUNKS)
        ok = isinstance(metadata, dict) and isinstance(metadata.get("chunks"), list)
        if not ok or len(metadata["chunks"]) != snapshot.chunks:
            raise Malformed("A snapshot names the hash of each chunk.")
        self.height = snapshot.height
        self.head, self.time_ms = str(metadata.get("head"))[:64], metadata.get("time_ms")
        if type(self.time_ms) is not int or not 0 <= self.time_ms < 1 << 52:
            raise Malformed("A snapshot names its block's time.")
        self.hashes = [str(h) for h in metadata["chunks"]]
        self.app_hash = app_hash
        self.chunks: dict[int, bytes] = {}

    def take(self, index: int, chunk: bytes) -> bool:
        """Accept a chunk if it is the announced one."""
        right = index < len(self.hashes) and len(chunk) <= SNAPSHOT_CHUNK_BYTES
        if not right or hashlib.sha256(chunk).hexdigest() != self.hashes[index]:
            return False
        self.chunks[index] = chunk
        return True

    @property
    def is_whole(self) -> bool:
        """Whether all chunks are here."""
        return len(self.chunks) == len(self.hashes)

    def finish(self) -> State | None:
        """Return the state; None if it is not the one that the validators agreed on."""
        try:
            values = unpack_state(b"".join(self.chunks[i] for i in range(len(self.hashes))))
        except Malformed:
            return None
        state = State(values)
        return state if state.app_hash == self.app_hash else None


def describe(snapshot: Snapshot) -> bytes:
    """Return a snapshot's metadata: the hash of each chunk, and the parts of the tip that are not
    in the state. The same on every member's machine."""
    hashes = [hashlib.sha256(chunk).hexdigest() for chunk in snapshot.chunks]
    return codec.encode({"chunks": hashes, "head": snapshot.head, "time_ms": snapshot.time_ms})


def choose_kept(snapshots: Sequence[int], base: int, keep_blocks: int) -> tuple[int, list[int]]:
    """Return the block up to which blocks are forgotten, and the snapshots that are kept. One
    snapshot in every `keep_blocks` blocks is kept longer; the kept blocks begin at the last but one
    of those. So between once and twice `keep_blocks` blocks are kept, and the state that they begin
    from."""
    held = [h for h in snapshots if keep_blocks and h > base and h % keep_blocks == 0]
    if len(held) > 1:
        base = held[-2]
    return base, sorted({*snapshots[-SNAPSHOTS_KEPT:], *held[-2:], *({base} & set(snapshots))})


def pack_state(values: dict[str, bytes]) -> bytes:
    """Return the state's map as JSON: {path: text}."""
    texts = {place: value.decode() for place, value in values.items()}
    return json.dumps(texts, sort_keys=True, ensure_ascii=False).encode()


def unpack_state(data: bytes) -> dict[str, bytes]:
    """Reverse `pack_state`. Raises Malformed on anything else."""
    try:
        texts = json.loads(data)
        return {str(place): text.encode() for place, text in texts.items()}
    except (ValueError, AttributeError, RecursionError):
        raise Malformed("A snapshot is a JSON object of texts.") from None
