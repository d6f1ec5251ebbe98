"""Checks of the rules of a round, one function each."""

from __future__ import annotations

from dataclasses import replace

from swarmhub import codec
from swarmhub.contract import events
from swarmhub.contract.consortium.thresholds import compute_substitutes
from swarmhub.contract.context import Context
from swarmhub.contract.names import METRIC_NAME, is_metric_name
from swarmhub.contract.records import (
    MAX_STRIKES,
    MEMBER,
    ROUND,
    SPEC,
    STUDY,
    Evaluation,
    Member,
    Provenance,
    Report,
    Round,
    RoundRef,
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
from swarmhub.contract.round.budget import is_noisy
from swarmhub.contract.round.election import get_auditors, get_candidates, is_backed
from swarmhub.contract.round.kinds import (
    CONFIRMING,
    COUNTS,
    DOCUMENT,
    KINDS,
    MERGING,
    PARAMETERS,
    has_free_layout,
    is_taken,
)
from swarmhub.contract.round.masks import is_masked_stage
from swarmhub.contract.round.shards import check_parts, count_shards, get_parts
from swarmhub.contract.round.wire import check_form
from swarmhub.contract.stages import get_stage
from swarmhub.contract.transactions import (
    Computed,
    Contribute,
    Dispute,
    Settle,
    receipt_message,
)
from swarmhub.types import MICRO, RECEIPT_DOMAIN, MemberId

OF_THE_SET = ("round.retract", "round.invalid")  # whatever shard they name
MAX_SOFTWARE = 200  # letters: names and versions
MAX_METRICS = 16  # of one model, in one evaluation
MAX_METRIC = 1_000_000  # in either direction; the contract counts in micro-units
MAX_SAMPLES = 1_000_000_000
MAX_STATISTICS_BYTES = 64 << 20  # a document is read as a whole, a parameter buffer never is
STATISTICS_LAYOUT = codec.digest(b"swarmhub/layout/1", b"statistics")  # a document, not arrays


def need_open_round(ctx: Context, name: str) -> tuple[Study, Spec, Round]:
    """Return the study with its terms and open round; refuse if it is not running or has
    expired."""
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


def need_current_round(ctx: Context, ref: RoundRef, kind: str) -> tuple[Study, Spec, Round]:
    """Return the open round if `ref` is exactly where it stands, and its phase takes transactions
    of this kind."""
    study, spec, r = need_shard(ctx, ref)
    if ref != RoundRef.of(r) or not is_taken(r.phase, kind):
        raise StaleRound(str(ref), str(RoundRef.of(r)), r.base)
    if kind not in OF_THE_SET:
        need_unsettled(r)
    return study, spec, r


def need_shard(ctx: Context, ref: RoundRef) -> tuple[Study, Spec, Round]:
    """Return the study with its terms and open round, as the shard of `ref` has it; refuse if there
    is no such shard."""
    study, spec, r = need_open_round(ctx, ref.study)
    if not 0 <= ref.shard < count_shards(r):
        raise StaleRound(str(ref), str(RoundRef.of(r)), r.base)
    r = ROUND.of_shard(ctx.state, ref.study, ref.shard)
    return study, spec, r


def need_unsettled(r: Round) -> None:
    """Refuse what is about the leader of a shard that is settled."""
    if r.lead.settled is not None:
        raise AlreadyDone(f"shard {r.lead.shard} of round {r.number} is settled")


def need_led_round(ctx: Context, ref: RoundRef, kind: str) -> tuple[Study, Spec, Round]:
    """The open round if it is merging and `ref` names a term of this revision: an earlier leader
    may still be first with the same bytes, and answers for its offer as long as it may."""
    study, spec, r = need_shard(ctx, ref)
    current = RoundRef.of(r)
    if (
        not r.lead.since_term <= ref.term <= r.lead.term
        or replace(ref, term=r.lead.term) != current
        or not is_taken(r.phase, kind)
    ):
        raise StaleRound(str(ref), str(current), r.base)
    need_unsettled(r)
    return study, spec, r


def need_candidate(r: Round, member: Member) -> None:
    """Refuse members that have no part in the round."""
    if member.id not in get_candidates(r):
        raise NotAllowed("a contributor of the round", "speak about its leader or set")


def need_few_strikes(r: Round, member: Member) -> None:
    """Refuse a member that has changed the set of this round too often already: each time makes a
    new revision and voids what the others have sent or signed for the old one."""
    if member.id in r.suspended:
        raise NotAllowed(
            f"a member with fewer than {MAX_STRIKES} invalid or retracted contributions of late",
            "join the round again",
        )


def check_contribution(
    study: Study, spec: Spec, r: Round, member: MemberId, tx: Contribute
) -> None:
    """Refuse a contribution to the open round that can never be accepted as it is.

    This is the only place that decides it: the contract calls it for a transaction, a node for the
    answer of its own trainer before it stores anything.
    """
    samples = study.samples_of(member)
    if samples is None:
        raise NotAllowed("an enrolled member", "contribute")
    if tx.spec != study.spec:
        raise BadValue("spec", study.spec, tx.spec)
    if tx.base != r.base:
        raise StaleRound(f"the model {tx.base[:16] or '(none)'}", str(RoundRef.of(r)), r.base)
    if not 1 <= tx.weight <= samples:
        raise BadValue("samples", f"1 to the {samples} declared at enrolment", tx.weight)
    if is_noisy(spec, r) and tx.weight != samples:
        raise BadValue("samples", f"the {samples} declared at enrolment, in a dp study", tx.weight)
    check_contents(study, spec, r, member, tx)
    if (r.masks or is_noisy(spec, r)) and tx.evaluations:
        kind = "masked" if r.masks else "dp"
        raise BadValue(
            "evaluations", f"none of one hospital in a {kind} round", len(tx.evaluations)
        )
    check_evaluations(tx.evaluations, {r.base, tx.digest} - {""})
    check_provenance(tx.provenance)


def check_contents(study: Study, spec: Spec, r: Round, member: MemberId, tx: Contribute) -> None:
    """Check what a contribution to this kind of round carries."""
    if KINDS[r.kind].carries == COUNTS:
        is_empty = not (tx.root or tx.nbytes or tx.layout or tx.parts)
        if is_empty and is_masked_stage(spec, get_stage(spec, r)):
            expected = "counts: in a masked study no metrics of one hospital leave it"
            raise BadValue("root", expected, tx.root)
        if is_empty:
            return  # metrics only
        if not get_stage(spec, r).bounds:
            raise BadValue("root", "nothing: this evaluation carries metrics only", tx.root)
    if not codec.is_digest(tx.root):
        raise BadValue("root", "the root of a hash tree, 64 hex digits", tx.root)
    if tx.nbytes > spec.max_bytes:
        most = f"at most the study's max_bytes = {spec.max_bytes} bytes of parameters"
        raise BadValue("nbytes", most, tx.nbytes)
    check_buffer(study, spec, r, tx.digest, tx.nbytes, tx.layout)
    check_parts(r, tx.nbytes, tx.layout, tx.root, tx.parts)
    if any((o.member, o.layout) == (member, tx.layout) for o in r.left_out):
        expected = "the arrays of most contributions (names, types, shapes)"
        raise BadValue("layout", expected, f"{tx.layout[:16]}…, which was left out")


def check_buffer(study: Study, spec: Spec, r: Round, digest: str, nbytes: int, layout: str) -> None:
    """Check for a digest, a size within the terms, and the study's layout."""
    if not codec.is_digest(digest):
        raise BadValue("digest", "a sha256 digest of 64 hex digits", digest)
    # merged statistics may be longer than any contribution to them
    most = MAX_STATISTICS_BYTES if KINDS[r.kind].carries == DOCUMENT else spec.max_bytes
    if not 1 <= nbytes <= most:
        raise BadValue("nbytes", f"1 to {most} bytes of parameters", nbytes)
    if KINDS[r.kind].carries == DOCUMENT:
        expected = STATISTICS_LAYOUT
    elif has_free_layout(r):
        expected = r.contributions[0].layout if r.phase in (MERGING, CONFIRMING) else ""
        if expected and nbytes != r.contributions[0].nbytes:
            raise BadValue(
                "nbytes", f"those of the contributions, {r.contributions[0].nbytes}", nbytes
            )
    elif study.current is not None:
        expected = study.current.layout
    else:
        expected = spec.layout
    if not codec.is_digest(layout) or (expected and layout != expected):
        raise BadValue("layout", f"the study's layout {expected[:16]}…", layout)
    check_form(study, r, nbytes, layout)
    is_model = KINDS[r.kind].carries == PARAMETERS and not has_free_layout(r)
    if is_model and study.current and nbytes != study.current.nbytes:
        raise BadValue("nbytes", f"the model's {study.current.nbytes}", nbytes)


def check_merged(study: Study, spec: Spec, r: Round, tx: Settle | Dispute) -> None:
    """Check that what a leader has merged has the form of what the round, or its shard, merges."""
    parts = get_parts(r)
    if not parts:
        check_buffer(study, spec, r, tx.digest, tx.nbytes, tx.layout)
        return
    part = parts[r.lead.shard]
    if not codec.is_digest(tx.digest):
        raise BadValue("digest", "a sha256 digest of 64 hex digits", tx.digest)
    if (tx.layout, tx.nbytes) != (part.name, part.nbytes):
        expected = f"shard {r.lead.shard}, {part.nbytes} bytes of the layout {part.name[:16]}…"
        raise BadValue("layout", expected, f"{tx.layout[:16]}… of {tx.nbytes} bytes")


def check_provenance(provenance: Provenance) -> None:
    """Check that a contribution's provenance is short and plain."""
    software = provenance.software
    if len(software) > MAX_SOFTWARE or not (software.isascii() and software.isprintable()):
        expected = f"at most {MAX_SOFTWARE} printable ASCII characters"
        raise BadValue("provenance.software", expected, software[:40])
    if provenance.data and not codec.is_digest(provenance.data):
        raise BadValue("provenance.data", "a sha256 digest of 64 hex digits", provenance.data)


def check_evaluations(evaluations: tuple[Evaluation, ...], models: set[str]) -> None:
    """Check that metrics name the model on which they were measured: the base or the contribution
    itself."""
    if len(evaluations) > 2 or len({e.digest for e in evaluations}) != len(evaluations):
        raise BadValue("evaluations", "at most one of each model", len(evaluations))
    for e in evaluations:
        if e.digest not in models:
            raise BadValue("evaluations.digest", "the base or the contribution", e.digest)
        if not 1 <= e.samples <= MAX_SAMPLES:
            raise BadValue("evaluations.samples", f"1 to {MAX_SAMPLES}", e.samples)
        if len(e.metrics) > MAX_METRICS:
            raise BadValue("metrics", f"at most {MAX_METRICS} of one model", len(e.metrics))
        for name, value in e.metrics.items():
            if not is_metric_name(name):
                raise BadValue("metrics", METRIC_NAME, name)
            if abs(value) > MAX_METRIC * MICRO:
                expected = f"a number from -{MAX_METRIC} to {MAX_METRIC}"
                raise BadValue(f"metrics.{name}", expected, format_micro(value))


def format_micro(value: int) -> str:
    """Return a number of micro-units as decimal digits: 1500000 is 1.5."""
    whole, rest = divmod(abs(value), MICRO)
    digits = f"{whole}.{rest:06}".rstrip("0").rstrip(".")
    return f"-{digits}" if value < 0 else digits


def check_root(r: Round, tx: Settle) -> None:
    """Check that the root of a settled shard is that of its digest, and that of a whole is not
    given."""
    parts = get_parts(r)
    if not parts and tx.root:
        raise BadValue("root", "none: the round has one shard", tx.root)
    if parts and not codec.is_digest(tx.root):
        raise BadValue("root", "the root of the shard's chunks, 64 hex digits", tx.root)
    if parts and parts[r.lead.shard].compute_digest(tx.root) != tx.digest:
        raise BadValue("root", f"that of {tx.digest[:16]}…", tx.root)


def check_receipts(ctx: Context, r: Round, tx: Settle, leader: Member) -> None:
    """Check that enough distinct other candidates have signed that they hold the merged model."""
    candidates = get_candidates(r)
    computed = Computed(tx.met, tx.model)
    message = receipt_message(ctx.chain.chain_id, tx.ref, tx.digest, tx.nbytes, tx.layout, computed)
    signers = [p.member for p in tx.receipts]
    if len(set(signers)) != len(signers):
        raise BadValue("receipts", "one of each member", signers)
    for p in tx.receipts:
        if p.member not in candidates or p.member == leader.id:
            raise BadValue("receipts", "other contributors of this revision", p.member)
        account = MEMBER.need(ctx.state, p.member).account
        if not ctx.env.verify(account, RECEIPT_DOMAIN, message, p.signature):
            raise BadValue("receipts", f"a signature of member {p.member}", p.signature[:16])
    enrolled = len(r.enrolled)
    if not is_backed(r, enrolled, tx.ref.term, signers):
        drawn = list(get_auditors(r, enrolled, tx.ref.term))
        others = compute_substitutes(enrolled, len(candidates))
        raise BadValue("receipts", f"those of {drawn}, or any {others}", sorted(signers))


def add_report(ctx: Context, r: Round, report: Report) -> None:
    """Store a report about another member's contribution."""
    if report.member == report.reporter:
        raise NotAllowed("another member", "be reported; take your own back with retract")
    if r.contribution_of(report.member) is None:
        raise UnknownThing("contribution of member", report.member)
    if report in r.reports:
        raise AlreadyDone(f"member {report.reporter} reported member {report.member}")
    ROUND.put(ctx.state, r.study, record=replace(r, reports=(*r.reports, report)))
    ctx.emit(events.Reported(r.study, r.number, report.kind, report.member, report.reporter))
