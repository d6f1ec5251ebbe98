"""A proof by blocks: a ledger of one machine."""

from __future__ import annotations

from collections.abc import Sequence

from swarmhub.contract import State
from swarmhub.contract import events as e
from swarmhub.contract.envelope import read_transaction
from swarmhub.contract.state import Overlay
from swarmhub.errors import LedgerError, Malformed
from swarmhub.ledger import Committed
from swarmhub.ledger.blocks import replay_genesis
from swarmhub.operations.evidence.accounts import Accounts
from swarmhub.operations.evidence.chain import BLOCKS, check_chain
from swarmhub.operations.evidence.extract import Excerpt, cut
from swarmhub.operations.evidence.faults import Altered
from swarmhub.operations.evidence.lines import read_line, write_line
from swarmhub.operations.proofs.faults import ProofFails
from swarmhub.operations.proofs.forms import BlocksProof, ProofChecked, find_study
from swarmhub.types import Digest

# events by which the accounts of members change (`Accounts.see`)
OF_ACCOUNTS = (e.AdmissionMoved, e.Admitted, e.Departed, e.MotionClosed, e.Rotated)


def make_blocks_proof(blocks: Sequence[Committed], tx: Digest) -> BlocksProof:
    """Return the proof of a transaction in the last of the blocks, which begin with block 0."""
    overlay = Overlay(State())
    replay_genesis(blocks[0].block, overlay)
    accounts = Accounts(overlay)
    lines = [write_line(Excerpt("whole", blocks[0]))]
    for committed in blocks[1:]:
        is_needed = (
            committed is blocks[-1]
            or accounts.find(committed.block.header.writer) is None
            or any(isinstance(event, OF_ACCOUNTS) for event in committed.events)
        )
        shown = Excerpt("whole", committed) if is_needed else cut("header", committed.block, (), ())
        lines.append(write_line(shown))
        accounts.see(committed)
    return BlocksProof(tx, tuple(lines))


def check_blocks(proof: BlocksProof) -> ProofChecked:
    """Check a proof; return it with its origin "not proven" as far as nobody has named the genesis.
    Raises ProofFails for the first part that does not hold."""
    shown = [_read(line, height) for height, line in enumerate(proof.blocks)]
    try:
        # of a ledger of one machine: there are no lines of headers that validators have signed
        chain = check_chain(lambda name: [*proof.blocks] if name == BLOCKS else [])
    except Altered as error:
        raise ProofFails(f"block {max(0, error.record - 1)}", error.why) from None
    except LedgerError as error:
        raise ProofFails("blocks", str(error).rstrip(".")) from None
    last = shown[-1].committed
    found = [(data, r) for data, r in zip(last.block.txs, last.results, strict=False)
             if r.id == proof.tx]  # fmt: skip
    if shown[-1].level != "whole" or len(shown) < 2 or not found:
        raise ProofFails("tx", "the last block does not have this transaction")
    data, result = next((pair for pair in found if pair[1].ok), found[0])
    tx = read_transaction(data)  # the chain's check has read it
    others = sum(len(s.committed.block.txs) for s in shown[1:]) - 1
    return ProofChecked(
        kind="blocks", origin="not proven", missing="", chain=chain.id, genesis=chain.genesis,
        tx=tx.id, act=tx.kind, study=find_study(tx.body), signer=tx.signer, code=result.code,
        height=last.height, time_ms=last.block.header.time_ms, head=chain.head, others=others,
    )  # fmt: skip


def _read(line: bytes, height: int) -> Excerpt:
    try:
        found = read_line(line)
    except Malformed as error:
        raise ProofFails(f"block {height}", f"it does not decode ({error})") from None
    if found.level == "part":
        raise ProofFails(f"block {height}", "a part of a block has no place in a proof")
    signature = found.committed.block.signature
    if signature.strip("0123456789abcdef"):  # another spelling of the same bytes
        raise ProofFails(f"block {height}", "its signature is not lower-case hex")
    return found
