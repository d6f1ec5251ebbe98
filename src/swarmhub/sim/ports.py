"""Ports of the simulator: the world, other nodes and the invariants, as a node knows them.

A world has nodes and invariants; these know it, and each other, by the protocols here alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from swarmhub.contract import Result, State
from swarmhub.contract.records import Model, Spec
from swarmhub.keys import PrivateKey
from swarmhub.ledger import MemoryChain
from swarmhub.protocol import LocalState, MaskOwn, MergeDone, ReceiptCame, TrainingTask, Watch
from swarmhub.sim.contents import Blob, Forms
from swarmhub.sim.disk import Disk
from swarmhub.sim.schedule import Schedule
from swarmhub.types import Digest, MemberId

STUDY_NAME = "sim"

T = TypeVar("T")


class Crashed(Exception):
    """Raised if a node crashes in the middle of an operation."""


class Restartable(Protocol):
    """A node that the world can crash and start again."""

    me: MemberId
    up: bool

    def start(self) -> None:
        """Start it, if it is down."""

    def crash(self) -> None:
        """Lose everything that its disk has not synced."""


class Peer(Restartable, Protocol):
    """A node, as others see it."""

    account: PrivateKey
    disk: Disk
    height: int
    state: State
    local: LocalState

    @property
    def is_honest(self) -> bool:
        """Whether it has no lies to tell."""

    def has_ended(self, last: Digest) -> bool:
        """Return whether it is up, knows that the study is over and holds its last model."""

    def later(self, delay_ms: int, callback: Callable[[], None]) -> None:
        """Call back later, unless it has crashed by then."""

    def ask(
        self,
        member: MemberId,
        question: Callable[[Peer], T | None],
        answer: Callable[[T | None], None],
    ) -> None:
        """Send a request; the answer is None if the peer is gone or refuses."""

    def give(self, digest: Digest, asker: MemberId) -> Blob | None:
        """Return a blob, if the asker may have it."""

    def give_excerpt(self, digest: Digest, asker: MemberId, starts: Sequence[int]) -> bytes | None:
        """Return stretches of a blob, if the asker may have it."""

    def offer(self, asker: MemberId, effect: Watch) -> MergeDone | None:
        """Return its offer as leader."""

    def take_receipt(self, receipt: ReceiptCame) -> bool:
        """Store a receipt, as leader; return whether it is one for its merge."""


class Observer(Protocol):
    """The invariants, as the acts of a node are told to them."""

    models: list[Model]

    def before_training(self, node: Peer, task: TrainingTask) -> None:
        """Check that a node may train now."""

    def after_merge(self, node: Peer, number: int, digest: Digest) -> None:
        """Record that a node has merged a round."""

    def after_masking(self, node: Peer, effect: MaskOwn, digest: Digest) -> None:
        """Record what a masked answer is made of."""

    def before_giving(self, node: Peer, digest: Digest, asker: MemberId) -> None:
        """Check that a node may give a blob to another."""


class Environment(Protocol):
    """The world: time, chance, the network, the ledger, all nodes."""

    schedule: Schedule
    random: random.Random
    now_ms: int
    forms: Forms
    spec: Spec
    chain: MemoryChain
    opinions: dict[MemberId, set[MemberId]]
    blobs: dict[Digest, Blob]  # every buffer that anybody ever made
    results: dict[str, Result]

    @property
    def nodes(self) -> Mapping[MemberId, Peer]:
        """All nodes, by member."""

    @property
    def observer(self) -> Observer:
        """The invariants."""

    def at(self, delay_ms: int, callback: Callable[[], None]) -> None:
        """Call back later."""

    def tell(self, who: MemberId, sentence: str) -> None:
        """Add a line to the story; member 0 is the ledger."""

    def reaches(self, one: MemberId, other: MemberId) -> bool:
        """Return whether no cut lies between two members."""

    def send(
        self,
        sender: MemberId,
        receiver: MemberId,
        callback: Callable[[], None],
        lost: Callable[[], None],
    ) -> None:
        """Carry a message."""

    def on_ledger(self, member: MemberId) -> bool:
        """Return whether this member is up and among a quorum."""

    def weight_of(self, member: MemberId) -> int:
        """Return the samples with which a member contributes."""

    def sight(self, member: MemberId) -> tuple[int, State]:
        """Return the newest block that a member may see."""

    def sign(self, account: PrivateKey, body: object, now_ms: int) -> bytes:
        """Return a transaction of an account."""

    def submit(self, member: MemberId, tx: bytes) -> None:
        """Send a transaction to the ledger."""

    def rotate(self, member: MemberId) -> None:
        """Replace a hospital's keys, once its node is up."""

    def crash(self, node: Restartable, down_ms: int) -> None:
        """Crash a node, and restart it after a while."""
