"""Records of what is due at a time: deadlines, and the expiry of remembered transactions."""

from __future__ import annotations

from dataclasses import dataclass

from swarmhub.contract.state import Table


@dataclass(frozen=True)
class Deadline:
    """A time at which the contract acts; `due_ms` is block time, 0 until a block has stamped it."""

    key: str
    duration_ms: int
    due_ms: int = 0


@dataclass(frozen=True)
class DeadlineKeys:
    """Keys of the deadlines that are due in one minute, or that wait to be stamped."""

    keys: tuple[str, ...]


@dataclass(frozen=True)
class DueMinutes:
    """Minutes of block time in which something is due (deadlines), or in which remembered
    transactions expire (at most the horizon's), ascending."""

    minutes: tuple[int, ...] = ()


DUE = Table("expiring", DueMinutes)
DEADLINE = Table("deadline", Deadline)
DUE_KEYS = Table("deadlines", DeadlineKeys)  # by minute
DEADLINE_MINUTES = Table("deadline-minutes", DueMinutes)
UNSTAMPED = Table("unstamped", DeadlineKeys)
