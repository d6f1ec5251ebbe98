"""The ledger's events, selected by study, member or time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from swarmhub import codec
from swarmhub.errors import BadInput
from swarmhub.ledger import Committed
from swarmhub.types import MemberId
from swarmhub.words import say_metric

MEMBER_FIELDS = ("member", "by", "leader", "before", "sponsor")
MEMBERS_FIELDS = ("roster", "members", "receipts", "survivors")
SHORT = 16  # digits of a digest

SAID = {
    "admitted": "{name} is a member now",
    "announced": "the node of {member} has contract versions {versions}",
    "applied": "{name} applies for membership (motion {motion})",
    "approved": "{member} approves '{study}'",
    "collects_again": "round {number} of '{study}' collects again from {roster}",
    "contributed": "{member} contributes to round {number} of '{study}' with {weight} samples",
    "dispute_abandoned": "{leader} leaves round {number} of '{study}', disputed by {by}",
    "dispute_dismissed": "the merge of {leader} in round {number} of '{study}' is right, not {by}",
    "disputed": "{by} disputes the merge of {leader} in round {number} of '{study}'",
    "double_signed": "a key of {member} signed two blocks of height {height}: it has no vote",
    "enrolled": "{member} takes part in '{study}' with {samples} samples",
    "evaluated": "the model of round {number} of '{study}' has {metrics} on {samples} samples",
    "excluded": "the contribution of {member} to '{study}' is excluded: {why}",
    "false_merge": "the merge of {leader} in round {number} of '{study}' is false (says {by})",
    "inherited": "the consortium goes on from {chain}, block {height}, with {survivors}",
    "invalid": "{by} calls the contribution of {member} to round {number} of '{study}' invalid",
    "invited": "{sponsor} makes an invitation",
    "left": "{member} leaves the consortium",
    "merging": "round {number} of '{study}': {leader} merges the contributions of {members}",
    "motion_carried": "motion {motion} ({kind}) is carried",
    "motion_lapsed": "motion {motion} ({kind}) has lapsed",
    "motion_lost": "motion {motion} ({kind}) is lost",
    "motion_waits": "motion {motion} ({kind}) has the votes, but {why}",
    "opened": "round {number} of '{study}' ({kind}) opens for {roster}",
    "reinstated": "{members} may join round {number} of '{study}' again",
    "power": "the key {key} has {power} vote(s) in block agreement",
    "proposal_lapsed": "the proposal '{study}' of {by} has lapsed",
    "proposed": "{by} proposes '{study}'",
    "ready": "{member} is ready for '{study}'",
    "refused": "{member} refuses '{study}'",
    "release_missed": "model {model} of '{study}' is not released: it is neither current nor best",
    "release_moved": "{by} moves to release model {model} of '{study}' (motion {motion})",
    "released": "model {model} of '{study}' is released",
    "removal_moved": "{by} moves to remove {member} (motion {motion})",
    "removed": "{member} is removed from the consortium",
    "revoked": "{member} makes its keys void",
    "rotated": "{member} has new keys: {changed}",
    "settled": "{leader} settles round {number} of '{study}' ({kind}): model {digest} of {shares}",
    "started": "'{study}' starts",
    "study_expired": "'{study}' has expired",
    "study_finished": "'{study}' is finished",
    "suspected": "{by} suspects the leader of round {number} of '{study}', term {term}",
    "took_over": "{leader} leads round {number} of '{study}' after {before} (term {term})",
    "unavailable": "{by} cannot get the contribution of {member} to round {number} of '{study}'",
    "upgrade_moved": "{by} moves to go on with contract version {version} (motion {motion})",
    "upgrade_scheduled": "contract version {version} follows at block {height}",
    "upgraded": "contract version {version} begins",
    "validates": "{member} takes part in block agreement",
    "voided": "the contribution of {member} to round {number} of '{study}' is void",
    "voted": "{member} votes {aye} on motion {motion}",
    "withdrawn": "{member} withdraws from '{study}'",
}


@dataclass(frozen=True)
class Happened:
    """One event of the ledger."""

    height: int
    time_ms: int  # block time
    name: str
    fields: dict[str, Any]


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
        Happened(b.height, b.block.header.time_ms, name, fields)
        for b in blocks
        if b.block.header.time_ms >= wanted.since_ms
        for name, fields in b.events
        if not wanted.study or fields.get("study") == wanted.study
        if wanted.member is None or wanted.member in members_of(name, fields)
    ]
    return found[-wanted.last :] if wanted.last else found


def members_of(name: str, fields: dict[str, Any]) -> set[MemberId]:
    """Return the members that an event names."""
    found = {fields[key] for key in MEMBER_FIELDS if type(fields.get(key)) is int}
    for key in MEMBERS_FIELDS:
        found |= set(fields.get(key) or ())
    if name == "settled":
        found |= {share["member"] for share in fields["shares"]}
    return found


def find_member(names: dict[MemberId, str], text: str) -> MemberId:
    """Return a member by name or number. Raises BadInput if there is none."""
    found = [m for m, name in names.items() if text in (name, str(m))]
    if len(found) != 1:
        known = ", ".join(f"{m} {name}" for m, name in names.items())
        raise BadInput(
            f"Expected a member's name or number, got {text[:60]!r}; there are: {known}."
        )
    return found[0]


def say_event(event: Happened, names: dict[MemberId, str]) -> str:
    """Return an event as a sentence with members' names."""
    words = {key: _say(key, value, names) for key, value in event.fields.items()}
    try:
        return SAID[event.name].format_map(words)
    except KeyError:  # of a later contract
        return " ".join([event.name, *(f"{key}={value}" for key, value in words.items())])


def _say(key: str, value: Any, names: dict[MemberId, str]) -> str:
    def name(member: MemberId) -> str:
        return names.get(member, f"member {member}")

    if key in MEMBER_FIELDS and type(value) is int:
        return name(value)
    if key in MEMBERS_FIELDS:
        return ", ".join(name(m) for m in value) or "nobody"
    if key == "shares":
        return ", ".join(f"{name(s['member'])} ({s['weight']})" for s in value) or "its leader"
    if key == "metrics":
        return ", ".join(f"{k} {say_metric(v)}" for k, v in sorted(value.items())) or "no metrics"
    if key == "aye":
        return "aye" if value else "nay"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    text = str(value)
    return f"{text[:SHORT]}…" if codec.is_digest(text) else text
