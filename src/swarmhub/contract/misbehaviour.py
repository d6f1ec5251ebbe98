"""A validator whose key has signed two blocks of one height: its home runs twice, an old copy of it
was put back, or it lies. The key loses its vote until the member replaces it."""

from __future__ import annotations

import hashlib
from dataclasses import replace

from swarmhub.contract.context import Context, Misbehaviour
from swarmhub.contract.records import (
    DOUBLE_SIGN,
    MEMBER,
    DoubleSign,
    get_double_sign,
    get_members,
)
from swarmhub.types import PublicKey


def compute_address(key: PublicKey) -> str:
    """By which validators name a consensus key: the first 20 bytes of its sha256, in hex."""
    return hashlib.sha256(bytes.fromhex(key)).digest()[:20].hex()


def note_double_sign(ctx: Context, seen: Misbehaviour) -> None:
    """Record it and take the key's vote; but the last validator keeps its own, for without one
    there would never be a block again. A key that is no member's any more has no vote."""
    members = get_members(ctx.state)
    member = next((m for m in members if compute_address(m.consensus) == seen.address), None)
    if member is None or get_double_sign(ctx.state, member):
        return
    DOUBLE_SIGN.put(ctx.state, member.id, record=DoubleSign(member.consensus, seen.height))
    ctx.emit("double_signed", member=member.id, height=seen.height)
    if member.power and any(m.power for m in members if m.id != member.id):
        MEMBER.put(ctx.state, member.id, record=replace(member, power=0))
        ctx.emit("power", key=member.consensus, power=0)
