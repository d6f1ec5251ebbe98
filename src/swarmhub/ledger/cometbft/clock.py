"""Estimation of block time between two blocks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from swarmhub.ledger.blocks import Tip

LIVE_BLOCKS = 16  # of these, the freshest tells how far block time is behind this clock
CREDIBLE_MS = 900_000  # beyond it the clock is wrong, or the blocks are old


class BlockClock:
    """An estimate of block time, from this machine's clock and the recent blocks.

    A block carries the time at which the validators voted for the one before it. So the difference
    between that time and the arrival of the one before at this machine is its clock's error plus
    some delay; the minimum over the last ones is used. So a wrong clock does not matter.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._behind: deque[int] = deque(maxlen=LIVE_BLOCKS)
        self._last_ms: int | None = None  # arrival of the newest block

    def saw(self, time_ms: int) -> None:
        """Note the arrival of a block with this time."""
        if self._last_ms is not None and abs(self._last_ms - time_ms) < CREDIBLE_MS:
            self._behind.append(self._last_ms - time_ms)
        self._last_ms = self._clock()

    def estimate_ms(self, tip: Tip) -> int:
        """Return the time that the next block would have if it were made now."""
        behind = min(self._behind, default=0)
        return max(tip.time_ms + 1, self._clock() - behind)
