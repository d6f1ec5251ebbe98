"""The embedded ledger: a hash-chained block log in one SQLite file, shared on one machine.

Every process that opens the file checks and executes every block itself. Transactions wait in a
shared mempool; a writer takes its turn, executes what others have written since, appends a block of
all that waits (and the follow-up block, if a deadline waits to be stamped) and commits once, with
one fsync. Work on the file happens in one worker thread; the state changes only on the event loop's
thread.

If the machine is short of something (descriptors, space on the disk), transactions keep waiting:
`on_trouble` is called, and the write is retried. Damage ends the ledger (`on_failure`).
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from swarmhub.clock import make_steady_clock
from swarmhub.contract import State
from swarmhub.contract.envelope import read_transaction
from swarmhub.contract.records import get_member_of_key, get_members
from swarmhub.contract.state import Overlay
from swarmhub.errors import LedgerDamaged, LedgerError
from swarmhub.failpoints import failpoint
from swarmhub.keys import PrivateKey
from swarmhub.ledger.base import Listener, Submission, Subscriptions
from swarmhub.ledger.blocks import (
    MAX_BLOCK_BYTES,
    MAX_BLOCK_TXS,
    Block,
    Committed,
    Tip,
    build,
    needs_follow_up,
    replay,
    replay_genesis,
)
from swarmhub.ledger.database import SHORTAGE_PAUSE_S, shortage_of
from swarmhub.ledger.notify import Notifier
from swarmhub.ledger.sqlite.block_file import insert_block, open_blocks, read_blocks, take_turn
from swarmhub.ledger.sqlite.mempool import Mempool

T = TypeVar("T")
AHEAD_MS = 1_000  # block time so far ahead of a clock shows that some clock is wrong
SAFETY_LOOK_S = 1.0  # in case a notification was lost
GATHER_MS = 2  # per process: all of them execute every block, and share the machine's cores


@dataclass(frozen=True)
class _Step:
    """The result of one access to the file."""

    tip: Tip
    overlay: Overlay
    committed: tuple[Committed, ...]


class SqliteLedger:
    """One process's handle on the file. Open it with `SqliteLedger.open`."""

    sleeps = False

    def __init__(
        self,
        path: Path,
        writer: PrivateKey | None,
        clock: Callable[[], int],
        db: sqlite3.Connection,
    ) -> None:
        self.path = path
        self.writer = writer
        self.tip: Tip = Tip("", -1, 0, "", None)
        self.state = State()
        self._clock = clock
        self._tip_seen_ms = clock()
        self._db = db
        self._board = Subscriptions()
        self._queue: list[bytes] = []
        self._lock = asyncio.Lock()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._looking: asyncio.Task[None] | None = None
        self._pumping: asyncio.Task[None] | None = None
        self._safety: asyncio.Task[None] | None = None
        self._again = False
        self._closed = False
        self.failure: LedgerError | None = None  # set when the file turned out damaged
        self.on_failure: Callable[[LedgerError], None] = lambda error: None
        self.trouble: LedgerError | None = None  # why transactions cannot be written at present
        self.on_trouble: Callable[[LedgerError], None] = lambda error: None  # called at every try
        self._bell = Notifier(path)
        self._pool = Mempool(path)
        self._turns = path.with_name(path.name + ".turns")

    @property
    def why_late(self) -> str:
        """The possible cause if no block has a transaction for seconds."""
        return (
            f"The ledger {self.path} has not taken a transaction of this node for some seconds: "
            "this machine is busy, or a program that stands still (a stopped process) has its turn "
            "to write. The transaction waits; nothing is lost."
        )

    @classmethod
    async def open(
        cls,
        path: Path,
        writer: PrivateKey | None = None,
        seen: tuple[int, str] | None = None,
        clock: Callable[[], int] | None = None,
        listener: Listener | None = None,
    ) -> SqliteLedger:
        """Open and check the whole chain. `seen` is the last (height, block id) this node saw; a
        file that does not contain it was rolled back or replaced. `listener` receives every block
        from the first on."""
        db = open_blocks(path)
        ledger = cls(path, writer, clock or make_steady_clock(), db)
        if listener is not None:
            ledger.subscribe(listener)
        found: dict[int, str] = {}
        stop_checking = ledger.subscribe(
            lambda c: found.update({c.height: c.block.id}) if seen and c.height == seen[0] else None
        )
        try:
            ledger._take(await ledger._visit(lambda: ledger._catch_up()))
            if ledger.tip.height < 0:
                raise LedgerDamaged(0, "the file holds no block", str(path))
            if seen is not None and found.get(seen[0]) != seen[1]:
                at = min(seen[0], ledger.tip.height + 1)
                why = "this node has seen other blocks: it was rolled back"
                raise LedgerDamaged(at, why, str(path))
        except sqlite3.Error as error:
            ledger._worker.shutdown(wait=True)
            db.close()
            raise LedgerError(f"The ledger {path} cannot be read ({error}).") from None
        except BaseException:
            ledger._worker.shutdown(wait=True)
            db.close()
            raise
        stop_checking()
        ledger._bell.listen(ledger._look_soon)
        ledger._safety = asyncio.create_task(ledger._look_now_and_then())
        return ledger

    # the ledger protocol

    def estimate_ms(self) -> int:
        return max(self.tip.time_ms + 1, self._now_ms())

    def _now_ms(self) -> int:
        """Return this process's clock; if block time is ahead of it, the tip's time plus the time
        since."""
        now_ms = self._clock()
        if self.tip.time_ms - self._tip_seen_ms < AHEAD_MS:
            return now_ms
        return max(now_ms, self.tip.time_ms + now_ms - self._tip_seen_ms)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        return self._board.subscribe(listener)

    async def submit(self, tx: bytes) -> Submission:
        if self.failure:
            raise self.failure
        if self.writer is None:
            raise LedgerError("The ledger is open for reading only; open it with a node's key.")
        is_member = get_member_of_key(self.state, self.writer.public) is not None
        if not is_member and read_transaction(tx).signer != self.writer.public:
            raise LedgerError("Only a member can write other people's transactions to this ledger.")
        submission = self._board.expect(tx)
        if tx not in self._queue:
            self._queue.append(tx)
        if self._pumping is None or self._pumping.done():
            self._pumping = asyncio.create_task(self._pump())
        return submission

    async def blocks(self, start: int, stop: int) -> list[Block]:
        return await self._visit(lambda: list(read_blocks(self._db, start, stop)))

    async def close(self) -> None:
        self._closed = True
        self._bell.close()
        for task in (self._safety, self._looking, self._pumping):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, LedgerError):
                    await task
        self._worker.shutdown(wait=True)
        self._db.close()

    # work on the file

    async def _visit(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    def _take(self, step: _Step) -> None:
        self.state.commit(step.overlay.writes, step.tip.tree)
        if step.committed:
            self.tip, self._tip_seen_ms = step.tip, self._clock()
        for committed in step.committed:
            self._board.publish(committed)

    def _catch_up(self) -> _Step:
        """Execute what others have written. Runs in the worker thread."""
        overlay, tip, done = Overlay(self.state), self.tip, []
        try:
            for block in read_blocks(self._db, tip.height + 1):
                if tip.height < 0:
                    tip, committed = replay_genesis(block, overlay)
                else:
                    tip, committed = replay(tip, overlay, block)
                done.append(committed)
        except LedgerDamaged as error:
            raise LedgerDamaged(error.height, error.why, str(self.path)) from None
        return _Step(tip, overlay, tuple(done))

    def _append(self, mine: list[Path]) -> _Step:
        """Append a block of the mempool, unless another process has. Runs in the worker thread."""
        assert self.writer is not None
        with take_turn(self._turns):
            failpoint("ledger.turn")
            if any(path.exists() for path in mine):
                return self._append_intake_turn(mine, self.writer)
        return self._catch_up()  # another process had them in a block

    def _append_intake_turn(self, mine: list[Path], writer: PrivateKey) -> _Step:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            step = self._catch_up()
            overlay, tip, done = step.overlay, step.tip, list(step.committed)
            members = {m.account for m in get_members(overlay)}
            only = None if writer.public in members else mine  # a stranger writes only its own
            taken = self._pool.waiting(MAX_BLOCK_TXS, MAX_BLOCK_BYTES, members, only)
            batch = [tx for _, tx in taken]
            while batch or needs_follow_up(overlay):
                tip, committed = build(tip, overlay, batch, self._now_ms(), writer)
                insert_block(self._db, committed.block)
                done.append(committed)
                batch = []
            failpoint("ledger.rows")
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        failpoint("ledger.committed")
        self._pool.remove([path for path, _ in taken])
        failpoint("ledger.silent")
        with contextlib.suppress(OSError):  # processes that are not notified look by themselves
            self._bell.ring()
        failpoint("ledger.told")
        return _Step(tip, overlay, tuple(done))

    async def _pump(self) -> None:
        """Write queued transactions into blocks, however long the machine delays it."""
        mine: list[Path] = []
        while (self._queue or mine) and not self.failure:
            self.trouble = await self._attempt(self._bring(mine))
            if self.trouble:
                await asyncio.sleep(SHORTAGE_PAUSE_S)

    async def _bring(self, mine: list[Path]) -> None:
        """Put queued transactions into the mempool, and append until all are in a block. `mine` are
        their places in the mempool: those left after a failure are for the next try."""
        while self._queue:
            tx = self._queue[0]
            mine.append(await self._visit(lambda tx=tx: self._pool.put(tx)))  # type: ignore[misc]
            del self._queue[0]
        while not self.failure and any(path.exists() for path in mine):
            await self._gather()
            await self._execute(lambda: self._append(mine))
        mine.clear()

    async def _gather(self) -> None:
        """Let all processes execute the last block, while more transactions arrive."""
        rest_ms = self._bell.count() * GATHER_MS
        since_ms = self._clock() - self._tip_seen_ms
        if 0 <= since_ms < rest_ms:
            await asyncio.sleep((rest_ms - since_ms) / 1000)

    async def _execute(self, work: Callable[[], _Step]) -> None:
        async with self._lock:
            self._take(await self._visit(work))

    async def _attempt(self, work: Coroutine[Any, Any, None]) -> LedgerError | None:
        """Await `work`. Returns the error that prevented it, if that is transient; all others end
        the ledger."""
        try:
            await work
        except LedgerError as error:
            self._fail(error)
        except (sqlite3.Error, OSError) as error:
            shortage = shortage_of(error, self.path)
            if shortage.is_passing:
                self.on_trouble(shortage)
                return shortage
            self._fail(shortage)
        return None

    def _fail(self, error: LedgerError) -> None:
        if self.failure is None:
            self.failure = error
            self._board.fail(error)
            self.on_failure(error)

    def _look_soon(self) -> None:
        self._again = True
        if self._closed:
            return
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        while self._again and not self.failure:
            self._again = False
            await self._attempt(self._execute(self._catch_up))

    async def _look_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(SAFETY_LOOK_S)
            self._look_soon()
