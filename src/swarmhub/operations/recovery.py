"""Restart of a halted consortium under a new chain id: one file that every survivor signs.

The survivor with the newest block writes it; each of the others adds its signature; with the last
one the file is complete, and each creates a new ledger with it. The old ledger is kept beside the
new one, for auditors.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from swarmhub import codec
from swarmhub.clock import wall_clock_ms
from swarmhub.contract import State
from swarmhub.contract.context import Context, Env
from swarmhub.contract.execution import compute_chain_id
from swarmhub.contract.inheritance import get_heritage, inherit, read_state, will_message
from swarmhub.contract.records import (
    ForkGenesis,
    InheritedState,
    Member,
    get_chain,
    get_member_of_key,
    get_members,
)
from swarmhub.contract.refusals import Refusal
from swarmhub.contract.state import Overlay
from swarmhub.errors import BadInput, LedgerError, Malformed, plain
from swarmhub.files import write_durably
from swarmhub.home.home import Home
from swarmhub.ledger import Tip
from swarmhub.ledger.cometbft import create_comet_ledger
from swarmhub.ledger.cometbft.settings import STATE_FILE
from swarmhub.ledger.cometbft.snapshots import pack_state
from swarmhub.ledger.cometbft.store import Store
from swarmhub.operations.ledger_client import read_genesis_file
from swarmhub.operations.running_node import need_stopped
from swarmhub.types import RESTART_DOMAIN

DAY_MS = 86_400_000


@dataclass(frozen=True)
class Step:
    """The progress of a restart. `ahead`: it begins behind this home's last block, which therefore
    cannot vouch for it."""

    chain: str  # the new one; it is not final before all have signed
    height: int
    app_hash: str
    signed: tuple[str, ...]  # names of members
    missing: tuple[str, ...]
    begun: bool
    ahead: int


def restart(home: Home, file: Path, without: Sequence[str]) -> Step:
    """Write the file (without the members of these names), sign it, or create the new ledger if it
    is complete. Raises BadInput if it contradicts what this home knows."""
    with need_stopped(home.root):
        if not home.is_networked:
            raise BadInput("This ledger is a file of one machine; it cannot halt like that.")
        _end_interrupted(home)
        tip, state = _load(home)
        me = get_member_of_key(state, home.key("account").public)
        if me is None:
            raise BadInput("This home belongs to no active member; it has no say in a restart.")
        if file.exists():
            genesis = read_restart(file, tip, state)
        else:
            genesis = _draft(tip, state, without)
            _check(genesis, tip, file)
        genesis = _sign(home, me, genesis)
        write_durably(file, json.dumps(codec.to_sparse_json(genesis), indent=1).encode())
        return _finish(home, genesis, tip)


def _load(home: Home) -> tuple[Tip, State]:
    store = Store.open(home.engine_path / STATE_FILE)
    try:
        return store.load()
    finally:
        store.close()


def _draft(tip: Tip, state: State, without: Sequence[str]) -> ForkGenesis:
    members = get_members(state)
    names = {m.name for m in members}
    for name in without:
        if name not in names:
            known = ", ".join(sorted(names))
            raise BadInput(f"Expected names of members ({known}), got {name[:60]!r}.")
    survivors = tuple(sorted(m.id for m in members if m.name not in without and m.tls))
    if len(survivors) == len(members):
        raise BadInput("Say who is gone for good, with --without NAME for each.")
    values = get_heritage(state.values)
    will = InheritedState(
        chain=tip.chain_id,
        height=tip.height,
        app_hash=State(values).app_hash.hex(),
        survivors=survivors,
        state=pack_state(values).decode(),
        signatures=("",) * len(survivors),
    )
    chain = get_chain(state)
    return ForkGenesis(
        chain.name, (), wall_clock_ms(), contract_version=chain.contract_version, inherits=will
    )


def read_restart(file: Path, tip: Tip, state: State) -> ForkGenesis:
    """Return a survivor's file, checked against what this home knows. Raises BadInput if it
    contradicts that or the contract would refuse it (for anything but signatures)."""
    genesis = read_genesis_file(file)
    if not isinstance(genesis, ForkGenesis):
        raise BadInput(f"Expected the file of a restart at {file}, got another genesis.")
    will = genesis.inherits
    if will.chain != tip.chain_id:
        raise BadInput(
            f"The file goes on from {plain(will.chain, 80)}, this home is of {tip.chain_id}."
        )
    if tip.height > will.height:
        raise BadInput(
            f"The file begins from block {will.height}, and this hospital has block {tip.height}: "
            "write it here instead, so that nothing is lost."
        )
    mine = State(get_heritage(state.values)).app_hash.hex()
    if tip.height == will.height and will.app_hash != mine:
        raise BadInput(f"The file's state is not the one that this hospital has at {tip.height}.")
    if len(will.signatures) != len(will.survivors):
        raise BadInput(f"The file {file} is damaged: it has not a place for each signature.")
    _check(genesis, tip, file)
    return genesis


def _check(genesis: ForkGenesis, tip: Tip, file: Path) -> None:
    """Check before signing what the contract will check; and that the time is plausible."""
    now_ms = wall_clock_ms()
    if not tip.time_ms < genesis.time_ms <= now_ms + DAY_MS:
        raise BadInput(
            f"The file begins at {genesis.time_ms} ms, which is not between the last block and "
            "now; check the clock of the hospital that wrote it, and write it anew."
        )
    ctx = Context(Overlay(State()), Env(0, genesis.time_ms, lambda *_: True))
    try:
        inherit(ctx, genesis, compute_chain_id(genesis))
    except Refusal as refusal:
        raise BadInput(f"The file {file} cannot be used: {refusal}") from None
    except (LookupError, ValueError, TypeError, Malformed):
        raise BadInput(f"The file {file} cannot be used: its state is malformed.") from None


def _sign(home: Home, me: Member, genesis: ForkGenesis) -> ForkGenesis:
    will = genesis.inherits
    if me.id not in will.survivors:
        raise BadInput(f"The file does not count '{me.name}' among those that are left.")
    mine = home.key("account").sign(RESTART_DOMAIN, will_message(genesis))
    places = zip(will.survivors, will.signatures, strict=True)
    signatures = tuple(mine if m == me.id else s for m, s in places)
    return replace(genesis, inherits=replace(will, signatures=signatures))


def _finish(home: Home, genesis: ForkGenesis, tip: Tip) -> Step:
    will = genesis.inherits
    names = {m.id: m.name for m in get_members(State(read_state(will)))}
    pairs = list(zip(will.survivors, will.signatures, strict=True))
    missing = tuple(names.get(m, str(m)) for m, s in pairs if not s)
    signed = tuple(names.get(m, str(m)) for m, s in pairs if s)
    if not missing:
        _begin(home, genesis)
    chain = compute_chain_id(genesis)
    ahead = will.height - tip.height
    return Step(chain, will.height, will.app_hash, signed, missing, not missing, ahead)


def _end_interrupted(home: Home) -> None:
    """Finish a `_begin` that was interrupted between its two renames."""
    new = home.root / "ledger.new"
    if not home.engine_path.exists() and (new / STATE_FILE).exists():
        new.rename(home.engine_path)


def _begin(home: Home, genesis: ForkGenesis) -> None:
    """Create the new ledger beside the old one, then swap them."""
    new, old = home.root / "ledger.new", home.root / f"ledger.{genesis.inherits.chain}"
    with contextlib.suppress(FileNotFoundError):
        (new / STATE_FILE).unlink()  # of a try that was interrupted
    try:
        create_comet_ledger(new, genesis)
    except LedgerError as error:
        raise BadInput(f"The restart cannot be done: {error}") from None
    if not old.exists():
        home.engine_path.rename(old)
    new.rename(home.engine_path)
    home.state_path("head").unlink(missing_ok=True)
