"""What a ledger is to the rest of the house.

`submit` hands bytes over and returns; the result comes with a block, which every subscriber
sees. Nothing here assumes that the two are close in time, that a file is shared, or that a
submission arrives at all: who needs a result waits for it and submits the same bytes again.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

from swarmhub.contract import Result, State
from swarmhub.contract.transactions import Poke, read_transaction, write_transaction
from swarmhub.keys import PrivateKey
from swarmhub.ledger.blocks import Block, Committed, Tip
from swarmhub.types import TX_DOMAIN

Listener = Callable[[Committed], None]


class Ledger(Protocol):
    """The protocol of all drivers. Methods are called on the event loop's thread."""

    sleeps: bool  # whether block time stands still while there are no transactions

    @property
    def tip(self) -> Tip:
        """Chain id, height, time and head of the newest block known here."""

    @property
    def state(self) -> State:
        """The contract's state after that block; read it, never write it."""

    def estimate_ms(self) -> int:
        """Block time that a transaction submitted now would see, as far as is known."""

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every new block, in order; returns the unsubscription."""

    async def submit(self, tx: bytes) -> Submission:
        """Hand a transaction over. Malformed bytes are refused here, nothing else."""

    async def blocks(self, start: int, stop: int) -> list[Block]:
        """Blocks of heights start (included) to stop (excluded), as far as there are any."""

    async def close(self) -> None:
        """Stop and release everything."""


ASLEEP_MS = 1_200_000  # with a transaction's life well below the contract's horizon of an hour
TX_LIFE_MS = 600_000  # a transaction that no block had in ten minutes is made anew


def sign_transaction(body: Any, chain: str, now_ms: int, account: PrivateKey) -> bytes:
    """A transaction of this account that is good for ten minutes."""
    return write_transaction(
        body, chain, now_ms + TX_LIFE_MS, account.public, lambda m: account.sign(TX_DOMAIN, m)
    )


async def advance_block_time(ledger: Ledger, account: PrivateKey) -> None:
    """Where block time has stood still for long, because nothing happened and a block has the time
    of the one before, make a block; what is signed next would else be from the future."""
    if not ledger.sleeps or ledger.estimate_ms() - ledger.tip.time_ms < ASLEEP_MS:
        return
    tx = sign_transaction(Poke(""), ledger.tip.chain_id, ledger.tip.time_ms, account)
    await (await ledger.submit(tx)).result()  # refused, and in a block


class Submission:
    """A transaction on its way: its id, and the result when a block has it."""

    def __init__(self, tx_id: str, future: asyncio.Future[Result]) -> None:
        self.id = tx_id
        self._future = future

    async def result(self, timeout_s: float | None = None) -> Result:
        """The result; TimeoutError when no block had it in time (submit the same bytes again)."""
        async with asyncio.timeout(timeout_s):
            return await asyncio.shield(self._future)


def _key(tx: bytes) -> bytes:
    return hashlib.sha256(tx).digest()


class Subscriptions:
    """Results that are waited for, recent ones, and the subscribers (used by every driver).

    A result is for exact bytes. A transaction's id does not cover its signature, so whoever sees
    one on its way can make a copy with the same id that is refused for its signature; that
    refusal must not reach who waits for the genuine bytes.
    """

    RECENT = 512  # who resubmits does so within seconds

    def __init__(self) -> None:
        self._waiting: dict[bytes, asyncio.Future[Result]] = {}
        self._recent: OrderedDict[bytes, Result] = OrderedDict()
        self._listeners: list[Listener] = []

    def expect(self, tx: bytes) -> Submission:
        """A submission of the bytes; Malformed where they are no transaction."""
        tx_id, key = read_transaction(tx).id, _key(tx)
        future = self._waiting.get(key)
        if future is None or future.done():
            future = asyncio.get_running_loop().create_future()
            if key in self._recent and self._recent[key].ok:
                future.set_result(self._recent[key])
            else:
                self._waiting[key] = future
        return Submission(tx_id, future)

    def is_waiting(self, tx: bytes) -> bool:
        """Whether somebody waits for the result of these bytes."""
        future = self._waiting.get(_key(tx))
        return future is not None and not future.done()

    def publish(self, committed: Committed) -> None:
        """Tell waiters and subscribers of a block."""
        # block 0 has a transaction, the genesis, and no result
        for tx, result in zip(committed.block.txs, committed.results, strict=False):
            key = _key(tx)
            if result.ok or key not in self._recent:  # a copy that came late is refused
                self._recent[key] = result
            while len(self._recent) > self.RECENT:
                self._recent.popitem(last=False)
            future = self._waiting.pop(key, None)
            if future is not None and not future.done():
                future.set_result(result)
        for listener in list(self._listeners):
            listener(committed)

    def refuse(self, tx: bytes, result: Result) -> None:
        """Tell who waits that no block will have these bytes."""
        future = self._waiting.pop(_key(tx), None)
        if future is not None and not future.done():
            future.set_result(result)

    def fail(self, error: Exception) -> None:
        """No block will come any more: tell who waits."""
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(error)
                future.exception()  # whoever has given up waiting need not hear of it
        self._waiting.clear()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Add a subscriber; returns its removal."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)
