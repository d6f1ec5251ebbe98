"""Checks of a ledger's blocks as excerpts, without the ledger.

Every header is chained to the one before and signed (`proof`: by a member of that time, or by the
validators); a block in full has the transactions and results that its header names; a transaction
that a member is said to have sent is signed by its key of that time. If all blocks are in full, the
contract executes them again, as `ledger verify` does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from swarmhub import codec, keys
from swarmhub.contract import State
from swarmhub.contract import events as e
from swarmhub.contract.envelope import Transaction, read_transaction
from swarmhub.contract.events import Event
from swarmhub.contract.execution import compute_genesis_digest
from swarmhub.contract.records import Genesis, read_genesis_json
from swarmhub.contract.state import Overlay
from swarmhub.contract.transactions import Apply, Contribute
from swarmhub.errors import BadInput, LedgerDamaged, LedgerError, Malformed
from swarmhub.ledger import Committed, Tip
from swarmhub.ledger.blocks import MAX_GENESIS_BYTES, Header
from swarmhub.operations.evidence.accounts import Accounts
from swarmhub.operations.evidence.extract import Excerpt
from swarmhub.operations.evidence.faults import Altered
from swarmhub.operations.evidence.lines import read_line
from swarmhub.operations.evidence.many_machines import (
    HEADERS,
    VALIDATORS,
    ValidatorsProof,
    is_of_many_machines,
)
from swarmhub.operations.evidence.proof import Proof, Signers, WritersProof
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
    signers: Signers

    @property
    def is_complete(self) -> bool:
        """Whether every block is there in full, and the contract has executed all of them."""
        return not self.parts and not self.headers


def check_chain(read_lines: Callable[[str], list[bytes]]) -> Chain:
    """Check the blocks of a folder, of which `read_lines` returns a file's lines. Raises Altered
    for the first line that does not hold."""
    lines = read_lines(BLOCKS)
    excerpts = [_read(line, record) for record, line in enumerate(lines, 1)]
    genesis = _read_genesis(excerpts)
    proof = _choose_proof(genesis, read_lines, len(excerpts))
    tip, overlay = _begin(excerpts[0], genesis, proof)
    accounts = Accounts(overlay)
    head, before = tip.head, excerpts[0].header
    for record, excerpt in enumerate(excerpts[1:], 2):
        if excerpt.header.height != before.height + 1:
            why = f"block {excerpt.header.height} stands in its place"
            raise Altered(BLOCKS, record, why)
        if fault := proof.find_header_fault(excerpt, before, head):
            raise Altered(BLOCKS, record, fault)
        _Check(excerpt, accounts, tip.chain_id, record).run(proof)
        accounts.see(excerpt.committed)
        head, before = excerpt.committed.block.id, excerpt.header
    levels = [excerpt.level for excerpt in excerpts]
    blocks = tuple(excerpt.committed for excerpt in excerpts)
    chain = Chain(
        tip.chain_id, compute_genesis_digest(genesis), before, head, blocks, accounts,
        levels.count("part"), levels.count("header"), proof.signers,
    )  # fmt: skip
    if chain.is_complete:
        _execute(tip, overlay, proof, blocks)
    return chain


def _read(line: bytes, record: int) -> Excerpt:
    try:
        return read_line(line)
    except Malformed as error:
        raise Altered(BLOCKS, record, f"it does not decode ({error})") from None


def _read_genesis(excerpts: Sequence[Excerpt]) -> Genesis:
    """Return the genesis in block 0."""
    if not excerpts:
        raise Altered(BLOCKS, 0, "it has no block")
    txs = excerpts[0].committed.block.txs
    if excerpts[0].header.height != 0 or len(txs) != 1:
        raise Altered(BLOCKS, 1, "it is not a genesis block")
    try:
        return read_genesis_json(codec.decode(txs[0], MAX_GENESIS_BYTES))
    except BadInput as error:
        raise Altered(BLOCKS, 1, f"its genesis cannot be used ({error})") from None


def _choose_proof(genesis: Genesis, read_lines: Callable[[str], list[bytes]], blocks: int) -> Proof:
    """Return the proof of the kind of ledger that a genesis founds."""
    if not is_of_many_machines(genesis):
        return WritersProof()
    return ValidatorsProof.read(read_lines(HEADERS), read_lines(VALIDATORS), blocks)


def _begin(first: Excerpt, genesis: Genesis, proof: Proof) -> tuple[Tip, Overlay]:
    """Check block 0; return its tip and its state."""
    overlay = Overlay(State())
    try:
        tip, committed = proof.begin(first.committed.block, genesis, overlay)
    except LedgerDamaged as error:
        raise Altered(BLOCKS, 1, error.why) from None
    except Altered:
        raise
    except (LedgerError, BadInput) as error:
        raise Altered(BLOCKS, 1, str(error)) from None
    ours = ("whole", committed.events, (), ())
    if (first.level, first.committed.events, first.committed.results, first.hidden) != ours:
        raise Altered(BLOCKS, 1, "its events are not what the contract computes")
    return tip, overlay


@dataclass(frozen=True)
class _Check:
    """The check of one block's contents."""

    excerpt: Excerpt
    accounts: Accounts
    chain: str
    record: int

    def run(self, proof: Proof) -> None:
        """Raise Altered if something does not hold."""
        block, results = self.excerpt.committed.block, self.excerpt.committed.results
        if len(block.txs) != len(results):
            raise self._altered("it has not one result for each transaction")
        signers = [self._check_transaction(tx, r.id, r.ok, r.events)
                   for tx, r in zip(block.txs, results, strict=True)]  # fmt: skip
        events = self.excerpt.committed.events
        if self.excerpt.level == "header" and (block.txs or events):
            raise self._altered("it has contents besides its header")
        if fault := proof.find_contents_fault(self.excerpt, self.accounts, signers):
            raise self._altered(fault)

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
        if identity == codec.digest(b"malformed", data) and not is_ok and not events:
            return tx.signer  # the contract's version of that block does not know its kind
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


def _execute(tip: Tip, begun: Overlay, proof: Proof, blocks: Sequence[Committed]) -> None:
    """Execute all blocks after block 0 by the contract. Raises Altered for the first with other
    results."""
    state = State()
    state.commit(begun.writes, tip.tree)
    try:
        for committed in blocks[1:]:
            overlay = Overlay(state)
            tip = proof.execute(tip, overlay, committed)
            state.commit(overlay.writes, tip.tree)
    except LedgerDamaged as error:
        raise Altered(BLOCKS, error.height + 1, error.why) from None
    except (LedgerError, Malformed) as error:  # a version of the contract that is not here
        raise Altered(BLOCKS, 0, str(error)) from None
