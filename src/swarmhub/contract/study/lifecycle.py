"""Rules of a study's life: proposal, approval, enrolment, start, end, release.

proposed -> running -> finished (or expired); a running study may be suspended for a while. Every
member approves or refuses the exact spec for its own hospital; only members that approved can
enrol, and only enrolled ones take part.
"""

from __future__ import annotations

from dataclasses import replace

from swarmhub import codec
from swarmhub.contract import deadlines, events, quotas
from swarmhub.contract.consortium.motions import cast, get_motions, open_motion
from swarmhub.contract.consortium.thresholds import compute_min_peers
from swarmhub.contract.context import Context
from swarmhub.contract.names import (
    METRIC_NAME,
    STUDY_NAME,
    check_reason,
    is_metric_name,
    is_study_name,
)
from swarmhub.contract.records import (
    CHAIN,
    ROUND,
    SPEC,
    STUDY,
    Enrolment,
    Member,
    Motion,
    Paused,
    Position,
    Spec,
    Study,
)
from swarmhub.contract.refusals import AlreadyDone, BadValue, Expired, NotAllowed, UnknownThing
from swarmhub.contract.round import drops, endings, phases
from swarmhub.contract.round.checks import MAX_SAMPLES
from swarmhub.contract.round.kinds import is_set_final
from swarmhub.contract.round.shards import check_shards
from swarmhub.contract.round.wire import check_wire
from swarmhub.contract.stages import check_members, check_stages, get_stages
from swarmhub.contract.study.approvals import (
    add_approval,
    check_expiry,
    drop_approval,
    find_lapsed,
    mark_lapse,
)
from swarmhub.contract.study.privacy import check_privacy, check_room, check_same_budget
from swarmhub.contract.study.start_model import check_start
from swarmhub.contract.transactions import (
    Amend,
    Approve,
    Enrol,
    Finish,
    Pause,
    Propose,
    Refuse,
    Release,
    Start,
    Withdraw,
)
from swarmhub.types import MemberId

MAX_RELEASED = 32
MAX_SPEC_BYTES = 16 * 1024


def compute_spec_digest(spec: Spec) -> str:
    """Return the digest of the exact terms that members approve."""
    return codec.digest(b"swarmhub/spec/1", codec.pack(spec))


def propose(ctx: Context, tx: Propose) -> None:
    """Store a study; proposing it approves it for the signer's own hospital."""
    proposer = ctx.need_member()
    spec = tx.spec
    check_spec(ctx, spec)
    if STUDY.get(ctx.state, spec.name):
        raise AlreadyDone(f"a study is named {spec.name!r}; choose another name")
    digest = compute_spec_digest(spec)
    study = add_approval(ctx, Study(spec.name, digest, proposer.id), spec, proposer.id)
    quotas.need_proposal(ctx.state, spec, study)
    quotas.hold(ctx.state, proposer.id, "proposals", spec.name)
    STUDY.put(ctx.state, spec.name, record=study)
    deadlines.mark(ctx.state, f"proposal/{spec.name}", ctx.chain.vote_period_ms)
    SPEC.put(ctx.state, spec.name, record=spec)
    if spec.expires_ms:
        deadlines.mark_at(ctx.state, f"expiry/{spec.name}", spec.expires_ms)
    mark_lapse(ctx, study)
    ctx.emit(events.StudyProposed(spec.name, digest, proposer.id))


def check_spec(ctx: Context, spec: Spec, resumes: Position | None = None) -> None:
    """Refuse terms that could never run (from the round `resumes` on, of a suspended study)."""
    size = len(codec.pack(spec))
    if size > MAX_SPEC_BYTES:
        raise BadValue("spec", f"at most {MAX_SPEC_BYTES} bytes in all", size)
    if not is_study_name(spec.name):
        raise BadValue("name", STUDY_NAME, spec.name)
    bounds = (
        ("min_peers", 1, 1000),
        ("quorum_grace_ms", 0, 7 * 86_400_000),
        ("leader_timeout_ms", 100, 86_400_000),
        ("transfer_bytes_per_s", 1000, 1 << 40),
        ("max_bytes", 1, 1 << 40),
        ("seed", 0, 1 << 32),
    )
    for field, low, high in bounds:
        if not low <= getattr(spec, field) <= high:
            raise BadValue(field, f"{low} to {high}", getattr(spec, field))
    members = len(ctx.chain.active)
    if spec.min_peers > members:
        raise BadValue("min_peers", f"at most the {members} members there are", spec.min_peers)
    check_expiry(spec)
    check_start(ctx, spec)
    check_stages(ctx, spec, resumes.stage if resumes else 0)
    check_privacy(ctx, spec)
    check_wire(spec)
    check_shards(spec)
    check_members(ctx, "required", spec.required)
    if not is_metric_name(spec.metric.name):
        raise BadValue("metric.name", METRIC_NAME, spec.metric.name)
    if spec.expires_ms and spec.expires_ms <= ctx.env.time_ms:
        raise BadValue("expires_ms", "a time to come", spec.expires_ms)
    for field in ("layout", "code", "ethics"):
        if getattr(spec, field) and not codec.is_digest(getattr(spec, field)):
            raise BadValue(field, "a sha256 digest of 64 hex digits", getattr(spec, field))


def amend(ctx: Context, tx: Amend) -> None:
    """Replace the terms of a study that does not run, for its proposer (if it is gone, for any
    enrolled member). Every member approves the new terms anew; rounds that are settled stay."""
    member = ctx.need_member()
    spec = tx.spec
    study = need_study(ctx, spec.name)
    if study.status not in ("proposed", "suspended"):
        raise NotAllowed("members of a study that is proposed or suspended",
                         f"amend it; '{spec.name}' is {study.status}")  # fmt: skip
    need_steward(ctx, study, member, "amend the terms")
    check_spec(ctx, spec, study.resumes)
    check_passed_stages(ctx, study, spec)
    digest = compute_spec_digest(spec)
    if digest == study.spec:
        raise AlreadyDone("these are the study's terms")
    quotas.need_amendment(ctx.state, study, spec)
    study = replace(study, spec=digest, approved=(), approved_ms=(), refused=())
    study = add_approval(ctx, study, spec, member.id)
    STUDY.put(ctx.state, spec.name, record=study)
    SPEC.put(ctx.state, spec.name, record=spec)
    deadlines.clear(ctx.state, f"expiry/{spec.name}")
    if spec.expires_ms:
        deadlines.mark_at(ctx.state, f"expiry/{spec.name}", spec.expires_ms)
    mark_lapse(ctx, study)
    ctx.emit(events.StudyAmended(spec.name, digest, member.id))


def check_passed_stages(ctx: Context, study: Study, spec: Spec) -> None:
    """Refuse new terms that change what a suspended study has computed: the stages that are over,
    and name and kind of the one that goes on."""
    at = study.resumes
    if at is None:
        return
    check_same_budget(SPEC.need(ctx.state, study.name), spec)
    if study.current is not None and spec.start_from != SPEC.need(ctx.state, study.name).start_from:
        raise BadValue("start_from", "unchanged: the study has its model", spec.start_from)
    old, new = get_stages(SPEC.need(ctx.state, study.name)), get_stages(spec)
    if new[: at.stage] != old[: at.stage]:
        raise BadValue("stages", "the stages that are over, unchanged", [s.name for s in new])
    now, goes_on = old[at.stage], new[at.stage] if at.stage < len(new) else None
    if goes_on is None or (goes_on.name, goes_on.kind) != (now.name, now.kind):
        raise BadValue("stages", f"'{now.name}' next, of kind {now.kind}", [s.name for s in new])
    if goes_on.max_rounds < at.turn:
        raise BadValue("max_rounds", f"at least {at.turn} in '{now.name}'", goes_on.max_rounds)


def need_steward(ctx: Context, study: Study, member: Member, act: str) -> None:
    """Refuse all but the study's proposer; if it is gone, all but enrolled members."""
    proposer_active = study.proposer in ctx.chain.active
    if member.id != study.proposer and (proposer_active or not _is_enrolled(study, member)):
        raise NotAllowed("the proposer (once it is gone: an enrolled member)", act)


def need_study(ctx: Context, name: str, spec: str | None = None) -> Study:
    """Return the study; if `spec` is given it must be the digest of its terms."""
    study = STUDY.get(ctx.state, name)
    if study is None:
        raise UnknownThing("study", name)
    if spec is not None and spec != study.spec:
        raise BadValue("spec", f"the digest of this study's terms, {study.spec[:16]}…", spec)
    return study


def need_live_study(ctx: Context, name: str, spec: str | None = None) -> Study:
    """Return a study that is not over."""
    study = need_study(ctx, name, spec)
    if study.is_over:
        raise NotAllowed("members of a live study", f"do this; '{name}' is {study.status}")
    terms = SPEC.need(ctx.state, name)
    if terms.expires_ms and ctx.env.time_ms >= terms.expires_ms:
        raise Expired(f"The study '{name}'", terms.expires_ms, ctx.env.time_ms)
    return study


def approve(ctx: Context, tx: Approve) -> None:
    """Record that the signer's hospital allows exactly these terms to run there; where approvals
    lapse, this renews its own."""
    member = ctx.need_member()
    study = need_live_study(ctx, tx.study, tx.spec)
    spec = SPEC.need(ctx.state, tx.study)
    if member.id in study.approved and not spec.approvals_expire_ms:
        raise AlreadyDone(f"member {member.id} has approved '{tx.study}'")
    refused = tuple(m for m in study.refused if m != member.id)
    study = add_approval(ctx, replace(study, refused=refused), spec, member.id)
    STUDY.put(ctx.state, tx.study, record=study)
    mark_lapse(ctx, study)
    ctx.emit(events.StudyApproved(tx.study, member.id))


def refuse(ctx: Context, tx: Refuse) -> None:
    """Record that the signer's hospital does not allow these terms (any more); it also
    withdraws."""
    member = ctx.need_member()
    study = need_live_study(ctx, tx.study, tx.spec)
    if member.id in study.refused:
        raise AlreadyDone(f"member {member.id} has refused '{tx.study}'")
    check_reason(tx.reason)
    study = drop_approval(study, member.id)
    study = replace(study, refused=(*study.refused, member.id))
    STUDY.put(ctx.state, tx.study, record=study)
    mark_lapse(ctx, study)
    ctx.emit(events.StudyRefused(tx.study, member.id, tx.reason))
    if study.samples_of(member.id) is not None:
        withdraw_member(ctx, tx.study, member.id, willing=True)


def enrol(ctx: Context, tx: Enrol) -> None:
    """Enrol a member that approved; its weight is capped by the samples that it declares."""
    member = ctx.need_member()
    study = need_live_study(ctx, tx.study, tx.spec)
    if member.id not in study.approved:
        raise NotAllowed("a member that approved the study", "enrol; approve it first")
    if study.samples_of(member.id) is not None:
        raise AlreadyDone(f"member {member.id} is enrolled in '{tx.study}'")
    if not 1 <= tx.samples <= MAX_SAMPLES:
        raise BadValue("samples", f"1 to {MAX_SAMPLES}", tx.samples)
    check_room(SPEC.need(ctx.state, tx.study), study)
    quotas.need_enrolment(ctx.state, member.id, tx.study)
    quotas.hold(ctx.state, member.id, "enrolments", tx.study)
    entry = Enrolment(member.id, tx.samples)
    enrolled = tuple(sorted((*study.enrolled, entry), key=lambda e: e.member))
    STUDY.put(ctx.state, tx.study, record=replace(study, enrolled=enrolled))
    ctx.emit(events.Enrolled(tx.study, member.id, tx.samples))


def withdraw(ctx: Context, tx: Withdraw) -> None:
    """End a member's part in the study."""
    member = ctx.need_member()
    study = need_live_study(ctx, tx.study)
    if study.samples_of(member.id) is None:
        raise NotAllowed("an enrolled member", "withdraw")
    withdraw_member(ctx, tx.study, member.id, willing=True)


def withdraw_member(ctx: Context, name: str, member: MemberId, *, willing: bool) -> None:
    """Take a member out of a study, by its own will or the others'; its unsettled contribution is
    void, settled ones stay."""
    study = STUDY.need(ctx.state, name)
    if study.samples_of(member) is None:
        return
    enrolled = tuple(e for e in study.enrolled if e.member != member)
    ready = tuple(m for m in study.ready if m != member)
    settled = tuple(s for s in study.settled if s.member != member)
    scorers = tuple(m for m in study.scorers if m != member)
    study = replace(study, enrolled=enrolled, ready=ready, settled=settled, scorers=scorers)
    STUDY.put(ctx.state, name, record=study)
    ctx.emit(events.Withdrawn(name, member))
    ctx.recount = True
    if study.status == "running":
        drops.drop_member(ctx, name, member, willing=willing)
        r = ROUND.get(ctx.state, name)
        if r and member in SPEC.need(ctx.state, name).required and not is_set_final(r):
            endings.suspend(ctx, name)
            ctx.emit(events.StudySuspended(name, member))
    elif study.status == "proposed":  # the study's record has nothing of the member
        quotas.release(ctx.state, member, "enrolments", name)


def start(ctx: Context, tx: Start) -> None:
    """Open the next round of a study that does not run, for an enrolled member (of one that is
    paused: for its proposer), once enough are enrolled. Those that have not approved amended terms
    are enrolled no longer."""
    member = ctx.need_member()
    study = need_live_study(ctx, tx.study)
    spec = SPEC.need(ctx.state, tx.study)
    if study.status not in ("proposed", "suspended"):
        raise AlreadyDone(f"'{tx.study}' is {study.status}")
    if study.paused is not None:
        need_steward(ctx, study, member, "resume the study")
    elif not _is_enrolled(study, member):
        raise NotAllowed("an enrolled member", "start the study")
    here = tuple(
        e for e in study.enrolled if e.member in ctx.chain.active and e.member in study.approved
    )
    first = study.resumes or Position()
    check_enough(spec, here, first.stage)
    for gone in (e for e in study.enrolled if e not in here):
        withdraw_member(ctx, tx.study, gone.member, willing=False)
    study = replace(STUDY.need(ctx.state, tx.study), status="running", resumes=None, paused=None)
    STUDY.put(ctx.state, tx.study, record=study)
    chain = ctx.chain
    CHAIN.put(ctx.state, record=replace(chain, running=(*chain.running, tx.study)))
    deadlines.clear(ctx.state, f"proposal/{tx.study}")
    quotas.release(ctx.state, study.proposer, "proposals", tx.study)
    quotas.hold(ctx.state, study.proposer, "studies", tx.study)
    ctx.emit(events.StudyStarted(tx.study))
    phases.open_round(ctx, tx.study, first, ())


def check_enough(spec: Spec, here: tuple[Enrolment, ...], first: int) -> None:
    """Refuse to start with too few enrolled members, or without one that the terms require or name
    in a stage from the index `first` on."""
    members = {e.member for e in here}
    min_peers = compute_min_peers(spec.min_peers, len(here))
    if len(here) < min_peers:
        raise BadValue("enrolled", f"min_peers = {min_peers} members", len(here))
    to_come = get_stages(spec)[first:]
    named = {*spec.required, *(m for stage in to_come for m in stage.members)}
    if not named <= members:
        raise BadValue(
            "enrolled", f"the members that the terms name, {sorted(named)}", sorted(members)
        )


def pause(ctx: Context, tx: Pause) -> None:
    """Suspend a running study, for its proposer; if it is gone, for any enrolled member. The open
    round is void, and goes on from the same model once the study is started again."""
    member = ctx.need_member()
    study = need_live_study(ctx, tx.study)
    need_steward(ctx, study, member, "pause the study")
    if study.status != "running":
        raise NotAllowed("members of a running study", f"pause it; '{tx.study}' is {study.status}")
    check_reason(tx.reason)
    r = ROUND.need(ctx.state, tx.study)
    if is_set_final(r):
        raise NotAllowed("members of a study without a sum that is being unmasked",
                         f"pause it; round {r.number} has to settle first")  # fmt: skip
    drops.note_flight(ctx, r, member.id)
    endings.suspend(ctx, tx.study, Paused(member.id, tx.reason))
    ctx.emit(events.StudyPaused(tx.study, member.id, tx.reason))


def finish(ctx: Context, tx: Finish) -> None:
    """End the study early, for the proposer; if it is gone, for any enrolled member."""
    member = ctx.need_member()
    study = need_live_study(ctx, tx.study)
    need_steward(ctx, study, member, "end the study")
    endings.end_study(ctx, tx.study, "finished")


def release(ctx: Context, tx: Release) -> None:
    """Open a motion to release the current or best model, with the mover's vote for it; the
    enrolled members decide."""
    member = ctx.need_member()
    study = need_study(ctx, tx.study)
    if not _is_enrolled(study, member):
        raise NotAllowed("an enrolled member", "move to release a model")
    model = next((m for m in (study.best, study.current) if m and m.digest == tx.model), None)
    if model is None:
        raise UnknownThing("current or best model", tx.model)
    if any(m.digest == tx.model for m in study.released):
        raise AlreadyDone("this model is released")
    if any((m.study, m.model) == (tx.study, tx.model) for m in get_motions(ctx.state)):
        raise AlreadyDone("a motion to release this model is open")
    if len(study.released) >= MAX_RELEASED:
        raise BadValue("released", f"at most {MAX_RELEASED} models", len(study.released) + 1)
    quotas.hold(ctx.state, member.id, "releases", quotas.need_release(ctx.state, member.id, model))
    moved = Motion(0, "release", member.id, study=tx.study, model=tx.model)
    motion = open_motion(ctx, moved)
    ctx.emit(events.ReleaseMoved(tx.study, tx.model, motion.id, member.id))
    cast(ctx, motion, member.id, True)
    ctx.recount = True


def release_model(ctx: Context, motion: Motion) -> None:
    """Mark a model as released, if it is still current or best."""
    name, digest = motion.study, motion.model
    study = STUDY.need(ctx.state, name)
    model = next((m for m in (study.best, study.current) if m and m.digest == digest), None)
    if model is None or any(m.digest == digest for m in study.released):
        quotas.drop_release(ctx.state, motion.by, name, digest)
        ctx.emit(events.ReleaseMissed(name, digest))
        return
    STUDY.put(ctx.state, name, record=replace(study, released=(*study.released, model)))
    ctx.emit(events.ModelReleased(name, digest))


def expire(ctx: Context, name: str) -> None:
    """End a study when its time is over: nothing of it runs any more."""
    study = STUDY.get(ctx.state, name)
    if study is not None and not study.is_over:
        endings.end_study(ctx, name, "expired")


def lapse_approvals(ctx: Context, name: str) -> None:
    """End the part of each member with an approval that is too old: it has to approve and enrol
    anew."""
    study, spec = STUDY.need(ctx.state, name), SPEC.need(ctx.state, name)
    for member in find_lapsed(study, spec, ctx.env.time_ms):
        STUDY.put(ctx.state, name, record=drop_approval(STUDY.need(ctx.state, name), member))
        ctx.emit(events.ApprovalLapsed(name, member))
        withdraw_member(ctx, name, member, willing=False)
    mark_lapse(ctx, STUDY.need(ctx.state, name))


def lapse(ctx: Context, name: str) -> None:
    """Delete a proposal that was not started in time, or lost its proposer; its name is
    free again. Do nothing to a study that has been started."""
    study = STUDY.get(ctx.state, name)
    if study is not None and study.status == "proposed":
        ctx.emit(events.ProposalLapsed(name, study.proposer))
        endings.drop_study(ctx, study)


def _is_enrolled(study: Study, member: Member) -> bool:
    return study.samples_of(member.id) is not None
