"""Storing of the ledger's head in the home, outside the ledger's file."""

from __future__ import annotations

import asyncio

from swarmhub.home.head import save_head
from swarmhub.node.services import Services

HEAD_EVERY_S = 1.0


class HeadSaver:
    """Stores the head after new blocks, at most once in HEAD_EVERY_S."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._timer: asyncio.TimerHandle | None = None

    def save_soon(self) -> None:
        """Store the head within HEAD_EVERY_S."""
        if self._timer is None:
            loop, insist = asyncio.get_running_loop(), self._services.problems.insist
            self._timer = loop.call_later(HEAD_EVERY_S, insist, self.save)

    def save(self) -> None:
        """Store the head."""
        self._timer = None
        tip = self._services.ledger.tip
        save_head(self._services.home, tip.height, tip.head)

    def close(self) -> None:
        """Store the head now if it is due."""
        if self._timer is not None:
            self._timer.cancel()
            self._services.problems.insist(self.save)
