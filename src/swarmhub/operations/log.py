"""The ledger's events, selected by study, member or time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from swarmhub import codec
from swarmhub.contract.events import Event, get_event_name, get_study
from swarmhub.errors import BadInput
from swarmhub.ledger import Committed
from swarmhub.ledger.sentences import members_of, say_event
from swarmhub.types import MemberId

__all__ = [
    "Happened", "Wanted", "find_member", "say_event", "select_events", "show_event",
]  # fmt: skip


@dataclass(frozen=True)
class Happened:
    """One event of the ledger."""

    height: int
    time_ms: int  # block time
    event: Event


@dataclass(frozen=True)
class Wanted:
    """A selection of events; unset fields select all."""

    study: str = ""
    member: MemberId | None = None
    since_ms: int = 0
    last: int = 0  # number of newest events


def select_events(blocks: Iterable[Committed], wanted: Wanted) -> list[Happened]:
    """Return the selected events, oldest first."""
    found = [
        Happened(b.height, b.block.header.time_ms, event)
        for b in blocks
        if b.block.header.time_ms >= wanted.since_ms
        for event in b.events
        if not wanted.study or get_study(event) == wanted.study
        if wanted.member is None or wanted.member in members_of(event)
    ]
    return found[-wanted.last :] if wanted.last else found


def show_event(event: Event) -> dict[str, Any]:
    """Return an event as JSON."""
    return {"event": get_event_name(type(event)), **codec.to_json(event)}


def find_member(names: dict[MemberId, str], text: str) -> MemberId:
    """Return a member by name or number. Raises BadInput if there is none."""
    found = [m for m, name in names.items() if text in (name, str(m))]
    if len(found) != 1:
        known = ", ".join(f"{m} {name}" for m, name in names.items())
        raise BadInput(
            f"Expected a member's name or number, got {text[:60]!r}; there are: {known}."
        )
    return found[0]
