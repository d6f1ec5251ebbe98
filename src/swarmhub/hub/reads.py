"""The reads of the hub, by name: one table for REST; pages call the same functions.

Each read has a path below /api/v1, with the fields of `takes` in it or in the query, what it gives,
and the words of the command that shows the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from swarmhub.errors import BadInput
from swarmhub.hub.read_model import Found, Search
from swarmhub.operations import looks
from swarmhub.operations.acting import Acted
from swarmhub.operations.catalogue import look_at_catalogue
from swarmhub.operations.looks import Seen
from swarmhub.operations.member_looks import MemberLine, look_at_members

JSON = "application/json"


@dataclass(frozen=True)
class Nothing:
    """A read without arguments."""


@dataclass(frozen=True)
class OneStudy:
    """A study, by name."""

    study: str


@dataclass(frozen=True)
class SomeStudy:
    """A study by name, "" for all, and a time of this machine's clock, in ms, from which on."""

    study: str = ""
    since_ms: int = 0


@dataclass(frozen=True)
class Read:
    """A read: its name, path, arguments, result and function; `media` is the type of the answer."""

    name: str
    path: str
    takes: type[Any]
    gives: Any
    does: Callable[[Seen, Any], Any]
    command: str
    media: str = JSON


def _search(seen: Seen, wanted: Search) -> Found:
    if wanted.page < 1 or min(wanted.member, wanted.since_ms, wanted.until_ms) < 0:
        raise BadInput("Expected a page from 1 on, and no negative number.")
    model: Any = seen.record
    found: Found = model.search(wanted)
    return found


READS = (
    Read("today", "/today", Nothing, looks.Today, lambda s, _: looks.look_at_today(s), "status"),
    Read("studies", "/studies", Nothing, tuple[looks.StudyLine, ...],
         lambda s, _: looks.look_at_studies(s), "study list"),
    Read("catalogue", "/catalogue", Nothing, dict[str, Any],
         lambda s, _: look_at_catalogue(s.view, s.home.config), "study catalogue",
         "application/ld+json"),
    Read("study", "/studies/{study}", OneStudy, looks.StudyPage,
         lambda s, a: looks.look_at_one(s, a.study), "study show"),
    Read("members", "/members", Nothing, tuple[MemberLine, ...],
         lambda s, _: look_at_members(s), "consortium members"),
    Read("motions", "/motions", Nothing, tuple[looks.MotionLine, ...],
         lambda s, _: looks.look_at_motions(s), "consortium inbox"),
    Read("ledger", "/ledger", Search, Found, _search, "ledger log"),
    Read("sent", "/sent", SomeStudy, looks.Sendings,
         lambda s, a: looks.look_at_sendings(s, a.study, a.since_ms), "sent"),
    Read("acts", "/acts", SomeStudy, tuple[Acted, ...],
         lambda s, a: looks.look_at_acts(s, a.study), "node acts"),
)  # fmt: skip
