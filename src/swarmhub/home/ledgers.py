"""Which ledger a home uses: the file that a machine's nodes share, or the one of many machines."""

from __future__ import annotations

import json
import socket
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from swarmhub.contract import State
from swarmhub.contract.consortium.thresholds import compute_faults
from swarmhub.contract.records import Genesis, get_members
from swarmhub.home.home import Home
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

ENGINE_BACK_S = 20.0  # a running node's engine starts again where a member has gone


async def open_for_node(
    home: Home,
    account: PrivateKey,
    seen: tuple[int, str] | None,
    verbose: bool,
    find_entry: Callable[[], Awaitable[Entry | None]],
    ask_heights: Callable[[State], Awaitable[list[int]]],
) -> NodeLedger:
    """The ledger of a node that starts; it runs the engine where there is one, which begins as
    `find_entry` says where this node is a newcomer's. `ask_heights`: the newest blocks of other
    validators, as they say."""
    if not home.is_networked:
        return await SqliteLedger.open(home.ledger_path, account, seen)

    async def find_height(state: State) -> tuple[int, bool]:
        """Find the newest block that there is for sure, because one honest member says so, or this
        home; and whether so many have answered that one of them is honest."""
        validators = sum(m.power > 0 for m in get_members(state))
        told = await ask_heights(state)
        is_sure = validators <= 1 or len(told) > compute_faults(validators)
        return max(find_credible_height(told, validators), seen[0] if seen else 0), is_sure

    from swarmhub.home.bootstrap import is_newcomer  # loads an HTTP server; no command needs it

    settings = Settings(
        home.engine_path, read_genesis(home.engine_path), home.key("consensus"),
        home.key("ledger"), home.config.ledger_listen, home.config.ledger_address,
        home.config.gossip_ms, home.config.commit_ms, home.config.propose_ms,
        home.config.keep_blocks, home.newest_ledger_key,
    )  # fmt: skip
    if not is_newcomer(home):
        return await CometLedger.open(settings, verbose=verbose, find_height=find_height)
    return await CometLedger.open(
        settings, verbose=verbose, find_entry=find_entry, find_height=find_height
    )


def find_credible_height(told: list[int], validators: int) -> int:
    """The newest block that there is for sure: so many of the answers as may be lies are higher.
    0 if too few have answered."""
    lies = compute_faults(validators)
    return (sorted(told, reverse=True)[lies:] or [0])[0]


async def open_for_desk(
    home: Home, account: PrivateKey, patience_s: float = 0.0, listener: Listener | None = None
) -> DeskLedger:
    """The ledger of a command, beside a node that may be running; if only the node can submit,
    it has so long to start, and its engine to start again. `listener` sees the blocks that are
    executed: of a shared file all, from the first on."""
    if not home.is_networked:
        seen = home.last_head_if_whole()
        return await SqliteLedger.open(home.ledger_path, account, seen, listener=listener)
    if _is_up(home):
        patience_s = max(patience_s, ENGINE_BACK_S)
    return await CometReadClient.open(home.engine_path, patience_s=patience_s)


def _is_up(home: Home) -> bool:
    """Whether a node listens to trainers on this home."""
    try:
        port = int(json.loads(home.run_path("api.json").read_bytes())["port"])
        socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return False
    return True


def found_ledger(home: Home, genesis: Genesis) -> str:
    """Begin a ledger in this home with a genesis; returns the chain id. Every founder of a ledger
    of many machines does so with the same genesis."""
    if not home.is_networked:
        return create_ledger(home.ledger_path, genesis, home.key("account"))
    return create_comet_ledger(home.engine_path, genesis)
