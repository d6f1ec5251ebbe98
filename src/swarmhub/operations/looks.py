"""Views for people: values of an open ledger and of this node, for pages, REST and commands.

Each function takes a `Seen`: the ledger as of now, the record of what happened on it, and the home.
None signs, none needs a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from swarmhub.contract.records import STUDY, Spec, Study
from swarmhub.errors import plain
from swarmhub.home.home import Home
from swarmhub.node.sent import Sent
from swarmhub.operations.acting import Acted, read_acts
from swarmhub.operations.attendance import RoundHeld
from swarmhub.operations.ended import Ended, list_ended
from swarmhub.operations.inbox import MotionShown, read_inbox, say_motion
from swarmhub.operations.ledger_view import LedgerView
from swarmhub.operations.privacy_words import SPENT
from swarmhub.operations.rounds import SettledRound
from swarmhub.operations.sent import Total, add_up, read_sent
from swarmhub.operations.studies import StudyShown, look_at_study
from swarmhub.operations.terms import Line, say_leaving, say_status, say_terms
from swarmhub.types import Digest, MemberId

Standing = Literal["unanswered", "approved", "refused", "enrolled", "none"]


class Record(Protocol):
    """The record of the ledger, by study."""

    def settled(self, study: str) -> Sequence[SettledRound]:
        """Return the settled rounds with metrics, oldest first."""

    def held(self, study: str) -> Sequence[RoundHeld]:
        """Return the rounds with their members, oldest first."""

    def studies(self) -> Sequence[str]:
        """Return the names of all studies that were ever proposed, sorted."""

    def reasons(self, study: str) -> dict[MemberId, str]:
        """Return the reasons that members stated when they refused a study."""

    def approved_before(self, study: str, member: MemberId) -> Spec | None:
        """Return the terms that a member approved last before the present ones."""


@dataclass(frozen=True)
class Seen:
    """An open ledger, its record, and the home of the hospital that looks."""

    home: Home
    view: LedgerView
    record: Record


@dataclass(frozen=True)
class StudyLine:
    """A study in a list. `here` is what this hospital has said of it; `needs` what it could do now,
    in words, "" if nothing; `recipe` is the model that its terms name, "" for trainers of their
    own."""

    name: str
    title: str
    status: str
    said: str
    outcome: str
    modality: tuple[str, ...]
    recipe: str
    proposer: str
    enrolled: tuple[str, ...]
    samples: int
    here: Standing
    needs: str
    waits: str
    is_released: bool


@dataclass(frozen=True)
class StudyPage:
    """A study with all that its page shows. `changed` are the lines of the terms that differ from
    those that this hospital approved last: subject, before, now."""

    line: StudyLine
    terms_digest: Digest
    terms: tuple[Line, ...]
    leaving: tuple[str, ...]
    changed: tuple[tuple[str, str, str], ...]
    rounds: tuple[RoundHeld, ...]
    settled: tuple[SettledRound, ...]
    names: dict[MemberId, str]


@dataclass(frozen=True)
class MotionLine:
    """An open motion in words; `mine` is how this hospital has voted, or whether it may."""

    id: int
    title: str
    facts: tuple[Line, ...]
    mine: Literal["aye", "nay", "open", "none"]


@dataclass(frozen=True)
class Today:
    """The studies and motions that need this hospital's people, those that wait for others, and
    those that have ended lately."""

    motions: tuple[MotionLine, ...]
    to_approve: tuple[StudyLine, ...]
    to_enrol: tuple[StudyLine, ...]
    to_start: tuple[StudyLine, ...]
    running: tuple[StudyLine, ...]
    waiting: tuple[StudyLine, ...]
    ended: tuple[Ended, ...] = ()


@dataclass(frozen=True)
class Sendings:
    """The data that left this hospital: totals by kind, receiver and study, and the newest items,
    the last one first."""

    totals: tuple[Total, ...]
    newest: tuple[Sent, ...]


NEWEST = 200


def look_at_studies(seen: Seen) -> tuple[StudyLine, ...]:
    """Return all studies: those that need something first, then by name."""
    found = [make_line(seen, look_at_study(seen.view, s.name)) for s in list_studies(seen)]
    return tuple(sorted(found, key=lambda s: (not s.needs, s.status == "finished", s.name)))


def list_studies(seen: Seen) -> list[Study]:
    """Return the studies that are on the ledger now; a proposal that has lapsed is not."""
    state = seen.view.ledger.state
    found = (STUDY.get(state, name) for name in seen.record.studies())
    return [study for study in found if study is not None]


def make_line(seen: Seen, shown: StudyShown) -> StudyLine:
    """Return a study in a list."""
    study, spec = shown.study, shown.spec
    here = _find_standing(seen, shown)
    return StudyLine(
        name=study.name,
        title=spec.title,
        status=study.status,
        said=say_status(shown),
        outcome=spec.data.outcome.kind if spec.data else "",
        modality=tuple(i.namespace or i.name for i in spec.data.inputs) if spec.data else (),
        recipe=_name_recipe(spec),
        proposer=shown.name(study.proposer),
        enrolled=tuple(shown.name(e.member) for e in study.enrolled),
        samples=sum(e.samples for e in study.enrolled),
        here=here,
        needs=_find_need(shown, here),
        waits=shown.waits,
        is_released=bool(study.released),
    )


def look_at_one(seen: Seen, name: str) -> StudyPage:
    """Return a study's page. Raises BadInput if there is none of this name."""
    shown = replace(look_at_study(seen.view, name), reasons=seen.record.reasons(name))
    me = find_me(seen)
    before = seen.record.approved_before(name, me) if me else None
    return StudyPage(
        line=make_line(seen, shown),
        terms_digest=shown.study.spec,
        terms=tuple(say_terms(shown)),
        leaving=tuple(say_leaving(shown)),
        changed=() if before is None else compare_terms(shown, before),
        rounds=tuple(seen.record.held(name)),
        settled=tuple(seen.record.settled(name)),
        names=shown.names,
    )


def compare_terms(shown: StudyShown, before: Spec) -> tuple[tuple[str, str, str], ...]:
    """Return the lines of the terms in words that differ from earlier ones: subject, before,
    now."""
    now, old = _by_subject(say_terms(shown)), _by_subject(say_terms(replace(shown, spec=before)))
    subjects = [s for s in {**old, **now} if s not in STATES]
    return tuple(
        (s, "; ".join(old.get(s, [])), "; ".join(now.get(s, [])))
        for s in subjects
        if old.get(s) != now.get(s)
    )


# lines of `say_terms` that are no terms
STATES = frozenset(
    ["status", "now", "approved by", "refused by", "not answered", "enrolled", "terms", SPENT]
)


def _by_subject(lines: Sequence[Line]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for subject, sentence in lines:
        found.setdefault(subject, []).append(sentence)
    return found


def look_at_motions(seen: Seen) -> tuple[MotionLine, ...]:
    """Return the open motions, oldest first."""
    me = find_me(seen)
    return tuple(_show_motion(motion, me, seen.view.names()) for motion in read_inbox(seen.view))


def _show_motion(motion: MotionShown, me: MemberId, names: dict[MemberId, str]) -> MotionLine:
    title, facts = say_motion(motion)
    mine: Literal["aye", "nay", "open", "none"] = "none"
    if me in motion.electors:
        name = names.get(me, "")
        mine = "aye" if name in motion.ayes else "nay" if name in motion.nays else "open"
    return MotionLine(motion.id, title, tuple(facts), mine)


def look_at_today(seen: Seen) -> Today:
    """Return what needs this hospital's people."""
    every, now_ms = look_at_studies(seen), seen.view.ledger.estimate_ms()
    live = [s for s in every if not _is_past(seen, s, now_ms)]
    lapsed = {m.id for m in read_inbox(seen.view) if (m.lapses_ms or now_ms + 1) <= now_ms}
    return Today(
        motions=tuple(m for m in look_at_motions(seen) if m.mine == "open" and m.id not in lapsed),
        to_approve=tuple(s for s in live if s.here == "unanswered"),
        to_enrol=tuple(s for s in live if s.here == "approved"),
        to_start=tuple(s for s in live if s.needs == START),
        running=tuple(s for s in live if s.status == "running"),
        waiting=tuple(s for s in live if s.waits and s.here != "unanswered"),
        ended=list_ended(seen.view, seen.home, list_studies(seen), find_me(seen)),
    )


def _is_past(seen: Seen, line: StudyLine, now_ms: int) -> bool:
    """Return whether a study is over, or will be with the next block."""
    expires_ms = seen.view.need_spec(line.name).expires_ms
    return line.status in ("finished", "expired") or 0 < expires_ms <= now_ms


def look_at_sendings(seen: Seen, study: str = "", since_ms: int = 0) -> Sendings:
    """Return what left this hospital, of a study (all if "") since a time."""
    entries = read_sent(seen.home, study, since_ms)
    return Sendings(tuple(add_up(entries)), tuple(reversed(entries[-NEWEST:])))


def look_at_acts(seen: Seen, study: str = "") -> tuple[Acted, ...]:
    """Return what this hospital's persons have had signed, the newest first."""
    return tuple(reversed(read_acts(seen.home, study)[-NEWEST:]))


APPROVE = "approve or refuse the terms"
ENROL = "enrol with the number of training samples"
START = "start it: enough hospitals are enrolled"


def _find_need(shown: StudyShown, here: Standing) -> str:
    if shown.study.is_over:
        return ""
    if here == "unanswered":
        return APPROVE
    if here == "approved":
        return ENROL
    is_ready = shown.study.status in ("proposed", "suspended") and here == "enrolled"
    return START if is_ready and len(shown.study.enrolled) >= shown.min_peers > 0 else ""


def _find_standing(seen: Seen, shown: StudyShown) -> Standing:
    me, study = find_me(seen), shown.study
    if not me:
        return "none"
    if study.samples_of(me) is not None and me in study.approved:
        return "enrolled"
    if me in study.approved:
        return "approved"
    return "refused" if me in study.refused else "unanswered"


def find_me(seen: Seen) -> MemberId:
    """Return this hospital's number, 0 if it is no member."""
    found = [m.id for m in seen.view.members() if m.account == seen.view.public]
    return found[0] if found else 0


def _name_recipe(spec: Spec) -> str:
    if spec.data is None:
        return ""
    from swarmhub.recipes.plan import get_model  # loads NumPy

    return plain(get_model(spec), 40)
