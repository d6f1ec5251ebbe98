"""Records of the open round of a study."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from swarmhub.contract.state import Table
from swarmhub.types import Digest, MemberId, PublicKey, Signature

MAX_STRIKES = 2  # a Byzantine member cannot go on for ever, and one accident is forgiven


@dataclass(frozen=True)
class Evaluation:
    """Metrics in micro-units of the model `digest`, over `samples` of the member's own."""

    digest: Digest
    samples: int
    metrics: dict[str, int] = field(hash=False)


@dataclass(frozen=True)
class Contribution:
    """One member's parameters for one round (in an evaluation round: metrics only)."""

    member: MemberId
    digest: Digest
    nbytes: int
    layout: Digest
    weight: int
    evaluations: tuple[Evaluation, ...] = ()


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
    min_peers: int = 1  # it closes with no fewer contributions: follows from the terms and enrolled
    enrolled: tuple[MemberId, ...] = ()  # f is computed from these
    revision: int = 0  # of the set of contributions
    term: int = 0  # index of the leadership attempt; never decreases within a round
    since_term: int = 0  # the first term of this revision: earlier ones led another set
    contributions: tuple[Contribution, ...] = ()  # by member id
    left_out: tuple[LeftOut, ...] = ()
    grace: Literal["", "running", "over"] = ""
    suspects: tuple[MemberId, ...] = ()  # of this term's leader
    reports: tuple[Report, ...] = ()  # of this revision
    strikes: tuple[MemberId, ...] = ()  # members with a contribution that was invalid, or went
    dispute: OpenDispute | None = None  # of this revision
    false_leaders: tuple[MemberId, ...] = ()  # merged falsely, or fled a dispute: they lead no more
    unfounded: tuple[
        MemberId, ...
    ] = ()  # members with a dispute that was dismissed: they open no more
    former_accounts: tuple[FormerAccount, ...] = ()  # of this revision, of its leaders

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

    @classmethod
    def of(cls, r: Round) -> RoundRef:
        return cls(r.study, r.number, r.phase, r.revision, r.term)

    def __str__(self) -> str:
        return (
            f"round {self.number} {self.phase[:20]} (revision {self.revision}, "
            f"term {self.term}) of '{self.study[:40]}'"
        )


@dataclass(frozen=True)
class Receipt:
    """A statement by `member` that it holds these bytes as the merged model of this revision."""

    member: MemberId
    signature: Signature


ROUND = Table("round", Round)
