"""Selection of a home's ledger: a file that the nodes of a machine share, or a networked ledger."""

from __future__ import annotations

import json
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias

from swarmhub.contract import State
from swarmhub.contract.consortium.thresholds import compute_faults
from swarmhub.contract.records import Genesis, get_members
from swarmhub.contract.versions import need_next
from swarmhub.errors import VersionMissing
from swarmhub.home.head import load_head_if_whole
from swarmhub.home.home import Home
from swarmhub.home.rotation import load_newest_ledger_key
from swarmhub.keys import PrivateKey
from swarmhub.ledger import SqliteLedger, create_ledger
from swarmhub.ledger.base import Listener
from swarmhub.ledger.cometbft import (
    CometLedger,
    CometReadClient,
    Entry,
    Settings,
    create_comet_ledger,
    read_genesis,
)

NodeLedger: TypeAlias = SqliteLedger | CometLedger
DeskLedger: TypeAlias = SqliteLedger | CometLedger | CometReadClient

ENGINE_BACK_S = 20.0  # a running node's engine restarts after a member's departure


async def open_for_node(
    home: Home,
    account: PrivateKey,
    seen: tuple[int, str] | None,
    verbose: bool,
    find_entry: Callable[[], Awaitable[Entry | None]],
    ask_heights: Callable[[State], Awaitable[list[int]]],
) -> NodeLedger:
    """Open the ledger of a node that starts. For a networked ledger this starts the engine; a
    newcomer's engine begins as `find_entry` decides. `ask_heights` returns the newest blocks that
    other validators report. Raises VersionMissing if this software cannot go on with it."""
    if not home.is_networked:
        ledger = await SqliteLedger.open(home.ledger_path, account, seen)
        try:
            need_next(ledger.state, ledger.tip.height)
        except VersionMissing:
            await ledger.close()
            raise
        return ledger

    async def find_height(state: State) -> tuple[int, bool]:
        """Return the newest block that exists for sure, because an honest member or this home
        vouches for it; and whether enough members have answered that one of them is honest."""
        validators = sum(m.power > 0 for m in get_members(state))
        told = await ask_heights(state)
        is_sure = validators <= 1 or len(told) > compute_faults(validators)
        return max(find_credible_height(told, validators), seen[0] if seen else 0), is_sure

    from swarmhub.home.bootstrap import is_newcomer  # loads an HTTP server; commands do not

    settings = Settings(
        home.engine_path, read_genesis(home.engine_path), home.key("consensus"),
        home.key("ledger"), home.config.ledger_listen, home.config.ledger_address,
        home.config.gossip_ms, home.config.commit_ms, home.config.propose_ms,
        home.config.keep_blocks, partial(load_newest_ledger_key, home),
    )  # fmt: skip
    if not is_newcomer(home):
        return await CometLedger.open(settings, verbose=verbose, find_height=find_height)
    return await CometLedger.open(
        settings, verbose=verbose, find_entry=find_entry, find_height=find_height
    )


def find_credible_height(told: list[int], validators: int) -> int:
    """Return the newest block that exists for sure: up to f answers may be false, so the f highest
    do not count. 0 if too few members have answered."""
    lies = compute_faults(validators)
    return (sorted(told, reverse=True)[lies:] or [0])[0]


async def open_for_desk(
    home: Home, account: PrivateKey, patience_s: float = 0.0, listener: Listener | None = None
) -> DeskLedger:
    """Open the ledger for a command, beside a node that may be running. If only the node can
    submit, wait up to `patience_s` until it, or its engine, has started. `listener` receives the
    blocks that are executed: for a shared file all of them, from the first on."""
    if not home.is_networked:
        seen = load_head_if_whole(home)
        return await SqliteLedger.open(home.ledger_path, account, seen, listener=listener)
    if _is_up(home):
        patience_s = max(patience_s, ENGINE_BACK_S)
    return await CometReadClient.open(home.engine_path, patience_s=patience_s)


def _is_up(home: Home) -> bool:
    """Return whether a node listens to trainers on this home."""
    try:
        port = int(json.loads(home.run_path("api.json").read_bytes())["port"])
        socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return False
    return True


def found_ledger(home: Home, genesis: Genesis) -> str:
    """Create a ledger in this home from a genesis; returns the chain id. Every founder of a
    networked ledger does so with the same genesis."""
    if not home.is_networked:
        return create_ledger(home.ledger_path, genesis, home.key("account"))
    return create_comet_ledger(home.engine_path, genesis)
