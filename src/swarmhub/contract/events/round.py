"""Events of a round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from swarmhub.contract.events.base import Event, RoundEvent, StudyEvent
from swarmhub.contract.records import Model, Score
from swarmhub.types import Digest, MemberId


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
    shard: int = 0


@dataclass(frozen=True)
class Suspected(RoundEvent):
    """A member has reported that the leader does not answer."""

    term: int
    by: MemberId
    shard: int = 0


@dataclass(frozen=True)
class TookOver(RoundEvent):
    """The next leader in line leads."""

    term: int
    leader: MemberId | None
    before: MemberId | None
    shard: int = 0


@dataclass(frozen=True)
class DisputeOpened(RoundEvent):
    """A member has found another hash for a chunk of the model that the leader offers."""

    leader: MemberId
    digest: Digest  # of the offer
    chunk: int
    claimed: Digest  # the leader's hash of the chunk
    by: MemberId
    shard: int = 0


@dataclass(frozen=True)
class DisputeDismissed(RoundEvent):
    """The others have not found the leader's merge false."""

    leader: MemberId
    digest: Digest
    chunk: int
    by: MemberId
    shard: int = 0


@dataclass(frozen=True)
class DisputeAbandoned(RoundEvent):
    """The leader has left the round before the dispute was decided."""

    leader: MemberId
    by: MemberId
    digest: Digest
    chunk: int
    claimed: Digest
    shard: int = 0


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
    shard: int = 0


@dataclass(frozen=True)
class KeysSent(RoundEvent):
    """A member has sent its keys for the masks of a round."""

    member: MemberId


@dataclass(frozen=True)
class SharesDealt(RoundEvent):
    """A member has dealt shares of its two secrets."""

    member: MemberId


@dataclass(frozen=True)
class FalseDealing(RoundEvent):
    """A member has proven that a dealer sealed another share for it than it has dealt."""

    dealer: MemberId
    by: MemberId


@dataclass(frozen=True)
class KeysAskedAgain(RoundEvent):
    """The round begins again with new keys; nothing was opened with the old ones."""

    revision: int
    roster: tuple[MemberId, ...]


@dataclass(frozen=True)
class SumSettled(RoundEvent):
    """The sum of the masked contributions is settled; its set is final."""

    digest: Digest
    leader: MemberId
    members: tuple[MemberId, ...]  # of the set
    receipts: tuple[MemberId, ...]


@dataclass(frozen=True)
class ShardSettled(RoundEvent):
    """The merge of one shard is settled; the round is when all are."""

    shard: int
    digest: Digest
    leader: MemberId
    term: int


@dataclass(frozen=True)
class ConfirmStarted(RoundEvent):
    """Every node can compute the model, of a sum that is open or of a settled change, and a leader
    offers it."""

    revision: int
    term: int
    leader: MemberId | None
    members: tuple[MemberId, ...]  # the candidates


@dataclass(frozen=True)
class SharesShown(RoundEvent):
    """A member has shown the shares that open the settled sum."""

    member: MemberId


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
