"""Memory of the process that the C library would keep."""

from __future__ import annotations

import contextlib
import ctypes

M_ARENA_MAX = -8  # of glibc's mallopt


def share_one_heap() -> None:
    """Make all threads allocate from one heap: glibc gives each its own, and each keeps its peak
    usage, although seldom two need it at a time."""
    with contextlib.suppress(AttributeError, OSError):  # other C libraries have no such call
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def give_memory_back() -> None:
    """Return memory that a merge has freed to the system: glibc keeps it."""
    with contextlib.suppress(AttributeError, OSError):  # other C libraries have no such call
        ctypes.CDLL(None).malloc_trim(0)
