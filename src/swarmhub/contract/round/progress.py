"""Acts of members in a round, one function for each transaction. The phases are in `phases`."""

from __future__ import annotations

from dataclasses import replace

from swarmhub import codec
from swarmhub.contract import deadlines, events
from swarmhub.contract.consortium.thresholds import compute_unavailable, compute_witnesses
from swarmhub.contract.context import Context
from swarmhub.contract.records import (
    RESULT,
    ROUND,
    SPEC,
    STUDY,
    Change,
    Contribution,
    MaskedSum,
    Model,
    Report,
    Result,
    Round,
    SettledShard,
    Share,
    Spec,
    Study,
)
from swarmhub.contract.refusals import (
    AlreadyDone,
    BadValue,
    Disputed,
    NotAllowed,
    UnknownThing,
)
from swarmhub.contract.round.budget import need_budget, spend, spend_all
from swarmhub.contract.round.checks import (
    add_report,
    check_contribution,
    check_merged,
    check_receipts,
    check_root,
    need_candidate,
    need_current_round,
    need_few_strikes,
    need_led_round,
    need_open_round,
)
from swarmhub.contract.round.contributions import note_settled
from swarmhub.contract.round.drops import drop_member, exclude
from swarmhub.contract.round.election import get_candidates, get_expected, get_leader
from swarmhub.contract.round.endings import put, suspend
from swarmhub.contract.round.kinds import (
    COLLECTING,
    DEALING,
    KINDS,
    MERGING,
    TRAIN,
    is_set_final,
    takes_members,
)
from swarmhub.contract.round.masking import take_keys
from swarmhub.contract.round.minimum import is_enough, take_in
from swarmhub.contract.round.phases import (
    advance,
    ask_keys_again,
    mark_term,
    next_term,
    open_next,
    start_confirming,
    start_unmasking,
)
from swarmhub.contract.round.scores import take_scores
from swarmhub.contract.round.shards import (
    close_shards,
    count_shards,
    get_settled,
    join_settled,
    make_key,
)
from swarmhub.contract.round.wire import check_model, make_change
from swarmhub.contract.stages import get_stage
from swarmhub.contract.transactions import (
    Contribute,
    Invalid,
    Poke,
    Ready,
    Retract,
    Settle,
    Suspect,
    Unavailable,
)
from swarmhub.types import MemberId


def ready(ctx: Context, tx: Ready) -> None:
    """Add an enrolled member to the open roster, or to the next one if contributions are fixed."""
    member = ctx.need_member()
    study, spec, r = need_open_round(ctx, tx.study)
    if study.samples_of(member.id) is None:
        raise NotAllowed("an enrolled member", "be ready")
    need_budget(ctx.state, spec, member.id)
    if member.id in get_expected(r) or member.id in study.ready:
        raise AlreadyDone(f"member {member.id} is ready")
    take_keys(ctx, spec, r, member, tx.keys)
    joined = take_in(spec, study, r, member.id)
    if joined is None or not takes_members(r):
        begins_again = r.masks is not None and is_waiting_for_more(spec, r)
        if begins_again:
            need_few_strikes(r, member)
        ctx.emit(events.BecameReady(tx.study, r.number + 1, member.id))
        STUDY.put(ctx.state, tx.study, record=replace(study, ready=(*study.ready, member.id)))
        if begins_again:  # not again and again: it may never send keys
            ask_keys_again(ctx, replace(r, strikes=(*r.strikes, member.id)))
        return
    need_few_strikes(r, member)
    ctx.emit(events.BecameReady(tx.study, r.number, member.id))
    r = replace(joined, roster=tuple(sorted((*r.roster, member.id))))
    if r.phase == MERGING:  # candidates of the initial round are its roster: another set
        r = replace(r, revision=r.revision + 1).with_lead(since_term=r.lead.term, suspects=())
        put(ctx, r)
        mark_term(ctx, r)
    else:
        put(ctx, r)
        advance(ctx, tx.study)


def is_waiting_for_more(spec: Spec, r: Round) -> bool:
    """Return whether a masked round has dealt its secrets, and too few have contributed: then it
    begins again with all that come, or it might wait for one that is gone beside one that is
    there."""
    return (
        r.phase in (DEALING, COLLECTING) and not r.grace and not is_enough(spec, r, r.contributors)
    )


def contribute(ctx: Context, tx: Contribute) -> None:
    """Store a member's parameters for this round: the first ones count, from the current model
    only."""
    member = ctx.need_member()
    study, spec, r = need_current_round(ctx, tx.ref, tx.KIND)
    if r.contribution_of(member.id):
        raise AlreadyDone(f"member {member.id} has contributed to round {r.number}")
    need_few_strikes(r, member)
    joined = take_in(spec, study, r, member.id)
    if joined is None or (r.masks and member.id not in r.masks.dealt):
        raise NotAllowed("a member that was enrolled when the round opened",
                         f"contribute to round {r.number}; the next one takes you in")  # fmt: skip
    check_contribution(study, spec, r, member.id, tx)
    take_keys(ctx, spec, r, member, tx.keys)
    if r.masks:
        need_budget(ctx.state, spec, member.id)  # it is spent when the sum is opened
    else:
        spend(ctx, r, member.id, tx.digest)
    took_ms = 0 if r.revision else ctx.env.time_ms - r.began_ms
    entry = Contribution(
        member.id, tx.digest, tx.nbytes, tx.layout, tx.weight, tx.evaluations, tx.parts, took_ms
    )
    contributions = tuple(sorted((*r.contributions, entry), key=lambda c: c.member))
    roster = tuple(sorted({*r.roster, member.id}))
    put(ctx, replace(joined, contributions=contributions, roster=roster))
    ctx.emit(events.Contributed(r.study, r.number, member.id, tx.weight))
    advance(ctx, r.study)


def retract(ctx: Context, tx: Retract) -> None:
    """Remove the signer's own contribution while the round is unsettled."""
    member = ctx.need_member()
    _, _, r = need_current_round(ctx, tx.ref, tx.KIND)
    if not r.contribution_of(member.id):
        raise UnknownThing("contribution of member", member.id)
    drop_member(ctx, r.study, member.id, willing=True)


def suspect(ctx: Context, tx: Suspect) -> None:
    """End a term at once if f + 1 candidates report that its leader does not answer."""
    member = ctx.need_member()
    _, _, r = need_current_round(ctx, tx.ref, tx.KIND)
    need_candidate(r, member)
    if member.id in r.lead.suspects:
        raise AlreadyDone(f"member {member.id} suspects the leader of term {r.lead.term}")
    r = r.with_lead(suspects=(*r.lead.suspects, member.id))
    put(ctx, r)
    ctx.emit(events.Suspected(r.study, r.number, r.lead.term, member.id, r.lead.shard))
    if len(r.lead.suspects) >= compute_witnesses(len(r.enrolled), len(get_candidates(r))):
        next_term(ctx, r.study, r.lead.shard)


def unavailable(ctx: Context, tx: Unavailable) -> None:
    """Record that the leader cannot get a contribution. Its term ends; enough such reports exclude
    it."""
    member = ctx.need_member()
    _, _, r = need_current_round(ctx, tx.ref, tx.KIND)
    if member.id != get_leader(r):
        raise NotAllowed("the leader of the term", "report a contribution as unavailable")
    report = Report("unavailable", member.id, tx.member)
    if count_shards(r) == 1 or report not in r.reports:  # it may lead another shard in vain, too
        add_report(ctx, r, report)
    r = ROUND.of_shard(ctx.state, r.study, r.lead.shard)
    reporters = {p.reporter for p in r.reports if (p.kind, p.member) == ("unavailable", tx.member)}
    if len(reporters) >= compute_unavailable(len(r.enrolled), len(r.contributions)):
        exclude(ctx, r.study, tx.member, "unavailable")
    else:
        next_term(ctx, r.study, r.lead.shard)


def invalid(ctx: Context, tx: Invalid) -> None:
    """Exclude a contribution that f + 1 contributors have checked and found unmergeable."""
    member = ctx.need_member()
    _, _, r = need_current_round(ctx, tx.ref, tx.KIND)
    need_candidate(r, member)
    add_report(ctx, r, Report("invalid", member.id, tx.member))
    r = ROUND.need(ctx.state, r.study)
    reporters = {p.reporter for p in r.reports if (p.kind, p.member) == ("invalid", tx.member)}
    if len(reporters) >= compute_witnesses(len(r.enrolled), len(r.contributions)):
        exclude(ctx, r.study, tx.member, "invalid")


def settle(ctx: Context, tx: Settle) -> None:
    """Settle the merged model that enough others hold, by a leader of this revision."""
    member = ctx.need_member()
    study, spec, r = need_led_round(ctx, tx.ref, tx.KIND)
    if member.id != get_leader(r, tx.ref.term):
        raise NotAllowed(f"the leader of term {tx.ref.term}", "settle it")
    if member.id in r.lead.false_leaders:
        raise NotAllowed("a leader whose merge was not found false in this round", "settle it")
    if r.lead.dispute is not None:  # of another merge, too: that one may be true
        raise Disputed(r.lead.dispute.digest, r.lead.dispute.by)
    check_merged(study, spec, r, tx)
    is_masked_sum = r.is_masked and r.phase == MERGING
    if tx.met and (get_stage(spec, r).until is None or is_masked_sum):
        raise BadValue("met", "false: there is no test of this", tx.met)
    check_model(r, tx)
    check_root(r, tx)
    check_receipts(ctx, r, tx, member)
    if count_shards(r) > 1:
        settle_shard(ctx, study, spec, r, tx)
    elif is_masked_sum:
        settle_sum(ctx, r, make_sum(r, tx, member.id))
    else:
        settle_model(ctx, study, spec, r, make_model(study, spec, r, tx, member.id))


def settle_shard(ctx: Context, study: Study, spec: Spec, r: Round, tx: Settle) -> None:
    """Settle one shard; with the last one, what the round has merged."""
    leader, receipts = ctx.need_member().id, tuple(p.member for p in tx.receipts)
    done = SettledShard(tx.root, leader, tx.ref.term, receipts)
    put(ctx, r.with_lead(settled=done, suspects=()))
    deadlines.clear(ctx.state, make_key("term", r))
    ctx.emit(events.ShardSettled(r.study, r.number, r.lead.shard, tx.digest, leader, tx.ref.term))
    shards = get_settled(ctx.state, r)
    if shards is None:
        return
    r = ROUND.need(ctx.state, r.study)
    form, digest = r.contributions[0], join_settled(r, shards)
    whole = replace(tx, digest=digest, nbytes=form.nbytes, layout=form.layout)
    if r.masks is not None:
        settle_sum(ctx, r, replace(make_sum(r, whole, leader), shards=shards))
    elif r.wire:
        change = Change(r.wire, digest, form.nbytes, form.layout, shards)
        start_confirming(ctx, replace(r, change=change))
    else:
        model = replace(make_model(study, spec, r, whole, leader), shards=shards)
        close_shards(ctx.state, r)
        settle_model(ctx, study, spec, r, model)


def settle_model(ctx: Context, study: Study, spec: Spec, r: Round, model: Model) -> None:
    """Settle what a round was held for, and open the next one."""
    candidates, is_final = get_candidates(r), is_set_final(r)
    study = note_settled(ctx, take_scores(ctx, study, spec, r), r)
    lineage = codec.digest(b"swarmhub/lineage/1", study.lineage.encode(), codec.pack(model))
    study = replace(study, lineage=lineage)
    if not KINDS[r.kind].makes_model:
        RESULT.put(ctx.state, r.study, model.stage, record=make_result(spec, r, model))
    elif r.kind == TRAIN:
        study = replace(study, current=model)
    else:  # a new start: scores of models before it do not count
        study = replace(study, current=model, best=None, best_score=None, scorers=())
    STUDY.put(ctx.state, r.study, record=study)
    ctx.emit(events.Settled(model, lineage))
    open_next(ctx, r, candidates, is_over(r, model))
    if is_final:
        suspend_without_required(ctx, r.study)


def settle_sum(ctx: Context, r: Round, total: MaskedSum) -> None:
    """Settle the sum of masked contributions: the set is final, and shares may open it."""
    found = (total.digest, total.leader, r.contributors, total.receipts)
    ctx.emit(events.SumSettled(r.study, r.number, *found))
    spend_all(ctx, r, r.contributors)
    start_unmasking(ctx, r.with_masks(total=total))


def make_sum(r: Round, tx: Settle, leader: MemberId) -> MaskedSum:
    """Return the record of a settled sum."""
    receipts = tuple(p.member for p in tx.receipts)
    return MaskedSum(tx.digest, tx.nbytes, tx.layout, leader, receipts)


def suspend_without_required(ctx: Context, name: str) -> None:
    """Suspend a study if a required member has left while the set of its round was final."""
    study = STUDY.need(ctx.state, name)
    gone = [m for m in SPEC.need(ctx.state, name).required if study.samples_of(m) is None]
    if gone and ROUND.get(ctx.state, name):
        suspend(ctx, name)
        ctx.emit(events.StudySuspended(name, gone[0]))


def make_model(study: Study, spec: Spec, r: Round, tx: Settle, leader: MemberId) -> Model:
    """Return the record of what a round has settled."""
    stage, form = get_stage(spec, r), study.current if r.wire else None
    return Model(
        study=r.study,
        number=r.number,
        kind=r.kind,
        digest=tx.model or tx.digest,
        nbytes=form.nbytes if form else tx.nbytes,
        layout=form.layout if form else tx.layout,
        base=r.base,
        spec=study.spec,
        rule=stage.rule.name if r.kind == TRAIN else "",
        leader=leader,
        term=tx.ref.term,
        revision=r.revision,
        shares=tuple(Share(c.member, c.weight, c.digest) for c in r.contributions),
        receipts=tuple(p.member for p in tx.receipts),
        stage=stage.name,
        turn=r.turn,
        met=tx.met,
        change=make_change(r, tx),
    )


def make_result(spec: Spec, r: Round, model: Model) -> Result:
    """Return the result of a stage: the settled record without what its event tells."""
    is_last = is_over(r, model) or r.turn == get_stage(spec, r).max_rounds
    return Result(model.number, model.turn, model.digest, model.nbytes, model.layout, model.leader,
                  is_last, model.met)  # fmt: skip


def is_over(r: Round, settled: Model) -> bool:
    """Return whether a stage is over with what this round settles: its test holds; or a masked sum
    is what the round started from. Another round would add the same arrays again, and a sum of
    them over another set would tell the part of one member."""
    return settled.met or (r.is_masked and settled.digest == r.base)


def poke(ctx: Context, tx: Poke) -> None:
    """Do nothing: at the beginning of the transaction's block, due deadlines have fired."""
    ctx.need_member()
    if ROUND.get(ctx.state, tx.study) is None:
        raise UnknownThing("running study", tx.study)
