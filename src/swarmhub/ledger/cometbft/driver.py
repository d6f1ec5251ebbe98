"""The networked ledger: CometBFT agrees on blocks, the contract executes them.

`CometLedger` is the node's own handle: it answers the engine (application.py), keeps it running
(engine.py) and receives each block when it is committed, so nothing is asked twice and nothing
polls. Any other process of this machine has a `CometReadClient` (read_client.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from swarmhub.clock import make_steady_clock
from swarmhub.contract import State
from swarmhub.contract.records import get_members
from swarmhub.contract.versions import need_next
from swarmhub.errors import LedgerError, VersionMissing
from swarmhub.keys import PrivateKey
from swarmhub.ledger.base import Listener, Submission, Subscriptions
from swarmhub.ledger.blocks import (
    Block,
    Committed,
    Tip,
)
from swarmhub.ledger.cometbft.abci import AbciServer
from swarmhub.ledger.cometbft.application import Application
from swarmhub.ledger.cometbft.badge import Badge
from swarmhub.ledger.cometbft.broadcaster import Broadcaster, end
from swarmhub.ledger.cometbft.clock import BlockClock
from swarmhub.ledger.cometbft.engine import Engine
from swarmhub.ledger.cometbft.folder import TAKING_OVER, begin_anew_after_crash, read_peers
from swarmhub.ledger.cometbft.proof_archive import CHANGES, ProofArchive
from swarmhub.ledger.cometbft.rpc import RETRY_S, RpcError, short_path
from swarmhub.ledger.cometbft.settings import ABCI_SOCKET, STATE_FILE, Entry, Settings
from swarmhub.ledger.cometbft.signing import Signing
from swarmhub.ledger.cometbft.store import Store
from swarmhub.ledger.notify import Notifier

FindHeight: TypeAlias = Callable[[State], Awaitable[tuple[int, bool]]]  # (height, is it sure)

ASK_AGAIN_S = 2.0  # between two requests how far the others are
START_S = 60.0  # to open the application's connections, after any replay
REPLAY_MS = 60_000
LET_GO_S = 30.0  # minimum between two engine restarts because of members' departures
SIGNS = "this node signs blocks with its consensus key"
NO_BLOCK = (
    "The ledger does not take the transactions of this node: more members may be away than it "
    "survives. 'swarmhub doctor' says which of them can be reached."
)
LIGHT = ("commit", "validators", "consensus_params")

log = logging.getLogger("swarmhub.ledger")


class CometLedger:
    """The handle of a member's node. Create it with `CometLedger.open`."""

    sleeps = True
    why_late = NO_BLOCK  # possible cause if no block has a transaction for seconds

    def __init__(self, settings: Settings, store: Store, clock: Callable[[], int]) -> None:
        self.settings = settings
        self.signing = Signing(settings.folder, settings.consensus.public, store)
        self.path = store.path
        self.failure: LedgerError | None = None
        self.on_failure: Callable[[LedgerError], None] = lambda error: None
        self.on_trouble: Callable[[LedgerError], None] = lambda error: None  # called at every try
        self._store = store
        self._board = Subscriptions()
        self._clock = BlockClock(clock)
        self._app = Application(
            store, self._committed, settings.keep_blocks, self._trouble, self.signing
        )
        self._abci = AbciServer(self._app.handle, self._fail_because)
        self.engine = Engine(
            settings, self._fail, lambda: self._courier.send_again(), self._trouble
        )
        self.signing.on_change = self._signing_changed
        self._settling: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[None] | None = None
        self._courier = Broadcaster(self.engine.rpc, self._board)
        self._bell = Notifier(store.path)
        self._dialing: asyncio.Task[None] | None = None
        self._letting_go: asyncio.TimerHandle | None = None
        self._let_go_at = -LET_GO_S  # time of the last such restart
        self._ids = self._peer_ids()
        self._closed = False
        self._entering: asyncio.Task[None] | None = None
        self._recorder = ProofArchive(store, self.engine.rpc)
        self._badge = Badge(self.engine, self._app, self.peers, self._trouble)
        self._departed = False  # whether a member departed with the newest block

    @classmethod
    async def open(
        cls,
        settings: Settings,
        clock: Callable[[], int] | None = None,
        verbose: bool = False,
        find_entry: Callable[[], Awaitable[Entry | None]] | None = None,
        find_height: FindHeight | None = None,
    ) -> CometLedger:
        """Start the engine on this member's folder, and wait until it has asked for the state's
        height. Raises LedgerError if it does not start.

        With `find_entry`, an engine without blocks is started when that has found out how a
        newcomer begins; this returns at once. `find_height` tells a validator which block it must
        have before it signs any, and is asked again until it is sure."""
        begin_anew_after_crash(settings.folder)
        store = Store.open(settings.folder / STATE_FILE)
        ledger = cls(settings, store, clock or make_steady_clock())
        try:
            need_next(ledger.state, ledger.tip.height)
        except VersionMissing:
            store.close()
            raise
        is_sure = True
        if find_height is not None and ledger.is_validator:
            height, is_sure = await find_height(ledger.state)
            ledger.signing.expect(height, ledger.tip.height)
        ledger._sign_or_not()
        try:
            await ledger._abci.start(Path(short_path(settings.folder / ABCI_SOCKET)))
            if find_entry is not None and ledger.tip.height == 0:
                ledger._entering = asyncio.create_task(ledger._enter(find_entry, verbose))
            else:
                await ledger.engine.start(ledger.peers, verbose)
                await ledger._wait_for_start()
                ledger._recorder.catch_up()
                ledger._settle_signing()
            ledger._badge.start()
            if find_height is not None:
                ledger._asking = asyncio.create_task(ledger._ask_again(find_height, is_sure))
        except BaseException:
            await ledger.close()
            raise
        return ledger

    async def _enter(
        self, find_entry: Callable[[], Awaitable[Entry | None]], verbose: bool
    ) -> None:
        try:
            entry = await find_entry()
            if entry is not None:
                (self.settings.folder / TAKING_OVER).touch()
                log.info("begins with a snapshot of the state, not with the first block")
                self._app.offered = set(entry.snapshots)
            await self.engine.start(
                self.peers, verbose, lambda: entry if self.tip.height == 0 else None
            )
        except LedgerError as error:
            self._fail(error)
        except Exception as error:
            log.exception("this node cannot begin")
            self._fail(
                LedgerError(f"This node cannot begin ({error}); see its log, start it again.")
            )

    async def _wait_for_start(self) -> None:
        try:
            async with asyncio.timeout(START_S):
                while not self._app.asked_for_chain.is_set() and self.failure is None:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.5):
                            await self._app.asked_for_chain.wait()
        except TimeoutError:
            words = self.engine.last_words()
            raise LedgerError(f"CometBFT did not start within {START_S:.0f} s: {words}") from None
        if self.failure:
            raise self.failure

    @property
    def tip(self) -> Tip:
        return self._app.tip

    @property
    def state(self) -> State:
        return self._app.state

    def peers(self) -> list[str]:
        """Return ID@host:port of every other member's engine: from the state, and, for a newcomer
        that has no block yet, from a member's answer."""
        mine = self._badge.ids()
        known = {m.ledger.partition("@")[0]: m.ledger for m in get_members(self.state) if m.ledger}
        if mine.isdisjoint(known):
            known |= {p.partition("@")[0]: p for p in read_peers(self.settings.folder)}
        return [place for peer, place in known.items() if peer not in mine]

    def estimate_ms(self) -> int:
        return self._clock.estimate_ms(self.tip)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        return self._board.subscribe(listener)

    async def submit(self, tx: bytes) -> Submission:
        if self.failure:
            raise self.failure
        submission = self._board.expect(tx)
        self._courier.send(tx)
        return submission

    async def blocks(self, start: int, stop: int) -> list[Block]:
        found = await asyncio.to_thread(self._store.blocks, start, stop)
        return [c.block for c in found]

    async def is_current(self) -> bool:
        """Return whether the engine has every block that its peers have."""
        try:
            status = await self.engine.rpc.call("status")
        except RpcError:
            return False
        return not status["sync_info"]["catching_up"]

    def describe(self) -> dict[str, Any]:
        """Return what a newcomer needs to begin: `chain`, `height`, the `base` up to which blocks
        are forgotten here, and the `snapshots` that it could begin with."""
        return {
            "chain": self.tip.chain_id, "height": self.tip.height, "base": self._store.base(),
            "snapshots": self._app.announce(),
        }  # fmt: skip

    async def light(self, method: str, height: int, page: int) -> dict[str, Any]:
        """Return what a newcomer's light client asks of the engine here: "commit", "validators" or
        "consensus_params" at a height. Raises LedgerError if there is no answer."""
        if method not in LIGHT:
            raise LedgerError(f"A light client does not ask for {method[:40]!r}.")
        given = {"height": str(height)}
        if method == "validators":
            given |= {"page": str(page), "per_page": "100"}
        return await self.engine.rpc.call(method, **given)

    async def close(self) -> None:
        self._closed = True
        if self._letting_go is not None:
            self._letting_go.cancel()
        await end(self._entering, self._dialing, self._settling, self._asking)
        await self._badge.close()
        await self._recorder.close()
        await self._courier.close()
        await self.engine.stop()
        await self._abci.close()
        self._store.close()

    def _committed(self, committed: Committed) -> None:
        self._clock.saw(committed.block.header.time_ms)
        self._board.publish(committed)
        with contextlib.suppress(OSError):  # processes that are not notified look by themselves
            self._bell.ring()
        self._recorder.heard(committed)
        self._settle_signing()
        (self.settings.folder / TAKING_OVER).unlink(missing_ok=True)  # a block has followed it
        if self._departed:  # its vote counted for one more block
            self._let_go_soon()
            self._departed = False
        if not self._closed and any(isinstance(event, CHANGES) for event in committed.events):
            before, self._ids = self._ids, self._peer_ids()
            self._departed = not before <= self._ids
            self._dialing = asyncio.create_task(self._dial())

    # signing

    @property
    def is_validator(self) -> bool:
        """Whether its key has a vote."""
        mine = self.settings.consensus.public
        return any(m.power for m in get_members(self.state) if m.consensus == mine)

    def _sign_or_not(self) -> None:
        """Give the engine the validator's key, or one without a vote."""
        may = self.signing.may_sign
        level = logging.WARNING if self.signing.is_waiting else logging.ERROR
        log.log(logging.INFO if may else level, "%s", self.signing.why_not or SIGNS)
        key = self.settings.consensus if may else PrivateKey()
        self.engine.settings = replace(self.engine.settings, consensus=key)

    def _signing_changed(self) -> None:
        self._sign_or_not()
        self.engine.kill()

    async def _ask_again(self, find_height: FindHeight, is_sure: bool) -> None:
        """Ask how far the others are until enough of them have answered and this node has caught
        up: later ones may have more blocks."""
        while not is_sure or self.signing.is_waiting:
            await asyncio.sleep(ASK_AGAIN_S)
            height, is_sure = await find_height(self.state)
            if self.signing.expect(height, self.tip.height):
                self._signing_changed()

    def _settle_signing(self) -> None:
        """Check for own signatures once the block is here that the home had seen. Earlier
        signatures are known from the blocks in between."""
        behind = self.tip.height < self.signing.seen
        if not self.signing.is_waiting or behind:
            return
        if self._settling is not None and not self._settling.done():
            return

        async def settle() -> None:
            while 0 < (seen := self.signing.seen) <= self.tip.height:
                try:
                    told = await self.engine.rpc.call("commit", height=str(seen))
                except RpcError as error:
                    log.debug("no votes on block %d yet: %s", seen, error)
                    if error.data and self.signing.seen == seen:
                        self.signing.settle()  # older than the state from which this node began
                    await asyncio.sleep(RETRY_S)
                    continue
                signatures = told["signed_header"]["commit"]["signatures"]
                mine = self.signing.address.upper()
                if any(s["validator_address"].upper() == mine for s in signatures):
                    self.signing.found(seen)
                if self.signing.seen == seen:  # no later one was reported meanwhile
                    self.signing.settle()

        self._settling = asyncio.create_task(settle())

    def _peer_ids(self) -> set[str]:
        """Return the ids of the engines that may be connected to this one."""
        return {m.ledger.partition("@")[0] for m in get_members(self.state) if m.ledger}

    def _let_go_soon(self) -> None:
        """Schedule an engine restart after a departure, since the engine keeps open connections. So
        that a departed member receives nothing more, all engines restart at once: there are no
        blocks for a second or two. Their mempools are sent again. Restarts are at least LET_GO_S
        apart."""
        is_member = not self._ids.isdisjoint(self._badge.ids())
        if self._letting_go is None and is_member and not self._replaying:

            def let_go() -> None:
                self._letting_go = None
                self._let_go_at = loop.time()
                self.engine.restart()

            loop = asyncio.get_running_loop()
            at = max(loop.time(), self._let_go_at + LET_GO_S)
            self._letting_go = loop.call_at(at, let_go)

    @property
    def _replaying(self) -> bool:
        """Return whether the newest block is an old one."""
        return self.estimate_ms() - self.tip.time_ms > REPLAY_MS

    async def _dial(self) -> None:
        """Connect to the present members."""
        peers = self.peers()
        while peers:
            try:
                await self.engine.rpc.call("dial_peers", peers=peers, persistent=True)
                return
            except RpcError as error:
                log.debug("peers wait: %s", error)
                await asyncio.sleep(RETRY_S)

    def _trouble(self, error: LedgerError) -> None:
        self.on_trouble(error)

    def _fail_because(self, error: Exception) -> None:
        if not isinstance(error, LedgerError):
            error = LedgerError(f"The ledger failed: {error!r}")
        self._fail(error)

    def _fail(self, error: LedgerError) -> None:
        if self.failure is None:
            self.failure = error
            self._board.fail(error)
            self.on_failure(error)
