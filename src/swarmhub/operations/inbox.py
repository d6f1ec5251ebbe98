"""Open motions for voters: subject, mover, votes, and how many are still missing."""

from __future__ import annotations

from dataclasses import dataclass

from swarmhub.contract.consortium.thresholds import compute_quorum
from swarmhub.contract.consortium.upgrades import find_behind
from swarmhub.contract.deadlines import get_due_ms
from swarmhub.contract.records import MEMBER, Motion
from swarmhub.operations.ledger_view import LedgerView
from swarmhub.types import MemberId
from swarmhub.words import say_time

FINGERPRINT = 32  # digits of an account key to compare over the telephone


@dataclass(frozen=True)
class MotionShown:
    """An open motion with members' names; `needed` is the number of further ayes that carry it,
    `waits` why a motion with enough ayes is not carried yet ("" if nothing hinders it),
    `lapses_ms` a block time (None if the next block decides)."""

    id: int
    kind: str
    about: str  # the hospital's name, or the model's study
    detail: str  # an applicant's fingerprint, a member's number, a model's digest
    address: str  # of an applicant
    mover: str  # "" if the ledger does not say
    electors: tuple[MemberId, ...]
    ayes: tuple[str, ...]
    nays: tuple[str, ...]
    silent: tuple[str, ...]
    needed: int
    waits: str
    lapses_ms: int | None


def read_inbox(client: LedgerView) -> list[MotionShown]:
    """Return all open motions, oldest first."""
    names = client.names()
    return [show_motion(client, motion, names) for motion in client.motions()]


def show_motion(client: LedgerView, motion: Motion, names: dict[MemberId, str]) -> MotionShown:
    """Return a motion with members' names."""
    electors = client.electors(motion)
    ayes = [m for m in motion.ayes if m in electors]
    nays = [m for m in motion.nays if m in electors]
    about, detail, address = _subject(client, motion)
    return MotionShown(
        id=motion.id,
        kind=motion.kind,
        about=about,
        detail=detail,
        address=address,
        mover=names.get(motion.by, ""),
        electors=electors,
        ayes=tuple(names[m] for m in ayes),
        nays=tuple(names[m] for m in nays),
        silent=tuple(names[m] for m in electors if m not in {*ayes, *nays}),
        needed=max(0, compute_quorum(len(electors)) - len(ayes)),
        waits=motion.waits,
        lapses_ms=get_due_ms(client.ledger.state, f"motion/{motion.id}"),
    )


def _subject(client: LedgerView, motion: Motion) -> tuple[str, str, str]:
    if motion.applicant:
        card = motion.applicant
        return card.name, f"fingerprint {card.account[:FINGERPRINT]}", card.address
    if motion.kind == "remove":
        name = MEMBER.need(client.ledger.state, motion.member).name
        return name, f"member {motion.member}", ""
    if motion.kind == "upgrade":
        behind = find_behind(client.ledger.state, motion.version)
        names = ", ".join(client.names()[m] for m in behind)
        lacking = f"; not yet at {names}" if names else ""
        begins = f"from {motion.after_blocks} blocks after the decision on{lacking}"
        return f"contract version {motion.version}", begins, ""
    return motion.study, f"model {motion.model}", ""


VERBS = {
    "admit": "admit",
    "remove": "remove",
    "release": "release a model of",
    "upgrade": "go on with",
}


def say_waits(why: str) -> str:
    """Return why a motion with enough votes waits, and what ends that."""
    return f"it has the votes, but {why}; it is carried as soon as that has changed"


def say_motion(motion: MotionShown) -> tuple[str, list[tuple[str, str]]]:
    """Return a heading, and lines with the facts for a vote."""
    more = "1 more aye" if motion.needed == 1 else f"{motion.needed} more ayes"
    lines = [("about", motion.detail)]
    if motion.address:
        lines.append(("address", motion.address))
    lines += [
        ("moved by", motion.mover or "not recorded"),
        ("ayes", ", ".join(motion.ayes) or "none"),
        ("nays", ", ".join(motion.nays) or "none"),
        ("not voted", ", ".join(motion.silent) or "none"),
        ("needs", f"{more} to carry"),
        *([("waits", say_waits(motion.waits))] if motion.waits else []),
        ("lapses", say_time(motion.lapses_ms) if motion.lapses_ms else "30 days after it began"),
    ]
    return f"Motion {motion.id}: {VERBS[motion.kind]} '{motion.about}'", lines
