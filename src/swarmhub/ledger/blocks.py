"""Blocks, and the block transition that all drivers share. No I/O.

A block's header names its height and time, the digest of the previous block, of its transactions
and of their results, the app hash after it, and its writer, which signs it. `build` makes the next
block on a tip, `replay` checks a block from elsewhere: both execute the contract, so every member
recomputes everything. A block whose end leaves a deadline to be stamped is followed by an empty one
(`needs_follow_up`).
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass

from swarmhub import codec, contract, keys
from swarmhub.contract.deadlines import is_waiting
from swarmhub.contract.envelope import Transaction, read_text, read_transaction, write_text
from swarmhub.contract.events import Event, with_name
from swarmhub.contract.records import Genesis, get_member_of_key, read_genesis_json
from swarmhub.contract.refusals import Refusal
from swarmhub.contract.state import Overlay, Reader
from swarmhub.contract.trie import Node, hash_of, write_tree
from swarmhub.contract.versions import read_transaction_at
from swarmhub.errors import BadInput, LedgerDamaged, Malformed
from swarmhub.types import BLOCK_DOMAIN, Digest, PublicKey, Signature

MAX_BLOCK_TXS = 1000
MAX_BLOCK_BYTES = 8 << 20
MAX_ROW = 4 * MAX_BLOCK_BYTES  # texts twice as long as their compact form, as text within text
MAX_GENESIS_BYTES = 48 << 20  # it may contain the state of another chain, as text within text


@dataclass(frozen=True)
class Header:
    """The signed part of a block."""

    height: int
    time_ms: int
    previous: Digest
    txs: Digest
    results: Digest
    app_hash: Digest
    writer: PublicKey


@dataclass(frozen=True)
class Block:
    """A header, its signature, and the transactions (canonical JSON texts).

    If validators agree on a block (`agree`), its writer is the proposer, `agreed` is the hash that
    they signed, `misbehaviour` what the block reports of validators, and there is no signature
    here.
    """

    header: Header
    signature: Signature
    txs: tuple[bytes, ...]
    agreed: Digest = ""
    misbehaviour: tuple[contract.Misbehaviour, ...] = ()

    @functools.cached_property
    def id(self) -> Digest:
        return self.agreed or codec.digest(b"swarmhub/block/1", codec.pack(self.header))


@dataclass(frozen=True)
class Agreed:
    """The validators' agreement about a block besides its transactions."""

    time_ms: int
    proposer: PublicKey
    hash: Digest
    misbehaviour: tuple[contract.Misbehaviour, ...] = ()


@dataclass(frozen=True)
class Tip:
    """The tip of a chain: everything the next block builds on, except the state's map."""

    chain_id: str
    height: int
    time_ms: int
    head: Digest
    tree: Node


@dataclass(frozen=True)
class Committed:
    """A committed block with the result of each transaction and the events."""

    block: Block
    results: tuple[contract.Result, ...]
    events: tuple[Event, ...]  # of the block's beginning (deadlines), then of each transaction
    validators: tuple[tuple[PublicKey, int], ...] = ()

    @property
    def height(self) -> int:
        return self.block.header.height


def needs_follow_up(state: Reader) -> bool:
    """Return whether the state needs a block that stamps a deadline."""
    return is_waiting(state)


def make_genesis_block(genesis: Genesis, writer: keys.PrivateKey) -> Block:
    """Return block 0. Raises BadInput if the contract refuses the founders."""
    data = codec.pack(genesis)
    overlay, _, events = _found(genesis)
    app_hash = hash_of(write_tree(None, overlay.writes)).hex()
    txs, results = (data,), _results_digest((), events)
    header = Header(
        0, genesis.time_ms, "", _txs_digest(txs), results, app_hash, writer=writer.public
    )
    return _sign(writer, header, txs)


def replay_genesis(block: Block, into: Overlay) -> tuple[Tip, Committed]:
    """Check block 0 and write its state."""
    header = block.header
    if header.height != 0 or len(block.txs) != 1 or header.previous:
        raise LedgerDamaged(0, "it is not a genesis block")
    try:
        genesis = read_genesis_json(codec.decode(block.txs[0]))
        overlay, chain_id, events = _found(genesis)
    except BadInput as error:
        raise LedgerDamaged(0, f"its genesis cannot be used ({error})") from None
    if header.writer not in {c.account for c in genesis.founders}:
        raise LedgerDamaged(0, "it is not written by a founder")
    tree = write_tree(None, overlay.writes)
    _compare(block, _results_digest((), events), hash_of(tree).hex(), genesis.time_ms)
    into.absorb(overlay)
    return Tip(chain_id, 0, header.time_ms, block.id, tree), Committed(block, (), events)


def _found(genesis: Genesis) -> tuple[Overlay, str, tuple[Event, ...]]:
    overlay = Overlay(contract.State())
    try:
        events = contract.found(overlay, genesis, contract.Env(0, genesis.time_ms, keys.verify))
    except Refusal as refusal:
        raise BadInput(f"The consortium cannot be founded: {refusal}") from None
    return overlay, contract.compute_chain_id(genesis), events


def build(
    tip: Tip, state: Overlay, txs: Sequence[bytes], clock_ms: int, writer: keys.PrivateKey
) -> tuple[Tip, Committed]:
    """Build the next block with these transactions; its writes go into `state`."""
    time_ms = max(tip.time_ms + 1, clock_ms)
    overlay, results, events = _execute(tip, state, txs, time_ms)
    tree = write_tree(tip.tree, overlay.writes)
    header = Header(
        tip.height + 1, time_ms, tip.head, _txs_digest(txs), _results_digest(results, events),
        hash_of(tree).hex(), writer=writer.public,
    )  # fmt: skip
    block = _sign(writer, header, tuple(txs))
    state.absorb(overlay)
    new = Tip(tip.chain_id, block.header.height, time_ms, block.id, tree)
    return new, Committed(block, results, events, contract.end_block(events))


def agree_on_genesis(genesis: Genesis, into: Overlay) -> tuple[Tip, Committed]:
    """Write the state of block 0 on a networked ledger, on which every validator has the same
    genesis."""
    overlay, chain_id, events = _found(genesis)
    tree = write_tree(None, overlay.writes)
    results = _results_digest((), events)
    txs = (codec.pack(genesis),)
    header = Header(
        0, genesis.time_ms, "", _txs_digest(txs), results, hash_of(tree).hex(), writer=""
    )
    block = Block(header, "", txs)
    into.absorb(overlay)
    committed = Committed(block, (), events, contract.end_block(events))
    return Tip(chain_id, 0, genesis.time_ms, block.id, tree), committed


def agree(tip: Tip, state: Overlay, txs: Sequence[bytes], agreed: Agreed) -> tuple[Tip, Committed]:
    """Execute the next block as validators have agreed on it; its writes go into `state`."""
    time_ms = max(tip.time_ms + 1, agreed.time_ms)
    overlay, results, events = _execute(tip, state, txs, time_ms, agreed.misbehaviour)
    tree = write_tree(tip.tree, overlay.writes)
    header = Header(
        tip.height + 1, time_ms, tip.head, _txs_digest(txs), _results_digest(results, events),
        hash_of(tree).hex(), writer=agreed.proposer,
    )  # fmt: skip
    block = Block(header, "", tuple(txs), agreed.hash, agreed.misbehaviour)
    state.absorb(overlay)
    new = Tip(tip.chain_id, header.height, time_ms, block.id, tree)
    return new, Committed(block, results, events, contract.end_block(events))


def replay(tip: Tip, state: Overlay, block: Block) -> tuple[Tip, Committed]:
    """Check a block against the tip and write its state. LedgerDamaged names its height."""
    header = block.header
    if header.height != tip.height + 1:
        raise LedgerDamaged(tip.height + 1, f"block {header.height} stands in its place")
    if header.previous != tip.head:
        raise LedgerDamaged(header.height, "it does not follow the block before it")
    if header.time_ms <= tip.time_ms:
        raise LedgerDamaged(header.height, "its time does not come after the block before")
    check_size(block.txs, header.height)
    check_writer(state, block)
    overlay, results, events = _execute(tip, state, block.txs, header.time_ms)
    tree = write_tree(tip.tree, overlay.writes)
    _compare(block, _results_digest(results, events), hash_of(tree).hex(), header.time_ms)
    state.absorb(overlay)
    new = Tip(tip.chain_id, header.height, header.time_ms, block.id, tree)
    return new, Committed(block, results, events, contract.end_block(events))


def check_size(txs: Sequence[bytes], height: int) -> None:
    """Check the size of a block before it is decoded."""
    if len(txs) > MAX_BLOCK_TXS or sum(map(len, txs)) > MAX_BLOCK_BYTES:
        raise LedgerDamaged(height, "it is larger than a block may be")


def check_writer(state: Reader, block: Block) -> None:
    """Check that the writer is a member; a stranger may write only a block with its own
    transactions (an application)."""
    writer = block.header.writer
    if get_member_of_key(state, writer) is None and not all(
        tx.signer == writer for tx in _readable(state, block)
    ):
        raise LedgerDamaged(block.header.height, "its writer is not a member")


def _readable(state: Reader, block: Block) -> list[Transaction]:
    found = []
    for data in block.txs:
        try:
            found.append(read_transaction_at(state, block.header.height, data))
        except Malformed:
            continue
    return found


def _execute(
    tip: Tip,
    state: Reader,
    txs: Sequence[bytes],
    time_ms: int,
    misbehaviour: tuple[contract.Misbehaviour, ...] = (),
) -> tuple[Overlay, tuple[contract.Result, ...], tuple[Event, ...]]:
    overlay = Overlay(state)
    env = contract.Env(tip.height + 1, time_ms, keys.verify, misbehaviour=misbehaviour)
    events = list(contract.begin_block(overlay, env))
    results = []
    for data in txs:
        try:
            result = contract.apply(overlay, read_transaction(data), env)
        except Malformed as error:
            result = contract.Result(codec.digest(b"malformed", data), "Malformed", str(error))
        results.append(result)
        events.extend(result.events)
    # a write that restores the previous value is not a change
    for path in [p for p, v in overlay.writes.items() if state.get(p) == v]:
        del overlay.writes[path]
    return overlay, tuple(results), tuple(events)


def _results_digest(results: Sequence[contract.Result], events: Sequence[Event]) -> Digest:
    codes = [[r.id, r.code] for r in results]
    happened = [with_name(event) for event in events]
    return codec.digest(b"swarmhub/results/1", codec.encode([codes, happened]))


def _txs_digest(txs: Sequence[bytes]) -> Digest:
    return codec.digest(b"swarmhub/txs/1", *txs)


def _sign(writer: keys.PrivateKey, header: Header, txs: tuple[bytes, ...]) -> Block:
    return Block(header, writer.sign(BLOCK_DOMAIN, codec.pack(header)), txs)


def _compare(block: Block, results: Digest, app_hash: Digest, time_ms: int) -> None:
    header, height = block.header, block.header.height
    if header.txs != _txs_digest(block.txs):
        raise LedgerDamaged(height, "its transactions are not those that its writer signed")
    if not is_signed(header, block.signature):
        raise LedgerDamaged(height, "its signature is not its writer's")
    if header.app_hash != app_hash or header.results != results or header.time_ms != time_ms:
        raise LedgerDamaged(height, "its results are not what the contract computes")


# parts of a block


def is_signed(header: Header, signature: Signature) -> bool:
    """Return whether a header is signed by its writer."""
    return keys.verify(header.writer, BLOCK_DOMAIN, codec.pack(header), signature)


def has_contents(
    header: Header, txs: Sequence[bytes], results: Sequence[contract.Result],
    events: Sequence[Event],
) -> bool:  # fmt: skip
    """Return whether a header names these transactions, results and events as those of its block
    (not the messages of results)."""
    return (header.txs, header.results) == (_txs_digest(txs), _results_digest(results, events))


# storage form


def pack_txs(txs: Sequence[bytes]) -> bytes:
    """Return transactions as one JSON array of texts, readable in any SQLite browser."""
    return json.dumps([write_text(t) for t in txs]).encode()


def unpack_txs(data: bytes) -> tuple[bytes, ...]:
    """Reverse `pack_txs`. Raises Malformed on anything else."""
    try:
        texts = json.loads(data)
        if not isinstance(texts, list):
            raise ValueError("no list")
        return tuple(map(read_text, texts))
    except (ValueError, AttributeError, TypeError, RecursionError):
        raise Malformed("The block's transactions do not parse.") from None


def unpack_block(header: object, signature: object, txs: object) -> Block:
    """Return a block from the columns of its row. Raises Malformed if they do not hold one."""
    size = len(txs) if isinstance(txs, str) else 0
    if not size or size > MAX_ROW or not isinstance(header, str):
        raise Malformed("its row is not a block")
    assert isinstance(txs, str)
    return Block(
        codec.unpack(Header, header.encode("utf-8", "replace")),
        str(signature),
        unpack_txs(txs.encode("utf-8", "replace")),
    )
