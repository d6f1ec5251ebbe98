"""The proof of a ledger of many machines: headers that its validators have signed.

    headers.jsonl      every header from height 1 on, and the one after the last block; votes with
                       the last header of each set of validators (`ledger.cometbft.light_client`)
    validators.jsonl   these sets, in order; the first is the one of the genesis

A header names its block's transactions by a Merkle root (`data_hash`), and the block before by its
results (`last_results_hash`) and the state after it (`app_hash`); so each of them is proven in
part, too. It names no events: those are proven if the contract executes all blocks again, and else
as far as the transactions' signatures and the records of the state tell.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Self, TypeVar

from swarmhub import codec
from swarmhub.contract import State
from swarmhub.contract.records import Genesis
from swarmhub.contract.state import Overlay
from swarmhub.errors import BadInput, LedgerDamaged, LedgerError, Malformed
from swarmhub.ledger import Block, Committed, Tip
from swarmhub.ledger.blocks import (
    Agreed,
    Header,
    agree,
    agree_on_genesis,
    check_size,
    has_contents,
)
from swarmhub.ledger.cometbft.header_source import SignedChain
from swarmhub.ledger.cometbft.headers import (
    SignedHeader,
    ValidatorSet,
    compute_data_hash,
    compute_results_hash,
    make_set,
)
from swarmhub.ledger.cometbft.light_client import NotAgreed, Root, check_headers
from swarmhub.operations.evidence.accounts import Accounts
from swarmhub.operations.evidence.extract import Excerpt, leaf_of_result
from swarmhub.operations.evidence.faults import Altered
from swarmhub.operations.evidence.lines import join_lines
from swarmhub.operations.evidence.proof import Signers
from swarmhub.operations.record import Record, read_genesis
from swarmhub.types import Digest, PublicKey

HEADERS, VALIDATORS = "ledger/headers.jsonl", "ledger/validators.jsonl"
MAX_HEADER_BYTES = 1 << 16  # with the votes of 300 validators; a consortium has at most 64 members
MAX_SET_BYTES = 1 << 15
T = TypeVar("T")
COMPUTED = "its results are not what the contract computes"


def write_signed(signed: SignedChain) -> dict[str, bytes]:
    """Return the files of a chain's headers and validators."""
    return {
        HEADERS: join_lines(map(codec.pack, signed.headers)),
        VALIDATORS: join_lines(map(codec.pack, signed.sets)),
    }


def is_of_many_machines(genesis: Genesis) -> bool:
    """Return whether validators agree on the blocks after a genesis: its founders have engines. So
    no member can tell such a chain anew with blocks of its own."""
    return any(card.ledger for card in genesis.founders)


def need_proven(record: Record, signed: SignedChain) -> None:
    """Raise LedgerError unless these headers, and no fewer, prove the blocks and the state of a
    record: nothing is exported that `verify` would refuse."""
    proof = ValidatorsProof(signed)
    try:
        proof.begin(record.blocks[0].block, read_genesis(record), Overlay(State()))
        if proof.hashes[:-1] != tuple(c.block.agreed for c in record.blocks[1:]):
            raise Altered(HEADERS, 0, "they are not those of the blocks")
        if signed.headers[-1].header.app_hash != record.state.app_hash.hex():
            raise Altered(HEADERS, len(signed.headers), "it does not name the state")
    except BadInput as error:
        raise LedgerError(
            f"The headers that the engine has do not prove its blocks ({error}); export at another "
            "member."
        ) from None


class ValidatorsProof:
    """The proof by all headers from height 1 to the one after the last block."""

    signers: Signers = "validators"

    def __init__(self, signed: SignedChain) -> None:
        self._headers, self._sets = signed.headers, signed.sets
        self.hashes: tuple[Digest, ...] = ()  # of all headers, once `begin` has checked them

    @classmethod
    def read(cls, headers: Sequence[bytes], sets: Sequence[bytes], blocks: int) -> Self:
        """Read the lines of HEADERS and VALIDATORS beside so many blocks. Raises Altered."""
        if len(headers) != blocks:  # one more than the blocks after block 0
            raise Altered(HEADERS, 0, f"expected {blocks} headers, got {len(headers)}")
        if len(sets) > len(headers):
            raise Altered(VALIDATORS, 0, "it has more sets than there are headers")
        return cls(SignedChain(
            tuple(_read(SignedHeader, line, HEADERS, n) for n, line in enumerate(headers, 1)),
            tuple(_read(ValidatorSet, line, VALIDATORS, n) for n, line in enumerate(sets, 1)),
        ))  # fmt: skip

    def begin(self, block: Block, genesis: Genesis, into: Overlay) -> tuple[Tip, Committed]:
        tip, committed = agree_on_genesis(genesis, into)
        if committed.block != block:
            raise LedgerDamaged(0, COMPUTED)
        root = Root(tip.chain_id, make_set(committed.validators), committed.block.header.app_hash)
        try:
            self.hashes = check_headers(root, self._headers, self._sets)
        except NotAgreed as error:
            raise Altered(
                VALIDATORS if error.is_set else HEADERS, error.place + 1, error.why
            ) from None
        return tip, committed

    def find_header_fault(self, excerpt: Excerpt, before: Header, head: Digest) -> str:
        place = excerpt.header.height - 1
        signed, after = self._headers[place].header, self._headers[place + 1].header
        time_ms = max(before.time_ms + 1, signed.time.ms)
        expected = Header(
            signed.height, time_ms, head, "", "", after.app_hash, signed.proposer_address
        )
        if excerpt.header != expected or excerpt.committed.block.agreed != self.hashes[place]:
            return "its header is not the one that the validators have signed"
        return ""

    def find_contents_fault(
        self, excerpt: Excerpt, accounts: Accounts, senders: Sequence[PublicKey]
    ) -> str:
        block, hidden = excerpt.committed.block, excerpt.hidden
        if excerpt.level == "header":
            return "it has contents besides its header" if hidden or block.misbehaviour else ""
        if excerpt.level == "whole" and hidden:
            return "it is in full, and has hidden transactions"
        try:
            txs, results = _list_leaves(excerpt)
        except (ValueError, LookupError):
            return "its hidden transactions have no proper places or hashes"
        place = excerpt.header.height - 1
        if compute_data_hash(txs) != self._headers[place].header.data_hash:
            return "its transactions are not those that the validators have signed"
        if compute_results_hash(results) != self._headers[place + 1].header.last_results_hash:
            return "its results are not those that the validators have signed"
        return ""

    def execute(self, tip: Tip, into: Overlay, committed: Committed) -> Tip:
        block, header = committed.block, committed.block.header
        check_size(block.txs, header.height)
        agreed = Agreed(header.time_ms, header.writer, block.agreed, block.misbehaviour)
        new, made = agree(tip, into, block.txs, agreed)
        ours = made.block.header
        same = has_contents(ours, block.txs, committed.results, committed.events)
        if not same or ours.app_hash != header.app_hash:
            raise LedgerDamaged(header.height, COMPUTED)
        return new


def _list_leaves(excerpt: Excerpt) -> tuple[list[bytes], list[bytes]]:
    """Return the sha256 of all transactions of a block, and the leaves of all results, in order.
    Raises ValueError or LookupError for hidden ones that no block has."""
    found, hidden = excerpt.committed, excerpt.hidden
    txs = [hashlib.sha256(tx).digest() for tx in found.block.txs]
    results = [leaf_of_result(result) for result in found.results]
    for one in hidden:  # in order of their places, each is in its place
        if not 0 <= one.place <= len(txs):
            raise LookupError(one.place)
        txs.insert(one.place, _read_hash(one.tx))
        results.insert(one.place, _read_hash(one.result))
    return txs, results


def _read_hash(text: Digest) -> bytes:
    if not codec.is_digest(text):
        raise ValueError(text)
    return bytes.fromhex(text)


def _read(kind: type[T], line: bytes, file: str, record: int) -> T:
    most = MAX_HEADER_BYTES if file == HEADERS else MAX_SET_BYTES
    try:
        return codec.unpack(kind, line, most)
    except Malformed as error:
        raise Altered(file, record, f"it does not decode ({error})") from None
