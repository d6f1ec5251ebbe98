"""Members that leave a round: what becomes of its set, its leader and its masks."""

from __future__ import annotations

from dataclasses import replace

from swarmhub.contract import deadlines, events
from swarmhub.contract.context import Context
from swarmhub.contract.records import (
    ROUND,
    SPEC,
    STUDY,
    Round,
    Spec,
    Study,
    put_lead,
)
from swarmhub.contract.round.election import get_candidates
from swarmhub.contract.round.endings import put
from swarmhub.contract.round.kinds import (
    COLLECTING,
    DEALING,
    MERGING,
    PHASES,
    get_before,
    is_led,
    is_set_final,
)
from swarmhub.contract.round.masks import (
    drop_keys,
)
from swarmhub.contract.round.minimum import is_enough, leave_out, reckon_with_all
from swarmhub.contract.round.phases import advance, ask_keys_again, mark_reinstatement, next_term
from swarmhub.contract.round.shards import close_shards, get_views, make_key
from swarmhub.types import MemberId


def exclude(ctx: Context, name: str, member: MemberId, why: str) -> None:
    """Exclude a contribution from the set because enough members have reported it."""
    ctx.emit(events.Excluded(name, member, why))
    if why == "invalid":
        r = ROUND.need(ctx.state, name)
        put(ctx, replace(r, strikes=(*r.strikes, member)))
    drop_member(ctx, name, member)


def drop_member(ctx: Context, name: str, member: MemberId, willing: bool = False) -> None:
    """Void a member's part of the open round: a new revision of the set, and maybe a new leader.
    `willing`: by its own will, which it may not repeat again and again; a leader with a merge that
    is disputed leads no more in this round then.

    Below min_peers the round collects again, with all contributions that it still has; it may need
    fewer without a member that has left its study.
    """
    study, r = STUDY.need(ctx.state, name), ROUND.get(ctx.state, name)
    if r is None:
        return
    spec = SPEC.need(ctx.state, name)
    has_left = study.samples_of(member) is None
    if has_left:
        r = leave_out(spec, r, member)
        drop_keys(ctx.state, name, r.number + 1, member)
    if is_set_final(r):
        put(ctx, r)
        return
    if r.masks and member in r.masks.keyed and (has_left or r.phase == DEALING):
        # fewer holders of shares survive fewer that are away: these are dealt anew
        ask_keys_again(ctx, r, without=[member])
        return
    part = r.contribution_of(member) is not None or member in get_candidates(r)
    r = replace(r, roster=tuple(m for m in r.roster if m != member))
    if not part:
        put(ctx, r)
        if is_enough_masked(spec, r):
            advance(ctx, name)
        else:
            ask_keys_again(ctx, r, without=[member])
        return
    r = void_part(ctx, r, member, willing)
    if PHASES[r.phase].on_drop == "stays":
        enough = is_enough(spec, r, r.contributors)
        if not enough:
            deadlines.clear(ctx.state, f"grace/{name}")
        put(ctx, replace(r, grace=r.grace if enough else ""))
        if not is_enough_masked(spec, r):
            ask_keys_again(ctx, r, without=[member])
        else:
            advance(ctx, name)
    elif not (is_enough(spec, r, get_candidates(r)) and is_sum_of_enough(r)):
        collect_again(ctx, spec, study, r, member)
    else:
        put(ctx, r)
        for view in get_views(ctx.state, r):
            next_term(ctx, name, view.lead.shard)
    mark_reinstatement(ctx, name)


def is_enough_masked(spec: Spec, r: Round) -> bool:
    """Return whether those of a masked round's dealers that are still on the roster can make up a
    set; True for a round that has no dealers (yet)."""
    if r.masks is None or r.phase not in (COLLECTING, MERGING):
        return True
    left = set(r.masks.dealt) & set(r.roster)
    return is_enough(spec, r, left) and len(left) >= r.masks.threshold


def is_sum_of_enough(r: Round) -> bool:
    """Return whether the contributions of a masked round are as many as its threshold; True for a
    plain round."""
    return r.masks is None or len(r.contributions) >= r.masks.threshold


def void_part(ctx: Context, r: Round, member: MemberId, willing: bool) -> Round:
    """Return the round in a new revision, without the member's contribution."""
    views = get_views(ctx.state, r)
    fled = [view for view in views if willing and note_flight(ctx, view, member)]
    for view in views:
        deadlines.clear(ctx.state, make_key("dispute", view))
        if view.lead.shard:
            put_lead(ctx.state, r.study, begin_set(view, member, bool(fled)).lead)
    contributed = r.contribution_of(member) is not None
    r = replace(
        r,
        contributions=tuple(c for c in r.contributions if c.member != member),
        strikes=(*r.strikes, member) if willing else r.strikes,
        revision=r.revision + 1,
        reports=(),
    )
    if contributed:
        ctx.emit(events.Voided(r.study, r.number, member, r.revision))
    return begin_set(r, member, bool(fled))


def begin_set(r: Round, member: MemberId, flees: bool) -> Round:
    """Return the round with the leadership of a shard for a new set, without a member; one that
    flees a dispute leads no more."""
    if flees:
        r = r.with_lead(false_leaders=(*r.lead.false_leaders, member))
    since = r.lead.term + 1
    return r.with_lead(
        since_term=since, suspects=(), dispute=None, former_accounts=(), settled=None
    )


def note_flight(ctx: Context, r: Round, member: MemberId) -> bool:
    """Record that a leader has ended the dispute of its own merge; return whether this is so."""
    fled = r.lead.dispute
    if fled is None or fled.leader != member:
        return False
    ctx.emit(
        events.DisputeAbandoned(
            r.study, r.number, member, fled.by, fled.digest, fled.chunk, fled.claimed, r.lead.shard
        )
    )
    return True


def collect_again(ctx: Context, spec: Spec, study: Study, r: Round, gone: MemberId) -> None:
    """Go back to the phase before the merge, since too few are left without a member."""
    close_shards(ctx.state, r)
    deadlines.clear(ctx.state, f"term/{r.study}")
    if r.masks is not None:  # with new keys: an answer that was lost may be another one now
        ask_keys_again(ctx, r, without=[gone] if study.samples_of(gone) is None else [])
        return
    back = get_before(r, MERGING)
    if not set(study.ready) <= set(r.enrolled):  # newcomers are waited for, too
        r = reckon_with_all(spec, study, r)
    ready = {m for m in study.ready if m in r.enrolled}
    roster = tuple(sorted({*r.roster, *ready} - {gone}))
    later = tuple(m for m in study.ready if m not in ready)
    STUDY.put(ctx.state, r.study, record=replace(study, ready=later))
    r = replace(r, phase=back, grace="", roster=roster)
    put(ctx, r.with_lead(term=r.lead.term + 1))
    ctx.emit(events.CollectsAgain(r.study, r.number, roster))
    advance(ctx, r.study)


def end_reinstatement(ctx: Context, name: str) -> None:
    """Let suspended members join again: the round may need them, if they are honest and others
    never come. If it still collects, in a new revision: what was refused can be sent again."""
    r = ROUND.get(ctx.state, name)
    if r is None:
        return
    ctx.emit(events.Reinstated(name, r.number, tuple(sorted(r.suspended))))
    strikes = tuple(m for m in r.strikes if m not in r.suspended)
    is_fixed = is_led(r) or is_set_final(r)
    revision = r.revision if is_fixed else r.revision + 1
    put(ctx, replace(r, strikes=strikes, revision=revision))
