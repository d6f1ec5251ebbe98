"""A consortium that goes on from another's state, because too many of its validators are gone.

A BFT ledger halts when a third of its validators are away. If they are gone for good, the members
that are left take the last state that they have, sign it with the list of themselves, and begin a
new chain with it. Block 0 holds all of this, so each reader of the new chain sees where it came
from and which members signed that. Members that did not sign are members no longer; they can apply
again. Studies, models and their lineage go on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from swarmhub import codec
from swarmhub.contract import events
from swarmhub.contract.consortium.membership import depart
from swarmhub.contract.consortium.misbehaviour import keep_former_keys
from swarmhub.contract.consortium.motions import close_motion, get_motions
from swarmhub.contract.consortium.upgrades import keep_schedule
from swarmhub.contract.context import Context
from swarmhub.contract.records import (
    CHAIN,
    MEMBER,
    ForkGenesis,
    InheritedState,
    get_double_sign,
    get_members,
)
from swarmhub.contract.refusals import BadValue
from swarmhub.contract.replay import is_replay_protection
from swarmhub.contract.state import State
from swarmhub.contract.versions import need_present
from swarmhub.errors import Malformed
from swarmhub.types import RESTART_DOMAIN

MAX_STATE_BYTES = 16 << 20  # of the text; 64 members within their quotas need less


def get_heritage(values: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the part of a state that a new chain takes over: all but the transactions that the old
    chain has seen, which are valid on no other chain."""
    return {path: v for path, v in values.items() if not is_replay_protection(path)}


def inherit(ctx: Context, genesis: ForkGenesis, chain_id: str) -> None:
    """Write block 0 of a chain that goes on from another one."""
    will = genesis.inherits
    for path, value in read_state(will).items():
        ctx.state.put(path, value)
    check_will(ctx, genesis)
    for motion in get_motions(ctx.state):  # or votes of departed members would decide it now
        close_motion(ctx, motion, "lapsed")
    CHAIN.put(ctx.state, record=replace(ctx.chain, chain_id=chain_id, version_since=0))
    ctx.emit(events.Inherited(will.chain, will.height, will.app_hash, will.survivors))
    for gone in [m for m in ctx.chain.active if m not in will.survivors]:
        member = MEMBER.need(ctx.state, gone)
        MEMBER.put(ctx.state, gone, record=replace(member, power=0))  # it has none in this chain
        depart(ctx, MEMBER.need(ctx.state, gone), "removed")
    survivors = get_members(ctx.state)
    for member in survivors:
        keep_former_keys(ctx, member)
    keep_schedule(ctx, will.height, survivors)
    voting = [m for m in survivors if not get_double_sign(ctx.state, m)] or survivors
    for member in survivors:
        power = int(member in voting)
        MEMBER.put(ctx.state, member.id, record=replace(member, power=power, rotated=0))
        if power:
            ctx.emit(events.PowerChanged(member.consensus, power))


def read_state(will: InheritedState) -> dict[str, bytes]:
    """Return the state's map; refuse one that does not have the root that the survivors signed."""
    try:
        found = codec.parse(will.state.encode(), MAX_STATE_BYTES)
        if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
            raise Malformed("no map of texts")
        values = {str(path): str(text).encode() for path, text in found.items()}
    except (Malformed, UnicodeEncodeError):
        raise BadValue("state", "a map of paths and texts as JSON", will.state[:16]) from None
    root = State(values).app_hash.hex()
    if root != will.app_hash:
        raise BadValue("state", f"one with the root {will.app_hash[:16]!r}", root[:16])
    return values


def check_will(ctx: Context, genesis: ForkGenesis) -> None:
    """Refuse an inheritance that some survivor has not signed, or with a survivor that is no
    member."""
    will = genesis.inherits
    need_present(ctx.state)
    if CHAIN.get(ctx.state) is None or ctx.chain.chain_id != will.chain:
        raise BadValue("state", f"one of the chain {will.chain[:80]!r}", "another")
    if ctx.chain.contract_version != genesis.contract_version:
        raise BadValue(
            "contract_version", str(ctx.chain.contract_version), genesis.contract_version
        )
    if genesis.name != ctx.chain.name or genesis.founders:
        raise BadValue("name", f"{ctx.chain.name[:80]!r} and no founders", genesis.name)
    if not 0 < genesis.time_ms < 1 << 52:
        raise BadValue("time_ms", f"1 to {1 << 52}", genesis.time_ms)
    able = [m for m in ctx.chain.active if MEMBER.need(ctx.state, m).tls]
    ordered = tuple(sorted(set(will.survivors)))
    if not ordered or ordered != will.survivors or not set(ordered) <= set(able):
        raise BadValue("survivors", "ids of active members, ascending", list(will.survivors))
    if len(will.signatures) != len(will.survivors):
        raise BadValue("signatures", f"{len(will.survivors)} of them", len(will.signatures))
    message = will_message(genesis)
    for member, signature in zip(will.survivors, will.signatures, strict=True):
        account = MEMBER.need(ctx.state, member).account
        if not ctx.env.verify(account, RESTART_DOMAIN, message, signature):
            raise BadValue("signatures", f"one of member {member}", signature[:16])


def will_message(genesis: ForkGenesis) -> bytes:
    """Return the bytes that each survivor signs: all but the signatures (the state by its root)."""
    bare = replace(genesis.inherits, signatures=(), state="")
    return codec.pack(replace(genesis, inherits=bare))
