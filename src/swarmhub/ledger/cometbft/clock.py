"""What block time is between two blocks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from swarmhub.ledger.blocks import Tip

LIVE_BLOCKS = 16  # of which the freshest tells how far block time is behind this clock
CREDIBLE_MS = 900_000  # a clock that is further off is another matter, or the blocks are old


class BlockClock:
    """What block time is now, by this machine's clock and the blocks that came lately.

    A block carries the time at which the validators voted for the one before it, so what passed
    between that time and this machine having seen the one before is its clock's own error and some
    delay; the least of the last ones is taken. So a wrong clock does not matter.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._behind: deque[int] = deque(maxlen=LIVE_BLOCKS)
        self._last_ms: int | None = None  # when the newest block came

    def saw(self, time_ms: int) -> None:
        """A block with this time has just come."""
        if self._last_ms is not None and abs(self._last_ms - time_ms) < CREDIBLE_MS:
            self._behind.append(self._last_ms - time_ms)
        self._last_ms = self._clock()

    def estimate_ms(self, tip: Tip) -> int:
        """Time that the next block would have if it were made now."""
        behind = min(self._behind, default=0)
        return max(tip.time_ms + 1, self._clock() - behind)
