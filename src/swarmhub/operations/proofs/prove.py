"""Making the proof of one transaction on a home's ledger, and checking one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from swarmhub import codec
from swarmhub.errors import BadInput, plain
from swarmhub.ledger import Committed
from swarmhub.operations.proofs.blocks_proof import check_blocks, make_blocks_proof
from swarmhub.operations.proofs.faults import ProofFails
from swarmhub.operations.proofs.forms import (
    ProofChecked,
    VotesProof,
    read_file,
    read_proof,
    write_proof,
)
from swarmhub.operations.proofs.votes_check import check_votes
from swarmhub.operations.proofs.votes_proof import choose, make_votes_proof, say_none
from swarmhub.operations.record import find_ledger, read_record
from swarmhub.types import Digest
from swarmhub.words import say_time

LEAST_DIGITS = 8  # of a transaction's id


def prove_transaction(file: Path | None, home: Path, tx: str) -> bytes:
    """Return the proof of a transaction (its id, or 8 digits of its beginning at least), as a file.
    Raises BadInput if there is no such transaction, or no proof of it."""
    if len(tx) < LEAST_DIGITS or len(tx) > 64 or tx.strip("0123456789abcdef"):
        raise BadInput(
            f"Expected {LEAST_DIGITS} to 64 lower-case hex digits of a transaction's id, got "
            f"'{plain(tx, 70)}'; 'swarmhub ledger show HEIGHT' has the ids of a block."
        )
    found = find_ledger(file, home)
    if found.is_dir():
        return write_proof(asyncio.run(make_votes_proof(found, tx)))
    blocks = read_record(file, home).blocks
    target, identity = _find(blocks, tx)
    kept = [b for b in blocks if b.height <= target.height]
    return write_proof(make_blocks_proof(kept, identity))


def _find(blocks: list[Committed], tx: str) -> tuple[Committed, Digest]:
    found = [(b, r) for b in blocks for r in b.results if r.id.startswith(tx)]
    ids = {r.id for _, r in found}
    if len(ids) != 1:
        raise say_none(tx, len(ids))
    block = next((b for b, r in found if r.ok), found[0][0])
    return block, block.results[choose(block, ids.pop())].id


def check_proof(data: bytes, genesis: Digest = "") -> ProofChecked:
    """Check a proof; `genesis` is the digest of block 0 as known from elsewhere. Raises BadInput if
    it is none, ProofFails for the first part that does not hold."""
    if genesis and not codec.is_digest(genesis):
        raise BadInput(
            f"Expected a digest of 64 lower-case hex digits for --genesis, got "
            f"'{plain(genesis, 80)}'; 'swarmhub ledger verify' prints it at a member."
        )
    proof = read_proof(data)
    found = check_votes(proof) if isinstance(proof, VotesProof) else check_blocks(proof)
    if genesis and genesis != found.genesis:
        raise ProofFails("genesis", f"it is not {genesis[:16]}…: the proof is of another chain")
    return replace(found, origin="proven") if genesis and not found.missing else found


def check_proof_file(path: Path, genesis: Digest = "") -> ProofChecked:
    """Check a proof in a file (see `check_proof`)."""
    return check_proof(read_file(path), genesis)


def say_checked(found: ProofChecked) -> str:
    """Return sentences on a proof that holds."""
    origin = "origin proven"
    if found.origin != "proven":
        hint = found.missing or "give --genesis, as another member knows it"
        origin = f"origin not proven: {hint}"
    result = "accepted" if found.code == "ok" else f"refused ({plain(found.code, 60)})"
    study = f" of the study '{plain(found.study, 60)}'" if found.study else ""
    more = f"\nThe file shows {found.others} further transactions." if found.others else ""
    return (
        f"Consistent, {origin}.\nTransaction {found.tx}: {found.act}{study}, {result} in block "
        f"{found.height} of {found.chain} at {say_time(found.time_ms)}, signed by the account key "
        f"{found.signer}.\nBlock {found.head}\nGenesis {found.genesis}{more}"
    )
