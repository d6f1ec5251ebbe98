"""What the parts of a node share, as one value: a part imports this, never the node."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from swarmhub.blobs import BlobStore
from swarmhub.contract import Result, State
from swarmhub.contract.records import Member, get_member_of_key
from swarmhub.home.home import Home
from swarmhub.home.ledgers import NodeLedger
from swarmhub.keys import PrivateKey
from swarmhub.ledger import advance_block_time, sign_transaction
from swarmhub.node.journal import Journal
from swarmhub.node.layouts import LayoutFinder
from swarmhub.node.news import News
from swarmhub.node.outgoing import Outgoing
from swarmhub.node.problems import Problems
from swarmhub.transport.client import PeerClient

RESUBMIT_S = 5.0  # if no block had it: the same bytes again


@dataclass(frozen=True)
class Services:
    """The open home, ledger, store and client of a running node, and its records."""

    home: Home
    account: PrivateKey
    ledger: NodeLedger
    blobs: BlobStore
    client: PeerClient
    layouts: LayoutFinder
    journal: Journal
    outgoing: Outgoing
    problems: Problems
    news: News
    stopping: asyncio.Event  # set when the node is told to stop

    @property
    def state(self) -> State:
        """The ledger's state as of the newest block here."""
        return self.ledger.state

    def me(self) -> Member | None:
        """Return this hospital's record on the ledger; None if it is no member."""
        return get_member_of_key(self.state, self.account.public)

    def now_ms(self) -> int:
        """Return the block time that the next block will have."""
        return self.ledger.estimate_ms()

    async def submit(self, body: Any) -> Result:
        """Sign and submit; resubmit the same bytes until a block has them or they expire."""
        await advance_block_time(self.ledger, self.account)
        tx = sign_transaction(body, self.ledger.tip.chain_id, self.now_ms(), self.account)
        self.outgoing.add_transaction(body, len(tx))
        while True:
            submission = await self.ledger.submit(tx)
            try:
                result = await submission.result(RESUBMIT_S)
            except TimeoutError:
                self.problems.report_trouble(self.ledger.why_late, logging.WARNING)
                continue
            self.problems.withdraw(self.ledger.why_late)
            return result
