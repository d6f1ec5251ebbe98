"""The members of each round of a study, and those missing and why, folded from blocks."""

from __future__ import annotations

from dataclasses import dataclass, field

from swarmhub.contract import events as e
from swarmhub.contract.round.kinds import INITIAL
from swarmhub.ledger import Committed
from swarmhub.types import MemberId

LATE = "did not contribute before the round went on"
NOT_READY = (
    "was not ready when the round opened: no trainer was running there, or its node was cut off"
)
WITHDRAWN = "has withdrawn from the study"
REMOVED = "was removed from the consortium"
TAKEN_BACK = "its contribution was taken out before the merge"
REPORTED = {
    "unavailable": "its contribution could not be fetched by the others",
    "invalid": "its contribution could not be merged",
}


@dataclass(frozen=True)
class Absence:
    """An enrolled member without a part in a round's result, and why."""

    member: MemberId
    why: str


@dataclass(frozen=True)
class Takeover:
    """A change of the leader within a round."""

    leader: MemberId | None
    before: MemberId | None
    time_ms: int


@dataclass(frozen=True)
class Contribution:
    """A member's contribution: its training samples, and the block time at which it came."""

    member: MemberId
    weight: int
    time_ms: int


@dataclass(frozen=True)
class RoundHeld:
    """A round: its roster, the contributions, and the members missing in its result. Times are
    block times; `settled_ms` is 0 while it is open, and nobody is absent yet."""

    number: int
    kind: str
    stage: str
    turn: int
    opened_ms: int
    settled_ms: int
    roster: tuple[MemberId, ...]
    contributions: tuple[Contribution, ...]
    absences: tuple[Absence, ...]
    leader: MemberId | None
    takeovers: tuple[Takeover, ...]


@dataclass
class _Open:
    event: e.RoundOpened
    time_ms: int
    enrolled: set[MemberId]
    roster: set[MemberId]
    came: dict[MemberId, Contribution] = field(default_factory=dict)
    why: dict[MemberId, str] = field(default_factory=dict)
    leader: MemberId | None = None
    takeovers: list[Takeover] = field(default_factory=list)

    def show(self, settled_ms: int, shares: set[MemberId]) -> RoundHeld:
        opened = self.event
        # of an initial model one hospital's is taken, so nobody is missing
        absent = sorted(self.enrolled - shares) if settled_ms and opened.kind != INITIAL else []
        return RoundHeld(
            opened.number, opened.kind, opened.stage, opened.turn, self.time_ms, settled_ms,
            tuple(sorted(self.roster)),
            tuple(sorted(self.came.values(), key=lambda c: (c.time_ms, c.member))),
            tuple(Absence(m, self._explain(m)) for m in absent),
            self.leader, tuple(self.takeovers),
        )  # fmt: skip

    def _explain(self, member: MemberId) -> str:
        if member in self.why:
            return self.why[member]
        return LATE if member in self.roster else NOT_READY


class AttendanceBook:
    """The rounds of a study, from blocks in order."""

    def __init__(self, study: str) -> None:
        self._study = study
        self._enrolled: set[MemberId] = set()
        self._removed: set[MemberId] = set()
        self._open: _Open | None = None
        self._held: list[RoundHeld] = []

    def see(self, committed: Committed) -> bool:
        """Add a block; return whether it changed anything."""
        time_ms, changed = committed.block.header.time_ms, False
        for event in committed.events:
            changed |= self._hear(event, time_ms)
        return changed

    def rounds(self) -> tuple[RoundHeld, ...]:
        """Return the rounds, oldest first; the last one may be open."""
        now = () if self._open is None else (self._open.show(0, set()),)
        return (*self._held, *now)

    def _hear(self, event: e.Event, time_ms: int) -> bool:
        if isinstance(event, e.Departed) and event.status == "removed":
            self._removed.add(event.member)  # that it has left its studies follows in the block
        if e.get_study(event) != self._study:
            return False
        now = self._open
        match event:
            case e.Enrolled(member=member):
                self._enrolled.add(member)
            case e.Withdrawn(member=member):
                self._enrolled.discard(member)
                if now is not None:
                    now.why[member] = REMOVED if member in self._removed else WITHDRAWN
            case e.RoundOpened():
                self._open = _Open(event, time_ms, set(self._enrolled), set(event.roster))
            case e.Settled() if now is not None:
                shares = {share.member for share in event.model.shares} or set(now.came)
                now.leader = event.model.leader
                self._held.append(now.show(time_ms, shares))
                self._open = None
            case _ if now is None:
                return False
            case _:
                self._hear_in_round(event, now, time_ms)
        return True

    def _hear_in_round(self, event: e.Event, now: _Open, time_ms: int) -> None:
        match event:
            case e.BecameReady(member=member):
                now.roster.add(member)
            case e.Contributed(member=member, weight=weight):
                now.came[member] = Contribution(member, weight, time_ms)
                now.why.pop(member, None)
            case e.LeftOut(member=member):
                now.why[member] = "its arrays are not those of the others"
            case e.Excluded(member=member, why=why):
                now.why[member] = REPORTED.get(why, why)
            case e.Voided(member=member):
                now.came.pop(member, None)
                now.why.setdefault(member, TAKEN_BACK)
            case e.MergeStarted(leader=leader, shard=0):
                now.leader = leader
            case e.TookOver(leader=leader, before=before):
                now.leader = leader if event.shard == 0 else now.leader
                now.takeovers.append(Takeover(leader, before, time_ms))
            case _:
                pass
