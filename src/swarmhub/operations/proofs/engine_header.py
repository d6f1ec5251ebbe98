"""CometBFT's headers, votes and Merkle trees, computed without the engine. Pure.

The rules are those of CometBFT 0.38 (spec/core/data_structures.md, spec/core/encoding.md): a
header's hash is the root of a Merkle tree (RFC 6962, section 2.1) over its fields in protobuf, a
validator set's that over keys and powers, a vote signs the length and the protobuf of
CanonicalVote. A block's transactions are the leaves of one tree, by their sha256; the results of
the block before (code and data) those of another. Texts of hashes are lower-case hex.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from swarmhub.merkle import leaf_of, root_of
from swarmhub.types import PublicKey

PRECOMMIT = 2  # the type of a vote


@dataclass(frozen=True)
class Instant:
    """A time, as protobuf has it: seconds since 1970, and nanoseconds."""

    seconds: int
    nanos: int


@dataclass(frozen=True)
class BlockRef:
    """The hash of a block, and the number and the hash of the parts in which it is sent."""

    hash: str
    parts: int
    parts_hash: str


@dataclass(frozen=True)
class EngineHeader:
    """A header of CometBFT. `results` is the root of the results of the block before, `app` the
    root of the state after that one."""

    version_block: int
    version_app: int
    chain: str
    height: int
    time: Instant
    last_block: BlockRef
    last_commit: str
    data: str
    validators: str
    next_validators: str
    consensus: str
    app: str
    results: str
    evidence: str
    proposer: str


@dataclass(frozen=True)
class Validator:
    """A consensus key and its voting power."""

    key: PublicKey
    power: int


@dataclass(frozen=True)
class CastVote:
    """A validator's precommit; `validator` is its place in the set, from 0 on."""

    validator: int
    time: Instant
    signature: str


@dataclass(frozen=True)
class SignedHeader:
    """A header with the votes of its validators for it."""

    header: EngineHeader
    round: int
    parts: int
    parts_hash: str
    votes: tuple[CastVote, ...]
    validators: tuple[Validator, ...]


# protobuf


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative numbers have ten bytes
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value) if value else b""


def _fixed(field: int, value: int) -> bytes:
    return _varint(field << 3 | 1) + value.to_bytes(8, "little", signed=True) if value else b""


def _message(field: int, data: bytes) -> bytes:
    """Return a field that is there even if it is empty."""
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _bytes(field: int, data: bytes) -> bytes:
    return _message(field, data) if data else b""


def _instant(time: Instant) -> bytes:
    return _number(1, time.seconds) + _number(2, time.nanos)


def _block_ref(ref: BlockRef) -> bytes:
    parts = _number(1, ref.parts) + _bytes(2, bytes.fromhex(ref.parts_hash))
    return _bytes(1, bytes.fromhex(ref.hash)) + _message(2, parts)


# hashes


def hash_header(header: EngineHeader) -> str:
    """Return the hash of a header, 64 hex digits."""
    hashes = (
        header.last_commit, header.data, header.validators, header.next_validators,
        header.consensus, header.app, header.results, header.evidence, header.proposer,
    )  # fmt: skip
    fields = [
        _number(1, header.version_block) + _number(2, header.version_app),
        _bytes(1, header.chain.encode()),
        _number(1, header.height),
        _instant(header.time),
        _block_ref(header.last_block),
        *(_bytes(1, bytes.fromhex(text)) for text in hashes),
    ]
    return root_of([leaf_of(field) for field in fields]).hex()


def hash_validators(validators: Sequence[Validator]) -> str:
    """Return the hash of a validator set in its order, 64 hex digits."""
    leaves = []
    for validator in validators:
        key = _message(1, bytes.fromhex(validator.key))  # of a choice: ed25519
        leaves.append(leaf_of(_message(1, key) + _number(2, validator.power)))
    return root_of(leaves).hex()


def leaf_of_transaction(tx: bytes) -> bytes:
    """Return the leaf (32 bytes) of a transaction in the tree of its block."""
    return leaf_of(hashlib.sha256(tx).digest())


def leaf_of_result(code: str) -> bytes:
    """Return the leaf (32 bytes) of a result: "ok" or a refusal's code, as the application gives it
    to the engine."""
    return leaf_of(_number(1, 0 if code == "ok" else 1) + _bytes(2, code.encode()))


# votes


def write_vote(signed: SignedHeader, block: str, vote: CastVote) -> bytes:
    """Return the bytes that a validator signs with its vote for a block of this hash."""
    header = signed.header
    data = (
        _number(1, PRECOMMIT) + _fixed(2, header.height) + _fixed(3, signed.round)
        + _message(4, _block_ref(BlockRef(block, signed.parts, signed.parts_hash)))
        + _message(5, _instant(vote.time)) + _bytes(6, header.chain.encode())
    )  # fmt: skip
    return _varint(len(data)) + data


def is_cast(signed: SignedHeader, block: str, vote: CastVote) -> bool:
    """Return whether a vote for a block is signed by its validator."""
    public = signed.validators[vote.validator].key
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
        key.verify(bytes.fromhex(vote.signature), write_vote(signed, block, vote))
    except (InvalidSignature, ValueError):
        return False
    return True
