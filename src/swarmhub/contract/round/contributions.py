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

MOST_TIMES = 10  # the lower median of what the roster's last rounds took


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
    for c in r.contributions:
        took_ms = c.took_ms or study.took_ms_of(c.member, r.stage)
        last[c.member] = LastSettled(c.member, r.number, ctx.env.time_ms, r.stage, r.turn, took_ms)
    return replace(study, settled=tuple(last[m] for m in sorted(last)))


def compute_grace_ms(study: Study, spec: Spec, r: Round, now_ms: int) -> int:
    """Return how long a round waits for the rest of its roster, in ms: what the terms say, and
    until the slowest of those that lack has had half as long again as in its last round. A slow
    member gets MOST_TIMES what is usual at most: without that bound, one that comes a little later
    in each round would make all rounds longer for ever. Once a part of the round was void, this is
    at least a leader's time: otherwise a member that is always first, and serves its contribution
    to nobody, would be in each set instead of an honest one."""
    least_ms = max(spec.quorum_grace_ms, spec.leader_timeout_ms if r.revision else 0)
    took_ms = {m: ms for m in r.roster if (ms := study.took_ms_of(m, r.stage))}
    lacking_ms = [ms for m, ms in took_ms.items() if r.contribution_of(m) is None]
    if not lacking_ms:
        return least_ms
    usual_ms = sorted(took_ms.values())[(len(took_ms) - 1) // 2]
    patience_ms = min(max(lacking_ms) * 3 // 2, MOST_TIMES * usual_ms)
    return max(least_ms, r.began_ms + patience_ms - now_ms)
