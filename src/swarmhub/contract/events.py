"""Events: what transactions and deadlines have brought about, one record for each kind.

The ledger stores and hashes an event as its name and its fields in canonical JSON; its name is that
of the class in snake case. `read_event` returns the record. A field that a later version adds has a
default, which is not hashed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from swarmhub import codec
from swarmhub.contract.records import Model, Score
from swarmhub.errors import Malformed
from swarmhub.types import Digest, MemberId, PublicKey


@dataclass(frozen=True)
class Event:
    """Base of all events."""


@dataclass(frozen=True)
class StudyEvent(Event):
    """Base of the events of a study."""

    study: str


@dataclass(frozen=True)
class RoundEvent(StudyEvent):
    """Base of the events of a round."""

    number: int  # of the round


# consortium


@dataclass(frozen=True)
class Inherited(Event):
    """The chain goes on from another one's state."""

    chain: str
    height: int
    app_hash: Digest
    survivors: tuple[MemberId, ...]


@dataclass(frozen=True)
class Invited(Event):
    """A member has registered an invitation."""

    sponsor: MemberId
    invitation: PublicKey


@dataclass(frozen=True)
class AdmissionMoved(Event):
    """A hospital has applied for membership."""

    name: str
    account: PublicKey
    motion: int


@dataclass(frozen=True)
class Admitted(Event):
    """A hospital is a member now."""

    member: MemberId
    name: str


@dataclass(frozen=True)
class RemovalMoved(Event):
    """A member has moved to remove another one."""

    member: MemberId
    by: MemberId
    motion: int


@dataclass(frozen=True)
class Departed(Event):
    """A member is one no longer."""

    member: MemberId
    status: Literal["left", "removed"]


@dataclass(frozen=True)
class Rotated(Event):
    """A member has new keys or addresses."""

    member: MemberId
    changed: tuple[str, ...]  # fields of its card


@dataclass(frozen=True)
class Revoked(Event):
    """A member has made the keys of its machine void."""

    member: MemberId


@dataclass(frozen=True)
class BecameValidator(Event):
    """A member's node has caught up, and votes on blocks from now on."""

    member: MemberId


@dataclass(frozen=True)
class PowerChanged(Event):
    """A consensus key has another number of votes on blocks."""

    key: PublicKey
    power: int


@dataclass(frozen=True)
class DoubleSigned(Event):
    """A consensus key of a member has signed two blocks of one height."""

    member: MemberId
    height: int


@dataclass(frozen=True)
class VoteCast(Event):
    """A member has voted on a motion."""

    motion: int
    member: MemberId
    aye: bool


@dataclass(frozen=True)
class MotionWaits(Event):
    """A motion to admit has the votes; its applicant cannot be admitted yet."""

    motion: int
    kind: str
    why: str


@dataclass(frozen=True)
class MotionClosed(Event):
    """A motion is decided, or its time is over."""

    motion: int
    kind: str
    outcome: Literal["carried", "lost", "lapsed"]


@dataclass(frozen=True)
class Announced(Event):
    """A member's node has these versions of the contract."""

    member: MemberId
    versions: tuple[int, ...]


@dataclass(frozen=True)
class UpgradeMoved(Event):
    """A member has moved to go on with the next version of the contract."""

    version: int
    by: MemberId
    motion: int


@dataclass(frozen=True)
class UpgradeScheduled(Event):
    """The next version of the contract begins with a block to come."""

    version: int
    height: int


@dataclass(frozen=True)
class Upgraded(Event):
    """A version of the contract begins with this block."""

    version: int


# study


@dataclass(frozen=True)
class StudyProposed(StudyEvent):
    """A member has proposed a study."""

    spec: Digest  # of its terms
    by: MemberId


@dataclass(frozen=True)
class StudyApproved(StudyEvent):
    """A member allows the study at its hospital."""

    member: MemberId


@dataclass(frozen=True)
class StudyRefused(StudyEvent):
    """A member does not allow the study at its hospital."""

    member: MemberId


@dataclass(frozen=True)
class Enrolled(StudyEvent):
    """A member takes part in the study."""

    member: MemberId
    samples: int


@dataclass(frozen=True)
class Withdrawn(StudyEvent):
    """A member does not take part in the study any more."""

    member: MemberId


@dataclass(frozen=True)
class StudyStarted(StudyEvent):
    """The first round is about to open."""


@dataclass(frozen=True)
class StudyAmended(StudyEvent):
    """A study that does not run has new terms; its members approve them anew."""

    spec: Digest  # of the new terms
    by: MemberId


@dataclass(frozen=True)
class StudySuspended(StudyEvent):
    """A running study has lost a member that its terms require."""

    member: MemberId


@dataclass(frozen=True)
class StudyEnded(StudyEvent):
    """No round follows."""

    status: Literal["finished", "expired"]


@dataclass(frozen=True)
class ProposalLapsed(StudyEvent):
    """A proposed study was not started in time, or its proposer has departed."""

    by: MemberId  # the proposer


@dataclass(frozen=True)
class ReleaseMoved(StudyEvent):
    """A member has moved to release a model."""

    model: Digest
    motion: int
    by: MemberId


@dataclass(frozen=True)
class ModelReleased(StudyEvent):
    """The enrolled members have released a model."""

    model: Digest


@dataclass(frozen=True)
class ReleaseMissed(StudyEvent):
    """The motion was carried after another model had become current and best."""

    model: Digest


# round


@dataclass(frozen=True)
class RoundOpened(RoundEvent):
    """A round has opened."""

    kind: str
    stage: str
    roster: tuple[MemberId, ...]  # members that it waits for
    turn: int = 1  # round of the stage


@dataclass(frozen=True)
class BecameReady(RoundEvent):
    """A member takes part from this round on."""

    member: MemberId


@dataclass(frozen=True)
class Contributed(RoundEvent):
    """A member has contributed."""

    member: MemberId
    weight: int  # training samples


@dataclass(frozen=True)
class Reported(RoundEvent):
    """A member has reported that another one's contribution cannot be had, or not be merged."""

    kind: Literal["unavailable", "invalid"]
    member: MemberId
    by: MemberId


@dataclass(frozen=True)
class LeftOut(RoundEvent):
    """A contribution has another layout than most."""

    member: MemberId
    layout: Digest  # of it
    expected: Digest  # that of most
    like: MemberId  # a member that has that one


@dataclass(frozen=True)
class Excluded(StudyEvent):
    """Enough members have reported a contribution."""

    member: MemberId
    why: str  # the kind of the reports


@dataclass(frozen=True)
class Voided(RoundEvent):
    """A contribution is not in the round's set any more."""

    member: MemberId
    revision: int  # of the set without it


@dataclass(frozen=True)
class Reinstated(RoundEvent):
    """Suspended members may take part again."""

    members: tuple[MemberId, ...]


@dataclass(frozen=True)
class CollectsAgain(RoundEvent):
    """Too few contributions are left to merge."""

    roster: tuple[MemberId, ...]


@dataclass(frozen=True)
class MergeStarted(RoundEvent):
    """The set of contributions is fixed, and its first leader known."""

    revision: int
    term: int
    leader: MemberId | None
    members: tuple[MemberId, ...]  # the candidates


@dataclass(frozen=True)
class Suspected(RoundEvent):
    """A member has reported that the leader does not answer."""

    term: int
    by: MemberId


@dataclass(frozen=True)
class TookOver(RoundEvent):
    """The next leader in line leads."""

    term: int
    leader: MemberId | None
    before: MemberId | None


@dataclass(frozen=True)
class DisputeOpened(RoundEvent):
    """A member has found another hash for a chunk of the model that the leader offers."""

    leader: MemberId
    digest: Digest  # of the offer
    chunk: int
    claimed: Digest  # the leader's hash of the chunk
    by: MemberId


@dataclass(frozen=True)
class DisputeDismissed(RoundEvent):
    """The others have not found the leader's merge false."""

    leader: MemberId
    digest: Digest
    chunk: int
    by: MemberId


@dataclass(frozen=True)
class DisputeAbandoned(RoundEvent):
    """The leader has left the round before the dispute was decided."""

    leader: MemberId
    by: MemberId
    digest: Digest
    chunk: int
    claimed: Digest


@dataclass(frozen=True)
class FalseMerge(RoundEvent):
    """Enough members have recomputed another hash than the leader's."""

    revision: int
    term: int
    leader: MemberId
    digest: Digest
    chunk: int
    claimed: Digest
    recomputed: Digest
    by: tuple[MemberId, ...]


@dataclass(frozen=True)
class Evaluated(RoundEvent):
    """The model of a round is scored by the members' evaluations."""

    score: Score


@dataclass(frozen=True)
class Settled(Event):
    """A round's merged model is settled."""

    model: Model
    lineage: Digest  # of the study's models to this one

    @property
    def study(self) -> str:
        return self.model.study


def get_event_name(kind: type[Event]) -> str:
    """Return the name by which the ledger stores events of a class."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower()


EVENTS: dict[str, type[Event]] = {
    get_event_name(kind): kind
    for kind in (
        Inherited, Invited, AdmissionMoved, Admitted, RemovalMoved, Departed, Rotated, Revoked,
        BecameValidator, PowerChanged, DoubleSigned, VoteCast, MotionWaits, MotionClosed,
        Announced, UpgradeMoved, UpgradeScheduled, Upgraded,
        StudyProposed, StudyApproved, StudyRefused, Enrolled, Withdrawn, StudyStarted, StudyAmended,
        StudySuspended, StudyEnded,
        ProposalLapsed, ReleaseMoved, ModelReleased, ReleaseMissed,
        RoundOpened, BecameReady, Contributed, Reported, LeftOut, Excluded, Voided, Reinstated,
        CollectsAgain, MergeStarted, Suspected, TookOver, DisputeOpened, DisputeDismissed,
        DisputeAbandoned, FalseMerge, Evaluated, Settled,
    )
}  # fmt: skip


def get_study(event: Event) -> str:
    """Return the name of the study that an event is about; "" if it is about none."""
    if isinstance(event, StudyEvent | Settled):
        return event.study
    return ""


def with_name(event: Event) -> tuple[str, Event]:
    """Return what the ledger stores of an event, as a value for the codec: its name and fields."""
    return get_event_name(type(event)), event


def read_event(name: str, fields: codec.Json) -> Event:
    """Return an event from its name and fields. Raises Malformed if this version has no event of
    this name, or it has other fields."""
    kind = EVENTS.get(name)
    if kind is None:
        raise Malformed(
            f"The ledger has an event {name[:60]!r}, which this version does not know; install the "
            "version that the other members have."
        )
    return codec.from_json(kind, fields)
