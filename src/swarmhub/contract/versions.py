"""The versions of the contract: their rules, and the version that a block follows.

`Chain.contract_version` is state. A motion schedules the next version (`consortium/upgrades.py`);
it becomes active at the beginning of the block of its height. Blocks before it are replayed under
the rules of their own version, so a version stays here for as long as some chain has blocks of it.

How to add version N:
- its rules are `{**VERSIONS[N - 1].rules, ...}` with the functions that differ or are new; a
  function that an older version uses is not changed any more;
- a new field of a record has a default and `metadata={"since": N}`, a new value of a Literal
  stands in `metadata={"newer": {value: N}}` (see `since`), or node software with N would accept a
  transaction that software without it cannot decode, and the members would disagree;
- `activate` migrates the records that change their shape;
- what stands outside of these tables (envelopes, quotas, replay protection, deadlines, motions,
  codec) is shared by all versions: a change of it changes old blocks, too, so it has to ask for the
  version.

Under version M, a transaction with anything that M does not have gives the result that it gives at
a member whose software ends with M: Malformed, no write, no share of the block.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from swarmhub.contract import events
from swarmhub.contract import transactions as t
from swarmhub.contract.consortium import membership, motions, upgrades
from swarmhub.contract.context import Context
from swarmhub.contract.envelope import Transaction, read_transaction
from swarmhub.contract.records import CHAIN
from swarmhub.contract.round import disputes, drops, masking, phases, progress
from swarmhub.contract.since import find_newer
from swarmhub.contract.state import Reader
from swarmhub.contract.study import lifecycle
from swarmhub.errors import Malformed, VersionMissing

Rules = Mapping[type[Any], Callable[[Context, Any], None]]
Timers = Mapping[str, Callable[[Context, str], None]]


def migrate_nothing(ctx: Context) -> None:
    """Leave all records as they are."""


@dataclass(frozen=True)
class Version:
    """One version: a rule for each class of body, a function for each kind of deadline, and the
    migration of the state when a chain comes to it from the version before."""

    number: int
    rules: Rules
    timers: Timers
    activate: Callable[[Context], None] = migrate_nothing


def lapse_approvals(ctx: Context, name: str) -> None:
    """Withdraw members with approvals that are too old, and count open votes again without them."""
    lifecycle.lapse_approvals(ctx, name)
    membership.recount(ctx)


RULES_1: Rules = {
    t.Invite: membership.invite,
    t.Apply: membership.apply,
    t.Vote: membership.vote,
    t.Leave: membership.leave,
    t.Remove: membership.remove,
    t.Rotate: membership.rotate,
    t.Revoke: membership.revoke,
    t.Validate: membership.validate,
    t.Announce: upgrades.announce,
    t.Upgrade: upgrades.upgrade,
    t.Propose: lifecycle.propose,
    t.Amend: lifecycle.amend,
    t.Approve: lifecycle.approve,
    t.Refuse: lifecycle.refuse,
    t.Enrol: lifecycle.enrol,
    t.Withdraw: lifecycle.withdraw,
    t.Start: lifecycle.start,
    t.Pause: lifecycle.pause,
    t.Finish: lifecycle.finish,
    t.Release: lifecycle.release,
    t.Ready: progress.ready,
    t.Contribute: progress.contribute,
    t.Retract: progress.retract,
    t.Suspect: progress.suspect,
    t.Unavailable: progress.unavailable,
    t.Invalid: progress.invalid,
    t.Settle: progress.settle,
    t.Dispute: disputes.dispute,
    t.Recompute: disputes.recompute,
    t.Key: masking.key,
    t.Deal: masking.deal,
    t.Complain: masking.complain,
    t.Rekey: masking.rekey,
    t.Open: masking.open_shares,
    t.Poke: progress.poke,
}

TIMERS_1: Timers = {
    "grace": phases.end_grace,
    "term": phases.end_term,
    "dispute": disputes.end_dispute,
    "keying": phases.end_keying,
    "reinstatement": drops.end_reinstatement,
    "expiry": lifecycle.expire,
    "proposal": lifecycle.lapse,
    "approvals": lapse_approvals,
    "motion": lambda ctx, key: motions.lapse_motion(ctx, int(key)),
    "invitation": membership.drop_invitation,
}

VERSIONS: dict[int, Version] = {1: Version(1, RULES_1, TIMERS_1)}


def known() -> tuple[int, ...]:
    """Return the numbers of all versions that this software has, ascending."""
    return tuple(sorted(VERSIONS))


def get_version(number: int, height: int) -> Version:
    """Return the version that the block of this height follows. Raises VersionMissing if this
    software does not have it."""
    found = VERSIONS.get(number)
    if found is None:
        raise VersionMissing(number, height, known())
    return found


def compute_number(state: Reader, height: int) -> int:
    """Return the number of the version that the block of this height, the next one, follows."""
    present, _, following, at = _get_numbers(state)
    return following if following and height >= at else present


def need_present(state: Reader) -> None:
    """Raise VersionMissing if this software does not have the version of a state."""
    present, since, _, _ = _get_numbers(state)
    if present:
        get_version(present, since)


def need_next(state: Reader, height: int) -> None:
    """Raise VersionMissing if this software cannot execute the block after the one of this
    height."""
    get_version(compute_number(state, height + 1), height + 1)


def find_gap(state: Reader) -> VersionMissing | None:
    """Return the version that is scheduled if this software does not have it."""
    _, _, number, height = _get_numbers(state)
    return VersionMissing(number, height, known()) if number and number not in VERSIONS else None


def _get_numbers(state: Reader) -> tuple[int, int, int, int]:
    return _read_numbers(state.get(CHAIN.prefix) or b"{}")


@functools.lru_cache(maxsize=16)
def _read_numbers(chain: bytes) -> tuple[int, int, int, int]:
    """Return the present version and its first block, the scheduled one and its first block (0, 0:
    none). From the JSON, for this software may not know all fields of a later version's record."""
    record = json.loads(chain)
    following = record.get("next_version") or {}
    return (
        int(record.get("contract_version", 0)),
        int(record.get("version_since", 0)),
        int(following.get("number", 0)),
        int(following.get("height", 0)),
    )


def enter(ctx: Context) -> Version:
    """Return the version that the block follows, made active if its height has come. Raises
    VersionMissing, before any write, if this software does not have it."""
    number = compute_number(ctx.state, ctx.env.height)
    version = get_version(number, ctx.env.height)
    if number != ctx.chain.contract_version:
        chain = replace(
            ctx.chain, contract_version=number, version_since=ctx.env.height, next_version=None
        )
        CHAIN.put(ctx.state, record=chain)
        version.activate(ctx)
        ctx.emit(events.Upgraded(number))
    return version


def check_body(body: Any, version: Version) -> None:
    """Raise Malformed if the version does not have this body or a part of it."""
    if type(body) not in version.rules:
        raise Malformed(f"Contract version {version.number} has no {body.KIND!r}.")
    newer = find_newer(body, version.number)
    if newer:
        raise Malformed(f"Contract version {version.number} does not have {newer}.")


def read_transaction_at(state: Reader, height: int, data: bytes) -> Transaction:
    """Decode hostile bytes as the block of this height, the next one, does. Raises Malformed for
    all that its version does not have."""
    tx = read_transaction(data)
    check_body(tx.body, get_version(compute_number(state, height), height))
    return tx
