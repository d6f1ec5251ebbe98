"""Clocks: milliseconds since 1970, and one that no step of the wall clock changes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

CLOCK_VARIABLE = "SWARMHUB_CLOCK_OFFSET_MS"


def wall_clock_ms() -> int:
    """Return milliseconds since 1970. SWARMHUB_CLOCK_OFFSET_MS sets it wrong, for tests."""
    return time.time_ns() // 1_000_000 + int(os.environ.get(CLOCK_VARIABLE) or 0)


def make_steady_clock() -> Callable[[], int]:
    """Return a clock that starts from the wall clock and continues at real speed, unaffected by its
    steps."""
    offset_ms = wall_clock_ms() - time.monotonic_ns() // 1_000_000
    return lambda: time.monotonic_ns() // 1_000_000 + offset_ms
