"""The wall clock, and a clock that takes no steps."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

CLOCK_VARIABLE = "SWARMHUB_CLOCK_OFFSET_MS"


def wall_clock_ms() -> int:
    """Return milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def make_steady_clock() -> Callable[[], int]:
    """Return a clock that starts from the wall clock and continues at real speed, unaffected by its
    steps. SWARMHUB_CLOCK_OFFSET_MS sets it wrong, for tests."""
    offset_ms = wall_clock_ms() - time.monotonic_ns() // 1_000_000
    offset_ms += int(os.environ.get(CLOCK_VARIABLE) or 0)
    return lambda: time.monotonic_ns() // 1_000_000 + offset_ms
