"""A round's law: collect, elect, settle.

Each kind of round walks its own row of PHASES; keying, unmasking and auditing will be columns.

    statistics   OPEN -> COLLECTING -> MERGING -> SETTLED     preprocessing statistics
    initial      OPEN ->               MERGING -> SETTLED     the first leader's own start
    parameters   OPEN -> COLLECTING -> MERGING -> SETTLED     what training changed
    evaluation   OPEN -> COLLECTING ->            SETTLED     metrics of the last merge

OPEN waits until min_peers are ready. COLLECTING closes when the whole roster has contributed, or
when min_peers have and the grace since the min_peers-th contribution is over. MERGING fixes the
set of contributions (its revision) and has a leader (its term). SETTLED is never stored: the
settled model goes to the study, the round's record is replaced by the next one's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from swarmhub import codec
from swarmhub.contract import deadlines
from swarmhub.contract.context import Context
from swarmhub.contract.election import get_candidates, get_leader
from swarmhub.contract.records import (
    CHAIN,
    MEMBER,
    ROUND,
    SPEC,
    STUDY,
    Contribution,
    Evaluation,
    Member,
    Model,
    Report,
    Round,
    RoundRef,
    Score,
    Share,
    Spec,
    Study,
)
from swarmhub.contract.refusals import (
    AlreadyDone,
    BadValue,
    Expired,
    NotAllowed,
    StaleRound,
    UnknownThing,
)
from swarmhub.contract.thresholds import (
    compute_receipts,
    compute_unavailable,
    compute_witnesses,
)
from swarmhub.contract.transactions import (
    Contribute,
    Invalid,
    Poke,
    Ready,
    Retract,
    Settle,
    Suspect,
    Unavailable,
    receipt_message,
)
from swarmhub.types import MICRO, RECEIPT_DOMAIN, MemberId

PHASES = {
    "statistics": ("OPEN", "COLLECTING", "MERGING", "SETTLED"),
    "initial": ("OPEN", "MERGING", "SETTLED"),
    "parameters": ("OPEN", "COLLECTING", "MERGING", "SETTLED"),
    "evaluation": ("OPEN", "COLLECTING", "SETTLED"),
}
MAX_DOUBLINGS = 8  # a leader's time doubles each full cycle of leaders, at most so often
MAX_TERM_MS = 30 * 86_400_000
MAX_METRICS = 16
MAX_STATISTICS_BYTES = 64 << 20  # a document is read whole, a parameter buffer never is
STATISTICS_LAYOUT = codec.digest(b"swarmhub/layout/1", b"statistics")  # a document, not arrays


def compute_kind(spec: Spec, number: int) -> str | None:
    """Kind of round `number` (from 1); None after the last."""
    first = 2 if spec.statistics else 1
    if number < first:
        return "statistics"
    if number == first:
        return "initial"
    if number <= first + spec.rounds:
        return "parameters"
    return "evaluation" if number == first + spec.rounds + 1 else None


def compute_training_round(spec: Spec, number: int) -> int:
    """Which parameter round (1 to spec.rounds) round `number` is; 0 or less before the first."""
    return number - (2 if spec.statistics else 1)


# transactions


def ready(ctx: Context, tx: Ready) -> None:
    """An enrolled member joins the open roster, or the next one if contributions are fixed."""
    member = ctx.need_member()
    study, _, r = need_open_round(ctx, tx.study)
    if study.samples_of(member.id) is None:
        raise NotAllowed("an enrolled member", "be ready")
    expected = get_candidates(r) if r.phase == "MERGING" else r.roster
    if member.id in expected or member.id in study.ready:
        raise AlreadyDone(f"member {member.id} is ready")
    ctx.emit("ready", study=tx.study, member=member.id)
    if r.phase == "MERGING" and r.kind != "initial":
        STUDY.put(ctx.state, tx.study, record=replace(study, ready=(*study.ready, member.id)))
        return
    r = replace(r, roster=tuple(sorted((*r.roster, member.id))))
    if r.phase == "MERGING":  # candidates of the initial round are its roster: another set
        r = replace(r, revision=r.revision + 1, since_term=r.term, suspects=())
        put(ctx, r)
        mark_term(ctx, r)
    else:
        put(ctx, r)
        advance(ctx, tx.study)


def contribute(ctx: Context, tx: Contribute) -> None:
    """A member's parameters for this round: the first one counts, from the current model only."""
    member = ctx.need_member()
    study, spec, r = need_current_round(ctx, tx.ref, "COLLECTING")
    samples = study.samples_of(member.id)
    if samples is None:
        raise NotAllowed("an enrolled member", "contribute")
    if r.contribution_of(member.id):
        raise AlreadyDone(f"member {member.id} has contributed to round {r.number}")
    if tx.spec != study.spec:
        raise BadValue("spec", study.spec, tx.spec)
    if tx.base != r.base:
        raise StaleRound(f"the model {tx.base[:16] or '(none)'}", str(RoundRef.of(r)), r.base)
    if not 1 <= tx.weight <= samples:
        raise BadValue("weight", f"1 to the {samples} samples declared at enrolment", tx.weight)
    check_contents(study, spec, r, tx)
    check_evaluations(tx.evaluations, {r.base, tx.digest} - {""})
    entry = Contribution(member.id, tx.digest, tx.nbytes, tx.layout, tx.weight, tx.evaluations)
    contributions = tuple(sorted((*r.contributions, entry), key=lambda c: c.member))
    roster = tuple(sorted({*r.roster, member.id}))
    put(ctx, replace(r, contributions=contributions, roster=roster))
    ctx.emit("contributed", study=r.study, number=r.number, member=member.id, weight=tx.weight)
    advance(ctx, r.study)


def retract(ctx: Context, tx: Retract) -> None:
    """A member takes its own contribution back while the round is unsettled."""
    member = ctx.need_member()
    _, _, r = need_current_round(ctx, tx.ref, "COLLECTING", "MERGING")
    if not r.contribution_of(member.id):
        raise UnknownThing("contribution of member", member.id)
    drop_member(ctx, r.study, member.id)


def suspect(ctx: Context, tx: Suspect) -> None:
    """f + 1 candidates who say that the leader does not answer end its term at once."""
    member = ctx.need_member()
    _, _, r = need_current_round(ctx, tx.ref, "MERGING")
    need_candidate(r, member)
    if member.id in r.suspects:
        raise AlreadyDone(f"member {member.id} suspects the leader of term {r.term}")
    r = replace(r, suspects=(*r.suspects, member.id))
    put(ctx, r)
    ctx.emit("suspected", study=r.study, number=r.number, term=r.term, by=member.id)
    if len(r.suspects) >= compute_witnesses(len(get_candidates(r))):
        next_term(ctx, r.study)


def unavailable(ctx: Context, tx: Unavailable) -> None:
    """The leader cannot get a contribution. Its term is over; enough such reports exclude."""
    member = ctx.need_member()
    _, _, r = need_current_round(ctx, tx.ref, "MERGING")
    if member.id != get_leader(r):
        raise NotAllowed("the leader of the term", "report a contribution as unavailable")
    add_report(ctx, r, Report("unavailable", member.id, tx.member))
    r = ROUND.need(ctx.state, r.study)
    reporters = {p.reporter for p in r.reports if (p.kind, p.member) == ("unavailable", tx.member)}
    if len(reporters) >= compute_unavailable(len(r.contributions)):
        exclude(ctx, r.study, tx.member, "unavailable")
    else:
        next_term(ctx, r.study)


def invalid(ctx: Context, tx: Invalid) -> None:
    """f + 1 contributors who checked a contribution and found it unmergeable exclude it."""
    member = ctx.need_member()
    _, _, r = need_current_round(ctx, tx.ref, "MERGING")
    need_candidate(r, member)
    add_report(ctx, r, Report("invalid", member.id, tx.member))
    r = ROUND.need(ctx.state, r.study)
    reporters = {p.reporter for p in r.reports if (p.kind, p.member) == ("invalid", tx.member)}
    if len(reporters) >= compute_witnesses(len(r.contributions)):
        exclude(ctx, r.study, tx.member, "invalid")


def settle(ctx: Context, tx: Settle) -> None:
    """A leader of this revision settles the merged model that enough others hold."""
    member = ctx.need_member()
    study, spec, r = need_open_round(ctx, tx.ref.study)
    current = RoundRef.of(r)
    # an earlier leader of the same revision may still be first with the same bytes
    if (
        not r.since_term <= tx.ref.term <= r.term
        or replace(tx.ref, term=r.term) != current
        or r.phase != "MERGING"
    ):
        raise StaleRound(str(tx.ref), str(current), r.base)
    if member.id != get_leader(r, tx.ref.term):
        raise NotAllowed(f"the leader of term {tx.ref.term}", "settle it")
    check_buffer(study, spec, r, tx.digest, tx.nbytes, tx.layout)
    check_receipts(ctx, r, tx, member)
    candidates = get_candidates(r)
    shares = tuple(Share(c.member, c.weight, c.digest) for c in r.contributions)
    model = Model(
        study=r.study,
        number=r.number,
        kind=r.kind,
        digest=tx.digest,
        nbytes=tx.nbytes,
        layout=tx.layout,
        base=r.base,
        spec=study.spec,
        rule="statistics" if r.kind == "statistics" else spec.merge.name,
        leader=member.id,
        term=tx.ref.term,
        revision=r.revision,
        shares=shares,
        receipts=tuple(p.member for p in tx.receipts),
    )
    study = take_scores(ctx, study, spec, r)
    lineage = codec.digest(b"swarmhub/lineage/1", study.lineage.encode(), codec.pack(model))
    if r.kind == "statistics":
        study = replace(study, statistics=model, lineage=lineage)
    else:
        study = replace(study, current=model, lineage=lineage)
    STUDY.put(ctx.state, r.study, record=study)
    ctx.emit("settled", lineage=lineage, **codec.to_json(model))
    open_round(ctx, r.study, r.number + 1, candidates)


def poke(ctx: Context, tx: Poke) -> None:
    """Makes a block, in whose beginning due deadlines have fired. Changes nothing itself."""
    ctx.need_member()
    if ROUND.get(ctx.state, tx.study) is None:
        raise UnknownThing("running study", tx.study)


# the walk through the phases


def open_round(ctx: Context, name: str, number: int, last: Iterable[MemberId]) -> None:
    """The next round, with last round's candidates and whoever said ready since on its roster."""
    study, spec = STUDY.need(ctx.state, name), SPEC.need(ctx.state, name)
    clear_deadlines(ctx, name)
    kind = compute_kind(spec, number)
    if kind is None:
        end_study(ctx, name, "finished")
        return
    enrolled = {e.member for e in study.enrolled}
    if kind == "statistics":
        last = enrolled  # preprocessing should know everyone's data: wait for all, within the grace
    roster = tuple(sorted(enrolled & {*last, *study.ready}))
    base = study.current.digest if study.current else ""
    STUDY.put(ctx.state, name, record=replace(study, ready=()))
    put(ctx, Round(name, number, kind, PHASES[kind][0], roster, base))
    ctx.emit("opened", study=name, number=number, kind=kind, roster=list(roster))
    advance(ctx, name)


def advance(ctx: Context, name: str) -> None:
    """Move the round on as far as what it has allows."""
    spec, r = SPEC.need(ctx.state, name), ROUND.need(ctx.state, name)
    if r.phase == "OPEN" and len(r.roster) >= spec.min_peers:
        r = enter(ctx, r, PHASES[r.kind][1])
    if r.phase != "COLLECTING":
        return
    have = set(r.contributors)
    if len(have) < spec.min_peers:
        return
    if have >= set(r.roster) or r.grace == "over":
        deadlines.clear(ctx.state, f"grace/{name}")
        enter(ctx, r, PHASES[r.kind][PHASES[r.kind].index("COLLECTING") + 1])
    elif not r.grace:
        put(ctx, replace(r, grace="running"))
        deadlines.mark(ctx.state, f"grace/{name}", spec.quorum_grace_ms)


def enter(ctx: Context, r: Round, phase: str) -> Round:
    """Enter a phase and start what belongs to it."""
    r = replace(r, phase=phase, since_term=r.term)
    if phase == "SETTLED":  # an evaluation round: its metrics are its result
        study, spec = STUDY.need(ctx.state, r.study), SPEC.need(ctx.state, r.study)
        STUDY.put(ctx.state, r.study, record=take_scores(ctx, study, spec, r))
        open_round(ctx, r.study, r.number + 1, r.contributors)
        return r
    put(ctx, r)
    if phase == "MERGING":
        mark_term(ctx, r)
        ctx.emit("merging", study=r.study, number=r.number, revision=r.revision, term=r.term,
                 leader=get_leader(r), members=list(get_candidates(r)))  # fmt: skip
    return r


def next_term(ctx: Context, name: str) -> None:
    """The leader of the term loses it to the next in line; contributions stay."""
    r = ROUND.need(ctx.state, name)
    if r.phase != "MERGING":
        return
    before = get_leader(r)
    r = replace(r, term=r.term + 1, suspects=())
    put(ctx, r)
    mark_term(ctx, r)
    ctx.emit("took_over", study=name, number=r.number, term=r.term, leader=get_leader(r),
             before=before)  # fmt: skip


def end_term(ctx: Context, name: str) -> None:
    """A leader's time is over (if its round still is)."""
    if ROUND.get(ctx.state, name) is not None:
        next_term(ctx, name)


def mark_term(ctx: Context, r: Round) -> None:
    """A leader's time: a base, and the bytes it has to move; doubled after each full cycle."""
    spec = SPEC.need(ctx.state, r.study)
    n = max(1, len(get_candidates(r)))
    nbytes = sum(c.nbytes for c in r.contributions)
    time_ms = spec.leader_timeout_ms + 2 * nbytes * 1000 // spec.transfer_bytes_per_s
    time_ms = min(time_ms << min(r.term // n, MAX_DOUBLINGS), MAX_TERM_MS)
    deadlines.mark(ctx.state, f"term/{r.study}", time_ms)


def exclude(ctx: Context, name: str, member: MemberId, why: str) -> None:
    """Take a contribution out of the set by the word of enough members."""
    ctx.emit("excluded", study=name, member=member, why=why)
    drop_member(ctx, name, member)


def drop_member(ctx: Context, name: str, member: MemberId) -> None:
    """Void a member's part of the open round: a new revision of the set, and maybe a new leader.

    Below min_peers the round is collecting again, with all that it still has.
    """
    spec, r = SPEC.need(ctx.state, name), ROUND.get(ctx.state, name)
    if r is None:
        return
    contributed = r.contribution_of(member) is not None
    part = contributed or member in get_candidates(r)
    r = replace(r, roster=tuple(m for m in r.roster if m != member))
    if not part:
        put(ctx, r)
        advance(ctx, name)
        return
    r = replace(
        r,
        contributions=tuple(c for c in r.contributions if c.member != member),
        revision=r.revision + 1,
        since_term=r.term + 1,
        reports=(),
        suspects=(),
    )
    if contributed:
        ctx.emit("voided", study=name, number=r.number, member=member, revision=r.revision)
    if r.phase != "MERGING":
        enough = len(r.contributions) >= spec.min_peers
        if not enough:
            deadlines.clear(ctx.state, f"grace/{name}")
        put(ctx, replace(r, grace=r.grace if enough else ""))
        advance(ctx, name)
    elif len(get_candidates(r)) < spec.min_peers:
        deadlines.clear(ctx.state, f"term/{name}")
        back = PHASES[r.kind][PHASES[r.kind].index("MERGING") - 1]
        put(ctx, replace(r, phase=back, grace="", term=r.term + 1))
    else:
        put(ctx, r)
        next_term(ctx, name)


def end_study(ctx: Context, name: str, status: Literal["finished", "expired"]) -> None:
    """No round is open any more; models and lineage stay."""
    study = STUDY.need(ctx.state, name)
    STUDY.put(ctx.state, name, record=replace(study, status=status, ready=()))
    ROUND.put(ctx.state, name, record=None)
    clear_deadlines(ctx, name)
    deadlines.clear(ctx.state, f"expiry/{name}")
    chain = ctx.chain
    running = tuple(s for s in chain.running if s != name)
    CHAIN.put(ctx.state, record=replace(chain, running=running))
    ctx.emit("study_" + status, study=name)


def end_grace(ctx: Context, name: str) -> None:
    """The grace of a collecting round is over."""
    r = ROUND.get(ctx.state, name)
    if r is not None and r.phase == "COLLECTING":
        put(ctx, replace(r, grace="over"))
        advance(ctx, name)


# checks


def need_open_round(ctx: Context, name: str) -> tuple[Study, Spec, Round]:
    """The study with its terms and open round; refuses when it is not running or expired."""
    study, r = STUDY.get(ctx.state, name), ROUND.get(ctx.state, name)
    if study is None:
        raise UnknownThing("study", name)
    if r is None:
        current = study.current.digest if study.current else ""
        raise StaleRound("an open round", f"the study '{name}' that is {study.status}", current)
    spec = SPEC.need(ctx.state, name)
    if spec.expires_ms and ctx.env.time_ms >= spec.expires_ms:
        raise Expired(f"The study '{name}'", spec.expires_ms, ctx.env.time_ms)
    return study, spec, r


def need_current_round(ctx: Context, ref: RoundRef, *phases: str) -> tuple[Study, Spec, Round]:
    """The open round if `ref` is exactly where it stands and it is in one of the phases."""
    study, spec, r = need_open_round(ctx, ref.study)
    if ref != RoundRef.of(r) or r.phase not in phases:
        raise StaleRound(str(ref), str(RoundRef.of(r)), r.base)
    return study, spec, r


def need_candidate(r: Round, member: Member) -> None:
    """Refuse members that have no part in the round."""
    if member.id not in get_candidates(r):
        raise NotAllowed("a contributor of the round", "speak about its leader or set")


def check_contents(study: Study, spec: Spec, r: Round, tx: Contribute) -> None:
    """What a contribution of this kind of round carries."""
    if r.kind == "evaluation":
        if tx.digest or tx.nbytes or tx.layout:
            raise BadValue("digest", "nothing: an evaluation carries metrics only", tx.digest)
        return
    check_buffer(study, spec, r, tx.digest, tx.nbytes, tx.layout)


def check_buffer(study: Study, spec: Spec, r: Round, digest: str, nbytes: int, layout: str) -> None:
    """A digest, a size within the terms, and the study's layout."""
    if not codec.is_digest(digest):
        raise BadValue("digest", "a sha256 digest of 64 hex digits", digest)
    most = spec.max_bytes
    if r.kind == "statistics":
        most = min(most, MAX_STATISTICS_BYTES)
    if not 1 <= nbytes <= most:
        raise BadValue("nbytes", f"1 to max_bytes = {most}", nbytes)
    if r.kind == "statistics":
        expected = STATISTICS_LAYOUT
    elif study.current is not None:
        expected = study.current.layout
    else:
        expected = spec.layout
    if not codec.is_digest(layout) or (expected and layout != expected):
        raise BadValue("layout", f"the study's layout {expected[:16]}…", layout)
    if r.kind == "parameters" and study.current and nbytes != study.current.nbytes:
        raise BadValue("nbytes", f"the model's {study.current.nbytes}", nbytes)


def check_evaluations(evaluations: tuple[Evaluation, ...], models: set[str]) -> None:
    """Metrics name the model they were measured on: the base or the contribution itself."""
    if len(evaluations) > 2 or len({e.digest for e in evaluations}) != len(evaluations):
        raise BadValue("evaluations", "at most one of each model", len(evaluations))
    for e in evaluations:
        if e.digest not in models:
            raise BadValue("evaluations.digest", "the base or the contribution", e.digest)
        if not 1 <= e.samples <= 1_000_000_000 or len(e.metrics) > MAX_METRICS:
            raise BadValue("evaluations.samples", "1 to 10^9, and 16 metrics", e.samples)
        for name, value in e.metrics.items():
            if not 0 < len(name) <= 40 or abs(value) > MICRO * 1_000_000:
                raise BadValue(f"metrics.{name[:40]}", "up to 10^6 in micro-units", value)


def check_receipts(ctx: Context, r: Round, tx: Settle, leader: Member) -> None:
    """Enough distinct other candidates have signed that they hold the merged model."""
    candidates = get_candidates(r)
    message = receipt_message(ctx.chain.chain_id, tx.ref, tx.digest)
    signers = [p.member for p in tx.receipts]
    if len(set(signers)) != len(signers):
        raise BadValue("receipts", "one of each member", signers)
    for p in tx.receipts:
        if p.member not in candidates or p.member == leader.id:
            raise BadValue("receipts", "other contributors of this revision", p.member)
        account = MEMBER.need(ctx.state, p.member).account
        if not ctx.env.verify(account, RECEIPT_DOMAIN, message, p.signature):
            raise BadValue("receipts", f"a signature of member {p.member}", p.signature[:16])
    needed = compute_receipts(len(candidates))
    if len(signers) < needed:
        raise BadValue("receipts", f"at least {needed} other holders", len(signers))


def add_report(ctx: Context, r: Round, report: Report) -> None:
    """Store a report about another member's contribution."""
    if report.member == report.reporter:
        raise NotAllowed("another member", "be reported; take your own back with retract")
    if r.contribution_of(report.member) is None:
        raise UnknownThing("contribution of member", report.member)
    if report in r.reports:
        raise AlreadyDone(f"member {report.reporter} reported member {report.member}")
    put(ctx, replace(r, reports=(*r.reports, report)))
    ctx.emit(report.kind, study=r.study, number=r.number, member=report.member,
             by=report.reporter)  # fmt: skip


# results


def compute_score(study: Study, r: Round, digest: str) -> Score | None:
    """Sample-weighted mean (rounded down) of what the round's contributors measured of a model.

    As in a merge, nobody weighs more than the samples declared at enrolment.
    """
    found = [
        replace(e, samples=min(e.samples, study.samples_of(c.member) or 1))
        for c in r.contributions
        for e in c.evaluations
        if e.digest == digest
    ]
    if not found or not digest:
        return None
    metrics = {}
    for name in sorted({n for e in found for n in e.metrics}):
        having = [e for e in found if name in e.metrics]
        samples = sum(e.samples for e in having)
        metrics[name] = sum(e.metrics[name] * e.samples for e in having) // samples
    return Score(digest, sum(e.samples for e in found), metrics)


def take_scores(ctx: Context, study: Study, spec: Spec, r: Round) -> Study:
    """Score the model that the round started from; keep it if it is the best so far."""
    score = compute_score(study, r, r.base)
    if score is None or study.current is None:
        return study
    ctx.emit("evaluated", study=r.study, number=study.current.number, digest=score.digest,
             samples=score.samples, metrics=score.metrics)  # fmt: skip
    name, sign = spec.metric.name, 1 if spec.metric.goal == "max" else -1
    if name not in score.metrics:
        return study
    best = study.best_score
    if best is None or sign * score.metrics[name] > sign * best.metrics[name]:
        return replace(study, best=study.current, best_score=score)
    return study


def put(ctx: Context, r: Round) -> None:
    """Store the open round."""
    ROUND.put(ctx.state, r.study, record=r)


def clear_deadlines(ctx: Context, name: str) -> None:
    """Forget the round's deadlines."""
    deadlines.clear(ctx.state, f"grace/{name}")
    deadlines.clear(ctx.state, f"term/{name}")
