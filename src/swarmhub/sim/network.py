"""Virtual time, and an unreliable network: messages are delayed, and may be dropped or doubled."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable

from swarmhub.contract.records import (
    MEMBER,
)
from swarmhub.sim.node import SimNode
from swarmhub.sim.ports import Crashed
from swarmhub.sim.schedule import Schedule
from swarmhub.types import MemberId

START_MS = 1_000_000_000


class Network:
    """The queue of all that happens, and messages between nodes."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.random = random.Random(schedule.seed)
        self.now_ms = START_MS
        self.story: list[str] = []
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._cuts: list[frozenset[MemberId]] = []
        self._rotates = any("rotate" in (a.kind, a.lie) for a in schedule.faults)
        self._slow: dict[MemberId, list[int]] = {m: [] for m in range(1, schedule.nodes + 1)}
        self.nodes: dict[MemberId, SimNode] = {}

    def at(self, delay_ms: int, callback: Callable[[], None]) -> None:
        """Call back later."""
        heapq.heappush(self._queue, (self.now_ms + max(0, delay_ms), next(self._order), callback))

    def tell(self, who: MemberId, sentence: str) -> None:
        """Add a line to the story; member 0 is the ledger."""
        name = f"member {who}" if who else "ledger"
        self.story.append(f"{self.now_ms - START_MS:>6} ms  {name}: {sentence}")

    @property
    def is_lossy(self) -> bool:
        """Whether messages may be dropped or doubled now."""
        return self.now_ms < START_MS + self.schedule.until_ms

    def reaches(self, one: MemberId, other: MemberId) -> bool:
        """Return whether no cut lies between two members."""
        return not self._cuts or all((one in c) == (other in c) for c in self._cuts)

    def knows(self, one: MemberId, other: MemberId) -> bool:
        """Return whether a member, as far as it has seen the ledger, accepts another's
        certificate."""
        if not self._rotates:
            return True
        member = MEMBER.get(self.nodes[one].state, other)
        return member is not None and member.tls == self.nodes[other].tls

    def _delay(self, *members: MemberId) -> int:
        return self.random.randint(*self.schedule.delay_ms) + sum(
            sum(self._slow[m]) for m in members
        )

    def send(
        self, sender: MemberId, receiver: MemberId, callback: Callable[[], None],
        lost: Callable[[], None],
    ) -> None:  # fmt: skip
        """Carry a message: call `callback` on arrival, or `lost` at the sender if it does not
        arrive."""
        self.nodes[sender].does("send")
        delay = self._delay(sender, receiver)
        if self.is_lossy and self.random.randrange(100) < self.schedule.drop:
            self.at(delay, lost)
            return

        def arrive() -> None:
            connects = self.knows(receiver, sender) and self.knows(sender, receiver)
            if not connects or not self.reaches(sender, receiver):
                lost()
                return
            try:
                callback()
            except Crashed:  # the receiver died over it: the connection breaks
                self.at(1, lost)

        self.at(delay, arrive)
        if self.is_lossy and self.random.randrange(100) < self.schedule.duplicate:
            self.at(self._delay(sender, receiver), arrive)
