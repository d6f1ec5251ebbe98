"""The ledger in memory, for tests and simulation: one chain, any number of handles on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from swarmhub.contract import State
from swarmhub.contract.records import Genesis
from swarmhub.contract.state import Overlay
from swarmhub.keys import PrivateKey
from swarmhub.ledger.base import Listener, Submission, Subscriptions
from swarmhub.ledger.blocks import (
    Block,
    Committed,
    Tip,
    build,
    make_genesis_block,
    needs_follow_up,
    replay_genesis,
)


class MemoryChain:
    """The chain itself. `append` is synchronous: the simulator calls it under its own clock."""

    def __init__(self, genesis: Genesis, writer: PrivateKey) -> None:
        self.writer = writer
        self.state = State()
        self.blocks: list[Block] = []
        self.handles: list[MemoryLedger] = []
        overlay = Overlay(self.state)
        self.tip, committed = replay_genesis(make_genesis_block(genesis, writer), overlay)
        self._keep(overlay, committed)

    def append(self, txs: list[bytes], clock_ms: int) -> list[Committed]:
        """Make a block of the transactions, and a follow-up block if one is needed."""
        made = [self._append(txs, clock_ms)]
        while needs_follow_up(self.state):
            made.append(self._append([], clock_ms))
        return made

    def _append(self, txs: list[bytes], clock_ms: int) -> Committed:
        overlay = Overlay(self.state)
        self.tip, committed = build(self.tip, overlay, txs, clock_ms, self.writer)
        self._keep(overlay, committed)
        return committed

    def _keep(self, overlay: Overlay, committed: Committed) -> None:
        self.state.commit(overlay.writes, self.tip.tree)
        self.blocks.append(committed.block)
        for handle in list(self.handles):
            handle.board.publish(committed)


class MemoryLedger:
    """One node's handle on a chain in memory."""

    sleeps = False

    def __init__(self, chain: MemoryChain, clock: Callable[[], int]) -> None:
        self._chain = chain
        self._clock = clock
        self.board = Subscriptions()
        self._waiting: list[bytes] = []
        chain.handles.append(self)

    @property
    def tip(self) -> Tip:
        return self._chain.tip

    @property
    def state(self) -> State:
        return self._chain.state

    def estimate_ms(self) -> int:
        return max(self.tip.time_ms + 1, self._clock())

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        return self.board.subscribe(listener)

    async def submit(self, tx: bytes) -> Submission:
        submission = self.board.expect(tx)
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._append)
        self._waiting.append(tx)
        return submission

    def _append(self) -> None:
        txs, self._waiting = self._waiting, []
        self._chain.append(txs, self._clock())

    async def blocks(self, start: int, stop: int) -> list[Block]:
        return self._chain.blocks[start:stop]

    async def close(self) -> None:
        if self in self._chain.handles:
            self._chain.handles.remove(self)
