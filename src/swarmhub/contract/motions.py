"""Open votes. A decided motion leaves the state; its events are the record."""

from __future__ import annotations

from dataclasses import replace

from swarmhub.contract import deadlines
from swarmhub.contract.context import Context
from swarmhub.contract.records import CHAIN, MOTION, MOTIONS, Motion, Motions
from swarmhub.contract.refusals import BadValue

MAX_OPEN_MOTIONS = 64


def get_motions(ctx: Context) -> list[Motion]:
    """Open motions by id."""
    found = MOTIONS.get(ctx.state)
    return [MOTION.need(ctx.state, i) for i in found.open] if found else []


def open_motion(ctx: Context, motion: Motion) -> Motion:
    """Number and store a motion."""
    motions = MOTIONS.get(ctx.state) or Motions()
    # removals are bounded by the members: who fills the list cannot escape its own
    if len(motions.open) >= MAX_OPEN_MOTIONS and motion.kind != "remove":
        raise BadValue("motions", f"at most {MAX_OPEN_MOTIONS} open", len(motions.open) + 1)
    chain = ctx.chain
    motion = replace(motion, id=chain.next_motion)
    CHAIN.put(ctx.state, record=replace(chain, next_motion=chain.next_motion + 1))
    MOTION.put(ctx.state, motion.id, record=motion)
    MOTIONS.put(ctx.state, record=Motions((*motions.open, motion.id)))
    deadlines.mark(ctx.state, f"motion/{motion.id}", chain.vote_period_ms)
    return motion


def close_motion(ctx: Context, motion: Motion, outcome: str) -> None:
    """Take a motion out of the live state; the event is its record."""
    motions = MOTIONS.need(ctx.state)
    MOTION.put(ctx.state, motion.id, record=None)
    MOTIONS.put(ctx.state, record=Motions(tuple(i for i in motions.open if i != motion.id)))
    deadlines.clear(ctx.state, f"motion/{motion.id}")
    ctx.emit("motion_" + outcome, motion=motion.id, kind=motion.kind)


def lapse_motion(ctx: Context, motion_id: int) -> None:
    """A motion's time is over."""
    motion = MOTION.get(ctx.state, motion_id)
    if motion is not None:
        close_motion(ctx, motion, "lapsed")
