"""The acts that a person may have signed for the hospital: one table for all faces.

The hub has no keys: it asks the node, which carries an act out by its name. A command carries it
out itself. Each act names its role: `researcher` (proposes, takes results along), `owner` (of data:
approves, enrols, withdraws), `administrator` (members, keys); a `viewer` reads, and has the ledger
verified.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from swarmhub import codec
from swarmhub.codec import Json
from swarmhub.contract.records import Spec
from swarmhub.errors import BadInput, plain
from swarmhub.home.home import Home
from swarmhub.home.invitations import write_token
from swarmhub.operations import acting, members, studies
from swarmhub.operations.apart import WORK_S, work_apart
from swarmhub.operations.doctor import Finding, examine
from swarmhub.operations.ledger_client import open_client
from swarmhub.operations.privacy_audit.contents import Audit
from swarmhub.operations.results import (
    Auditing,
    Choice,
    EvidencePacked,
    ModelPacked,
    Validating,
    Validation,
    WantedEvidence,
)
from swarmhub.operations.roles import Role
from swarmhub.operations.verifying import Verification, verifier
from swarmhub.types import Digest, MemberId

DAY_MS = 86_400_000
LEDGER_S = 60.0  # the ledger's answer
MAX_TERMS_BYTES = 64 << 10


@dataclass(frozen=True)
class OfTerms:
    """A study's terms, as TOML."""

    terms: str


@dataclass(frozen=True)
class OfStudy:
    """A study, by name."""

    study: str


@dataclass(frozen=True)
class WithReason:
    """A study, and a reason, which all members can read."""

    study: str
    reason: str = ""


@dataclass(frozen=True)
class Approving:
    """A study, and the digest of its terms as the person has seen them; `unseen` allows that a
    document which they name is not here, `accept_loss` that noise spoils the model here."""

    study: str
    terms: Digest
    unseen: bool = False
    accept_loss: bool = False


@dataclass(frozen=True)
class Enrolling:
    """A study, and the most training samples that this hospital may weigh; `accept_loss` as for
    an approval."""

    study: str
    samples: int
    accept_loss: bool = False


@dataclass(frozen=True)
class Voting:
    """A motion, by its number, and the vote."""

    motion: int
    aye: bool


@dataclass(frozen=True)
class Inviting:
    """Days of validity, 1 to 90."""

    days: int = 7


@dataclass(frozen=True)
class OfMember:
    """A member, by its number."""

    member: MemberId


@dataclass(frozen=True)
class OfKeys:
    """Keys to be replaced: account, tls, consensus, ledger, release."""

    keys: tuple[str, ...]


@dataclass(frozen=True)
class Invited:
    """The token of an invitation, which works once: it is confidential."""

    token: str


@dataclass(frozen=True)
class Nothing:
    """An act without arguments."""


@dataclass(frozen=True)
class Examined:
    """The findings of an examination of this host and its connections (`doctor.Finding`)."""

    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Done:
    """An act that has no other result."""


@dataclass(frozen=True)
class Act:
    """An act: the roles that may have it done, its arguments and its result, and what does it
    within `patience_s`; `command` are the words of the command that does the same."""

    name: str
    role: Role
    takes: type[Any]
    gives: type[Any]
    does: Callable[[Home, Any], Awaitable[Any]]
    command: str
    patience_s: float = LEDGER_S


def read_terms(text: str) -> Spec:
    """Return the terms that a TOML text declares. Raises BadInput."""
    if len(text.encode()) > MAX_TERMS_BYTES:
        raise BadInput(f"Expected at most {MAX_TERMS_BYTES >> 10} KiB of terms, got more.")
    return studies.parse_spec(text, "the terms")


async def _propose(home: Home, given: OfTerms) -> studies.Proposed:
    return await studies.propose(home, read_terms(given.terms))


async def _amend(home: Home, given: OfTerms) -> studies.Proposed:
    return await studies.amend(home, read_terms(given.terms))


async def _approve(home: Home, given: Approving) -> Done:
    await studies.approve(
        home, given.study, given.terms, studies.Consent(given.unseen, given.accept_loss)
    )
    return Done()


async def _refuse(home: Home, given: WithReason) -> Done:
    await studies.refuse(home, given.study, given.reason)
    return Done()


async def _pause(home: Home, given: WithReason) -> Done:
    await studies.pause(home, given.study, given.reason)
    return Done()


async def _resume(home: Home, given: OfStudy) -> Done:
    await studies.resume(home, given.study)
    return Done()


async def _enrol(home: Home, given: Enrolling) -> Done:
    await studies.enrol(home, given.study, given.samples, given.accept_loss)
    return Done()


async def _withdraw(home: Home, given: OfStudy) -> Done:
    await studies.withdraw(home, given.study)
    return Done()


async def _start(home: Home, given: OfStudy) -> Done:
    await studies.start(home, given.study)
    return Done()


async def _finish(home: Home, given: OfStudy) -> Done:
    await studies.finish(home, given.study)
    return Done()


async def _release(home: Home, given: Choice) -> studies.Released:
    return await studies.release(home, given.study, given.model)


async def _vote(home: Home, given: Voting) -> members.Voted:
    return await members.vote(home, given.motion, given.aye)


async def _invite(home: Home, given: Inviting) -> Invited:
    if not 1 <= given.days <= 90:
        raise BadInput(f"Expected 1 to 90 days, got {given.days}.")
    return Invited(write_token(await members.invite(home, given.days * DAY_MS)))


async def _remove(home: Home, given: OfMember) -> members.Moved:
    return await members.remove(home, given.member)


async def _rotate(home: Home, given: OfKeys) -> members.KeysRotated:
    return await members.rotate_keys(home, given.keys)


def _apart(work: str) -> Callable[[Home, Any], Awaitable[Json]]:
    """Return what has a work on a study carried out by a process of its own."""

    async def do(home: Home, given: Any) -> Json:
        async with open_client(home) as client:  # it costs less than a process
            client.need_study(given.study)
        return await work_apart(work, home, given)

    return do


async def _verify(home: Home, given: Nothing) -> Verification:
    return await verifier.start(home)


async def _examine(home: Home, given: Nothing) -> Examined:
    return Examined(tuple([finding async for finding in examine(home)]))


def _act_apart(name: str, takes: type[Any], gives: type[Any], command: str) -> Act:
    return Act(name, "researcher", takes, gives, _apart(name), command, WORK_S)


_TABLE = (
    Act("study.propose", "researcher", OfTerms, studies.Proposed, _propose, "study propose"),
    Act("study.amend", "researcher", OfTerms, studies.Proposed, _amend, "study amend"),
    Act("study.start", "researcher", OfStudy, Done, _start, "study start"),
    Act("study.pause", "researcher", WithReason, Done, _pause, "study pause"),
    Act("study.resume", "researcher", OfStudy, Done, _resume, "study resume"),
    Act("study.finish", "researcher", OfStudy, Done, _finish, "study finish"),
    Act("study.approve", "owner", Approving, Done, _approve, "study approve"),
    Act("study.refuse", "owner", WithReason, Done, _refuse, "study refuse"),
    Act("study.enrol", "owner", Enrolling, Done, _enrol, "study enrol"),
    Act("study.withdraw", "owner", OfStudy, Done, _withdraw, "study withdraw"),
    Act("study.release", "owner", Choice, studies.Released, _release, "study release"),
    _act_apart("model.evaluate", Validating, Validation, "evaluate"),
    _act_apart("model.export", Choice, ModelPacked, "model export"),
    _act_apart("privacy.audit", Auditing, Audit, "privacy audit"),
    _act_apart("evidence.export", WantedEvidence, EvidencePacked, "evidence export"),
    Act("motion.vote", "administrator", Voting, members.Voted, _vote, "consortium vote"),
    Act("member.invite", "administrator", Inviting, Invited, _invite, "consortium invite"),
    Act("member.remove", "administrator", OfMember, members.Moved, _remove, "consortium remove"),
    Act("keys.rotate", "administrator", OfKeys, members.KeysRotated, _rotate,
        "consortium rotate-key"),
    Act("ledger.verify", "viewer", Nothing, Verification, _verify, "ledger verify"),
    Act("node.examine", "administrator", Nothing, Examined, _examine, "doctor"),
)  # fmt: skip
ACTS = {act.name: act for act in _TABLE}


async def perform(home: Home, name: str, arguments: Json, who: str) -> Json:
    """Carry out an act for a person; return as JSON its `result`, and the `height` of its block (0
    if it needs none). Raises BadInput for an unknown act or wrong arguments, and with the
    contract's sentence if it refuses."""
    act = ACTS.get(name)
    if act is None:
        raise BadInput(f"There is no act '{plain(name, 40)}'.")
    given = codec.from_json(act.takes, arguments)
    token = acting.person.set(who)
    acting.height.set(0)
    try:
        found = codec.to_json(await act.does(home, given))
        return {"result": found, "height": acting.height.get()}
    finally:
        acting.person.reset(token)
