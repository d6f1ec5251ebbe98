"""The ledger of many machines: CometBFT agrees on blocks, the contract executes them.

`CometLedger` is the node's own handle: it answers the engine (application.py), keeps it running
(engine.py) and hears of each block when it is committed, so nothing is asked twice and nothing
polls. `CometVisitor` is the handle of any other process of this machine, such as a command: it
reads what the node has committed and hands transactions to the engine.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import shutil
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from swarmhub import codec
from swarmhub.contract import Result, State
from swarmhub.contract.records import Genesis, get_members, read_genesis_json
from swarmhub.contract.state import Overlay
from swarmhub.contract.transactions import read_transaction
from swarmhub.errors import LedgerDamaged, LedgerError, Malformed
from swarmhub.ledger.base import Board, Listener, Submission
from swarmhub.ledger.blocks import (
    MAX_GENESIS_BYTES,
    Block,
    Committed,
    Tip,
    agree,
    agree_on_genesis,
)
from swarmhub.ledger.cometbft.abci import AbciServer
from swarmhub.ledger.cometbft.application import Application, unpack_state
from swarmhub.ledger.cometbft.engine import (
    ABCI_SOCKET,
    RPC_SOCKET,
    STATE_FILE,
    Engine,
    Entry,
    Rpc,
    RpcError,
    Settings,
    compute_peer_id,
    short_path,
)
from swarmhub.ledger.cometbft.store import Store
from swarmhub.ledger.doorbell import Doorbell
from swarmhub.ledger.sqlite import make_steady_clock

START_S = 60.0  # to open the application's connections, behind whatever is to be replayed
RETRY_S = 0.2
LIVE_BLOCKS = 16  # of which the freshest tells how far block time is behind this clock
CREDIBLE_MS = 900_000  # a clock that is further off is another matter, or the blocks are old
PEERS_FILE = "peers.json"
TAKING_OVER = "taking-over"  # stands in the folder until a block has followed the snapshot
CHANGES = {"admitted", "left", "removed", "revoked", "rotated"}
REPLAY_MS = 60_000
LET_GO_S = 30.0  # at least, between two starts of the engine that members' departures ask for
LIGHT = ("commit", "validators", "consensus_params")
MILESTONES = CHANGES | {
    "validates", "power", "proposed", "approved", "refused", "enrolled", "withdrawn", "started",
    "settled", "false_merge", "released", "study_finished",
}  # fmt: skip

log = logging.getLogger("swarmhub.ledger")


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


class Courier:
    """Brings transactions to the engine, again and again until it has them."""

    def __init__(self, rpc: Rpc, board: Board) -> None:
        self._rpc = rpc
        self._board = board
        self._queue: deque[bytes] = deque()
        self._sent: list[bytes] = []  # and no block has had it yet
        self._closed = False
        self._sending: asyncio.Task[None] | None = None

    def send(self, tx: bytes) -> None:
        """Send it, behind those that were given before."""
        self._sent = [t for t in self._sent if self._board.is_waiting(t) and t != tx] + [tx]
        if tx not in self._queue:
            self._queue.append(tx)
        self._go()

    def send_again(self) -> None:
        """The engine starts again, and has forgotten what waits."""
        waiting = [tx for tx in self._sent if self._board.is_waiting(tx)]
        self._queue.extend(tx for tx in waiting if tx not in self._queue)
        self._go()

    def _go(self) -> None:
        if self._closed or not self._queue:
            return
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send_all())

    async def _send_all(self) -> None:
        while self._queue:
            tx = self._queue[0]
            try:
                answer = await self._rpc.call("broadcast_tx_sync", tx=base64.b64encode(tx).decode())
            except RpcError as error:
                if "already exists in cache" not in error.data:
                    log.debug("a transaction waits: %s", error)
                    await asyncio.sleep(RETRY_S)
                    continue
            else:
                if answer["code"]:
                    code = bytes.fromhex(answer["data"]).decode()
                    result = Result(read_transaction(tx).id, code, str(answer["log"]))
                    self._board.refuse(tx, result)
            self._queue.popleft()

    async def close(self) -> None:
        """Send nothing more."""
        self._closed = True
        await _end(self._sending)


class Recorder:
    """Keeps, of each block in which something happened that an auditor will ask for, what shows
    that the validators agreed on it: its header and the one after it (which names the state), with
    signatures and who signed. They outlive the blocks that are forgotten."""

    def __init__(self, store: Store, rpc: Rpc) -> None:
        self._store = store
        self._rpc = rpc
        self._wanted: deque[int] = deque()
        self._work: asyncio.Task[None] | None = None
        self._after = False  # the newest block was such a one
        self._closed = False

    def heard(self, committed: Committed) -> None:
        """A block has been committed."""
        now = any(name in MILESTONES for name, _ in committed.events)
        if now or self._after:
            self._want(committed.height)
        self._after = now

    def catch_up(self) -> None:
        """Get what a crash has left out, of the blocks since."""
        for height in self._store.unproven(MILESTONES):
            self._want(height)

    def _want(self, height: int) -> None:
        self._wanted.append(height)
        if not self._closed and (self._work is None or self._work.done()):
            self._work = asyncio.create_task(self._record())

    async def _record(self) -> None:
        while self._wanted:
            height = self._wanted[0]
            try:
                found = await self._rpc.call("commit", height=str(height))
                who = await self._rpc.call("validators", height=str(height), per_page="100")
            except RpcError as error:
                log.debug("no proof of block %d yet: %s", height, error)
                if error.data:  # the engine has forgotten that block
                    self._wanted.popleft()
                else:
                    await asyncio.sleep(RETRY_S)
                continue
            signed = found["signed_header"]
            await asyncio.to_thread(
                self._store.save_proof, height, json.dumps(signed),
                signed["header"]["validators_hash"], json.dumps(who["validators"]),
            )  # fmt: skip
            self._wanted.popleft()

    async def close(self) -> None:
        """Stop. What is not recorded by now is when the ledger is opened again."""
        self._closed = True
        await _end(self._work)


class CometLedger:
    """The handle of a member's node. Make it with `CometLedger.open`."""

    sleeps = True

    def __init__(self, settings: Settings, store: Store, clock: Callable[[], int]) -> None:
        self.settings = settings
        self.path = store.path
        self.failure: LedgerError | None = None
        self.on_failure: Callable[[LedgerError], None] = lambda error: None
        self._store = store
        self._board = Board()
        self._clock = BlockClock(clock)
        self._app = Application(store, self._committed, settings.keep_blocks)
        self._abci = AbciServer(self._app.handle, self._fail_because)
        self.engine = Engine(settings, self._fail, lambda: self._courier.send_again())
        self._courier = Courier(self.engine.rpc, self._board)
        self._bell = Doorbell(store.path)
        self._dialing: asyncio.Task[None] | None = None
        self._letting_go: asyncio.TimerHandle | None = None
        self._let_go_at = -LET_GO_S  # when the engine was last made to start again
        self._ids = self._peer_ids()
        self._closed = False
        self._entering: asyncio.Task[None] | None = None
        self._recorder = Recorder(store, self.engine.rpc)
        self._departed = False  # a member, with the newest block

    @classmethod
    async def open(
        cls,
        settings: Settings,
        clock: Callable[[], int] | None = None,
        verbose: bool = False,
        find_entry: Callable[[], Awaitable[Entry | None]] | None = None,
    ) -> CometLedger:
        """Start the engine on this member's folder, and wait until it knows where the state
        stands. LedgerError where it does not start.

        With `find_entry`, an engine without blocks is started when that has found out how a
        newcomer begins; this returns at once."""
        _begin_anew_after_crash(settings.folder)
        store = Store.open(settings.folder / STATE_FILE)
        ledger = cls(settings, store, clock or make_steady_clock())
        try:
            await ledger._abci.start(Path(short_path(settings.folder / ABCI_SOCKET)))
            if find_entry is not None and ledger.tip.height == 0:
                ledger._entering = asyncio.create_task(ledger._enter(find_entry, verbose))
            else:
                await ledger.engine.start(ledger.peers, verbose)
                await ledger._wait_for_start()
                ledger._recorder.catch_up()
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
        """ID@host:port of every other member's engine: as the state has them, and, for a
        newcomer that has no block yet, as a member has told."""
        mine = compute_peer_id(self.settings.peer.public)
        known = {m.ledger.partition("@")[0]: m.ledger for m in get_members(self.state) if m.ledger}
        if mine not in known:
            known |= {p.partition("@")[0]: p for p in read_peers(self.settings.folder)}
        return [place for peer, place in known.items() if peer != mine]

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
        """Whether the engine has every block that its peers have."""
        try:
            status = await self.engine.rpc.call("status")
        except RpcError:
            return False
        return not status["sync_info"]["catching_up"]

    def describe(self) -> dict[str, Any]:
        """What a newcomer has to know in order to begin: `height`, the `base` up to which blocks
        are forgotten here, and the `snapshots` that it could begin with."""
        return {
            "height": self.tip.height, "base": self._store.base(),
            "snapshots": self._app.announce(),
        }  # fmt: skip

    async def light(self, method: str, height: int, page: int) -> dict[str, Any]:
        """What a newcomer's light client asks of the engine here: "commit", "validators" or
        "consensus_params" at a height. LedgerError where there is no answer."""
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
        await _end(self._entering, self._dialing)
        await self._recorder.close()
        await self._courier.close()
        await self.engine.stop()
        await self._abci.close()
        self._store.close()

    def _committed(self, committed: Committed) -> None:
        self._clock.saw(committed.block.header.time_ms)
        self._board.publish(committed)
        self._bell.ring()
        self._recorder.heard(committed)
        (self.settings.folder / TAKING_OVER).unlink(missing_ok=True)  # a block came after it
        if self._departed:  # its vote counted for one more block
            self._let_go_soon()
            self._departed = False
        if not self._closed and any(name in CHANGES for name, _ in committed.events):
            before, self._ids = self._ids, self._peer_ids()
            self._departed = not before <= self._ids
            self._dialing = asyncio.create_task(self._dial())

    def _peer_ids(self) -> set[str]:
        """Of the engines that may be connected to this one."""
        return {m.ledger.partition("@")[0] for m in get_members(self.state) if m.ledger}

    def _let_go_soon(self) -> None:
        """The engine keeps a connection that is open. So that a member that is gone hears nothing
        more, all engines start again at once: there are no blocks for a second or two. What waited
        in them is sent again. Nobody can have them start more often than every LET_GO_S."""
        mine = compute_peer_id(self.settings.peer.public)
        if self._letting_go is None and mine in self._ids and not self._replaying:

            def let_go() -> None:
                self._letting_go = None
                self._let_go_at = loop.time()
                self.engine.restart()

            loop = asyncio.get_running_loop()
            at = max(loop.time(), self._let_go_at + LET_GO_S)
            self._letting_go = loop.call_at(at, let_go)

    @property
    def _replaying(self) -> bool:
        """Whether the newest block is an old one."""
        return self.estimate_ms() - self.tip.time_ms > REPLAY_MS

    async def _dial(self) -> None:
        """Connect to whoever is a member now."""
        peers = self.peers()
        while peers:
            try:
                await self.engine.rpc.call("dial_peers", peers=peers, persistent=True)
                return
            except RpcError as error:
                log.debug("peers wait: %s", error)
                await asyncio.sleep(RETRY_S)

    def _fail_because(self, error: Exception) -> None:
        if not isinstance(error, LedgerError):
            error = LedgerError(f"The ledger failed: {error!r}")
        self._fail(error)

    def _fail(self, error: LedgerError) -> None:
        if self.failure is None:
            self.failure = error
            self._board.fail(error)
            self.on_failure(error)


class CometVisitor:
    """The handle of another process on this machine. Make it with `CometVisitor.open`."""

    sleeps = True

    def __init__(self, folder: Path, clock: Callable[[], int], patience_s: float) -> None:
        self.path = folder / STATE_FILE
        self._patience_s = patience_s
        self._met = False
        self.failure: LedgerError | None = None
        self._store = Store.open(self.path)
        self.tip, self.state = self._store.load()
        self._rpc = Rpc(folder / RPC_SOCKET)
        self._board = Board()
        self._clock = BlockClock(clock)
        self._courier = Courier(self._rpc, self._board)
        self._bell = Doorbell(self.path)

    @classmethod
    async def open(
        cls, folder: Path, clock: Callable[[], int] | None = None, patience_s: float = 0.0
    ) -> CometVisitor:
        """Read what the node has committed, and listen for more. A submission waits so long for a
        node that is starting."""
        visitor = cls(folder, clock or make_steady_clock(), patience_s)
        visitor._bell.listen(visitor._look)
        visitor._look()
        return visitor

    def estimate_ms(self) -> int:
        return self._clock.estimate_ms(self.tip)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        return self._board.subscribe(listener)

    async def submit(self, tx: bytes) -> Submission:
        if self.failure:
            raise self.failure
        await self._find_node()
        submission = self._board.expect(tx)
        self._courier.send(tx)
        return submission

    async def blocks(self, start: int, stop: int) -> list[Block]:
        return [c.block for c in self._store.blocks(start, stop)]

    async def close(self) -> None:
        self._bell.close()
        await self._courier.close()
        await self._rpc.close()
        self._store.close()

    async def _find_node(self) -> None:
        """LedgerError where no node answers here within this visitor's patience."""
        if self._met:
            return
        loop = asyncio.get_running_loop()
        end = loop.time() + self._patience_s
        while not self._met:
            try:
                await self._rpc.call("health")
                self._met = True
            except RpcError:
                if loop.time() >= end:
                    raise LedgerError(
                        f"No node answers on {self.path.parent.parent}; start it with "
                        "'swarmhub up', or wait until it is up."
                    ) from None
                await asyncio.sleep(RETRY_S)

    def _look(self) -> None:
        """Execute what has been committed since, as an auditor would."""
        try:
            for committed in self._store.blocks(self.tip.height + 1, 1 << 60):
                if committed.height != self.tip.height + 1:  # forgotten, or a snapshot came
                    self.tip, self.state = self._store.load()
                    return
                self._take(committed)
        except LedgerError as error:
            self.failure = error
            self._board.fail(error)

    def _take(self, committed: Committed) -> None:
        self.tip, mine = _agree_again(self.tip, self.state, committed.block)
        if mine.block != committed.block:
            why = "its results are not what the contract computes"
            raise LedgerDamaged(committed.height, why, str(self.path))
        self._clock.saw(self.tip.time_ms)
        self._board.publish(mine)


def _begin_anew_after_crash(folder: Path) -> None:
    """Where a crash came into the takeover of a snapshot, engine and state may not fit together:
    both begin again, as they did before it. What this validator has signed is kept."""
    if not (folder / TAKING_OVER).exists():
        return
    genesis = read_genesis(folder)
    for path in folder.glob(f"{STATE_FILE}*"):
        path.unlink()
    for path in (folder / "data").glob("*"):
        if path.is_dir():
            shutil.rmtree(path)
    create_comet_ledger(folder, genesis)


async def _end(*tasks: asyncio.Task[None] | None) -> None:
    """Cancel tasks, and wait until they are over, however they end."""
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def read_peers(folder: Path) -> list[str]:
    """What a member told a newcomer about the others' engines; nothing where it is damaged."""
    try:
        found = codec.decode((folder / PEERS_FILE).read_bytes(), MAX_GENESIS_BYTES)
    except (OSError, Malformed):
        return []
    return [p for p in found if isinstance(p, str)] if isinstance(found, list) else []


def create_comet_ledger(folder: Path, genesis: Genesis) -> str:
    """Write the state of block 0 into a member's folder; returns the chain id."""
    path = folder / STATE_FILE
    if path.exists():
        raise LedgerError(f"Expected no ledger at {folder}, found one; it is never overwritten.")
    return Store.create(path, genesis)


def read_genesis(folder: Path) -> Genesis:
    """The genesis that a member's folder was made from."""
    store = Store.open(folder / STATE_FILE)
    try:
        (first,) = store.blocks(0, 1)
        return read_genesis_json(codec.decode(first.block.txs[0], MAX_GENESIS_BYTES))
    finally:
        store.close()


def verify_comet_ledger(folder: Path) -> tuple[Tip, State, list[Committed]]:
    """Execute all blocks from the genesis on, as an auditor does, and compare with what the node
    has kept. LedgerDamaged names the first block that differs. Where older blocks have been
    forgotten, from the snapshot on at which the others begin; of the older ones, those that are
    kept are returned as they are."""
    store = Store.open(folder / STATE_FILE)
    try:
        with store.one_moment():  # of a file that a node may be writing
            kept_tip, _ = store.load()
            base = store.base()
            first, *rest = store.blocks(0, 1 << 60)
            snapshot = store.snapshot(base) if base else None
    finally:
        store.close()
    state = State()
    overlay = Overlay(state)
    tip, committed = agree_on_genesis(
        read_genesis_json(codec.decode(first.block.txs[0], MAX_GENESIS_BYTES)), overlay
    )
    found = [committed]
    state.commit(overlay.writes, tip.tree)
    why = "its results are not what the contract computes"
    if committed.block != first.block:
        raise LedgerDamaged(0, why, str(store.path))
    if base:
        if snapshot is None:
            raise LedgerDamaged(base, "the state that the kept blocks begin from is gone", "")
        state = State(unpack_state(b"".join(snapshot.chunks)))
        tip = Tip(tip.chain_id, base, snapshot.time_ms, snapshot.head, state.tree)
        found += [kept for kept in rest if kept.height <= base]
        rest = [kept for kept in rest if kept.height > base]
    for kept in rest:
        if kept.height != tip.height + 1:
            raise LedgerDamaged(tip.height + 1, "it is not kept here", str(store.path))
        tip, committed = _agree_again(tip, state, kept.block)
        if committed.block != kept.block:
            raise LedgerDamaged(kept.height, why, str(store.path))
        found.append(committed)
    if tip.head != kept_tip.head:
        raise LedgerDamaged(tip.height + 1, "the state is of another block", str(store.path))
    return tip, state, found


def _agree_again(tip: Tip, state: State, block: Block) -> tuple[Tip, Committed]:
    """Execute a block that has been agreed on, and commit its writes."""
    overlay = Overlay(state)
    header = block.header
    tip, committed = agree(tip, overlay, block.txs, header.time_ms, header.writer, block.agreed)
    state.commit(overlay.writes, tip.tree)
    return tip, committed
