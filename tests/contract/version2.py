"""Version 2 of the contract, in tests only: a new act, a vote with a reason, and a migration.

A test takes it over with `install`; the hosts' second wheel has this file as a module of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from swarmhub.contract.consortium import membership
from swarmhub.contract.context import Context
from swarmhub.contract.events import EVENTS, Event, get_event_name
from swarmhub.contract.state import Table
from swarmhub.contract.transactions import BODIES, Vote
from swarmhub.contract.versions import VERSIONS, Version
from swarmhub.types import MemberId


@dataclass(frozen=True)
class Note:
    """Write a note down for all members: an act that version 1 does not have."""

    KIND: ClassVar[str] = "consortium.note"
    text: str


@dataclass(frozen=True)
class ReasonedVote(Vote):
    """A vote as program code with version 2 knows it: one field more."""

    reason: str = field(default="", metadata={"since": 2})


@dataclass(frozen=True)
class Noted:
    """A member's newest note."""

    by: MemberId
    text: str


@dataclass(frozen=True)
class NoteMade(Event):
    """A member has written a note."""

    member: MemberId


@dataclass(frozen=True)
class Reasoned(Event):
    """A vote has a reason."""

    motion: int
    reason: str


NOTED = Table("noted", Noted)  # by member; 0: written by the migration


def note(ctx: Context, tx: Note) -> None:
    """Store the member's note in place of the one before."""
    member = ctx.need_member()
    NOTED.put(ctx.state, member.id, record=Noted(member.id, tx.text))
    ctx.emit(NoteMade(member.id))


def vote(ctx: Context, tx: ReasonedVote) -> None:
    """Count a vote as before, and say why."""
    membership.vote(ctx, tx)
    if tx.reason:
        ctx.emit(Reasoned(tx.motion, tx.reason))


def activate(ctx: Context) -> None:
    """Write down how many members came to this version."""
    NOTED.put(ctx.state, 0, record=Noted(0, f"{len(ctx.chain.active)} members came here"))


def put_into(table: Any, key: Any, value: Any) -> None:
    """Set an item for good."""
    table[key] = value


def install(put: Callable[[Any, Any, Any], None] = put_into) -> None:
    """Make this program code that of versions 1 and 2."""
    one = VERSIONS[1]
    for event in (NoteMade, Reasoned):
        put(EVENTS, get_event_name(event), event)
    put(BODIES, Note.KIND, Note)
    put(BODIES, Vote.KIND, ReasonedVote)
    put(VERSIONS, 1, replace(one, rules={**one.rules, ReasonedVote: membership.vote}))
    new: dict[type[Any], Callable[[Context, Any], None]] = {Note: note, ReasonedVote: vote}
    put(VERSIONS, 2, Version(2, {**one.rules, **new}, one.timers, activate))
