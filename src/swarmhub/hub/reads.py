"""The reads of the hub, by name: one table for REST; pages call the same functions.

Each read has a path below /api/v1, with the fields of `takes` in it or in the query, what it gives,
and the words of the command that shows the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from swarmhub.errors import BadInput
from swarmhub.hub.ledger_export import MEDIA, Form, Selection, write_entries
from swarmhub.hub.read_model import Found, Search
from swarmhub.operations import looks
from swarmhub.operations.acting import Acted
from swarmhub.operations.budgets import Budget, look_at_budget
from swarmhub.operations.catalogue import look_at_catalogue
from swarmhub.operations.documents import store_of
from swarmhub.operations.documents_page import (
    DocumentBytes,
    StudyDocuments,
    get_document,
    show_documents,
)
from swarmhub.operations.looks import Seen
from swarmhub.operations.member_looks import MemberLine, look_at_members
from swarmhub.operations.proofs.beside import prove_beside
from swarmhub.operations.studies import look_at_study
from swarmhub.operations.verifying import Verification, look_at_verification

JSON, LINES, TABLE = "application/json", MEDIA["jsonl"], MEDIA["csv"]


@dataclass(frozen=True)
class Nothing:
    """A read without arguments."""


@dataclass(frozen=True)
class OneStudy:
    """A study, by name."""

    study: str


@dataclass(frozen=True)
class OneDocument:
    """A study, by name, and the digest of a document that its terms name."""

    study: str
    digest: str


@dataclass(frozen=True)
class SomeStudy:
    """A study by name, "" for all, and a time of this machine's clock, in ms, from which on."""

    study: str = ""
    since_ms: int = 0


@dataclass(frozen=True)
class OneTransaction:
    """A transaction, by its id."""

    tx: str


@dataclass(frozen=True)
class Read:
    """A read: its name, path, arguments, result and function; `media` is the type of the answer. A
    function may give an awaitable, and bytes (or an iterator of them) that are the answer
    already."""

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


def _look_at_documents(seen: Seen, name: str) -> StudyDocuments:
    return show_documents(store_of(seen.home), look_at_study(seen.view, name))


def _look_at_document(seen: Seen, name: str, digest: str) -> DocumentBytes:
    return get_document(store_of(seen.home), look_at_study(seen.view, name), digest)


def _export(form: Form) -> Callable[[Seen, Selection], Iterator[bytes]]:
    def export(seen: Seen, wanted: Selection) -> Iterator[bytes]:
        model: Any = seen.record
        return write_entries(model, wanted.search(), form)

    return export


READS = (
    Read("today", "/today", Nothing, looks.Today, lambda s, _: looks.look_at_today(s), "status"),
    Read("studies", "/studies", Nothing, tuple[looks.StudyLine, ...],
         lambda s, _: looks.look_at_studies(s), "study list"),
    Read("catalogue", "/catalogue", Nothing, dict[str, Any],
         lambda s, _: look_at_catalogue(s.view, s.home.config), "study catalogue",
         "application/ld+json"),
    Read("study", "/studies/{study}", OneStudy, looks.StudyPage,
         lambda s, a: looks.look_at_one(s, a.study), "study show"),
    Read("documents", "/studies/{study}/documents", OneStudy, StudyDocuments,
         lambda s, a: _look_at_documents(s, a.study), "study show"),
    Read("document", "/studies/{study}/documents/{digest}", OneDocument, DocumentBytes,
         lambda s, a: _look_at_document(s, a.study, a.digest), "study show"),
    Read("members", "/members", Nothing, tuple[MemberLine, ...],
         lambda s, _: look_at_members(s), "consortium members"),
    Read("motions", "/motions", Nothing, tuple[looks.MotionLine, ...],
         lambda s, _: looks.look_at_motions(s), "consortium inbox"),
    Read("ledger", "/ledger", Search, Found, _search, "ledger log"),
    Read("ledger-lines", "/ledger/export.jsonl", Selection, str, _export("jsonl"),
         "ledger export", LINES),
    Read("ledger-table", "/ledger/export.csv", Selection, str, _export("csv"),
         "ledger export", TABLE),
    Read("proof", "/ledger/proofs/{tx}", OneTransaction, dict[str, Any],
         lambda s, a: prove_beside(s.home, a.tx), "ledger prove"),
    Read("verification", "/ledger/verification", Nothing, Verification,
         lambda s, _: look_at_verification(s), "ledger verify"),
    Read("sent", "/sent", SomeStudy, looks.Sendings,
         lambda s, a: looks.look_at_sendings(s, a.study, a.since_ms), "sent"),
    Read("budget", "/privacy/budget", Nothing, Budget,
         lambda s, _: look_at_budget(s.home, s.view), "privacy budget"),
    Read("acts", "/acts", SomeStudy, tuple[Acted, ...],
         lambda s, a: looks.look_at_acts(s, a.study), "node acts"),
)  # fmt: skip
