"""This node's contract versions: what it tells the others, and what it says if it lacks one."""

from __future__ import annotations

import asyncio
import logging

from swarmhub.contract.transactions import Announce
from swarmhub.contract.versions import find_gap, known, need_next
from swarmhub.errors import VersionMissing
from swarmhub.node.services import Services

log = logging.getLogger("swarmhub.node")


class Announcing:
    """Announces the versions that this node has, whenever its member's record has others."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._task: asyncio.Task[None] | None = None
        self._told = ""  # the last warning logged
        self._is_refused = False  # each try makes a block, so there is only one

    def follow(self) -> VersionMissing | None:
        """Announce if the ledger does not say what this node has; log a warning once if the
        scheduled version is missing here. Return an error if the next block cannot be executed."""
        state = self._services.state
        gap = find_gap(state)
        if gap is not None and str(gap) != self._told:
            self._told = str(gap)
            log.error("%s", gap)
        me = self._services.me()
        idle = self._task is None or self._task.done()
        if me is not None and me.versions != known() and idle and not self._is_refused:
            self._task = asyncio.create_task(self._announce())
        try:
            need_next(state, self._services.ledger.tip.height)
        except VersionMissing as error:
            return error
        return None

    async def _announce(self) -> None:
        result = await self._services.submit(Announce(known()))
        if not result.ok and result.code != "AlreadyDone":
            self._is_refused = True
            log.error("cannot announce the contract versions of this node: %s", result.message)

    def close(self) -> None:
        """Stop announcing."""
        if self._task is not None:
            self._task.cancel()
