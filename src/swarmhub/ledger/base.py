"""The interface of a ledger to the other packages.

`submit` hands bytes over and returns; the result comes with a block, which every subscriber
receives. Nothing here assumes that the two are close in time, that a file is shared, or that a
submission arrives at all: a caller that needs a result waits for it and submits the same bytes
again.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

from swarmhub.contract import Result, State
from swarmhub.contract.envelope import read_transaction, write_transaction
from swarmhub.contract.transactions import Poke
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
        """The contract's state after that block; read-only."""

    def estimate_ms(self) -> int:
        """Return the estimated block time of a transaction submitted now."""

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every new block, in order; returns a function that unsubscribes."""

    async def submit(self, tx: bytes) -> Submission:
        """Submit a transaction. Only malformed bytes are refused here."""

    async def blocks(self, start: int, stop: int) -> list[Block]:
        """Return the blocks of heights start (included) to stop (excluded), as far as they
        exist."""

    async def close(self) -> None:
        """Stop and release everything."""


ASLEEP_MS = 1_200_000  # with a transaction's life well below the contract's horizon of an hour
TX_LIFE_MS = 600_000  # a transaction that no block had in ten minutes is signed anew


def sign_transaction(body: Any, chain: str, now_ms: int, account: PrivateKey) -> bytes:
    """Return a transaction of this account that is valid for ten minutes."""
    return write_transaction(
        body, chain, now_ms + TX_LIFE_MS, account.public, lambda m: account.sign(TX_DOMAIN, m)
    )


async def advance_block_time(ledger: Ledger, account: PrivateKey) -> None:
    """Make a block if block time has stood still for long, because nothing happened and a block has
    the time of the one before; otherwise the next signature would be from the future."""
    if not ledger.sleeps or ledger.estimate_ms() - ledger.tip.time_ms < ASLEEP_MS:
        return
    tx = sign_transaction(Poke(""), ledger.tip.chain_id, ledger.tip.time_ms, account)
    await (await ledger.submit(tx)).result()  # refused, and in a block


class Submission:
    """A submitted transaction: its id, and the result when a block has it."""

    def __init__(self, tx_id: str, future: asyncio.Future[Result]) -> None:
        self.id = tx_id
        self._future = future

    async def result(self, timeout_s: float | None = None) -> Result:
        """Return the result. Raises TimeoutError if no block had it in time (submit the same bytes
        again)."""
        async with asyncio.timeout(timeout_s):
            return await asyncio.shield(self._future)


def _key(tx: bytes) -> bytes:
    return hashlib.sha256(tx).digest()


class Subscriptions:
    """Pending results, recent ones, and the subscribers (used by every driver).

    A result is for exact bytes. A transaction's id does not cover its signature, so anyone that
    sees a pending one can make a copy with the same id that is refused for its signature; that
    refusal must not reach the waiter for the genuine bytes.
    """

    RECENT = 512  # resubmissions come within seconds

    def __init__(self) -> None:
        self._waiting: dict[bytes, asyncio.Future[Result]] = {}
        self._recent: OrderedDict[bytes, Result] = OrderedDict()
        self._listeners: list[Listener] = []

    def expect(self, tx: bytes) -> Submission:
        """Return a submission of the bytes. Raises Malformed if they are not a transaction."""
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
        """Return whether the result of these bytes is waited for."""
        future = self._waiting.get(_key(tx))
        return future is not None and not future.done()

    def publish(self, committed: Committed) -> None:
        """Pass a block to waiters and subscribers."""
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
        """Report to the waiters that no block will have these bytes."""
        future = self._waiting.pop(_key(tx), None)
        if future is not None and not future.done():
            future.set_result(result)

    def fail(self, error: Exception) -> None:
        """Report an error to all waiters: no block will come any more."""
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(error)
                future.exception()  # mark it as retrieved: the waiter may have given up
        self._waiting.clear()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Add a subscriber; returns a function that removes it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)
