"""The contributions of a round as it closes: which are merged, and what is noted of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from swarmhub.contract import events
from swarmhub.contract.context import Context
from swarmhub.contract.records import (
    LastSettled,
    LeftOut,
    Round,
    Spec,
    Study,
)


def leave_odd_ones_out(ctx: Context, r: Round) -> Round:
    """Return the round without contributions of another layout than most have (if as many have
    each: than that of the lowest member id). If the rest is too few, they are waited for again."""
    count = Counter((c.layout, c.nbytes) for c in r.contributions)
    most = max(count.values())
    chosen = next(c for c in r.contributions if count[c.layout, c.nbytes] == most)
    form = (chosen.layout, chosen.nbytes)
    odd = [c for c in r.contributions if (c.layout, c.nbytes) != form]
    if not odd:
        return r
    for c in odd:
        left = events.LeftOut(r.study, r.number, c.member, c.layout, chosen.layout, chosen.member)
        ctx.emit(left)
    gone = {c.member for c in odd}
    return replace(
        r,
        contributions=tuple(c for c in r.contributions if c.member not in gone),
        left_out=(*r.left_out, *(LeftOut(c.member, c.layout) for c in odd)),
        revision=r.revision + 1,
    )


def note_settled(ctx: Context, study: Study, r: Round) -> Study:
    """Record that the round was settled with these contributions, and when."""
    last = {s.member: s for s in study.settled}
    now_ms = ctx.env.time_ms
    last.update({m: LastSettled(m, r.number, now_ms, r.stage, r.turn) for m in r.contributors})
    return replace(study, settled=tuple(last[m] for m in sorted(last)))


def compute_grace_ms(spec: Spec, r: Round) -> int:
    """Return how long a round waits for the rest of its roster, in ms. Once a part of it was void,
    this is at least a leader's time: otherwise a member that is always first, and serves its
    contribution to nobody, would be in each set instead of an honest one."""
    return max(spec.quorum_grace_ms, spec.leader_timeout_ms if r.revision else 0)
