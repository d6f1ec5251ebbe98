"""Proofs of blocks, by the kind of ledger: here the signatures of their writers.

A ledger of one machine is a chain of blocks, each signed by the member that has written it; of a
ledger of many machines see `many_machines`. Faults are sentences without a place; "" is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from swarmhub.contract.records import Genesis
from swarmhub.contract.state import Overlay
from swarmhub.ledger import Block, Committed, Tip
from swarmhub.ledger.blocks import Header, has_contents, is_signed, replay, replay_genesis
from swarmhub.operations.evidence.accounts import Accounts
from swarmhub.operations.evidence.extract import Excerpt
from swarmhub.types import Digest, PublicKey

Signers = Literal["writers", "validators"]


class Proof(Protocol):
    """The part of a chain's check that depends on the kind of ledger. Blocks come in order."""

    signers: Signers

    def begin(self, block: Block, genesis: Genesis, into: Overlay) -> tuple[Tip, Committed]:
        """Check block 0 and write its state. Raises LedgerDamaged."""

    def find_header_fault(self, excerpt: Excerpt, before: Header, head: Digest) -> str:
        """Check the header of the next block; `head` is the id of the block before."""

    def find_contents_fault(
        self, excerpt: Excerpt, accounts: Accounts, senders: Sequence[PublicKey]
    ) -> str:
        """Check contents against the header; `senders` are the signers of the transactions."""

    def execute(self, tip: Tip, into: Overlay, committed: Committed) -> Tip:
        """Execute a block in full. Raises LedgerDamaged if its results are others."""


class WritersProof:
    """The proof of a ledger of one machine."""

    signers: Signers = "writers"

    def begin(self, block: Block, genesis: Genesis, into: Overlay) -> tuple[Tip, Committed]:
        return replay_genesis(block, into)

    def find_header_fault(self, excerpt: Excerpt, before: Header, head: Digest) -> str:
        header = excerpt.header
        if header.previous != head:
            return "it does not follow the block before it"
        if header.time_ms <= before.time_ms:
            return "its time does not come after the block before"
        if not is_signed(header, excerpt.committed.block.signature):
            return "its signature is not its writer's"
        return ""

    def find_contents_fault(
        self, excerpt: Excerpt, accounts: Accounts, senders: Sequence[PublicKey]
    ) -> str:
        found, header = excerpt.committed, excerpt.header
        is_whole = excerpt.level == "whole"
        if is_whole and not has_contents(header, found.block.txs, found.results, found.events):
            return "its contents are not those that its header names"
        is_own = is_whole and all(sender == header.writer for sender in senders)
        if accounts.find(header.writer) is None and not is_own:
            return "its writer is not a member"
        return ""

    def execute(self, tip: Tip, into: Overlay, committed: Committed) -> Tip:
        return replay(tip, into, committed.block)[0]
