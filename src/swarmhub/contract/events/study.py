"""Events of a study."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from swarmhub.contract.events.base import StudyEvent
from swarmhub.types import Digest, MemberId


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
class ApprovalLapsed(StudyEvent):
    """A member has not renewed its approval in time."""

    member: MemberId


@dataclass(frozen=True)
class StudyRefused(StudyEvent):
    """A member does not allow the study at its hospital."""

    member: MemberId
    reason: str = ""


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
class StudyStartsFrom(StudyEvent):
    """A released model of another study is the first one of this study."""

    origin: str  # the other study
    model: Digest


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
class StudyPaused(StudyEvent):
    """A running study is suspended by its proposer (if that is gone, by an enrolled member)."""

    by: MemberId
    reason: str = ""


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
