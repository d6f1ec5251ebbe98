"""Events of the consortium: members, keys, votes, versions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from swarmhub.contract.events.base import Event
from swarmhub.types import Digest, MemberId, PublicKey


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
