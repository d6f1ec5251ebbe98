"""The key under which this member's engine connects to the others during a rotation.

The others accept a new key as soon as they have the block of the rotation, and no longer accept the
old one when they have the next. This node cannot know how far they are: it may be the first to have
that block, and then no peer knows its new key; or the others went on while it was cut off, and then
none accepts the old one, so the node would never learn why. Neither key is always right, and each
is right at some time. So a node without progress tries one, then the other.

This is about the connections' key alone. A validator keeps its consensus key until it has the block
after the rotation, which is agreed on with the old one.
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
from swarmhub.ledger.cometbft.engine import Engine
from swarmhub.ledger.cometbft.engine_files import compute_peer_id
from swarmhub.ledger.cometbft.rpc import RpcError

LOOK_S = 5.0  # without a block; other engines redial within that time
TRY_S = 20.0  # for an engine to start, connect and get a block on a busy machine
ALONE_LOOKS = 12  # checks without a connection before that is reported

log = logging.getLogger("swarmhub.ledger")


class Badge:
    """Monitor of an engine's connections that switches to the other key if needed."""

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
        self._keys: tuple[PrivateKey, ...] = (engine.settings.peer,)  # the one in use first
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start watching."""
        self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Stop watching."""
        await end(self._watching)

    def ids(self) -> set[str]:
        """The peer ids under which others may know this engine."""
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
        """Return the number of connections to other engines; None if this one does not answer."""
        try:
            return int((await self._engine.rpc.call("net_info"))["n_peers"])
        except RpcError:
            return None

    def _awaits_a_block(self) -> bool:
        """Return whether this member's rotation is in the newest block, which another one follows
        at once."""
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
