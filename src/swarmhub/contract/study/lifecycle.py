"""Rules of a study's life: proposal, approval, enrolment, start, end, release.

proposed -> running -> finished (or expired). Every member approves or refuses the exact spec for
its own hospital; only members that approved can enrol, and only enrolled ones take part.
"""

from __future__ import annotations

from dataclasses import replace

from swarmhub import codec
from swarmhub.contract import deadlines, events, quotas
from swarmhub.contract.consortium.motions import cast, get_motions, open_motion
from swarmhub.contract.consortium.thresholds import compute_min_peers
from swarmhub.contract.context import Context
from swarmhub.contract.names import METRIC_NAME, is_metric_name
from swarmhub.contract.records import (
    CHAIN,
    SPEC,
    STUDY,
    Enrolment,
    Member,
    Motion,
    Spec,
    Study,
)
from swarmhub.contract.refusals import AlreadyDone, BadValue, Expired, NotAllowed, UnknownThing
from swarmhub.contract.round import phases
from swarmhub.contract.round.checks import MAX_SAMPLES
from swarmhub.contract.transactions import (
    Approve,
    Enrol,
    Finish,
    Propose,
    Refuse,
    Release,
    Start,
    Withdraw,
)
from swarmhub.types import MemberId

STUDY_NAME = "1 to 40 of a-z, 0-9 and '-', with a letter or digit at both ends"
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
    size = len(codec.pack(spec))
    if size > MAX_SPEC_BYTES:
        raise BadValue("spec", f"at most {MAX_SPEC_BYTES} bytes in all", size)
    if STUDY.get(ctx.state, spec.name):
        raise AlreadyDone(f"a study is named {spec.name!r}; choose another name")
    digest = compute_spec_digest(spec)
    study = Study(spec.name, digest, proposer.id, approved=(proposer.id,))
    quotas.need_proposal(ctx.state, spec, study)
    quotas.hold(ctx.state, proposer.id, "proposals", spec.name)
    STUDY.put(ctx.state, spec.name, record=study)
    deadlines.mark(ctx.state, f"proposal/{spec.name}", ctx.chain.vote_period_ms)
    SPEC.put(ctx.state, spec.name, record=spec)
    if spec.expires_ms:
        deadlines.mark_at(ctx.state, f"expiry/{spec.name}", spec.expires_ms)
    ctx.emit(events.StudyProposed(spec.name, digest, proposer.id))


def is_study_name(text: str) -> bool:
    """Return whether a text is 1 to 40 of a-z, 0-9 and '-', with no '-' at either end (it would be
    read as an option)."""
    allowed = "abcdefghijklmnopqrstuvwxyz0123456789-"
    inner = 0 < len(text) <= 40 and all(c in allowed for c in text)
    return inner and text[0] != "-" and text[-1] != "-"


def check_spec(ctx: Context, spec: Spec) -> None:
    """Refuse terms that could never run."""
    if not is_study_name(spec.name):
        raise BadValue("name", STUDY_NAME, spec.name)
    bounds = (
        ("rounds", 1, 100_000),
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
    if not 0 <= spec.merge.trim_permille < 500:
        raise BadValue("merge.trim_permille", "0 to 499", spec.merge.trim_permille)
    if not is_metric_name(spec.metric.name):
        raise BadValue("metric.name", METRIC_NAME, spec.metric.name)
    if spec.expires_ms and spec.expires_ms <= ctx.env.time_ms:
        raise BadValue("expires_ms", "a time to come", spec.expires_ms)
    for field in ("layout", "code", "ethics"):
        if getattr(spec, field) and not codec.is_digest(getattr(spec, field)):
            raise BadValue(field, "a sha256 digest of 64 hex digits", getattr(spec, field))


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
    """Record that the signer's hospital allows exactly these terms to run there."""
    member = ctx.need_member()
    study = need_live_study(ctx, tx.study, tx.spec)
    if member.id in study.approved:
        raise AlreadyDone(f"member {member.id} has approved '{tx.study}'")
    refused = tuple(m for m in study.refused if m != member.id)
    study = replace(study, approved=(*study.approved, member.id), refused=refused)
    STUDY.put(ctx.state, tx.study, record=study)
    ctx.emit(events.StudyApproved(tx.study, member.id))


def refuse(ctx: Context, tx: Refuse) -> None:
    """Record that the signer's hospital does not allow these terms (any more); it also
    withdraws."""
    member = ctx.need_member()
    study = need_live_study(ctx, tx.study, tx.spec)
    if member.id in study.refused:
        raise AlreadyDone(f"member {member.id} has refused '{tx.study}'")
    approved = tuple(m for m in study.approved if m != member.id)
    study = replace(study, approved=approved, refused=(*study.refused, member.id))
    STUDY.put(ctx.state, tx.study, record=study)
    ctx.emit(events.StudyRefused(tx.study, member.id))
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
    study = replace(study, enrolled=enrolled, ready=ready, settled=settled)
    STUDY.put(ctx.state, name, record=study)
    ctx.emit(events.Withdrawn(name, member))
    ctx.recount = True
    if study.status == "running":
        phases.drop_member(ctx, name, member, willing=willing)
    else:  # the study's record has nothing of the member
        quotas.release(ctx.state, member, "enrolments", name)


def start(ctx: Context, tx: Start) -> None:
    """Open the first round, for an enrolled member, once min_peers are enrolled."""
    member = ctx.need_member()
    study = need_live_study(ctx, tx.study)
    spec = SPEC.need(ctx.state, tx.study)
    if study.status != "proposed":
        raise AlreadyDone(f"'{tx.study}' is {study.status}")
    if study.samples_of(member.id) is None:
        raise NotAllowed("an enrolled member", "start the study")
    here = tuple(e for e in study.enrolled if e.member in ctx.chain.active)
    min_peers = compute_min_peers(spec.min_peers, len(here))
    if len(here) < min_peers:
        raise BadValue("enrolled", f"min_peers = {min_peers} members", len(here))
    STUDY.put(ctx.state, tx.study, record=replace(study, status="running", enrolled=here))
    chain = ctx.chain
    CHAIN.put(ctx.state, record=replace(chain, running=(*chain.running, tx.study)))
    deadlines.clear(ctx.state, f"proposal/{tx.study}")
    quotas.release(ctx.state, study.proposer, "proposals", tx.study)
    quotas.hold(ctx.state, study.proposer, "studies", tx.study)
    ctx.emit(events.StudyStarted(tx.study))
    phases.open_round(ctx, tx.study, 1, ())


def finish(ctx: Context, tx: Finish) -> None:
    """End the study early, for the proposer; if it is gone, for any enrolled member."""
    member = ctx.need_member()
    study = need_live_study(ctx, tx.study)
    proposer_active = study.proposer in ctx.chain.active
    if member.id != study.proposer and (proposer_active or not _is_enrolled(study, member)):
        raise NotAllowed("the proposer (once it is gone: an enrolled member)", "end the study")
    phases.end_study(ctx, tx.study, "finished")


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
    if study is not None and study.status in ("proposed", "running"):
        phases.end_study(ctx, name, "expired")


def lapse(ctx: Context, name: str) -> None:
    """Delete a proposal that was not started in time, or lost its proposer; its name is
    free again. Do nothing to a study that has been started."""
    study = STUDY.get(ctx.state, name)
    if study is not None and study.status == "proposed":
        ctx.emit(events.ProposalLapsed(name, study.proposer))
        phases.drop_study(ctx, study)


def _is_enrolled(study: Study, member: Member) -> bool:
    return study.samples_of(member.id) is not None
