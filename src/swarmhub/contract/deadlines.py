"""Time in the contract.

Block time may be an hour old when a transaction is applied, so a transaction never computes a
due time: it marks a deadline, and the next block's beginning stamps it with that block's time
plus the duration. A block's beginning also fires what is due. While something waits to be
stamped, the ledger makes one more block.

Each deadline has a path of its own, and the minute of block time in which it is due has a list of
its keys, so that waiting costs nothing: a block reads the list of minutes and looks at the first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from swarmhub.contract.records import (
    DEADLINE,
    DEADLINE_MINUTES,
    DUE_KEYS,
    UNSTAMPED,
    Deadline,
    DeadlineKeys,
    DueMinutes,
)
from swarmhub.contract.state import Overlay, Reader

MINUTE_MS = 60_000


def get_deadline(state: Reader, key: str) -> Deadline | None:
    """Return the deadline of a key, stamped or not."""
    return DEADLINE.get(state, key)


def get_deadlines(state: Reader) -> tuple[Deadline, ...]:
    """Return all deadlines, by key. For tests and views: the cost grows with their number."""
    keys = list(_keys(state))
    for minute in _minutes(state):
        keys += DUE_KEYS.need(state, minute).keys
    return tuple(DEADLINE.need(state, key) for key in sorted(keys))


def get_due_ms(state: Reader, key: str) -> int | None:
    """Return the block time at which the deadline fires; None if there is none or it is
    unstamped."""
    found = DEADLINE.get(state, key)
    return (found.due_ms or None) if found else None


def get_began_ms(state: Reader, key: str) -> int | None:
    """Return the block time at which the deadline was stamped; None if there is none or it is
    unstamped."""
    found = DEADLINE.get(state, key)
    return found.due_ms - found.duration_ms if found and found.due_ms else None


def is_marked(state: Reader, key: str) -> bool:
    """Return whether there is a deadline of this key, stamped or not."""
    return DEADLINE.get(state, key) is not None


def is_waiting(state: Reader) -> bool:
    """Return whether a deadline waits to be stamped, so that a follow-up block is needed."""
    return UNSTAMPED.get(state) is not None


def mark(state: Overlay, key: str, duration_ms: int) -> None:
    """Ask for a deadline `duration_ms` after the next block begins; it replaces one of the same
    key."""
    clear(state, key)
    DEADLINE.put(state, key, record=Deadline(key, duration_ms))
    UNSTAMPED.put(state, record=DeadlineKeys((*_keys(state), key)))


def mark_at(state: Overlay, key: str, due_ms: int) -> None:
    """Set a deadline at an absolute block time."""
    clear(state, key)
    _set(state, Deadline(key, 0, due_ms))


def clear(state: Overlay, key: str) -> None:
    """Forget a deadline."""
    found = DEADLINE.get(state, key)
    if found is None:
        return
    DEADLINE.put(state, key, record=None)
    if not found.due_ms:
        left = tuple(k for k in _keys(state) if k != key)
        UNSTAMPED.put(state, record=DeadlineKeys(left) if left else None)
        return
    minute = found.due_ms // MINUTE_MS
    _put_keys(state, minute, [k for k in DUE_KEYS.need(state, minute).keys if k != key])


def stamp(state: Overlay, time_ms: int) -> None:
    """Stamp the deadlines that wait (at the beginning of a block)."""
    keys = _keys(state)
    if keys:
        UNSTAMPED.put(state, record=None)
    for key in keys:
        deadline = DEADLINE.need(state, key)
        _set(state, replace(deadline, due_ms=time_ms + deadline.duration_ms))


def take_due(state: Overlay, time_ms: int) -> list[str]:
    """Remove and return the keys that are due, earliest first."""
    due: list[Deadline] = []
    for minute in _minutes(state):
        if minute > time_ms // MINUTE_MS:
            break
        listed = [DEADLINE.need(state, key) for key in DUE_KEYS.need(state, minute).keys]
        now = [d for d in listed if d.due_ms <= time_ms]
        if now:
            _put_keys(state, minute, [d.key for d in listed if d.due_ms > time_ms])
        for deadline in now:
            DEADLINE.put(state, deadline.key, record=None)
        due += now
    return [d.key for d in sorted(due, key=lambda d: (d.due_ms, d.key))]


def _set(state: Overlay, deadline: Deadline) -> None:
    """Store a stamped deadline, and list it under its minute."""
    minute = deadline.due_ms // MINUTE_MS
    found = DUE_KEYS.get(state, minute)
    DEADLINE.put(state, deadline.key, record=deadline)
    _put_keys(state, minute, [*(found.keys if found else ()), deadline.key])


def _put_keys(state: Overlay, minute: int, keys: Iterable[str]) -> None:
    """Store a minute's keys, and list the minute as long as it has some."""
    left, minutes = tuple(keys), _minutes(state)
    DUE_KEYS.put(state, minute, record=DeadlineKeys(left) if left else None)
    if left and minute not in minutes:
        _put_minutes(state, sorted((*minutes, minute)))
    elif not left:
        _put_minutes(state, [m for m in minutes if m != minute])


def _put_minutes(state: Overlay, minutes: list[int]) -> None:
    DEADLINE_MINUTES.put(state, record=DueMinutes(tuple(minutes)) if minutes else None)


def _minutes(state: Reader) -> tuple[int, ...]:
    found = DEADLINE_MINUTES.get(state)
    return found.minutes if found else ()


def _keys(state: Reader) -> tuple[str, ...]:
    found = UNSTAMPED.get(state)
    return found.keys if found else ()
