"""Submission of transactions to the engine."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections import deque
from typing import Any

from swarmhub.contract import Result
from swarmhub.contract.envelope import read_transaction
from swarmhub.ledger.base import Subscriptions
from swarmhub.ledger.cometbft.rpc import RETRY_S, Rpc, RpcError

log = logging.getLogger("swarmhub.ledger")


class Broadcaster:
    """Sends transactions to the engine, and retries until it has them."""

    def __init__(self, rpc: Rpc, board: Subscriptions) -> None:
        self._rpc = rpc
        self._board = board
        self._queue: deque[bytes] = deque()
        self._sent: list[bytes] = []  # no block has had them yet
        self._closed = False
        self._sending: asyncio.Task[None] | None = None

    def send(self, tx: bytes) -> None:
        """Queue a transaction behind the earlier ones."""
        self._sent = [t for t in self._sent if self._board.is_waiting(t) and t != tx] + [tx]
        if tx not in self._queue:
            self._queue.append(tx)
        self._go()

    def send_again(self) -> None:
        """Send everything again: a restarted engine has lost its mempool."""
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
        """Stop sending."""
        self._closed = True
        await end(self._sending)


async def end(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancel tasks, and wait for their end, with whatever result."""
    running = [task for task in tasks if task is not None]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
