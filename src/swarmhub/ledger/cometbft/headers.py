"""Headers as CometBFT's validators sign them, their hashes, and the bytes that votes are over.

A header's hash is the Merkle root (RFC 6962) of its fields, each in protobuf; a vote signs a
canonical protobuf message with the height, the round, the block's id and the chain's id; a set of
validators, a block's transactions and its results are named in headers by Merkle roots too
(CometBFT v0.38, `types/block.go`, `types/canonical.go`, `spec/core/data_structures.md`). Names of
fields are the engine's. Hashes, keys and signatures are lower-case hex.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from swarmhub.errors import Malformed
from swarmhub.merkle import leaf_of, root_of
from swarmhub.types import Digest, PublicKey, Signature

HEX = re.compile(r"(?:[0-9a-f]{2}){0,64}")
PRECOMMIT = 2  # SignedMsgType
NANOS = 1_000_000_000  # in a second
EMPTY_ROOT = hashlib.sha256().digest()  # of no leaves
VARINT, FIXED64, BYTES = 0, 1, 2  # wire types of protobuf


@dataclass(frozen=True)
class Time:
    """A moment: seconds since 1970, and nanoseconds."""

    seconds: int
    nanos: int = 0

    @property
    def ms(self) -> int:
        return self.seconds * 1000 + self.nanos // 1_000_000


@dataclass(frozen=True)
class BlockId:
    """A block's name: its header's hash, and the root of the parts in which it is sent."""

    hash: Digest = ""
    parts: int = 0
    parts_hash: Digest = ""


@dataclass(frozen=True)
class EngineHeader:
    """A header. `app_hash` and `last_results_hash` are of the block before."""

    chain_id: str
    height: int
    time: Time
    last_block_id: BlockId
    last_commit_hash: Digest
    data_hash: Digest
    validators_hash: Digest
    next_validators_hash: Digest
    consensus_hash: Digest
    app_hash: Digest
    last_results_hash: Digest
    evidence_hash: Digest
    proposer_address: str
    version_block: int
    version_app: int


@dataclass(frozen=True)
class Precommit:
    """A validator's signature for a block: the validator's place in its set, its clock."""

    validator: int
    time: Time
    signature: Signature


@dataclass(frozen=True)
class Commit:
    """The votes for a header's block in one round, by place."""

    round: int
    parts: int
    parts_hash: Digest
    votes: tuple[Precommit, ...]


@dataclass(frozen=True)
class SignedHeader:
    """A header, with its votes if they are needed (`light_client`)."""

    header: EngineHeader
    commit: Commit | None = None


@dataclass(frozen=True)
class Validator:
    """A validator's consensus key, and its power."""

    key: PublicKey
    power: int

    @property
    def address(self) -> str:
        """The first 20 bytes of the key's sha256, in hex."""
        return hashlib.sha256(_unhex(self.key)).hexdigest()[:40]


@dataclass(frozen=True)
class ValidatorSet:
    """Validators, in the engine's order."""

    validators: tuple[Validator, ...]


def make_set(powers: Sequence[tuple[PublicKey, int]]) -> ValidatorSet:
    """Return the set of these keys and powers in the engine's order: by power, then address."""
    found = [Validator(key, power) for key, power in powers if power]
    return ValidatorSet(tuple(sorted(found, key=lambda v: (-v.power, v.address))))


# hashes


def compute_header_hash(header: EngineHeader) -> Digest:
    """Return a header's hash. Raises Malformed for values that no header has."""
    version = _field(1, header.version_block) + _field(2, header.version_app)
    fields = (
        version,
        _field(1, header.chain_id.encode(errors="surrogatepass")),
        _field(1, header.height),
        _write_time(header.time),
        _write_block_id(header.last_block_id),
        *(_field(1, _unhex(value)) for value in (
            header.last_commit_hash, header.data_hash, header.validators_hash,
            header.next_validators_hash, header.consensus_hash, header.app_hash,
            header.last_results_hash, header.evidence_hash, header.proposer_address,
        )),
    )  # fmt: skip
    return _root(fields)


def compute_set_hash(found: ValidatorSet) -> Digest:
    """Return the hash of a set of validators."""
    return _root([
        _field(1, _field(1, _unhex(v.key)), is_kept=True) + _field(2, v.power)
        for v in found.validators
    ])  # fmt: skip


def compute_data_hash(hashes: Sequence[bytes]) -> Digest:
    """Return the hash of a block's transactions, of which these are the sha256."""
    return _root(hashes)


def compute_results_hash(leaves: Sequence[bytes]) -> Digest:
    """Return the hash of a block's results, of which these are the leaves."""
    return (root_of(leaves) if leaves else EMPTY_ROOT).hex()


def compute_result_leaf(code: int, data: bytes) -> bytes:
    """Return the leaf of a transaction's result (ExecTxResult; no gas)."""
    return leaf_of(_field(1, code) + _field(2, data))


def write_vote(header: EngineHeader, digest: Digest, commit: Commit, vote: Precommit) -> bytes:
    """Return the bytes that a validator has signed with its vote for a header of this hash."""
    found = BlockId(digest, commit.parts, commit.parts_hash)
    message = (
        _field(1, PRECOMMIT)
        + _fixed(2, header.height)
        + _fixed(3, commit.round)
        + _field(4, _write_block_id(found), is_kept=True)
        + _field(5, _write_time(vote.time), is_kept=True)
        + _field(6, header.chain_id.encode(errors="surrogatepass"))
    )
    return _varint(len(message)) + message


def _root(leaves: Sequence[bytes]) -> Digest:
    return (root_of([leaf_of(leaf) for leaf in leaves]) if leaves else EMPTY_ROOT).hex()


# protobuf: values at their default are left out, except messages that Go has as values


def _write_block_id(block: BlockId) -> bytes:
    parts = _field(1, block.parts) + _field(2, _unhex(block.parts_hash))
    return _field(1, _unhex(block.hash)) + _field(2, parts, is_kept=True)


def _write_time(time: Time) -> bytes:
    if not 0 <= time.nanos < NANOS:
        raise Malformed("A time has up to 999,999,999 nanoseconds.")
    return _field(1, time.seconds) + _field(2, time.nanos)


def _field(number: int, value: int | bytes, is_kept: bool = False) -> bytes:
    if not value and not is_kept:
        return b""
    if isinstance(value, int):
        return _varint(number << 3 | VARINT) + _varint(value)
    return _varint(number << 3 | BYTES) + _varint(len(value)) + value


def _fixed(number: int, value: int) -> bytes:
    _need_natural(value)
    return _varint(number << 3 | FIXED64) + value.to_bytes(8, "little") if value else b""


def _varint(value: int) -> bytes:
    _need_natural(value)
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _need_natural(value: int) -> None:
    if not 0 <= value < 1 << 63:
        raise Malformed(f"Expected a number from 0 up, got {str(value)[:30]}.")


def _unhex(text: str) -> bytes:
    if not HEX.fullmatch(text):
        raise Malformed("Expected at most 64 bytes in lower-case hex.")
    return bytes.fromhex(text)
