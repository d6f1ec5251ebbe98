"""Records of the open round of a study."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from swarmhub.contract.records.masks import Masks
from swarmhub.contract.records.merged import Change, SettledShard
from swarmhub.contract.state import Overlay, Reader, Table
from swarmhub.types import Digest, MemberId, PublicKey, Signature

MAX_STRIKES = 2  # a Byzantine member cannot go on for ever, and one accident is forgiven


@dataclass(frozen=True)
class Evaluation:
    """Metrics in micro-units of the model `digest`, over `samples` of the member's own."""

    digest: Digest
    samples: int
    metrics: dict[str, int] = field(hash=False)


@dataclass(frozen=True)
class Provenance:
    """The origin of a contribution: names and versions of software, and a keyed digest of the
    data, which tells nothing to a reader without the hospital's key."""

    software: str = ""
    data: Digest = ""


@dataclass(frozen=True)
class Contribution:
    """One member's parameters for one round (in an evaluation round: metrics only)."""

    member: MemberId
    digest: Digest
    nbytes: int
    layout: Digest
    weight: int
    evaluations: tuple[Evaluation, ...] = ()
    parts: tuple[Digest, ...] = ()  # roots of its shards; (): it is merged as a whole
    took_ms: int = 0  # block time since the collection began; 0: the round had begun again


@dataclass(frozen=True)
class Report:
    """A report by `reporter` that `member`'s contribution cannot be had, or cannot be merged."""

    kind: Literal["unavailable", "invalid"]
    reporter: MemberId
    member: MemberId


@dataclass(frozen=True)
class Answer:
    """The hash `leaf` of a merged chunk as `member` recomputed it."""

    member: MemberId
    leaf: Digest


@dataclass(frozen=True)
class OpenDispute:
    """The open dispute: `leader` offers `digest`; the leaf of its chunk `chunk` is `claimed`;
    others recompute it."""

    digest: Digest
    leader: MemberId
    chunk: int
    claimed: Digest
    by: MemberId
    answers: tuple[Answer, ...]  # the accuser's is the first


@dataclass(frozen=True)
class FormerAccount:
    """The key with which `member` signed before a rotation."""

    member: MemberId
    account: PublicKey


@dataclass(frozen=True)
class Leadership:
    """The leadership of a round for one shard of the model (0: the first, or all of it)."""

    shard: int = 0
    term: int = 0  # index of the leadership attempt; never decreases within a round
    since_term: int = 0  # the first term of this revision: earlier ones led another set
    suspects: tuple[MemberId, ...] = ()  # of this term's leader
    dispute: OpenDispute | None = None  # of this revision
    false_leaders: tuple[MemberId, ...] = ()  # merged falsely, or fled a dispute: they lead no more
    unfounded: tuple[MemberId, ...] = ()  # their dispute was dismissed: they open no more
    former_accounts: tuple[FormerAccount, ...] = ()  # of this revision, of its leaders
    settled: SettledShard | None = None  # of this revision


@dataclass(frozen=True)
class LeftOut:
    """A contribution that was left out because most of the others have another layout."""

    member: MemberId
    layout: Digest


@dataclass(frozen=True)
class Round:
    """The open round of a study."""

    study: str
    number: int
    kind: str
    phase: str
    roster: tuple[MemberId, ...]
    base: Digest = ""
    stage: int = 0  # index into the study's stages
    turn: int = 1  # round of the stage
    opened_ms: int = 0  # time of the block that opened it
    began_ms: int = 0  # time of the block with which it first began to collect
    min_peers: int = 1  # it closes with no fewer contributions: follows from the terms and enrolled
    enrolled: tuple[MemberId, ...] = ()  # f is computed from these
    revision: int = 0  # of the set of contributions
    contributions: tuple[Contribution, ...] = ()  # by member id
    left_out: tuple[LeftOut, ...] = ()
    grace: Literal["", "running", "over"] = ""
    reports: tuple[Report, ...] = ()  # of this revision
    strikes: tuple[MemberId, ...] = ()  # members with a contribution that was invalid, or went
    lead: Leadership = field(default_factory=Leadership)  # stored as a record of its own
    masks: Masks | None = None  # of a masked round
    wire: str = ""  # format of changes that are sent instead of models; "": models
    shards: int = 1  # into so many it is cut at most; how many they are follows from the bytes
    change: Change | None = None  # settled in shards; its model is not confirmed yet

    @property
    def is_masked(self) -> bool:
        return self.masks is not None

    def need_masks(self) -> Masks:
        """Return the masks of a masked round (the caller has made sure that it is one)."""
        if self.masks is None:
            raise LookupError(f"round {self.number} of '{self.study}' has no masks")
        return self.masks

    def with_masks(self, **changes: Any) -> Round:
        """Return the round with changes of its masks."""
        return replace(self, masks=replace(self.need_masks(), **changes))

    def with_lead(self, **changes: Any) -> Round:
        """Return the round with changes of its leadership."""
        return replace(self, lead=replace(self.lead, **changes))

    @property
    def contributors(self) -> tuple[MemberId, ...]:
        return tuple(c.member for c in self.contributions)

    @property
    def suspended(self) -> frozenset[MemberId]:
        """Members that have to wait for a leader's time before they may join this round again."""
        return frozenset(m for m in self.strikes if self.strikes.count(m) >= MAX_STRIKES)

    def contribution_of(self, member: MemberId) -> Contribution | None:
        return next((c for c in self.contributions if c.member == member), None)


@dataclass(frozen=True)
class RoundRef:
    """The subject of a round transaction; refused when the round has moved on."""

    study: str
    number: int
    phase: str
    revision: int
    term: int
    shard: int = 0

    @classmethod
    def of(cls, r: Round) -> RoundRef:
        return cls(r.study, r.number, r.phase, r.revision, r.lead.term, r.lead.shard)

    def __str__(self) -> str:
        shard = f", shard {self.shard}" if self.shard else ""
        return (
            f"round {self.number} {self.phase[:20]} (revision {self.revision}, "
            f"term {self.term}{shard}) of '{self.study[:40]}'"
        )


@dataclass(frozen=True)
class Receipt:
    """A statement by `member` that it holds these bytes as the merged model of this revision."""

    member: MemberId
    signature: Signature


class RoundTable(Table[Round]):
    """Open rounds by study. The leadership of each shard is a record beside the round's, so that a
    takeover does not rewrite the contributions."""

    def __init__(self, prefix: str, cls: type[Round]) -> None:
        super().__init__(prefix, cls)
        self._joined: tuple[Round, Leadership, Round] | None = None  # the last one: read often

    def get(self, state: Reader, *key: object) -> Round | None:
        r = super().get(state, *key)
        lead = LEADERSHIP.get(state, *key, "leader", 0) if r else None
        if r is None or lead is None:
            return r
        last = self._joined
        if last is None or last[0] is not r or last[1] is not lead:
            self._joined = last = (r, lead, replace(r, lead=lead))
        return last[2]

    def of_shard(self, state: Reader, study: str, shard: int) -> Round:
        """Return the open round with the leadership of one shard."""
        r = self.need(state, study)
        if shard == 0:
            return r
        return replace(r, lead=LEADERSHIP.get(state, study, "leader", shard) or Leadership(shard))

    def put(self, state: Overlay, *key: object, record: Round | None) -> None:
        lead = record.lead if record else NO_LEAD
        super().put(state, *key, record=record and replace(record, lead=NO_LEAD))
        put_lead(state, str(key[0]), lead)


def put_lead(state: Overlay, study: str, lead: Leadership) -> None:
    """Store the leadership of a shard. One that says nothing has no record."""
    nothing = Leadership(lead.shard)
    known = LEADERSHIP.get(state, study, "leader", lead.shard) or nothing
    if lead != known:
        kept = None if lead == nothing else lead
        LEADERSHIP.put(state, study, "leader", lead.shard, record=kept)


NO_LEAD = Leadership()
ROUND = RoundTable("round", Round)
LEADERSHIP = Table("round", Leadership)  # by study, "leader" and shard
