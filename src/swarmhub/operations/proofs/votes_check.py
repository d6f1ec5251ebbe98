"""The check of a proof by votes: a ledger of many machines."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Sequence

from swarmhub import codec, keys
from swarmhub.contract import State
from swarmhub.contract.envelope import Transaction, read_text, read_transaction
from swarmhub.contract.execution import compute_chain_id, compute_genesis_digest
from swarmhub.contract.records import Genesis, read_genesis_json
from swarmhub.contract.state import Overlay
from swarmhub.errors import BadInput, LedgerError, Malformed
from swarmhub.ledger.blocks import MAX_GENESIS_BYTES, agree_on_genesis
from swarmhub.ledger.cometbft.headers import (
    EngineHeader,
    ValidatorSet,
    compute_header_hash,
    compute_result_leaf,
    compute_set_hash,
    write_vote,
)
from swarmhub.merkle import leaf_of
from swarmhub.operations.proofs.faults import ProofFails
from swarmhub.operations.proofs.forms import ProofChecked, VotedHeader, VotesProof, find_study
from swarmhub.types import TX_DOMAIN, Digest, PublicKey

NO_WAY = "the way from the validators of block 0 to those that signed is not in the proof"
Powers = frozenset[tuple[PublicKey, int]]


def check_votes(proof: VotesProof) -> ProofChecked:
    """Check a proof; return it with its origin "not proven" as far as nobody has named the genesis.
    Raises ProofFails for the first part that does not hold."""
    genesis = _read_genesis(proof.genesis)
    chain = compute_chain_id(genesis)
    _check_signed(proof.signed, chain, "signed")
    _check_block(proof, chain)
    tx = _check_transaction(proof, chain)
    for number, handover in enumerate(proof.handovers, 1):
        _check_signed(handover, chain, f"handover {number}")
    is_whole = _check_handovers(proof, _find_founders(genesis))
    header = proof.header
    return ProofChecked(
        kind="votes", origin="not proven", missing="" if is_whole else NO_WAY, chain=chain,
        genesis=compute_genesis_digest(genesis), tx=tx.id, act=tx.kind, study=find_study(tx.body),
        signer=tx.signer, code=proof.code, height=header.height,
        time_ms=header.time.ms,
        head=proof.signed.header.last_block_id.hash, others=0,
    )  # fmt: skip


def _read_genesis(text: str) -> Genesis:
    try:
        return read_genesis_json(codec.decode(text.encode(), MAX_GENESIS_BYTES))
    except (BadInput, Malformed) as error:
        raise ProofFails("genesis", f"it does not decode ({error})") from None


def _find_founders(genesis: Genesis) -> Powers:
    """Return the validators of block 1."""
    try:
        _, committed = agree_on_genesis(genesis, Overlay(State()))
    except (BadInput, LedgerError) as error:
        raise ProofFails("genesis", str(error).rstrip(".")) from None
    return frozenset(committed.validators)


def _check_signed(signed: VotedHeader, chain: str, part: str) -> None:
    """Check that validators with more than two thirds of the power have signed a header."""
    header = signed.header
    if header.chain_id != chain:
        raise ProofFails(part, f"it is of another chain than {chain}")
    block = _hash(header, part)
    if compute_set_hash(ValidatorSet(signed.validators)) != header.validators_hash:
        raise ProofFails(part, "its validators are not those that the header names")
    for vote in signed.commit.votes:
        key = signed.validators[vote.validator].key
        message = write_vote(header, block, signed.commit, vote)
        if not keys.verify_bytes(key, message, vote.signature):
            raise ProofFails(part, f"vote {vote.validator} is not signed by its validator")
    power = sum(validator.power for validator in signed.validators)
    for_it = sum(signed.validators[vote.validator].power for vote in signed.commit.votes)
    if 3 * for_it <= 2 * power:
        raise ProofFails(part, f"validators with {for_it} of {power} votes are not two thirds")


def _hash(header: EngineHeader, part: str) -> Digest:
    try:
        return compute_header_hash(header)
    except Malformed as error:
        raise ProofFails(part, str(error).rstrip(".")) from None


def _check_block(proof: VotesProof, chain: str) -> None:
    header, after = proof.header, proof.signed.header
    if header.chain_id != chain or header.height + 1 != after.height:
        raise ProofFails("header", "it is not that of the block before the signed one")
    if _hash(header, "header") != after.last_block_id.hash:
        raise ProofFails("header", "its hash is not the one that the signed header names")


def _read_tx(text: str) -> bytes:
    try:
        return read_text(text)
    except Malformed as error:
        raise ProofFails("tx", f"it does not decode ({error})") from None


def _check_transaction(proof: VotesProof, chain: str) -> Transaction:
    data = _read_tx(proof.tx)
    ours = [(b.left, b.tx) for b in proof.beside]
    if _climb(leaf_of(hashlib.sha256(data).digest()), ours) != proof.header.data_hash:
        raise ProofFails("tx", "its path does not lead to the block's transactions")
    results = [(b.left, b.result) for b in proof.beside]
    leaf = compute_result_leaf(int(proof.code != "ok"), proof.code.encode())
    if _climb(leaf, results) != proof.signed.header.last_results_hash:
        raise ProofFails("code", "its path does not lead to the block's results")
    try:
        tx = read_transaction(data)
    except Malformed as error:
        raise ProofFails("tx", f"it does not decode ({error})") from None
    if proof.code == "ok":
        if tx.chain != chain:
            raise ProofFails("tx", "it is of another chain")
        if not keys.verify(tx.signer, TX_DOMAIN, tx.signed, tx.signature):
            raise ProofFails("tx", "it is not signed by its sender")
    return tx


def _climb(leaf: bytes, beside: Sequence[tuple[bool, str]]) -> str:
    """Return the root to which the hashes beside the way lead (RFC 6962, section 2.1)."""
    node = leaf
    for is_left, text in beside:
        other = bytes.fromhex(text)
        pair = other + node if is_left else node + other
        node = hashlib.sha256(b"\1" + pair).digest()
    return node.hex()


def _check_handovers(proof: VotesProof, founders: Powers) -> bool:
    """Return whether the validators that signed follow from the founders. Raises ProofFails for
    handovers that do not follow from each other."""
    steps = (*proof.handovers, proof.signed)
    for number, (one, two) in enumerate(itertools.pairwise(steps), 1):
        if one.header.height >= two.header.height:
            raise ProofFails(f"handover {number}", "it is not older than the one after it")
        if one.header.next_validators_hash != two.header.validators_hash:
            raise ProofFails(f"handover {number}", "the next validators are not those it names")
    is_founders = frozenset((v.key, v.power) for v in steps[0].validators) == founders
    if proof.handovers and not is_founders:
        raise ProofFails("handover 1", "its validators are not those of block 0")
    return is_founders
