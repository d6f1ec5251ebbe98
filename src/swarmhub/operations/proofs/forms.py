"""The form of a proof: one line of canonical JSON, of one of two kinds.

    blocks  a ledger of one machine: all headers up to the transaction's block, chained and signed
            by their writers; in full block 0, those that change members, and the transaction's own
    votes   a ledger of many machines: the header after the transaction's block with the votes of
            two thirds of the validators, Merkle paths of the transaction and of its result, and
            the headers by which the validators follow from those of block 0

Nothing stands in a proof that is not checked, so that no byte can be changed.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from swarmhub import codec
from swarmhub.errors import BadInput, Malformed, plain
from swarmhub.ledger.cometbft.headers import Commit, EngineHeader, Validator
from swarmhub.types import Digest

MAX_PROOF_BYTES = 32 << 20
MAX_HANDOVERS = 10_000
MAX_VALIDATORS = 1000  # a consortium has no more members
MAX_PATH = 24  # levels of a tree of transactions
Origin = Literal["proven", "not proven"]


@dataclass(frozen=True)
class Beside:
    """The hashes beside the way up in the trees of transactions and of results, which have one
    shape; `left` if they stand left of the way."""

    left: bool
    tx: Digest
    result: Digest


@dataclass(frozen=True)
class VotedHeader:
    """A header of CometBFT with the votes for it, and the validators in their order."""

    header: EngineHeader
    commit: Commit
    validators: tuple[Validator, ...]


@dataclass(frozen=True)
class VotesProof:
    """A transaction on a ledger of many machines. `header` is its block's, `signed` the next one's;
    `handovers` are headers that name other validators than their own, oldest first: none if the
    way from block 0 is not shown."""

    kind: Literal["votes"]
    genesis: str
    handovers: tuple[VotedHeader, ...]
    header: EngineHeader
    signed: VotedHeader
    tx: str
    code: str
    beside: tuple[Beside, ...]


@dataclass(frozen=True)
class BlocksProof:
    """A transaction on a ledger of one machine. `blocks` are excerpts as lines of canonical JSON
    (`evidence.extract`); the last one has the transaction with this id."""

    tx: Digest
    blocks: tuple[bytes, ...]


@dataclass(frozen=True)
class ProofChecked:
    """A proof that holds. `code` is "ok" or the refusal's; `missing` says what the proof lacks to
    prove its origin, "" if nothing; `head` is the digest of the transaction's block; `others` is
    the number of further transactions that the proof shows."""

    kind: Literal["blocks", "votes"]
    origin: Origin
    missing: str
    chain: str
    genesis: Digest
    tx: Digest
    act: str
    study: str
    signer: str
    code: str
    height: int
    time_ms: int
    head: Digest
    others: int


def write_proof(proof: VotesProof | BlocksProof) -> bytes:
    """Return a proof as a file. Raises BadInput if it is larger than a proof may be."""
    if isinstance(proof, VotesProof):
        data = codec.pack(proof) + b"\n"
    else:
        head = b'{"blocks":[' + b",".join(proof.blocks) + b'],"kind":"blocks","tx":'
        data = head + codec.encode(proof.tx) + b"}\n"
    if len(data) > MAX_PROOF_BYTES:
        raise BadInput(
            f"The proof would have {len(data) >> 20} MiB, more than the {MAX_PROOF_BYTES >> 20} "
            "that are read; give the ledger itself, for 'swarmhub ledger verify --file'."
        )
    return data


def read_proof(data: bytes) -> VotesProof | BlocksProof:
    """Return the proof in a file's bytes. Raises BadInput for anything else."""
    if len(data) > MAX_PROOF_BYTES:
        raise _no_proof(f"it has more than {MAX_PROOF_BYTES >> 20} MiB")
    try:
        if not data.endswith(b"\n"):
            raise Malformed("it does not end with a line end")
        value = codec.decode(data[:-1], MAX_PROOF_BYTES)
        return _read(value)
    except Malformed as error:
        raise _no_proof(plain(error, 300).rstrip(".")) from None


def find_study(body: Any) -> str:
    """Return the study that a transaction's body names, "" if it names none."""
    place = getattr(body, "ref", body)
    return getattr(place, "study", "") or getattr(getattr(body, "spec", None), "name", "")


def read_file(path: Path) -> bytes:
    """Return the bytes of a file that may be a proof. Raises BadInput if it is too large, or no
    file."""
    try:
        fd = os.open(path.expanduser(), os.O_RDONLY | os.O_NONBLOCK)
        with os.fdopen(fd, "rb") as file:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                raise _no_proof("it is no file")
            if found.st_size > MAX_PROOF_BYTES:
                raise _no_proof(f"it has more than {MAX_PROOF_BYTES >> 20} MiB")
            return file.read(MAX_PROOF_BYTES + 1)
    except OSError as error:
        raise BadInput(f"Cannot read the proof {path} ({error.strerror}).") from None


def _read(value: Any) -> VotesProof | BlocksProof:
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind == "votes":
        found = codec.from_json(VotesProof, value)
        _check_bounds(found)
        return found
    if kind != "blocks" or set(value) != {"blocks", "kind", "tx"}:
        raise Malformed("it is neither of blocks nor of votes")
    tx, blocks = value["tx"], value["blocks"]
    if not isinstance(tx, str) or not codec.is_digest(tx) or not isinstance(blocks, list):
        raise Malformed("it has an id of a transaction and a list of blocks")
    return BlocksProof(tx, tuple(codec.encode(block) for block in blocks))


def _check_bounds(found: VotesProof) -> None:
    """Raise Malformed if a list is too long, or a number or a hash not in its form."""
    if len(found.handovers) > MAX_HANDOVERS or len(found.beside) > MAX_PATH:
        raise Malformed("it has too many handovers, or too long a path")
    for beside in found.beside:
        _need_hex(64, beside.tx, beside.result)
    _check_header(found.header)
    for signed in (*found.handovers, found.signed):
        _check_signed(signed)


def _check_signed(signed: VotedHeader) -> None:
    _check_header(signed.header)
    _need_whole(signed.commit.round, signed.commit.parts)
    _need_hex(64, signed.commit.parts_hash)
    count = len(signed.validators)
    if not 0 < count <= MAX_VALIDATORS or len(signed.commit.votes) > count:
        raise Malformed(
            f"a header has 1 to {MAX_VALIDATORS} validators, and a vote of each at most"
        )
    for validator in signed.validators:
        _need_hex(64, validator.key)
        _need_whole(validator.power)
    places = [vote.validator for vote in signed.commit.votes]
    if places != sorted(set(places)) or any(not 0 <= place < count for place in places):
        raise Malformed("the votes are not in the order of the validators")
    for vote in signed.commit.votes:
        _need_hex(128, vote.signature)
        _need_whole(vote.time.seconds, vote.time.nanos)


def _check_header(header: EngineHeader) -> None:
    _need_whole(
        header.version_block, header.version_app, header.height, header.time.seconds,
        header.time.nanos, header.last_block_id.parts,
    )  # fmt: skip
    _need_hex(
        64, header.data_hash, header.validators_hash, header.next_validators_hash,
        header.last_results_hash,
    )  # fmt: skip
    _need_hex(40, header.proposer_address)
    for text in (header.last_block_id.hash, header.last_block_id.parts_hash,
                 header.last_commit_hash, header.consensus_hash, header.app_hash,
                 header.evidence_hash):  # fmt: skip
        _need_hex(64 if text else 0, text)


def _need_hex(digits: int, *texts: str) -> None:
    for text in texts:
        if len(text) != digits or text.strip("0123456789abcdef"):
            raise Malformed(f"expected {digits} lower-case hex digits, got '{plain(text, 20)}'")


def _need_whole(*numbers: int) -> None:
    if min(numbers) < 0:
        raise Malformed("a number is negative")


def _no_proof(why: str) -> BadInput:
    return BadInput(f"Expected a proof of 'swarmhub ledger prove', but {why}.")
