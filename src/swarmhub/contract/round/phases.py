"""The walk of a round: phases, the set of contributions, the line of leaders (table: `kinds`)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from swarmhub.contract import deadlines, events
from swarmhub.contract.context import Context
from swarmhub.contract.records import (
    RESULT,
    ROUND,
    SPEC,
    STUDY,
    Position,
    Round,
    Spec,
    Study,
)
from swarmhub.contract.round.contributions import (
    compute_grace_ms,
    leave_odd_ones_out,
    note_settled,
)
from swarmhub.contract.round.election import get_candidates, get_leader
from swarmhub.contract.round.endings import clear_deadlines, end_study, put
from swarmhub.contract.round.kinds import (
    COLLECTING,
    CONFIRMING,
    DEALING,
    KEYING,
    KINDS,
    MERGING,
    OPEN,
    SETTLED,
    UNMASKING,
    get_after,
    has_free_layout,
    is_led,
    is_set_final,
)
from swarmhub.contract.round.masks import (
    compute_capacity,
    compute_threshold,
    forget_dealings,
    has_keys,
    make_masks,
)
from swarmhub.contract.round.minimum import is_enough, reckon_with_all
from swarmhub.contract.round.scores import take_scores
from swarmhub.contract.round.shards import (
    close_shards,
    compute_most,
    count_shards,
    find_due,
    get_views,
    make_key,
    open_shards,
)
from swarmhub.contract.round.wire import get_wire
from swarmhub.contract.stages import compute_next, get_position, get_stages
from swarmhub.contract.study.start_model import begins_with_model, take_start
from swarmhub.types import Digest, MemberId

MAX_DOUBLINGS = 8  # a leader's time doubles each full cycle of leaders, at most so often
MAX_TERM_MS = 30 * 86_400_000


def open_next(ctx: Context, r: Round, last: Iterable[MemberId], is_met: bool = False) -> None:
    """Open the round after a settled one, or end the study. `is_met`: the test of its stage holds,
    or the stage is over for another reason."""
    forget_dealings(ctx.state, r)
    go_on(ctx, r.study, get_position(r), last, is_met)


def go_on(
    ctx: Context, name: str, at: Position, last: Iterable[MemberId], is_met: bool = False
) -> None:
    """Open the round after the one at a position, or end the study."""
    following = compute_next(SPEC.need(ctx.state, name), at, is_met)
    if following is None:
        end_study(ctx, name, "finished")
    else:
        open_round(ctx, name, following, last)


def open_round(ctx: Context, name: str, at: Position, last: Iterable[MemberId]) -> None:
    """Open a round; its roster has the last round's candidates and all that were ready since, of
    those that its stage takes. Others that were ready stay so for a later stage."""
    study, spec = STUDY.need(ctx.state, name), SPEC.need(ctx.state, name)
    clear_deadlines(ctx, name)
    stage = get_stages(spec)[at.stage]
    if begins_with_model(study, spec, stage):
        take_start(ctx, study, spec, at)
        go_on(ctx, name, at, last)
        return
    kind = KINDS[stage.kind]
    enrolled = {e.member for e in study.enrolled}
    if kind.waits_for_all:
        last = enrolled  # preprocessing should know everyone's data: wait for all, within the grace
    coming = enrolled & {*last, *study.ready}
    roster = tuple(sorted(m for m in coming if stage.takes(m)))
    STUDY.put(ctx.state, name, record=replace(study, ready=tuple(sorted(coming - {*roster}))))
    r = Round(name, at.number, kind.name, kind.phases[0], roster, get_base(ctx, study, spec, at),
              at.stage, at.turn, ctx.env.time_ms, revision=at.revision)  # fmt: skip
    r = replace(r, masks=make_masks(spec, stage, at.revision), wire=get_wire(spec, stage))
    r = r.with_lead(term=at.term, since_term=at.term)
    r = reckon_with_all(spec, study, r)
    put(ctx, replace(r, shards=compute_most(study, spec, stage, len(r.enrolled))))
    opened = events.RoundOpened(name, at.number, kind.name, stage.name, roster, at.turn)
    ctx.emit(opened)
    advance(ctx, name)


def get_base(ctx: Context, study: Study, spec: Spec, at: Position) -> Digest:
    """Return what a round starts from: the model, or the last result of a stage that repeats."""
    stage = get_stages(spec)[at.stage]
    if at.turn > 1 and not KINDS[stage.kind].makes_model:
        return RESULT.need(ctx.state, study.name, stage.name).digest
    return study.current.digest if study.current else ""


def advance(ctx: Context, name: str) -> None:
    """Advance the round as far as its contributions allow."""
    spec, r = SPEC.need(ctx.state, name), ROUND.need(ctx.state, name)
    if r.phase == OPEN and is_enough(spec, r, r.roster):
        r = enter(ctx, r, get_after(r, OPEN))
    if r.phase == KEYING:
        r = advance_keys(ctx, spec, r)
    if r.phase == DEALING:
        r = advance_dealing(ctx, spec, r)
    if r.phase != COLLECTING or not is_enough(spec, r, r.contributors):
        return
    if set(r.contributors) >= set(r.roster) or r.grace == "over":
        if r.masks and len(r.contributions) < r.masks.threshold:
            ask_keys_again(ctx, r)  # fewer keys have a lower threshold
        else:
            close(ctx, spec, r)
    elif not r.grace:
        put(ctx, replace(r, grace="running"))
        grace_ms = compute_grace_ms(STUDY.need(ctx.state, name), spec, r, ctx.env.time_ms)
        deadlines.mark(ctx.state, f"grace/{name}", grace_ms)


def advance_keys(ctx: Context, spec: Spec, r: Round) -> Round:
    """Begin the dealing once the roster has sent its keys, or enough of it have and their time is
    over. A late member holds no share, and takes part in a later round."""
    keyed = tuple(m for m in r.roster if has_keys(ctx, r, m))
    if not is_enough(spec, r, keyed):
        return r
    if set(keyed) != set(r.roster) and r.grace != "over":
        if not r.grace:
            r = replace(r, grace="running")
            put(ctx, r)
            deadlines.mark(ctx.state, f"keying/{r.study}", spec.leader_timeout_ms)
        return r
    deadlines.clear(ctx.state, f"keying/{r.study}")
    deadlines.mark(ctx.state, f"keying/{r.study}", spec.leader_timeout_ms)
    threshold = compute_threshold(len(keyed), spec.privacy.colluders)
    r = replace(r, roster=keyed, grace="").with_masks(keyed=keyed, threshold=threshold)
    return enter(ctx, r, DEALING)


def advance_dealing(ctx: Context, spec: Spec, r: Round) -> Round:
    """Begin to collect once all with keys have dealt, or enough have and their time is over."""
    masks = r.need_masks()
    enough = is_enough(spec, r, masks.dealt) and len(masks.dealt) >= masks.threshold
    if not enough or (set(masks.dealt) != set(masks.keyed) and r.grace != "over"):
        return r
    deadlines.clear(ctx.state, f"keying/{r.study}")
    capacity = compute_capacity(STUDY.need(ctx.state, r.study), masks.dealt)
    r = replace(r, roster=masks.dealt, grace="").with_masks(capacity=capacity)
    return enter(ctx, r, COLLECTING)


def end_keying(ctx: Context, name: str) -> None:
    """End the time for keys or dealings: go on with those that have come, once they are enough."""
    r = ROUND.get(ctx.state, name)
    if r is not None and r.phase in (KEYING, DEALING):
        put(ctx, replace(r, grace="over"))
        advance(ctx, name)


def start_unmasking(ctx: Context, r: Round) -> None:
    """Make the set final, since its masked sum is settled: shares that open it may be shown."""
    enter(ctx, end_merging(ctx, r), UNMASKING)


def start_confirming(ctx: Context, r: Round) -> None:
    """Have a leader confirm the model that every node can compute now."""
    enter(ctx, end_merging(ctx, r) if r.phase == MERGING else r, CONFIRMING)


def end_merging(ctx: Context, r: Round) -> Round:
    """Return the round in a new revision, in which what was merged is not the model yet: the set
    is final."""
    close_shards(ctx.state, r)
    deadlines.clear(ctx.state, f"term/{r.study}")
    r = replace(r, revision=r.revision + 1, reports=())
    return r.with_lead(suspects=(), former_accounts=(), settled=None)


def close(ctx: Context, spec: Spec, r: Round) -> None:
    """Close the collection: merge the contributions of one layout, if these are enough; the others
    are left out. If they are not enough, the round goes on to collect."""
    deadlines.clear(ctx.state, f"grace/{r.study}")
    if has_free_layout(r):
        r = leave_odd_ones_out(ctx, r)
    least = r.masks.threshold if r.masks else 0
    if not is_enough(spec, r, r.contributors) or len(r.contributions) < least:
        put(ctx, replace(r, grace=""))
        return
    gone = {o.member for o in r.left_out} - set(r.contributors)
    r = replace(r, roster=tuple(m for m in r.roster if m not in gone))
    phase = get_after(r, COLLECTING)
    if phase == MERGING and not any(c.digest for c in r.contributions):
        phase = SETTLED  # metrics only: nothing to merge
    enter(ctx, r, phase)


def enter(ctx: Context, r: Round, phase: str) -> Round:
    """Enter a phase and start its timers."""
    r = replace(r, phase=phase).with_lead(since_term=r.lead.term)
    if phase == COLLECTING and not r.began_ms:
        r = replace(r, began_ms=ctx.env.time_ms)
    if phase == SETTLED:  # an evaluation without counts: its metrics are its result
        study, spec = STUDY.need(ctx.state, r.study), SPEC.need(ctx.state, r.study)
        study = note_settled(ctx, take_scores(ctx, study, spec, r), r)
        STUDY.put(ctx.state, r.study, record=study)
        open_next(ctx, r, r.contributors)
        return r
    before, r = r, pass_over_false_leaders(r)
    put(ctx, r)
    if is_led(r):
        open_shards(ctx.state, before)
        for view in get_views(ctx.state, r):
            begin_leading(ctx, pass_over_false_leaders(view))
    return r


def begin_leading(ctx: Context, r: Round) -> None:
    """Begin the first term of a shard."""
    put(ctx, r)
    mark_term(ctx, r)
    at = (r.study, r.number, r.revision, r.lead.term, get_leader(r), tuple(get_candidates(r)))
    if r.phase == MERGING:
        ctx.emit(events.MergeStarted(*at, r.lead.shard))
    else:
        ctx.emit(events.ConfirmStarted(*at))


def next_term(ctx: Context, name: str, shard: int = 0) -> None:
    """Pass the lead of a shard to the next in line; contributions stay."""
    r = ROUND.of_shard(ctx.state, name, shard)
    if not is_led(r) or r.lead.settled is not None:
        return
    before = get_leader(r)
    r = pass_over_false_leaders(r.with_lead(term=r.lead.term + 1, suspects=()))
    put(ctx, r)
    mark_term(ctx, r)
    ctx.emit(events.TookOver(name, r.number, r.lead.term, get_leader(r), before, shard))


def pass_over_false_leaders(r: Round) -> Round:
    """Pass over leaders with a merge that was found false in this round."""
    for _ in get_candidates(r):
        if get_leader(r) in r.lead.false_leaders:
            r = r.with_lead(term=r.lead.term + 1)
    return r


def end_term(ctx: Context, key: str) -> None:
    """End a leader's term when its time is over (if the round is still open and merging)."""
    r = find_due(ctx.state, key)
    if r is not None:
        next_term(ctx, r.study, r.lead.shard)


def mark_term(ctx: Context, r: Round) -> None:
    """Set a leader's time: a base, and the time for the bytes that it has to move; doubled after
    each full cycle of leaders of this revision."""
    spec = SPEC.need(ctx.state, r.study)
    n = max(1, len(get_candidates(r)))
    nbytes = sum(c.nbytes for c in r.contributions) // count_shards(r)
    time_ms = spec.leader_timeout_ms + 2 * nbytes * 1000 // spec.transfer_bytes_per_s
    cycles = (r.lead.term - r.lead.since_term) // n
    time_ms = min(time_ms << min(cycles, MAX_DOUBLINGS), MAX_TERM_MS)
    deadlines.mark(ctx.state, make_key("term", r), time_ms)


def end_grace(ctx: Context, name: str) -> None:
    """End the grace of a collecting round."""
    r = ROUND.get(ctx.state, name)
    if r is not None and r.phase == COLLECTING:
        put(ctx, replace(r, grace="over"))
        advance(ctx, name)


def ask_keys_again(ctx: Context, r: Round, without: Collection[MemberId] = ()) -> None:
    """Begin a masked round again with new keys: contributions are void, and masked anew from the
    answers of the same trainers. Only as long as the set is not final: no share is shown."""
    if is_set_final(r):
        raise ValueError(f"round {r.number} of '{r.study}' has a final set")
    forget_dealings(ctx.state, r)
    spec, study = SPEC.need(ctx.state, r.study), STUDY.need(ctx.state, r.study)
    close_shards(ctx.state, r)
    clear_deadlines(ctx, r.study)
    r = reckon_with_all(spec, study, r)
    coming = {*r.roster, *r.need_masks().keyed, *study.ready} & set(r.enrolled)
    roster = tuple(sorted(coming - set(without) - r.suspended))  # keys of these would be refused
    later = tuple(m for m in study.ready if m not in roster and m not in r.suspended)
    STUDY.put(ctx.state, r.study, record=replace(study, ready=later))
    revision = r.revision + 1
    r = replace(
        r, phase=OPEN, roster=roster, revision=revision, contributions=(), reports=(), grace="",
        masks=make_masks(spec, get_stages(spec)[r.stage], revision),
    )  # fmt: skip
    term = r.lead.term + 1
    put(ctx, r.with_lead(term=term, since_term=term, suspects=(), dispute=None, former_accounts=(),
                         settled=None))  # fmt: skip
    ctx.emit(events.KeysAskedAgain(r.study, r.number, revision, roster))
    mark_reinstatement(ctx, r.study)
    advance(ctx, r.study)


def mark_reinstatement(ctx: Context, name: str) -> None:
    """Make suspended members wait for a leader's time, in which they cannot disturb the others.
    Nothing restarts that time: a Byzantine member that could do so would delay an honest member for
    ever."""
    r, key = ROUND.get(ctx.state, name), f"reinstatement/{name}"
    if r is not None and r.suspended and not deadlines.is_marked(ctx.state, key):
        deadlines.mark(ctx.state, key, SPEC.need(ctx.state, name).leader_timeout_ms)
