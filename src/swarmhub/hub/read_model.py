"""The ledger's record in SQLite, for lists and searches: made from the blocks, and made again at
every start.

    entry    what happened, a sentence each; refused transactions among them
    named    the members that an entry names
    terms    the terms of each study that were proposed, in their order

Rounds are kept as values by study: their metrics (`rounds.RoundBook`), and their members
(`attendance.AttendanceBook`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from swarmhub import codec
from swarmhub.contract import events as e
from swarmhub.contract.envelope import read_transaction
from swarmhub.contract.records import Spec
from swarmhub.contract.transactions import Amend, Propose
from swarmhub.errors import Malformed
from swarmhub.ledger import Committed
from swarmhub.ledger.sentences import members_of, say_event
from swarmhub.operations.attendance import AttendanceBook, RoundHeld
from swarmhub.operations.reasons import ReasonBook
from swarmhub.operations.rounds import RoundBook, SettledRound
from swarmhub.types import Digest, MemberId

PAGE = 50  # entries
MOST_LETTERS = 100  # of a text that is searched for
COLUMNS = "id, height, time_ms, kind, study, said, tx, is_refused"
SCHEMA = """
CREATE TABLE entry (
    id INTEGER PRIMARY KEY, height INTEGER, time_ms INTEGER, kind TEXT, study TEXT, said TEXT,
    tx TEXT, is_refused INTEGER, folded TEXT
);
CREATE INDEX entry_study ON entry (study, id);
CREATE INDEX entry_time ON entry (time_ms);
CREATE TABLE named (member INTEGER, entry INTEGER, PRIMARY KEY (member, entry)) WITHOUT ROWID;
CREATE TABLE terms (
    study TEXT, digest TEXT, height INTEGER, time_ms INTEGER, spec BLOB,
    PRIMARY KEY (study, height, digest)
);
"""


@dataclass(frozen=True)
class Entry:
    """An event or a refusal: its block, block time and words. `kind` is the event's name, or
    a refused transaction's kind; `tx` is the transaction's id, "" of what time brought about."""

    id: int
    height: int
    time_ms: int
    kind: str
    study: str
    said: str
    tx: str
    is_refused: bool


@dataclass(frozen=True)
class Found:
    """A page of entries, newest first; `total` is the number of all that fit, `pages` that of
    pages, from 1 on."""

    entries: tuple[Entry, ...]
    total: int
    page: int
    pages: int


@dataclass(frozen=True)
class Search:
    """A search; unset fields find all. Times are block times."""

    text: str = ""
    study: str = ""
    member: MemberId = 0
    since_ms: int = 0
    until_ms: int = 0
    page: int = 1


@dataclass(frozen=True)
class Terms:
    """Terms of a study as they were proposed or amended."""

    digest: Digest
    time_ms: int
    spec: Spec


class ReadModel:
    """The read model of one ledger. `names` returns members' names as of now."""

    def __init__(self, names: Callable[[], Mapping[MemberId, str]]) -> None:
        self._db = sqlite3.connect(":memory:", check_same_thread=False)
        self._db.executescript(SCHEMA)
        self._names = names
        self._books: dict[str, RoundBook] = {}
        self._attendance: dict[str, AttendanceBook] = {}
        self._reasons: dict[str, ReasonBook] = {}
        self.height = -1

    def close(self) -> None:
        """Free everything."""
        self._db.close()

    def see(self, committed: Committed) -> set[str]:
        """Add a block; return the studies that it is about."""
        self.height = committed.height
        names, time_ms = self._names(), committed.block.header.time_ms
        begun = len(committed.events) - sum(len(r.events) for r in committed.results)
        touched: set[str] = set()
        for event in committed.events[:begun]:
            touched.add(self._add(committed, event, "", names))
        for tx, result in zip(committed.block.txs, committed.results, strict=False):
            for event in result.events:
                touched.add(self._add(committed, event, result.id, names))
            if not result.ok:
                self._add_refusal(committed, tx, result.code, result.message, names)
            elif result.events and isinstance(result.events[0], e.StudyProposed | e.StudyAmended):
                self._add_terms(committed.height, time_ms, tx)
        touched.discard("")
        self.know(touched)
        for study in touched:
            self._books[study].see(committed)
            self._attendance[study].see(committed)
            self._reasons[study].see(committed)
        return touched

    def know(self, studies: Iterable[str]) -> None:
        """Add studies that may be older than the blocks that are kept here."""
        for study in studies:
            if study not in self._books:
                self._books[study] = RoundBook(study, 0)
                self._attendance[study] = AttendanceBook(study)
                self._reasons[study] = ReasonBook(study)

    def _add(
        self, committed: Committed, event: e.Event, tx: str, names: Mapping[MemberId, str]
    ) -> str:
        study, kind = e.get_study(event), e.get_event_name(type(event))
        entry = self._insert(committed, kind, study, say_event(event, names), tx, False)
        found = [(member, entry) for member in members_of(event)]
        self._db.executemany("INSERT OR IGNORE INTO named VALUES (?, ?)", found)
        return study

    def _add_refusal(
        self, committed: Committed, tx: bytes, code: str, why: str, names: Mapping[MemberId, str]
    ) -> None:
        try:
            found = read_transaction(tx)
        except Malformed:
            return
        body = found.body
        study = getattr(getattr(body, "ref", body), "study", "")
        study = study or getattr(getattr(body, "spec", None), "name", "")
        said = f"refused: {found.kind} ({code}): {why}"
        self._insert(committed, found.kind, study, said, found.id, True)

    def _insert(
        self, committed: Committed, kind: str, study: str, said: str, tx: str, is_refused: bool
    ) -> int:
        time_ms = committed.block.header.time_ms
        row = (committed.height, time_ms, kind, study, said, tx, is_refused, said.casefold())
        done = self._db.execute("INSERT INTO entry VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        return int(done.lastrowid or 0)

    def _add_terms(self, height: int, time_ms: int, tx: bytes) -> None:
        body = read_transaction(tx).body
        if isinstance(body, Propose | Amend):
            packed = codec.pack(body.spec)
            row = (
                body.spec.name,
                codec.digest(b"swarmhub/spec/1", packed),
                height,
                time_ms,
                packed,
            )
            self._db.execute("INSERT OR REPLACE INTO terms VALUES (?, ?, ?, ?, ?)", row)

    # reading

    def search(self, wanted: Search) -> Found:
        """Return a page of the entries that fit."""
        condition, values = _select(wanted)
        counted = self._db.execute(f"SELECT count(*) {condition}", values)
        total = int(counted.fetchone()[0])
        pages = max(1, -(-total // PAGE))
        page = min(max(1, wanted.page), pages)
        rows = self._db.execute(
            f"SELECT {COLUMNS} {condition} ORDER BY id DESC LIMIT ? OFFSET ?",
            [*values, PAGE, (page - 1) * PAGE],
        )
        return Found(tuple(map(_entry_of, rows)), total, page, pages)

    def every(self, wanted: Search, at_once: int) -> Iterator[tuple[Entry, ...]]:
        """Yield all entries that fit, oldest first, so many at once; the page does not count.
        Blocks may be added meanwhile."""
        condition, values = _select(wanted)
        last = 0
        while True:
            rows = self._db.execute(
                f"SELECT {COLUMNS} {condition} AND id > ? ORDER BY id LIMIT ?",
                [*values, last, at_once],
            )
            found = tuple(map(_entry_of, rows.fetchall()))
            if not found:
                return
            yield found
            last = found[-1].id

    def settled(self, study: str) -> tuple[SettledRound, ...]:
        """Return a study's settled rounds with their metrics, oldest first."""
        return self._books[study].rounds() if study in self._books else ()

    def held(self, study: str) -> tuple[RoundHeld, ...]:
        """Return a study's rounds with their members, oldest first."""
        return self._attendance[study].rounds() if study in self._attendance else ()

    def studies(self) -> tuple[str, ...]:
        """Return the names of all studies that were ever proposed, sorted."""
        return tuple(sorted(self._books))

    def reasons(self, study: str) -> dict[MemberId, str]:
        """Return the reasons that members stated when they refused a study."""
        return self._reasons[study].reasons if study in self._reasons else {}

    def terms(self, study: str) -> tuple[Terms, ...]:
        """Return all terms of a study, in the order of their proposal."""
        rows = self._db.execute(
            "SELECT digest, time_ms, spec FROM terms WHERE study = ? ORDER BY height", (study,)
        )
        return tuple(Terms(d, t, codec.unpack(Spec, spec, len(spec))) for d, t, spec in rows)

    def approved_before(self, study: str, member: MemberId) -> Spec | None:
        """Return the terms that a member approved last before the present ones; None if there are
        none."""
        rows = self._db.execute(
            "SELECT entry.height FROM entry JOIN named ON named.entry = entry.id "
            "WHERE study = ? AND named.member = ? AND kind IN (?, ?, ?) ORDER BY entry.id",
            (study, member, *(e.get_event_name(k) for k in
                              (e.StudyApproved, e.StudyProposed, e.StudyAmended))),
        )  # fmt: skip
        found: Spec | None = None
        every = self.terms(study)
        for (height,) in rows:
            row = self._db.execute(
                "SELECT digest FROM terms WHERE study = ? AND height <= ? ORDER BY height DESC "
                "LIMIT 1", (study, height),
            ).fetchone()  # fmt: skip
            if row is not None and row[0] != every[-1].digest:
                found = next(t.spec for t in every if t.digest == row[0])
        return found


def _entry_of(row: tuple[Any, ...]) -> Entry:
    fields = (*row[:-1], bool(row[-1]))
    return Entry(*fields)


def _select(wanted: Search) -> tuple[str, list[object]]:
    """Return the tables and conditions of a search, with their values."""
    tables, where, values = "entry", ["1"], list[object]()
    if wanted.member:
        tables += " JOIN named ON named.entry = entry.id"
        where.append("named.member = ?")
        values.append(wanted.member)
    if wanted.study:
        where.append("study = ?")
        values.append(wanted.study)
    if wanted.since_ms:
        where.append("time_ms >= ?")
        values.append(wanted.since_ms)
    if wanted.until_ms:
        where.append("time_ms < ?")
        values.append(wanted.until_ms)
    if phrase := " ".join(wanted.text[:MOST_LETTERS].split()):
        where.append("instr(folded, ?) > 0")
        values.append(phrase.casefold())
    return f"FROM {tables} WHERE {' AND '.join(where)}", values
