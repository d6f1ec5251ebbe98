"""Replay protection: which transactions the chain has accepted, until they expire.

`seen/<id>` until the transaction's expiry. `expiring` lists the minutes in which something expires,
`due/<minute>/<i>` the ids with their members; `remembered/<member>` is how many a member has.
Forgetting costs as much as remembering did, never a scan; one block forgets a bounded number, and a
block in which nothing expires writes nothing.
"""

from __future__ import annotations

from swarmhub.contract.envelope import Transaction
from swarmhub.contract.records import DUE, DueMinutes
from swarmhub.contract.state import Overlay, Reader
from swarmhub.types import MemberId

BUCKET_MS = 60_000  # expired transactions are forgotten minute by minute
MAX_REMEMBERED = 16_384  # of a member: 25 a second; of 64 members less than 200 MB of a snapshot
MAX_FORGOTTEN = 2_000  # in a block, 0.1 s of work; twice as many as a block can bring
PREFIXES = ("seen", "due", "remembered", DUE.prefix)


def is_replay_protection(path: str) -> bool:
    """Return whether a path of the state only says which transactions this chain has seen."""
    return path.partition("/")[0] in PREFIXES


def remember(state: Overlay, tx: Transaction, member: MemberId) -> None:
    """Remember a transaction of the member (0: of a stranger) until it expires."""
    minute = tx.expires_ms // BUCKET_MS
    minutes = DUE.get(state) or DueMinutes()
    if minute not in minutes.minutes:
        DUE.put(state, record=DueMinutes(tuple(sorted((*minutes.minutes, minute)))))
    count = _count(state, f"due/{minute}", 1)
    state.put(f"seen/{tx.id}", b"1")
    state.put(f"due/{minute}/{count - 1}", f"{tx.id} {member}".encode())
    if member:
        _count(state, f"remembered/{member}", 1)


def forget(state: Overlay, time_ms: int) -> None:
    """Forget transactions that have expired: those of the oldest minutes first, MAX_FORGOTTEN at
    most, the rest in the next blocks. One that is remembered for longer is refused for longer, as
    expired."""
    minutes = (DUE.get(state) or DueMinutes()).minutes
    over = [m for m in minutes if m < time_ms // BUCKET_MS]
    room, done = MAX_FORGOTTEN, 0
    for minute in over:
        count = int(state.get(f"due/{minute}") or b"0")
        first = max(0, count - room)
        for i in range(first, count):
            _forget_one(state, f"due/{minute}/{i}")
        state.put(f"due/{minute}", str(first).encode() if first else None)
        room -= count - first
        if first:
            break
        done += 1
    if done:
        left = minutes[done:]  # ascending: those that are over come first
        DUE.put(state, record=DueMinutes(left) if left else None)


def _forget_one(state: Overlay, path: str) -> None:
    """Forget the transaction that is listed at a path, and the entry."""
    seen = state.get(path)
    if seen is not None:
        tx, _, member = seen.decode().partition(" ")
        state.put(f"seen/{tx}", None)
        if member != "0":
            _count(state, f"remembered/{member}", -1)
    state.put(path, None)


def get_count(state: Reader, member: MemberId) -> int:
    """Return how many transactions of the member are remembered."""
    return int(state.get(f"remembered/{member}") or b"0")


def _count(state: Overlay, path: str, by: int) -> int:
    """Add to the count at a path and return it; a count of 0 is deleted."""
    number = int(state.get(path) or b"0") + by
    state.put(path, str(number).encode() if number else None)
    return number
