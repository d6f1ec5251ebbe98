"""The figures of this node's connections, kept in its home."""

from __future__ import annotations

import asyncio

from swarmhub.contract.records import get_members
from swarmhub.home.links import load_links, save_links
from swarmhub.node.services import Services
from swarmhub.transport.links import Link
from swarmhub.transport.server import PeerServer

LINKS_EVERY_S = 5.0


class LinkSaver:
    """Stores the links after new figures, at most once in LINKS_EVERY_S."""

    def __init__(self, services: Services, server: PeerServer) -> None:
        self._services, self._server = services, server
        self._links = services.client.sessions.links
        self._timer: asyncio.TimerHandle | None = None
        self._links.restore(load_links(services.home, services.ledger.tip.chain_id))
        self._links.on_change = self.save_soon

    def show(self) -> tuple[Link, ...]:
        """Return the links to all other members."""
        me = self._services.me()
        others = [m.id for m in get_members(self._services.state) if me is None or m.id != me.id]
        return self._links.show(others, self._server.connected())

    def save_soon(self) -> None:
        """Store the links within LINKS_EVERY_S."""
        if self._timer is None:
            loop, insist = asyncio.get_running_loop(), self._services.problems.insist
            self._timer = loop.call_later(LINKS_EVERY_S, insist, self.save)

    def save(self) -> None:
        """Store the links."""
        self._timer = None
        save_links(self._services.home, self._services.ledger.tip.chain_id, self.show())

    def close(self) -> None:
        """Store the links now if that is due."""
        self._links.on_change = lambda: None
        if self._timer is not None:
            self._timer.cancel()
            self._services.problems.insist(self.save)
