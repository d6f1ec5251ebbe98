"""Notification of tasks that wait for news: of a study, or of the ledger as a whole."""

from __future__ import annotations

import asyncio
import contextlib

ANY_STUDY = ""  # news of the ledger as a whole


class News:
    """The events that the open requests of trainers and peers wait for."""

    def __init__(self) -> None:
        self._pulses: dict[str, asyncio.Event] = {}

    def pulse(self, study: str) -> None:
        """Wake all tasks that wait for news of the study."""
        event = self._pulses.pop(study, None)
        if event is not None:
            event.set()

    async def wait(self, study: str, timeout_s: float) -> None:
        """Return at the next news of the study, or after `timeout_s`."""
        event = self._pulses.setdefault(study, asyncio.Event())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await event.wait()
