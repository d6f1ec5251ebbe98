"""Open votes. A decided motion leaves the state; its events are the record.

The electors of a motion are the members of the block that decides it, not of the one that opened
it: each vote and each departure is counted against them anew.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from swarmhub.contract import deadlines, events, quotas
from swarmhub.contract.context import Context
from swarmhub.contract.records import CHAIN, MOTION, MOTIONS, STUDY, Motion, Motions, get_chain
from swarmhub.contract.state import Reader
from swarmhub.types import MemberId


def get_motions(state: Reader) -> list[Motion]:
    """Return the open motions by id."""
    found = MOTIONS.get(state)
    return [MOTION.need(state, i) for i in found.open] if found else []


def get_electors(state: Reader, motion: Motion) -> tuple[MemberId, ...]:
    """Return the ids of the members that decide the motion now: all active ones without the target
    of a removal; for a release, those enrolled in the study."""
    active = get_chain(state).active
    if motion.kind == "release":
        study = STUDY.get(state, motion.study)
        enrolled = {e.member for e in study.enrolled} if study else set()
        return tuple(m for m in active if m in enrolled)
    return tuple(m for m in active if m != motion.member)


def open_motion(ctx: Context, motion: Motion) -> Motion:
    """Number and store a motion. Refuse one more than its mover may have open."""
    is_counted = motion.kind != "remove"  # always possible: one for each member
    if is_counted:
        quotas.need_motion(ctx.state, motion.by)
    chain = ctx.chain
    motion = replace(motion, id=chain.next_motion)
    CHAIN.put(ctx.state, record=replace(chain, next_motion=chain.next_motion + 1))
    MOTION.put(ctx.state, motion.id, record=motion)
    if is_counted:
        quotas.hold(ctx.state, motion.by, "motions", motion.id)
    open_now = MOTIONS.get(ctx.state) or Motions()
    MOTIONS.put(ctx.state, record=Motions((*open_now.open, motion.id)))
    deadlines.mark(ctx.state, f"motion/{motion.id}", chain.vote_period_ms)
    return motion


def cast(ctx: Context, motion: Motion, voter: MemberId, aye: bool) -> Motion:
    """Store a vote."""
    if aye:
        motion = replace(motion, ayes=(*motion.ayes, voter))
    else:
        motion = replace(motion, nays=(*motion.nays, voter))
    MOTION.put(ctx.state, motion.id, record=motion)
    ctx.emit(events.VoteCast(motion.id, voter, aye))
    return motion


def close_motion(
    ctx: Context, motion: Motion, outcome: Literal["carried", "lost", "lapsed"]
) -> None:
    """Delete a motion from the live state; the event is its record."""
    motions = MOTIONS.need(ctx.state)
    left = tuple(i for i in motions.open if i != motion.id)
    MOTION.put(ctx.state, motion.id, record=None)
    quotas.release(ctx.state, motion.by, "motions", motion.id)
    MOTIONS.put(ctx.state, record=Motions(left) if left else None)
    if motion.kind == "release" and outcome != "carried":
        quotas.drop_release(ctx.state, motion.by, motion.study, motion.model)
    deadlines.clear(ctx.state, f"motion/{motion.id}")
    ctx.emit(events.MotionClosed(motion.id, motion.kind, outcome))


def wait_to_carry(ctx: Context, motion: Motion, why: str) -> None:
    """Record why a motion that has the votes has to wait; "" if it does not. The event comes once
    for each reason."""
    if motion.waits == why:
        return
    MOTION.put(ctx.state, motion.id, record=replace(motion, waits=why))
    if why:
        ctx.emit(events.MotionWaits(motion.id, motion.kind, why))


def lapse_motion(ctx: Context, motion_id: int) -> None:
    """Close a motion that has expired."""
    motion = MOTION.get(ctx.state, motion_id)
    if motion is not None:
        close_motion(ctx, motion, "lapsed")


def forget_voter(ctx: Context, member: MemberId) -> None:
    """Forget the votes of a member that departs; the motions that it moved lapse."""
    for motion in get_motions(ctx.state):
        if motion.by == member:
            close_motion(ctx, motion, "lapsed")
        elif member in (*motion.ayes, *motion.nays):
            ayes = tuple(m for m in motion.ayes if m != member)
            nays = tuple(m for m in motion.nays if m != member)
            MOTION.put(ctx.state, motion.id, record=replace(motion, ayes=ayes, nays=nays))
