"""The networked ledger for another process of a member's machine, such as a command: it reads what
the node has committed, and submits transactions to the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from swarmhub.clock import make_steady_clock
from swarmhub.errors import LedgerDamaged, LedgerError
from swarmhub.ledger.base import Listener, Submission, Subscriptions
from swarmhub.ledger.blocks import Block, Committed
from swarmhub.ledger.cometbft.broadcaster import Broadcaster
from swarmhub.ledger.cometbft.clock import BlockClock
from swarmhub.ledger.cometbft.folder import agree_again
from swarmhub.ledger.cometbft.rpc import RETRY_S, Rpc, RpcError
from swarmhub.ledger.cometbft.settings import RPC_SOCKET, STATE_FILE
from swarmhub.ledger.cometbft.store import Store
from swarmhub.ledger.notify import Notifier


class CometReadClient:
    """The handle of another process on this machine. Create it with `CometReadClient.open`."""

    sleeps = True

    def __init__(self, folder: Path, clock: Callable[[], int], patience_s: float) -> None:
        self.path = folder / STATE_FILE
        self._patience_s = patience_s
        self._met = False
        self.failure: LedgerError | None = None
        self._store = Store.open(self.path)
        self.tip, self.state = self._store.load()
        self._rpc = Rpc(folder / RPC_SOCKET)
        self._board = Subscriptions()
        self._clock = BlockClock(clock)
        self._courier = Broadcaster(self._rpc, self._board)
        self._bell = Notifier(self.path)

    @classmethod
    async def open(
        cls, folder: Path, clock: Callable[[], int] | None = None, patience_s: float = 0.0
    ) -> CometReadClient:
        """Read what the node has committed, and listen for more. A submission waits `patience_s`
        for a node that is starting."""
        read_client = cls(folder, clock or make_steady_clock(), patience_s)
        read_client._bell.listen(read_client._look)
        read_client._look()
        return read_client

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

    def kept(self, start: int, stop: int) -> list[Committed]:
        """Return blocks of heights start to stop (excluded) with their events, if they are kept
        here."""
        return self._store.blocks(start, stop)

    async def close(self) -> None:
        self._bell.close()
        await self._courier.close()
        await self._rpc.close()
        self._store.close()

    async def _find_node(self) -> None:
        """Raise LedgerError if no node answers here within this client's patience."""
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
        """Execute newly committed blocks, as an auditor would."""
        try:
            for committed in self._store.blocks(self.tip.height + 1, 1 << 60):
                if committed.height != self.tip.height + 1:  # forgotten, or replaced by a snapshot
                    self.tip, self.state = self._store.load()
                    return
                self._take(committed)
        except LedgerError as error:
            self.failure = error
            self._board.fail(error)

    def _take(self, committed: Committed) -> None:
        self.tip, mine = agree_again(self.tip, self.state, committed.block)
        if mine.block != committed.block:
            why = "its results are not what the contract computes"
            raise LedgerDamaged(committed.height, why, str(self.path))
        self._clock.saw(self.tip.time_ms)
        self._board.publish(mine)
