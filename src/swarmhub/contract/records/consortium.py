"""Records of the consortium: its members, their keys, invitations and votes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from swarmhub.contract.records.genesis import Card
from swarmhub.contract.state import Reader, Table
from swarmhub.types import Digest, MemberId, PublicKey, ReleaseKey


@dataclass(frozen=True)
class NextVersion:
    """The version of the contract that the chain follows from the block of this height on."""

    number: int
    height: int


@dataclass(frozen=True)
class Chain:
    """The consortium's constants and counters. The fields about versions keep name and form in
    every version: software that lacks the present one reads them."""

    chain_id: str
    name: str
    contract_version: int
    horizon_ms: int
    vote_period_ms: int
    max_members: int
    active: tuple[MemberId, ...] = ()
    running: tuple[str, ...] = ()  # studies that have an open round
    next_member: int = 1
    next_motion: int = 1
    version_since: int = 0  # the block with which the present version began
    next_version: NextVersion | None = None


@dataclass(frozen=True)
class Member:
    """A hospital. The id never changes; keys may (rotation)."""

    id: MemberId
    name: str
    account: PublicKey
    tls: str
    consensus: PublicKey
    address: str
    ledger: str = ""
    status: Literal["active", "left", "removed"] = "active"
    power: int = 0  # votes in block agreement; 0 until its node has caught up
    release: ReleaseKey = ""
    versions: tuple[int, ...] = (1,)  # of the contract, that its node has
    rotated: int = 0  # the block that has its newest keys; the former keys sign the next one


@dataclass(frozen=True)
class Invitation:
    """A single-use right to apply. The token is a private key; the ledger has its public half."""

    sponsor: MemberId
    expires_ms: int


@dataclass(frozen=True)
class Motion:
    """An open vote (see `motions` for its electors)."""

    id: int
    kind: Literal["admit", "remove", "release", "upgrade"]
    by: MemberId  # the mover; of an application, the member that made the invitation
    applicant: Card | None = None
    member: MemberId = 0
    study: str = ""
    model: Digest = ""
    ayes: tuple[MemberId, ...] = ()
    nays: tuple[MemberId, ...] = ()
    version: int = 0  # of an upgrade, and the blocks until its height once it is carried
    after_blocks: int = 0
    waits: str = ""  # why it is not carried yet although it has the votes


@dataclass(frozen=True)
class Motions:
    """Ids of the open motions."""

    open: tuple[int, ...] = ()


@dataclass(frozen=True)
class MovedRelease:
    """A model that the member has moved to release: a copy of its record in the state."""

    study: str
    model: Digest
    nbytes: int


@dataclass(frozen=True)
class Holdings:
    """A member's part of the state, as its quotas count it (see `quotas`)."""

    invitations: tuple[PublicKey, ...] = ()
    motions: tuple[int, ...] = ()  # without removals
    proposals: tuple[str, ...] = ()  # studies that nobody has started
    studies: tuple[str, ...] = ()  # and those that run or are over
    enrolments: tuple[str, ...] = ()  # studies in which it takes part, or has taken part
    releases: tuple[MovedRelease, ...] = ()


@dataclass(frozen=True)
class KeyOwner:
    """The member that has an account key."""

    member: MemberId


@dataclass(frozen=True)
class DoubleSign:
    """A member's consensus key that has signed two blocks of one height: it has no vote any more;
    the member's next one has."""

    key: PublicKey
    height: int


@dataclass(frozen=True)
class FormerKey:
    """A consensus key that a member has replaced."""

    key: PublicKey
    replaced: int  # the block; 0: on another chain, before a restart
    double_signed: int = 0  # height at which it signed two blocks; 0: none known
    late: bool = False  # that became known after the key had been replaced


@dataclass(frozen=True)
class FormerKeys:
    """Consensus keys that a member has replaced, the last ones, oldest first."""

    keys: tuple[FormerKey, ...] = ()


CHAIN = Table("chain", Chain)
MEMBER = Table("member", Member)
KEY_OWNER = Table("key", KeyOwner)
INVITATION = Table("invitation", Invitation)
MOTION = Table("motion", Motion)
MOTIONS = Table("motions", Motions)
HOLDINGS = Table("holdings", Holdings)  # by member
DOUBLE_SIGN = Table("double_sign", DoubleSign)  # by member, of its present key
FORMER_KEYS = Table("former_keys", FormerKeys)  # by member


def get_chain(state: Reader) -> Chain:
    """Return the consortium's record."""
    return CHAIN.need(state)


def get_members(state: Reader) -> list[Member]:
    """Return the active members by id."""
    return [MEMBER.need(state, m) for m in get_chain(state).active]


def get_double_sign(state: Reader, member: Member) -> DoubleSign | None:
    """Return the evidence against a member's present consensus key, if any."""
    found = DOUBLE_SIGN.get(state, member.id)
    return found if found is not None and found.key == member.consensus else None


def get_former_keys(state: Reader, member: MemberId) -> tuple[FormerKey, ...]:
    """Return the consensus keys that the member has replaced and that are remembered, oldest
    first."""
    found = FORMER_KEYS.get(state, member)
    return found.keys if found else ()


def get_member_of_key(state: Reader, account: PublicKey) -> Member | None:
    """Return the active member with this account key."""
    found = KEY_OWNER.get(state, account)
    return None if found is None else MEMBER.need(state, found.member)


def get_names(state: Reader) -> dict[MemberId, str]:
    """Return the name of every member, departed ones included, by id."""
    found = {i: MEMBER.get(state, i) for i in range(1, get_chain(state).next_member)}
    return {i: member.name for i, member in found.items() if member}
