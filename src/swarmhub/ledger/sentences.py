"""Events of the ledger as sentences for people: one place, for logs, commands and the simulator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swarmhub import codec
from swarmhub.contract import events as e
from swarmhub.types import MemberId
from swarmhub.words import say_metric

# Fields that name a member, or several.
MEMBERS = frozenset(
    (
        "member",
        "by",
        "dealer",
        "leader",
        "before",
        "sponsor",
        "roster",
        "members",
        "receipts",
        "survivors",
        "like",
    )
)
DIGITS = 16  # that are shown of a digest

SENTENCES: dict[type[e.Event], str] = {
    e.Inherited: "the consortium goes on from {chain}, block {height}, with {survivors}",
    e.Invited: "{sponsor} makes an invitation",
    e.AdmissionMoved: "{name} applies for membership (motion {motion})",
    e.Admitted: "{name} is a member now",
    e.RemovalMoved: "{by} moves to remove {member} (motion {motion})",
    e.Departed: "{member} {status} the consortium",
    e.Rotated: "{member} has new keys: {changed}",
    e.Revoked: "{member} makes its keys void",
    e.BecameValidator: "{member} takes part in block agreement",
    e.PowerChanged: "the key {key} has {power} vote(s) in block agreement",
    e.DoubleSigned: "a key of {member} signed two blocks of height {height}: it has no vote",
    e.VoteCast: "{member} votes {aye} on motion {motion}",
    e.MotionWaits: "motion {motion} ({kind}) has the votes, but {why}",
    e.MotionClosed: "motion {motion} ({kind}) {outcome}",
    e.Announced: "the node of {member} has contract versions {versions}",
    e.UpgradeMoved: "{by} moves to go on with contract version {version} (motion {motion})",
    e.UpgradeScheduled: "contract version {version} follows at block {height}",
    e.Upgraded: "contract version {version} begins",
    e.StudyProposed: "{by} proposes '{study}'",
    e.StudyApproved: "{member} approves '{study}'",
    e.ApprovalLapsed: "the approval of '{study}' by {member} has lapsed",
    e.StudyRefused: "{member} refuses '{study}'{reason}",
    e.Enrolled: "{member} takes part in '{study}' with {samples} samples",
    e.Withdrawn: "{member} withdraws from '{study}'",
    e.StudyStarted: "'{study}' starts",
    e.StudyStartsFrom: "'{study}' starts from model {model} of '{origin}'",
    e.StudyAmended: "{by} amends the terms of '{study}'",
    e.StudySuspended: "'{study}' is suspended: its terms require {member}",
    e.StudyPaused: "{by} pauses '{study}'{reason}",
    e.StudyEnded: "'{study}' {status}",
    e.ProposalLapsed: "the proposal '{study}' of {by} has lapsed",
    e.ReleaseMoved: "{by} moves to release model {model} of '{study}' (motion {motion})",
    e.ModelReleased: "model {model} of '{study}' is released",
    e.ReleaseMissed: "model {model} of '{study}' is not released: it is neither current nor best",
    e.RoundOpened: "round {number} of '{study}' ({stage} {turn}) opens for {roster}",
    e.BecameReady: "{member} is ready for round {number} of '{study}'",
    e.Contributed: "{member} contributes to round {number} of '{study}' with {weight} samples",
    e.Reported: "{by} {kind} the contribution of {member} to round {number} of '{study}'",
    e.LeftOut: "the contribution of {member} to round {number} of '{study}' is left out: its "
    "arrays are not those of {like} and most others",
    e.Excluded: "the contribution of {member} to '{study}' is excluded: {why}",
    e.Voided: "the contribution of {member} to round {number} of '{study}' is void "
    "(revision {revision})",
    e.Reinstated: "{members} may join round {number} of '{study}' again",
    e.CollectsAgain: "round {number} of '{study}' collects again from {roster}",
    e.MergeStarted: "round {number} of '{study}': {leader} merges the contributions of {members}",
    e.Suspected: "{by} suspects the leader of round {number} of '{study}', term {term}",
    e.TookOver: "{leader} leads round {number} of '{study}' after {before} (term {term})",
    e.DisputeOpened: "{by} disputes chunk {chunk} of the merge of {leader} in round {number} of "
    "'{study}'",
    e.DisputeDismissed: "the merge of {leader} in round {number} of '{study}' is right, not {by}",
    e.DisputeAbandoned: "{leader} leaves round {number} of '{study}', disputed by {by}",
    e.FalseMerge: "the merge of {leader} in round {number} of '{study}' is false (recomputed by "
    "{by})",
    e.KeysSent: "{member} sends keys for the masks of round {number} of '{study}'",
    e.SharesDealt: "{member} deals shares of its masks in round {number} of '{study}'",
    e.FalseDealing: "{by} proves that {dealer} sealed a false share for it in round {number} of "
    "'{study}'",
    e.KeysAskedAgain: "round {number} of '{study}' begins again with new keys (revision "
    "{revision}) for {roster}",
    e.ShardSettled: "{leader} settles shard {shard} of round {number} of '{study}' (term {term})",
    e.SumSettled: "{leader} settles the masked sum of {members} in round {number} of '{study}'",
    e.ConfirmStarted: "round {number} of '{study}': what {members} sent is merged; {leader} offers "
    "the model",
    e.SharesShown: "{member} shows its shares of the sum of round {number} of '{study}'",
    e.Evaluated: "the model of round {number} of '{study}' has {metrics} on {samples} samples",
    e.Settled: "{leader} settles round {number} of '{study}' ({stage} {turn}, term {term}): model "
    "{digest} of {shares}",
}

# Values that a sentence says in other words.
WORDS: dict[type[e.Event], dict[str, dict[Any, str]]] = {
    e.Departed: {"status": {"left": "leaves", "removed": "is removed from"}},
    e.VoteCast: {"aye": {True: "aye", False: "nay"}},
    e.MotionClosed: {
        "outcome": {"carried": "is carried", "lost": "is lost", "lapsed": "has lapsed"}
    },
    e.StudyEnded: {"status": {"finished": "is finished", "expired": "has expired"}},
    e.Reported: {"kind": {"unavailable": "cannot get", "invalid": "cannot merge"}},
}


def say_event(event: e.Event, names: Mapping[MemberId, str]) -> str:
    """Return an event as a sentence with members' names ("member 3" without one), and with its
    shard, if it is not the first."""
    words = WORDS.get(type(event), {})
    said = {
        key: words[key][value] if key in words else _say(key, value, names)
        for key, value in _fields(event).items()
    }
    sentence = SENTENCES.get(type(event))
    if sentence is None:  # a test forbids it; a node must not fall over it
        said_of = ", ".join(f"{key} {value}" for key, value in said.items())
        return f"{e.get_event_name(type(event))}: {said_of}"
    shard = 0 if isinstance(event, e.ShardSettled) else getattr(event, "shard", 0)
    return sentence.format_map(said) + (f" (shard {shard})" if shard else "")


def members_of(event: e.Event) -> set[MemberId]:
    """Return the members that an event names."""
    fields = _fields(event)
    found = {m for key in MEMBERS & fields.keys() for m in _members(fields[key])}
    if isinstance(event, e.Settled):
        found |= {share.member for share in event.model.shares}
    return found


def _fields(event: e.Event) -> dict[str, Any]:
    """Return the fields of an event, those of a record in it among them."""
    fields = dict(vars(event))
    if isinstance(event, e.Settled):
        fields = {**vars(event.model), **fields}
    if isinstance(event, e.Evaluated):
        fields = {**vars(event.score), **fields}
    return fields


def _members(value: Any) -> tuple[MemberId, ...]:
    return value if isinstance(value, tuple) else () if value is None else (value,)


def _say(key: str, value: Any, names: Mapping[MemberId, str]) -> str:
    def name(member: MemberId) -> str:
        return names.get(member, f"member {member}")

    if key in MEMBERS:
        return ", ".join(map(name, _members(value))) or "nobody"
    if key == "shares":
        return ", ".join(f"{name(s.member)} ({s.weight})" for s in value) or "its leader"
    if key == "metrics":
        return ", ".join(f"{k} {say_metric(v)}" for k, v in sorted(value.items())) or "no metrics"
    if key == "reason":
        return f": {value}" if value else ""
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    text = str(value)
    return f"{text[:DIGITS]}…" if codec.is_digest(text) else text
