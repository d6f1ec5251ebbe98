"""Checks of a ledger's blocks as excerpts, without the ledger.

Every header is chained to the one before and signed by a member of that time; a block in full has
the transactions and results that its header names; a transaction that a member is said to have
sent is signed by its key of that time. If all blocks are in full, the contract executes them
again, as `ledger verify` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from swarmhub import codec, keys
from swarmhub.contract import State
from swarmhub.contract import events as e
from swarmhub.contract.envelope import Transaction, read_transaction
from swarmhub.contract.events import Event
from swarmhub.contract.execution import compute_genesis_digest
from swarmhub.contract.records import read_genesis_json
from swarmhub.contract.state import Overlay
from swarmhub.contract.transactions import Apply, Contribute
from swarmhub.errors import LedgerDamaged, LedgerError, Malformed
from swarmhub.ledger import Committed, Tip
from swarmhub.ledger.blocks import (
    MAX_GENESIS_BYTES,
    Header,
    has_contents,
    is_signed,
    replay,
    replay_genesis,
)
from swarmhub.operations.evidence.accounts import Accounts
from swarmhub.operations.evidence.extract import Excerpt, read_line
from swarmhub.operations.evidence.faults import Altered
from swarmhub.types import TX_DOMAIN, Digest, MemberId

BLOCKS = "ledger/blocks.jsonl"


@dataclass(frozen=True)
class Chain:
    """A checked chain. `parts` and `headers` are the numbers of blocks of these levels."""

    id: str
    genesis: Digest
    tip: Header
    head: Digest
    blocks: tuple[Committed, ...]
    accounts: Accounts
    parts: int
    headers: int

    @property
    def is_complete(self) -> bool:
        """Whether every block is there in full, and the contract has executed all of them."""
        return not self.parts and not self.headers


def check_chain(lines: Sequence[bytes]) -> Chain:
    """Check the lines of BLOCKS. Raises Altered for the first that does not hold."""
    excerpts = [_read(line, record) for record, line in enumerate(lines, 1)]
    if not excerpts:
        raise Altered(BLOCKS, 0, "it has no block")
    tip, accounts, genesis = _begin(excerpts[0])
    head, before = tip.head, excerpts[0].header
    for record, excerpt in enumerate(excerpts[1:], 2):
        _check_header(excerpt, before, head, record)
        _Check(excerpt, accounts, tip.chain_id, record).run()
        accounts.see(excerpt.committed)
        head, before = excerpt.committed.block.id, excerpt.header
    levels = [excerpt.level for excerpt in excerpts]
    blocks = tuple(excerpt.committed for excerpt in excerpts)
    parts, headers = levels.count("part"), levels.count("header")
    chain = Chain(tip.chain_id, genesis, before, head, blocks, accounts, parts, headers)
    if chain.is_complete:
        _execute(blocks)
    return chain


def _read(line: bytes, record: int) -> Excerpt:
    try:
        return read_line(line)
    except Malformed as error:
        raise Altered(BLOCKS, record, f"it does not decode ({error})") from None


def _begin(first: Excerpt) -> tuple[Tip, Accounts, Digest]:
    """Check block 0; return its tip, the founders' accounts and the digest of the genesis."""
    overlay = Overlay(State())
    try:
        tip, committed = replay_genesis(first.committed.block, overlay)
        ours = ("whole", committed.events, ())
        if (first.level, first.committed.events, first.committed.results) != ours:
            raise LedgerDamaged(0, "its events are not what the contract computes")
        genesis = read_genesis_json(codec.decode(first.committed.block.txs[0], MAX_GENESIS_BYTES))
    except LedgerDamaged as error:
        raise Altered(BLOCKS, 1, error.why) from None
    except (LedgerError, Malformed) as error:
        raise Altered(BLOCKS, 1, str(error)) from None
    return tip, Accounts(overlay), compute_genesis_digest(genesis)


def _check_header(excerpt: Excerpt, before: Header, head: Digest, record: int) -> None:
    header = excerpt.header
    if header.height != before.height + 1:
        raise Altered(BLOCKS, record, f"block {header.height} stands in its place")
    if header.previous != head:
        raise Altered(BLOCKS, record, "it does not follow the block before it")
    if header.time_ms <= before.time_ms:
        raise Altered(BLOCKS, record, "its time does not come after the block before")
    if not is_signed(header, excerpt.committed.block.signature):
        raise Altered(BLOCKS, record, "its signature is not its writer's")


@dataclass(frozen=True)
class _Check:
    """The check of one block's contents."""

    excerpt: Excerpt
    accounts: Accounts
    chain: str
    record: int

    def run(self) -> None:
        """Raise Altered if something does not hold."""
        block, results = self.excerpt.committed.block, self.excerpt.committed.results
        if len(block.txs) != len(results):
            raise self._altered("it has not one result for each transaction")
        signers = [self._check_transaction(tx, r.id, r.ok, r.events)
                   for tx, r in zip(block.txs, results, strict=True)]  # fmt: skip
        events = self.excerpt.committed.events
        if self.excerpt.level == "header" and (block.txs or events):
            raise self._altered("it has contents besides its header")
        if self.excerpt.level == "whole" and not has_contents(
            self.excerpt.header, block.txs, results, events
        ):
            raise self._altered("its contents are not those that its header names")
        writer = self.excerpt.header.writer
        is_own = self.excerpt.level == "whole" and all(s == writer for s in signers)
        if self.accounts.find(writer) is None and not is_own:
            raise self._altered("its writer is not a member")

    def _check_transaction(
        self, data: bytes, identity: str, is_ok: bool, events: tuple[Event, ...]
    ) -> str:
        """Return the signer of a transaction; "" if it is none."""
        try:
            tx = read_transaction(data)
        except Malformed:
            if is_ok or events:
                raise self._altered("bytes that are no transaction have a result") from None
            return ""
        if identity != tx.id:
            raise self._altered("a result is of another transaction")
        if is_ok:
            self._check_accepted(tx, events)
        elif events:
            raise self._altered("a refused transaction has events")
        return tx.signer

    def _check_accepted(self, tx: Transaction, events: tuple[Event, ...]) -> None:
        if not keys.verify(tx.signer, TX_DOMAIN, tx.signed, tx.signature):
            raise self._altered("a transaction is not signed by its sender")
        if tx.chain != self.chain:
            raise self._altered("a transaction is of another chain")
        sender = self.accounts.find(tx.signer)
        if sender is None and not isinstance(tx.body, Apply):
            raise self._altered("a transaction's sender is not a member")
        for event in events:
            actor = find_actor(event)
            if actor is not None and actor != sender:
                raise self._altered("a member is said to have done what another one signed")
            if isinstance(event, e.Contributed) and not isinstance(tx.body, Contribute):
                raise self._altered("a contribution has another transaction")

    def _altered(self, why: str) -> Altered:
        return Altered(BLOCKS, self.record, why)


def find_actor(event: Event) -> MemberId | None:
    """Return the member that has signed the transaction of an event; None if the event does not
    tell."""
    match event:
        case e.StudyApproved() | e.StudyRefused() | e.Enrolled() | e.Contributed() | e.VoteCast():
            return event.member
        case e.StudyProposed() | e.StudyAmended() | e.ReleaseMoved() | e.Suspected():
            return event.by
        case _:
            return None


def _execute(blocks: Sequence[Committed]) -> None:
    """Execute all blocks by the contract. Raises Altered for the first whose results differ."""
    state = State()
    overlay = Overlay(state)
    try:
        tip, _ = replay_genesis(blocks[0].block, overlay)
        state.commit(overlay.writes, tip.tree)
        for committed in blocks[1:]:
            overlay = Overlay(state)
            tip, _ = replay(tip, overlay, committed.block)
            state.commit(overlay.writes, tip.tree)
    except LedgerDamaged as error:
        raise Altered(BLOCKS, error.height + 1, error.why) from None
    except (LedgerError, Malformed) as error:  # a version of the contract that is not here
        raise Altered(BLOCKS, 0, str(error)) from None
