"""Figures of the connections to other members, from what was moved anyway.

Nothing is sent to measure. A rate is that of the last transfers of models together: bytes over
seconds from the request to the last byte. A round trip is the shortest of the last requests that
are answered at once, on a connection that is open already.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from swarmhub.clock import wall_clock_ms
from swarmhub.types import MemberId

KEPT = 8  # transfers in each direction, and round trips
LEAST_RECEIVED_BYTES = 256 << 10  # less tells the round trip, not the rate
LEAST_SENT_BYTES = 4 << 20  # less may lie in the kernel's buffers when it counts as sent
Way = Literal["direct", "relay", "incoming", "none"]


@dataclass(frozen=True)
class Link:
    """The connections to one member. `way`: this node connects to it, directly or over a relay
    (`via`: the name of the member that runs it), or it has connected to this node, or neither has
    succeeded. Rates in bytes per second and round trip in microseconds are 0 if not measured yet;
    `measured_ms` is when the newest figure was measured, by this machine's clock."""

    member: MemberId
    way: Way = "none"
    via: str = ""
    received_per_s: int = 0
    sent_per_s: int = 0
    round_trip_us: int = 0
    measured_ms: int = 0


class _Rate:
    """The rate of the last transfers in one direction."""

    def __init__(self, per_s: int) -> None:
        self._last: deque[tuple[int, float]] = deque(maxlen=KEPT)
        self._before = per_s

    def add(self, nbytes: int, seconds: float) -> None:
        self._last.append((nbytes, max(seconds, 1e-6)))

    @property
    def per_s(self) -> int:
        if not self._last:
            return self._before
        return round(sum(n for n, _ in self._last) / sum(s for _, s in self._last))


class _Figures:
    """All figures of one member."""

    def __init__(self, known: Link) -> None:
        self.received, self.sent = _Rate(known.received_per_s), _Rate(known.sent_per_s)
        self.trips: deque[int] = deque(maxlen=KEPT)
        self.known, self.measured_ms = known, known.measured_ms
        self.via: str | None = None  # None: not reached

    @property
    def round_trip_us(self) -> int:
        return min(self.trips, default=self.known.round_trip_us)


class Links:
    """The figures of a node. `on_change` is called after each new one."""

    def __init__(self, now_ms: Callable[[], int] = wall_clock_ms) -> None:
        self._now_ms = now_ms
        self._figures: dict[MemberId, _Figures] = {}
        self.on_change: Callable[[], None] = lambda: None

    def restore(self, known: Iterable[Link]) -> None:
        """Begin with the rates and round trips of an earlier run; ways are found anew."""
        for link in known:
            self._figures.setdefault(link.member, _Figures(link))

    def received(self, member: MemberId, nbytes: int, seconds: float) -> None:
        """Note that so much was received from a member."""
        if nbytes >= LEAST_RECEIVED_BYTES:
            self._of(member).received.add(nbytes, seconds)
            self._measured(member)

    def sent(self, member: MemberId, nbytes: int, seconds: float) -> None:
        """Note that so much was sent to a member."""
        if nbytes >= LEAST_SENT_BYTES:
            self._of(member).sent.add(nbytes, seconds)
            self._measured(member)

    def answered(self, member: MemberId, seconds: float) -> None:
        """Note how long an answer took that a member gives at once."""
        self._of(member).trips.append(max(1, round(seconds * 1e6)))
        self._measured(member)

    def reached(self, member: MemberId, via: str | None) -> None:
        """Note whether a member was reached: None if not, "" if directly, else the
        name of the member with the relay."""
        figures = self._of(member)
        if figures.via != via:
            figures.via = via
            self.on_change()

    def show(
        self, members: Iterable[MemberId], incoming: Collection[MemberId] = ()
    ) -> tuple[Link, ...]:
        """Return the links to members; `incoming` are those that are connected to this node."""
        return tuple(self._show(member, member in incoming) for member in members)

    def _show(self, member: MemberId, is_incoming: bool) -> Link:
        found = self._figures.get(member) or _Figures(Link(member))
        way: Way = "incoming" if is_incoming else "none"
        if found.via is not None:
            way = "relay" if found.via else "direct"
        return Link(
            member, way, found.via or "", found.received.per_s, found.sent.per_s,
            found.round_trip_us, found.measured_ms,
        )  # fmt: skip

    def _of(self, member: MemberId) -> _Figures:
        return self._figures.setdefault(member, _Figures(Link(member)))

    def _measured(self, member: MemberId) -> None:
        self._of(member).measured_ms = self._now_ms()
        self.on_change()
