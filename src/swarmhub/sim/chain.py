"""The simulated ledger: blocks while a quorum is up, and each node's sight of them.

It takes transactions and makes blocks while n - f nodes are up and can reach each other, and only
they see its blocks. A submission may be lost on its way or arrive twice, a block has the time of
the node that wrote it, and blocks reach each node after a delay of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

from swarmhub import keys
from swarmhub.contract import Result
from swarmhub.contract import events as e
from swarmhub.contract.envelope import write_transaction
from swarmhub.contract.records import (
    CHAIN,
    Card,
    Genesis,
)
from swarmhub.contract.state import State
from swarmhub.ledger import Committed, MemoryChain
from swarmhub.ledger.sentences import say_event
from swarmhub.sim.invariants import Invariants
from swarmhub.sim.network import Network
from swarmhub.sim.schedule import Schedule
from swarmhub.types import TX_DOMAIN, MemberId

BLOCK_MS = 5  # time from a submission's arrival to its block
LOOK_MS = 200  # until a node that was cut off asks for blocks again
TOLD = (  # events that are part of the story
    e.MergeStarted, e.TookOver, e.Excluded, e.Voided, e.Reinstated, e.DisputeOpened, e.FalseMerge,
    e.DisputeDismissed, e.DisputeAbandoned, e.Rotated, e.Enrolled, e.Withdrawn, e.CollectsAgain,
    e.RemovalMoved, e.Departed, e.StudyPaused, e.FalseDealing, e.KeysAskedAgain,
    e.ShardSettled, e.SumSettled, e.SharesShown, e.ConfirmStarted, e.Settled, e.StudyEnded,
)  # fmt: skip


class ChainNetwork(Network):
    """A network of nodes with one ledger in memory."""

    invariants: Invariants  # by the world

    def __init__(
        self, schedule: Schedule, writer: keys.PrivateKey, founders: Sequence[Card]
    ) -> None:
        super().__init__(schedule)
        self.active = set(range(1, schedule.nodes + 1))  # members now
        self.results: dict[str, Result] = {}
        self._pending: list[tuple[MemberId, bytes]] = []
        self._making = False
        self._last_sight: dict[MemberId, tuple[int, State]] = {}  # of removed members
        self.chain = MemoryChain(Genesis("sim", tuple(founders), self.now_ms), writer)
        self.state = self._snapshot()  # as of the newest block; never changed, only replaced

    def on_ledger(self, member: MemberId) -> bool:
        """Return whether this member is up and among a quorum of members that can reach each
        other."""
        up = [m for m in self.active if self.nodes[m].up and self.reaches(member, m)]
        n = len(self.active)
        return member in up and len(up) >= n - (n - 1) // 3  # written out: no planted fault is here

    def weight_of(self, member: MemberId) -> int:
        """Return the samples with which a member contributes; it has declared a hundred."""
        return 10 + member

    def submit(self, member: MemberId, tx: bytes) -> None:
        """Send a transaction to the ledger: it may be lost, or arrive twice."""
        self.nodes[member].does("submit")
        copies = 1
        if self.is_lossy:
            if self.random.randrange(100) < self.schedule.drop:
                return
            copies += self.random.randrange(100) < self.schedule.duplicate
        for _ in range(copies):
            self.at(self._delay(member), lambda: self._arrive(member, tx))

    def _arrive(self, member: MemberId, tx: bytes) -> None:
        here = self.on_ledger(member)
        if not here and (member in self.active or not any(map(self.on_ledger, self.active))):
            return  # a removed member finds another one that passes it on
        self._pending.append((member, tx))
        if not self._making:
            self._making = True
            self.at(BLOCK_MS, self._make_block)

    def _make_block(self) -> None:
        if not any(self.on_ledger(m) for m in self.nodes):  # halted: transactions wait
            self.at(LOOK_MS, self._make_block)
            return
        came, self._pending, self._making = self._pending, [], False
        writer = self.nodes[next((m for m, _ in came if m in self.active), min(self.active))]
        members = set(self.active)
        # a block has its writer's clock
        for committed in self.chain.append([tx for _, tx in came], writer.now_ms):
            for result in committed.results:
                if result.ok or result.id not in self.results:  # a late copy is refused
                    self.results[result.id] = result
            self.invariants.after_block(committed)
            self._retell(committed)
        self.state = self._snapshot()
        self.active = set(CHAIN.need(self.state).active)
        height, state = self.height, self.state
        self._last_sight.update(dict.fromkeys(members - self.active, (height, state)))
        for member in members:
            self.at(self._delay(member), lambda m=member: self._show(m, height, state))  # type: ignore[misc]

    @property
    def height(self) -> int:
        """Height of the newest block."""
        return self.chain.tip.height

    def sight(self, member: MemberId) -> tuple[int, State]:
        """Return the newest block that a member may see: for a removed member, that of its
        removal."""
        return self._last_sight.get(member, (self.height, self.state))

    def _show(self, member: MemberId, height: int, state: State) -> None:
        """Show a block to a node, once it is on the ledger (a crashed one reads at its start)."""
        node = self.nodes[member]
        if not node.up or height <= node.height:
            return
        if member not in self.active or self.on_ledger(member):
            node.see(height, state)
        else:
            self.at(LOOK_MS, lambda: self._show(member, *self.sight(member)))

    def _retell(self, committed: Committed) -> None:
        for event in committed.events:
            if isinstance(event, TOLD):
                self.tell(0, say_event(event, {}))

    def _snapshot(self) -> State:
        state = State()
        state.values = dict(self.chain.state.values)
        state.tree = self.chain.state.tree
        return state

    def sign(self, account: keys.PrivateKey, body: object, now_ms: int) -> bytes:
        """Return a transaction of an account, valid for ten minutes by its own clock."""
        return write_transaction(
            body, self.chain.tip.chain_id, now_ms + 600_000, account.public,  # type: ignore[arg-type]
            lambda m: account.sign(TX_DOMAIN, m),
        )  # fmt: skip

    @property
    def observer(self) -> Invariants:
        """The invariants, to which nodes tell their acts."""
        return self.invariants
