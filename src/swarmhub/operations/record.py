"""The ledger's record for an auditor: verify it, read events and blocks. Needs no keys."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarmhub import codec
from swarmhub.contract import State
from swarmhub.contract.envelope import write_text
from swarmhub.contract.execution import compute_genesis_digest
from swarmhub.contract.records import STUDY, Genesis, get_members, get_names, read_genesis_json
from swarmhub.errors import BadInput
from swarmhub.home.head import load_head_if_whole
from swarmhub.home.home import Home
from swarmhub.ledger import Committed, SqliteLedger, Tip
from swarmhub.ledger.blocks import MAX_GENESIS_BYTES
from swarmhub.ledger.cometbft import verify_comet_ledger
from swarmhub.operations.log import Happened, Wanted, find_member, select_events, show_event
from swarmhub.types import Digest, MemberId


@dataclass(frozen=True)
class Record:
    """A verified ledger: its tip, its state, all blocks that are kept."""

    tip: Tip
    state: State
    blocks: list[Committed]


@dataclass(frozen=True)
class Verified:
    """Figures of a verified ledger."""

    chain: str
    genesis: Digest
    blocks: int
    transactions: int
    refused: int
    head: Digest
    app_hash: Digest
    members: tuple[str, ...]


def find_ledger(file: Path | None, home: Path) -> Path:
    """Return the ledger's file or folder: the given one, or that of a home."""
    return Home.open(home).ledger_path if file is None else file


def read_record(
    file: Path | None,
    home: Path,
    tell: Callable[[int], None] = lambda height: None,
    is_followed: bool = False,
) -> Record:
    """Verify a ledger: a file or folder, or by default that of a home, which also knows the head
    that it has seen; `tell` is called with the height of each block that holds. `is_followed`: of a
    networked one, leave the newest block out, which no other has followed. Raises LedgerDamaged for
    the first block that does not hold."""
    seen = load_head_if_whole(Home.open(home)) if file is None else None
    file = find_ledger(file, home)
    if file.is_dir():
        return Record(*verify_comet_ledger(file, is_followed, tell))
    blocks: list[Committed] = []

    def take(committed: Committed) -> None:
        blocks.append(committed)
        tell(committed.height)

    async def run() -> Record:
        ledger = await SqliteLedger.open(file, seen=seen, listener=take)
        await ledger.close()
        return Record(ledger.tip, ledger.state, blocks)

    return asyncio.run(run())


def verify(
    file: Path | None, home: Path, tell: Callable[[int], None] = lambda height: None
) -> Verified:
    """Check every block: chain, signatures, and each result by executing the contract; `tell` as
    for `read_record`."""
    record = read_record(file, home, tell)
    results = [r for block in record.blocks for r in block.results]
    return Verified(
        chain=record.tip.chain_id,
        genesis=find_genesis(record),
        blocks=len(record.blocks),
        transactions=len(results),
        refused=sum(not r.ok for r in results),
        head=record.tip.head,
        app_hash=record.state.app_hash.hex(),
        members=tuple(m.name for m in get_members(record.state)),
    )


def find_genesis(record: Record) -> Digest:
    """Return the digest of the genesis in block 0."""
    return compute_genesis_digest(read_genesis(record))


def read_genesis(record: Record) -> Genesis:
    """Return the genesis in block 0."""
    return read_genesis_json(codec.decode(record.blocks[0].block.txs[0], MAX_GENESIS_BYTES))


def read_log(
    file: Path | None,
    home: Path,
    study: str = "",
    member: str = "",
    since_ms: int = 0,
    last: int = 0,
) -> tuple[list[Happened], dict[MemberId, str]]:
    """Return the ledger's events of a study, a member (name or number) or a time, oldest first, and
    the members' names. Raises BadInput for a study or member that the ledger does not have."""
    record = read_record(file, home)
    names = get_names(record.state)
    if study and STUDY.get(record.state, study) is None:
        raise BadInput(
            f"There is no study {study[:60]!r} on the ledger; see 'swarmhub study list'."
        )
    wanted = Wanted(study, find_member(names, member) if member else None, since_ms, last)
    return select_events(record.blocks, wanted), names


def show_bytes(tx: bytes) -> Any:
    """Return a transaction as its JSON; as a text if it is none."""
    text = write_text(tx)
    try:
        return json.loads(text)
    except ValueError:
        return text


def read_block(file: Path | None, home: Path, height: int) -> dict[str, Any]:
    """Return a block as JSON: header, transactions, results, events. Raises BadInput for a height
    that is not kept or does not exist yet."""
    record = read_record(file, home)
    found = next((b for b in record.blocks if b.height == height), None)
    if found is None:
        newest = record.tip.height
        if 0 <= height <= newest:
            raise BadInput(f"Block {height} is not kept here: it is older than 'keep_blocks' says.")
        raise BadInput(f"Expected a height of 0 to {newest}, got {height}.")
    return {
        "header": codec.to_json(found.block.header),
        "id": found.block.id,
        "signature": found.block.signature,
        "transactions": [show_bytes(t) for t in found.block.txs],
        "results": [{"id": r.id, "code": r.code, "message": r.message} for r in found.results],
        "events": [show_event(event) for event in found.events],
    }
