"""By which key this member's engine shows itself to the others while a rotation is under way.

The others let a new key in as soon as they have the block of the rotation, and the old one no more
when they have the next. How far they are this node cannot know: it may be the first to have that
block, and then nobody knows its new key; or the others went on while it was cut off, and then
nobody lets it in with the old one, so it would never see why. Neither key is always right, and each
is right at some time. So a node that stands still tries the one, then the other.

This is about the key of the connections alone. Its consensus key a validator keeps until it has the
block after the rotation, which is agreed on with the old one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from swarmhub.contract.records import get_members
from swarmhub.errors import LedgerError
from swarmhub.keys import PrivateKey
from swarmhub.ledger.cometbft.application import Application
from swarmhub.ledger.cometbft.broadcaster import end
from swarmhub.ledger.cometbft.engine import Engine, compute_peer_id
from swarmhub.ledger.cometbft.rpc import RpcError

LOOK_S = 5.0  # without a block; the engines of others dial again within as long
TRY_S = 20.0  # for an engine to start, connect and get a block on a busy machine
ALONE_LOOKS = 12  # without a connection, until that is said

log = logging.getLogger("swarmhub.ledger")


class Badge:
    """Watches over the connections of an engine, and has it show its other key if need be."""

    def __init__(
        self,
        engine: Engine,
        app: Application,
        peers: Callable[[], Sequence[str]],
        on_trouble: Callable[[LedgerError], None],
    ) -> None:
        self._engine = engine
        self._app = app
        self._peers = peers
        self._on_trouble = on_trouble
        self._keys: tuple[PrivateKey, ...] = (engine.settings.peer,)  # that in use first
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch."""
        self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Watch no more."""
        await end(self._watching)

    def ids(self) -> set[str]:
        """Under which others may know this engine."""
        self._look_for_keys()
        return {compute_peer_id(key.public) for key in self._keys}

    def _look_for_keys(self) -> None:
        new = self._engine.settings.newest_peer()
        if new is not None and new.public not in {key.public for key in self._keys}:
            self._keys = (self._keys[0], new)

    async def _watch(self) -> None:
        alone, wait_s = 0, LOOK_S
        while True:
            height = self._app.tip.height
            await asyncio.sleep(wait_s)
            wait_s = LOOK_S
            connections = await self._count_connections()
            if self._app.tip.height != height or not self._peers() or connections is None:
                alone = 0
                continue
            alone = 0 if connections else alone + 1
            if alone >= ALONE_LOOKS:
                self._on_trouble(LedgerError(ALONE))
            if self.ids() and len(self._keys) > 1 and (not connections or self._awaits_a_block()):
                self._show_other()
                wait_s = TRY_S

    async def _count_connections(self) -> int | None:
        """To other engines; None if this one does not answer."""
        try:
            return int((await self._engine.rpc.call("net_info"))["n_peers"])
        except RpcError:
            return None

    def _awaits_a_block(self) -> bool:
        """Whether this member's rotation is in the newest block, which another one follows at
        once."""
        ids = self.ids()
        return any(
            m.ledger.partition("@")[0] in ids and 0 < m.rotated == self._app.tip.height
            for m in get_members(self._app.state)
        )

    def _show_other(self) -> None:
        self._keys = self._keys[::-1]
        shown = self._keys[0]
        log.info("no block comes; tries its other key (%s)", compute_peer_id(shown.public)[:12])
        self._engine.settings = replace(self._engine.settings, peer=shown)
        self._engine.restart()


ALONE = (
    "No other member's engine is connected to this one: the network is cut, the others are down, "
    "or they refuse this home's keys, as they do with a member that was removed, or with keys that "
    "were replaced in another copy of the home. Look with 'swarmhub doctor'; for replaced keys, "
    "ask a member for an invitation and type 'swarmhub consortium rotate-key --all --invitation "
    "TOKEN'."
)
