"""The ledger, followed: the read model is fed, and open pages are told."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator
from typing import Any

from swarmhub.errors import HomeError, SwarmhubError
from swarmhub.home.home import Home
from swarmhub.hub.read_model import ReadModel
from swarmhub.ledger import Committed, SqliteLedger
from swarmhub.ledger.cometbft import CometReadClient
from swarmhub.operations.ledger_view import LedgerView

AT_ONCE = 500  # blocks that are read at once
AGAIN_S = 1.0
REACH_S = 5.0
MAX_WATCHERS = 200

log = logging.getLogger("swarmhub.hub")


class Watching:
    """The open ledger, its read model, and the browsers that wait for news."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.view: LedgerView | None = None
        self.model = ReadModel(self._names)
        self._queues: set[asyncio.Queue[set[str]]] = set()

    async def start(self) -> None:
        """Open the ledger as soon as the node has one, and read all that it has."""
        while True:
            public = self._read_public()
            if public:
                try:
                    await self._open(public)
                    return
                except SwarmhubError as error:
                    log.warning("the ledger cannot be read yet: %s", error)
            await asyncio.sleep(AGAIN_S)

    async def close(self) -> None:
        """Close the ledger."""
        if self.view is not None:
            await self.view.ledger.close()
        self.model.close()

    def need_view(self) -> LedgerView:
        """Return the open ledger. Raises HomeError while there is none."""
        if self.view is None:
            raise HomeError(
                "The ledger is not open yet: the node is starting, or has no consortium; join one "
                "with 'swarmhub consortium join INVITATION'."
            )
        return self.view

    async def reach(self, height: int) -> None:
        """Wait until the block of this height is in the read model, a few seconds at most."""
        with contextlib.suppress(TimeoutError, HomeError):  # too many pages are open
            async with asyncio.timeout(REACH_S), self.news() as queue:
                while self.model.height < height:
                    await queue.get()

    @contextlib.asynccontextmanager
    async def news(self) -> AsyncIterator[asyncio.Queue[set[str]]]:
        """Give a queue of the studies that new blocks are about, an empty set among them."""
        if len(self._queues) >= MAX_WATCHERS:
            raise HomeError("Too many pages are open on this hub; close some.")
        queue: asyncio.Queue[set[str]] = asyncio.Queue(100)
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)

    def _read_public(self) -> str:
        """Return this hospital's public account key as the running node says it; "" if none
        runs."""
        try:
            told: Any = json.loads(self.home.run_path("api.json").read_bytes())
            return str(told["account"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    async def _open(self, public: str) -> None:
        self.model.close()
        self.model = ReadModel(self._names)
        if self.home.is_networked:
            comet = await CometReadClient.open(self.home.engine_path)
            self.view = LedgerView(comet, public)
            for height in range(0, comet.tip.height + 1, AT_ONCE):
                for block in comet.kept(height, min(height + AT_ONCE, comet.tip.height + 1)):
                    self.model.see(block)
                await asyncio.sleep(0)
            self.model.know(study.name for study in self.view.studies())
            comet.subscribe(self._hear)
            return
        blocks: list[Committed] = []
        ledger = await SqliteLedger.open(self.home.ledger_path, listener=blocks.append)
        self.view = LedgerView(ledger, public)
        for block in blocks:
            self.model.see(block)
        blocks.clear()
        ledger.subscribe(self._hear)

    def _names(self) -> dict[int, str]:
        return {} if self.view is None else self.view.names()

    def _hear(self, committed: Committed) -> None:
        if committed.height <= self.model.height:
            return
        touched = self.model.see(committed)
        for queue in self._queues:
            with contextlib.suppress(asyncio.QueueFull):
                queue.put_nowait(touched)
