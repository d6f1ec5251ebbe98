"""Block 0 of a consortium: the records from which its state begins."""

from __future__ import annotations

from dataclasses import dataclass

from swarmhub import codec
from swarmhub.codec import Json
from swarmhub.types import Digest, MemberId, PublicKey, ReleaseKey, Signature


@dataclass(frozen=True)
class Card:
    """A hospital's keys, name and addresses; signed by its account key, so nobody can alter it."""

    name: str
    account: PublicKey  # signs transactions and receipts
    tls: str  # self-signed certificate, DER in hex: the only trust anchor for this member
    consensus: PublicKey  # signs blocks on ledgers that have validators
    address: str  # host:port of the node's peer port; @host:port of relays if it is behind these
    ledger: str = ""  # ID@host:port of its ledger's peer port, on ledgers that have peers
    release: ReleaseKey = ""  # P-256: signs models for tools outside of the consortium
    versions: tuple[int, ...] = (1,)  # of the contract, that the node has
    signature: Signature = ""


@dataclass(frozen=True)
class Genesis:
    """Block 0: the founders of the consortium. Its digest is part of the chain id."""

    name: str
    founders: tuple[Card, ...]
    time_ms: int
    horizon_ms: int = 3_600_000  # how far ahead a transaction may expire
    vote_period_ms: int = 30 * 86_400_000  # a motion lapses after 30 days
    max_members: int = 64
    contract_version: int = 1  # see `versions`


@dataclass(frozen=True)
class InheritedState:
    """The beginning of a restarted consortium (see `inheritance`)."""

    chain: str  # the halted one
    height: int
    app_hash: Digest  # root of `state`
    survivors: tuple[MemberId, ...]  # ascending
    state: str  # {path: text} as JSON: that chain's state, without its replay protection
    signatures: tuple[Signature, ...] = ()  # of the survivors, in their order


@dataclass(frozen=True)
class ForkGenesis(Genesis):
    """Block 0 of a consortium that goes on from another chain's state. It has no founders; the
    constants are those of the state."""

    inherits: InheritedState = InheritedState("", 0, "", (), "")


def read_genesis_json(value: Json) -> Genesis:
    """Return a genesis of either kind; Malformed if it is neither."""
    revived = isinstance(value, dict) and "inherits" in value
    return codec.from_json(ForkGenesis if revived else Genesis, value)
