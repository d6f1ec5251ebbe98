"""Time in the contract.

Block time may be an hour old when a transaction is applied, so a transaction never computes a
due time: it marks a deadline, and the next block's beginning stamps it with that block's time
plus the duration. A block's beginning also fires what is due. While something waits to be
stamped, the ledger makes one more block.
"""

from __future__ import annotations

from dataclasses import replace

from swarmhub.contract.records import DEADLINES, Deadline, Deadlines
from swarmhub.contract.state import Overlay, Reader


def get_deadlines(state: Reader) -> tuple[Deadline, ...]:
    """All deadlines, by key."""
    found = DEADLINES.get(state)
    return found.items if found else ()


def get_due_ms(state: Reader, key: str) -> int | None:
    """Block time at which the deadline fires; None where there is none or it is unstamped."""
    due = next((d.due_ms for d in get_deadlines(state) if d.key == key), 0)
    return due or None


def get_began_ms(state: Reader, key: str) -> int | None:
    """Block time at which the deadline was stamped; None where there is none or it is unstamped."""
    found = (d for d in get_deadlines(state) if d.key == key and d.due_ms)
    return next((d.due_ms - d.duration_ms for d in found), None)


def is_marked(state: Reader, key: str) -> bool:
    """Whether there is a deadline of this key, stamped or not."""
    return any(d.key == key for d in get_deadlines(state))


def is_waiting(state: Reader) -> bool:
    """Whether a deadline waits to be stamped, so that a follow-up block is needed."""
    return any(d.due_ms == 0 for d in get_deadlines(state))


def mark(state: Overlay, key: str, duration_ms: int) -> None:
    """Ask for a deadline `duration_ms` after the next block begins; replaces one of this key."""
    _write(state, [*_others(state, key), Deadline(key, duration_ms)])


def mark_at(state: Overlay, key: str, due_ms: int) -> None:
    """Set a deadline at an absolute block time."""
    _write(state, [*_others(state, key), Deadline(key, 0, due_ms)])


def clear(state: Overlay, key: str) -> None:
    """Forget a deadline."""
    if is_marked(state, key):
        _write(state, _others(state, key))


def stamp(state: Overlay, time_ms: int) -> None:
    """Stamp what waits (at the beginning of a block)."""
    if is_waiting(state):
        stamped = [
            d if d.due_ms else replace(d, due_ms=time_ms + d.duration_ms)
            for d in get_deadlines(state)
        ]
        _write(state, stamped)


def take_due(state: Overlay, time_ms: int) -> list[str]:
    """Keys that are due, earliest first; they are removed."""
    items = get_deadlines(state)
    due = sorted((d.due_ms, d.key) for d in items if 0 < d.due_ms <= time_ms)
    if due:
        _write(state, [d for d in items if not 0 < d.due_ms <= time_ms])
    return [key for _, key in due]


def _others(state: Reader, key: str) -> list[Deadline]:
    return [d for d in get_deadlines(state) if d.key != key]


def _write(state: Overlay, items: list[Deadline]) -> None:
    ordered = tuple(sorted(items, key=lambda d: d.key))
    DEADLINES.put(state, record=Deadlines(ordered) if ordered else None)
