"""A member's folder: creating, reading and verifying its state, and resetting it after some
crashes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from swarmhub import codec
from swarmhub.contract import State
from swarmhub.contract.records import Genesis
from swarmhub.contract.state import Overlay
from swarmhub.errors import BadInput, LedgerDamaged, LedgerError, Malformed
from swarmhub.ledger.blocks import (
    MAX_GENESIS_BYTES,
    Agreed,
    Block,
    Committed,
    Tip,
    agree,
    agree_on_genesis,
)
from swarmhub.ledger.cometbft.settings import STATE_FILE
from swarmhub.ledger.cometbft.snapshots import unpack_state
from swarmhub.ledger.cometbft.store import Store
from swarmhub.ledger.cometbft.store_rows import Snapshot

PEERS_FILE = "peers.json"
TAKING_OVER = "taking-over"  # present in the folder until a block has followed the snapshot


def read_peers(folder: Path) -> list[str]:
    """Return the other engines that a member named to a newcomer; nothing if the file is
    damaged."""
    try:
        found = codec.decode((folder / PEERS_FILE).read_bytes(), MAX_GENESIS_BYTES)
    except (OSError, Malformed):
        return []
    return [p for p in found if isinstance(p, str)] if isinstance(found, list) else []


def create_comet_ledger(folder: Path, genesis: Genesis) -> str:
    """Write the state of block 0 into a member's folder; returns the chain id."""
    path = folder / STATE_FILE
    if path.exists():
        raise LedgerError(f"Expected no ledger at {folder}, found one; it is never overwritten.")
    return Store.create(path, genesis)


def read_genesis(folder: Path) -> Genesis:
    """Return the genesis from which a member's folder was made."""
    store = Store.open(folder / STATE_FILE)
    try:
        return store.genesis()
    finally:
        store.close()


def verify_comet_ledger(
    folder: Path, is_followed: bool = False, tell: Callable[[int], None] = lambda height: None
) -> tuple[Tip, State, list[Committed]]:
    """Execute all blocks from the genesis on, as an auditor does, and compare with the node's
    state; `tell` is called with the height of each that holds. LedgerDamaged names the first block
    that differs. If older blocks have been forgotten, this starts from the snapshot at which the
    others begin; the older ones that are kept are returned unchecked. `is_followed`: without the
    newest block, as no header names the state after it yet."""
    store = Store.open(folder / STATE_FILE)
    try:
        with store.one_moment():  # a node may be writing the file
            kept_tip, _ = store.load()
            base, genesis = store.base(), store.genesis()
            first, *rest = store.blocks(0, 1 << 60)
            snapshot = store.snapshot(base) if base else None
    finally:
        store.close()
    head = kept_tip.head
    if is_followed and rest and rest[-1].height > base:
        head = rest.pop().block.header.previous
    state = State()
    overlay = Overlay(state)
    try:
        tip, committed = agree_on_genesis(genesis, overlay)
    except BadInput as error:
        raise LedgerDamaged(0, str(error).rstrip("."), str(store.path)) from None
    found = [committed]
    state.commit(overlay.writes, tip.tree)
    why = "its results are not what the contract computes"
    if committed.block != first.block:
        raise LedgerDamaged(0, why, str(store.path))
    if base:
        tip, state = _begin_from(snapshot, tip.chain_id, base)
        found += [kept for kept in rest if kept.height <= base]
        rest = [kept for kept in rest if kept.height > base]
    for kept in rest:
        if kept.height != tip.height + 1:
            raise LedgerDamaged(tip.height + 1, "it is not kept here", str(store.path))
        tip, committed = agree_again(tip, state, kept.block)
        if committed.block != kept.block:
            raise LedgerDamaged(kept.height, why, str(store.path))
        found.append(committed)
        tell(kept.height)
    if tip.head != head:
        raise LedgerDamaged(tip.height + 1, "the state is of another block", str(store.path))
    return tip, state, found


def _begin_from(snapshot: Snapshot | None, chain_id: str, height: int) -> tuple[Tip, State]:
    """Return the tip and state of a snapshot."""
    if snapshot is None:
        raise LedgerDamaged(height, "the state that the kept blocks begin from is gone", "")
    state = State(unpack_state(b"".join(snapshot.chunks)))
    return Tip(chain_id, height, snapshot.time_ms, snapshot.head, state.tree), state


def agree_again(tip: Tip, state: State, block: Block) -> tuple[Tip, Committed]:
    """Execute a block that has been agreed on, and commit its writes."""
    overlay = Overlay(state)
    header = block.header
    agreed = Agreed(header.time_ms, header.writer, block.agreed, block.misbehaviour)
    tip, committed = agree(tip, overlay, block.txs, agreed)
    state.commit(overlay.writes, tip.tree)
    return tip, committed


def begin_anew_after_crash(folder: Path) -> None:
    """Reset engine and state if a crash interrupted the takeover of a snapshot, since they may not
    fit together: both start anew, as before it. The validator's signing state is kept."""
    if not (folder / TAKING_OVER).exists():
        return
    for path in (folder / "data").glob("*"):
        if path.is_dir():
            shutil.rmtree(path)
    store = Store.open(folder / STATE_FILE)
    try:
        store.begin(store.genesis())
    finally:
        store.close()
