"""Settings of one member's engine, and the names in its folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from swarmhub.contract.records import Genesis
from swarmhub.keys import PrivateKey

STATE_FILE, LOG_FILE = "state.sqlite", "engine.log"
ABCI_SOCKET, RPC_SOCKET = "abci.sock", "rpc.sock"


@dataclass(frozen=True)
class Settings:
    """The settings of one member's engine. Times suit a local network; on links with long delays a
    higher `gossip_ms` saves traffic."""

    folder: Path
    genesis: Genesis
    consensus: PrivateKey
    peer: PrivateKey
    listen: str  # host:port for the engines of other members
    address: str  # host:port under which they connect to it
    gossip_ms: int = 5
    commit_ms: int = 0
    propose_ms: int = 400  # an absent proposer costs so much, then the next one proposes
    keep_blocks: int = 100_000  # minimum; older ones are forgotten, but for milestones
    # returns the newest key for `peer`: a different one during a rotation, None if unknown
    newest_peer: Callable[[], PrivateKey | None] = lambda: None


@dataclass(frozen=True)
class Entry:
    """The start of a newcomer's engine from a later state (CometBFT's state sync): its light client
    trusts one block and requests others at sockets in the engine's folder."""

    height: int
    hash: str  # of the block at that height, in hex
    sockets: tuple[str, ...]  # file names
    snapshots: frozenset[str]  # hashes of acceptable ones
