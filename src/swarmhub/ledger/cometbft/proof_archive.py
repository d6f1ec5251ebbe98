"""The archive of proofs for auditors of old blocks."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque

from swarmhub.contract import events as e
from swarmhub.errors import LedgerShortage
from swarmhub.ledger.blocks import Committed
from swarmhub.ledger.cometbft.broadcaster import end
from swarmhub.ledger.cometbft.header_source import fetch_validators
from swarmhub.ledger.cometbft.rpc import RETRY_S, Rpc, RpcError
from swarmhub.ledger.cometbft.store import Store
from swarmhub.ledger.database import SHORTAGE_PAUSE_S

CHANGES = (e.Admitted, e.Departed, e.Revoked, e.Rotated)
MILESTONES = (
    *CHANGES, e.DoubleSigned, e.BecameValidator, e.PowerChanged, e.StudyProposed, e.StudyAmended,
    e.StudyApproved, e.ApprovalLapsed, e.StudyRefused, e.Enrolled, e.Withdrawn, e.StudyStarted,
    e.StudyStartsFrom, e.StudySuspended, e.StudyPaused, e.StudyEnded, e.Settled, e.FalseMerge,
    e.ModelReleased, e.UpgradeScheduled, e.Upgraded,
)  # fmt: skip

log = logging.getLogger("swarmhub.ledger")


class ProofArchive:
    """Proofs of each block with an event that auditors ask for: its header and the one after it
    (which names the state), with signatures and validators. They outlive the blocks that are
    forgotten."""

    def __init__(self, store: Store, rpc: Rpc) -> None:
        self._store = store
        self._rpc = rpc
        self._wanted: deque[int] = deque()
        self._work: asyncio.Task[None] | None = None
        self._after = False  # whether the newest block was such a one
        self._closed = False

    def heard(self, committed: Committed) -> None:
        """Note a committed block."""
        now = any(isinstance(event, MILESTONES) for event in committed.events)
        if now or self._after:
            self._want(committed.height)
        self._after = now

    def catch_up(self) -> None:
        """Fetch proofs that a crash has left out, of the blocks since."""
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
                who = await fetch_validators(self._rpc, height)
            except RpcError as error:
                log.debug("no proof of block %d yet: %s", height, error)
                if error.data:  # the engine has forgotten that block
                    self._wanted.popleft()
                else:
                    await asyncio.sleep(RETRY_S)
                continue
            signed = found["signed_header"]
            try:
                await asyncio.to_thread(
                    self._store.save_proof, height, json.dumps(signed),
                    signed["header"]["validators_hash"], json.dumps(who),
                )  # fmt: skip
            except LedgerShortage as error:
                log.warning("%s", error)
                await asyncio.sleep(SHORTAGE_PAUSE_S)
                continue
            self._wanted.popleft()

    async def close(self) -> None:
        """Stop. Missing proofs are recorded when the ledger is opened again."""
        self._closed = True
        await end(self._work)
