"""Validators that sign two blocks of one height: a home that runs twice, a restored old copy of it,
or a Byzantine member. Such a key has no vote until the member replaces it.

Evidence may arrive after the key has been replaced, so the last keys of each member are remembered.
Evidence about one of these is recorded and takes no vote: that key has none any more, and the
present one has signed nothing twice. A remembered key is never accepted again, from anybody.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from swarmhub.contract import events
from swarmhub.contract.context import Context, Misbehaviour
from swarmhub.contract.records import (
    DOUBLE_SIGN,
    FORMER_KEYS,
    MEMBER,
    DoubleSign,
    FormerKey,
    FormerKeys,
    Member,
    get_double_sign,
    get_former_keys,
    get_members,
)
from swarmhub.contract.refusals import AlreadyDone
from swarmhub.types import PublicKey

MAX_FORMER_KEYS = 8  # remembered for each member
FORMER_KEY_BLOCKS = 100  # for so many at least a key is remembered; evidence takes a few


def compute_address(key: PublicKey) -> str:
    """Return the first 20 bytes of the key's sha256 in hex, by which engines name a validator."""
    return hashlib.sha256(bytes.fromhex(key)).digest()[:20].hex()


def note_double_sign(ctx: Context, seen: Misbehaviour) -> None:
    """Record a double signing, and take the vote of the key unless its member has replaced it. The
    last validator keeps its vote, for without one there would never be another block. Evidence
    about a key that no member has, or is remembered to have had, changes nothing."""
    members = get_members(ctx.state)
    member = next((m for m in members if compute_address(m.consensus) == seen.address), None)
    if member is None:
        note_former_key(ctx, members, seen)
        return
    if get_double_sign(ctx.state, member):
        return
    DOUBLE_SIGN.put(ctx.state, member.id, record=DoubleSign(member.consensus, seen.height))
    ctx.emit(events.DoubleSigned(member.id, seen.height))
    if member.power and any(m.power for m in members if m.id != member.id):
        MEMBER.put(ctx.state, member.id, record=replace(member, power=0))
        ctx.emit(events.PowerChanged(member.consensus, 0))


def note_former_key(ctx: Context, members: list[Member], seen: Misbehaviour) -> None:
    """Record a double signing of a key that its member has replaced."""
    for member in members:
        keys = get_former_keys(ctx.state, member.id)
        for i, former in enumerate(keys):
            if compute_address(former.key) != seen.address or former.double_signed:
                continue
            noted = replace(former, double_signed=seen.height, late=True)
            keys = (*keys[:i], noted, *keys[i + 1 :])
            FORMER_KEYS.put(ctx.state, member.id, record=FormerKeys(keys))
            ctx.emit(events.DoubleSigned(member.id, seen.height))
            return


def remember_key(ctx: Context, member: Member) -> None:
    """Remember the consensus key that a member replaces now, with the evidence against it. Raise
    AlreadyDone if that would push out a key about which evidence may still come."""
    keys = get_former_keys(ctx.state, member.id)
    if len(keys) >= MAX_FORMER_KEYS:
        oldest = keys[0].replaced
        if oldest and ctx.env.height - oldest < FORMER_KEY_BLOCKS:
            raise AlreadyDone(
                f"member {member.id} replaced its consensus key {MAX_FORMER_KEYS} times within "
                f"{FORMER_KEY_BLOCKS} blocks; replace it again later"
            )
        keys = keys[1:]
    found = get_double_sign(ctx.state, member)
    former = FormerKey(member.consensus, ctx.env.height, found.height if found else 0)
    FORMER_KEYS.put(ctx.state, member.id, record=FormerKeys((*keys, former)))
    if found:
        DOUBLE_SIGN.put(ctx.state, member.id, record=None)


def check_never_replaced(ctx: Context, key: PublicKey) -> None:
    """Refuse a consensus key that a member has replaced: evidence names keys, and evidence against
    one would count against another member, or be forgotten."""
    for member in get_members(ctx.state):
        if any(former.key == key for former in get_former_keys(ctx.state, member.id)):
            raise AlreadyDone(f"member {member.id} has replaced this consensus key; make a new one")


def keep_former_keys(ctx: Context, member: Member) -> None:
    """Keep a member's keys of another chain, about which no more evidence comes: its heights mean
    nothing in this one."""
    keys = get_former_keys(ctx.state, member.id)
    if keys:
        kept = tuple(replace(former, replaced=0) for former in keys)
        FORMER_KEYS.put(ctx.state, member.id, record=FormerKeys(kept))


def forget_keys(ctx: Context, member: Member) -> None:
    """Forget the keys of a member that departs, and the evidence against them."""
    if DOUBLE_SIGN.get(ctx.state, member.id):
        DOUBLE_SIGN.put(ctx.state, member.id, record=None)
    if FORMER_KEYS.get(ctx.state, member.id):
        FORMER_KEYS.put(ctx.state, member.id, record=None)
