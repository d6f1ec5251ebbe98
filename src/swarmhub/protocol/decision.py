"""A round from one node's point of view. Read it from top to bottom.

    trainer        my node            leader's node              other nodes
      | parameters   |                     |                          |
      |------------->| contribute (ledger: digest, weight, metrics)   |
      |              |<----- pull --------|                          |
      |              |   watch            | merge (all contributions) |
      |              |------------------->|                          |
      |              |<-- offer: digest --|------------------------->|
      |              |--- pull merged --->|<-------------------------|
      |              | audit (if drawn): recompute stretches of the merge
      |              |--- receipt ------->|                          |
      |              |                    | settle (ledger: digest, receipts)
      |<-------------| next round: everyone trains on from the settled model

Theory. The ledger decides everything that must be agreed: which members take part, when collecting
ends, which set is merged, which member leads. The rest is work for the node, and `decide` says
which: from the contract's state, the node's local state and the time it computes all effects that
should be under way *now*, from scratch, every time anything happens. It never waits for an answer
to a step and keeps no position in a script, so there is no step that a crash can lose: a node that
restarts reads the ledger, looks at its disk, and decides. It does no I/O and has no clock and no
randomness, so a simulator can drive it through millions of schedules.

A leader that dies is noticed because every other node has a request open at it (`Watch`); f + 1
suspicions move the term on. A contribution that cannot be had costs its reporters their terms and
is excluded when enough of them agree. All of that is decided by the contract; here a node only
reports what it observes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from swarmhub.contract.deadlines import get_due_ms
from swarmhub.contract.records import (
    STUDY,
    Contribution,
    Model,
    Receipt,
    Share,
    Study,
)
from swarmhub.contract.round.checks import MAX_STATISTICS_BYTES, STATISTICS_LAYOUT
from swarmhub.contract.round.election import (
    compute_leader_order,
    get_candidates,
    get_leader,
    is_backed,
)
from swarmhub.contract.round.kinds import (
    COLLECTING,
    DOCUMENT,
    KINDS,
    MERGING,
    TIMERS,
    compute_training_round,
)
from swarmhub.contract.round.minimum import take_in
from swarmhub.contract.round.phases import MAX_DOUBLINGS
from swarmhub.contract.state import Reader
from swarmhub.contract.transactions import (
    Invalid,
    Poke,
    Ready,
    Retract,
    Settle,
    Suspect,
    Unavailable,
)
from swarmhub.protocol.answers import make_contribution
from swarmhub.protocol.audit import answer_dispute, audit, open_dispute, prepare_audit
from swarmhub.protocol.effects import Check, Effect, Merge, Pull, Submit, Sync, Wake, Watch
from swarmhub.protocol.local_state import Failures, LocalState, Offered, ReceiptCame
from swarmhub.protocol.signatures import is_receipt
from swarmhub.protocol.view import (
    View,
    make_view,
    next_try_ms,
    pull,
    pull_contribution,
    pull_contributions,
    recent,
    shares_of,
)
from swarmhub.types import Digest, MemberId

MAX_PAUSES = 4  # doublings of a pause: eight seconds, less than failures are remembered
HEDGE = 2  # so many next in line fetch contributions as soon as the leader seems lost


def decide(state: Reader, local: LocalState, now_ms: int) -> list[Effect]:
    """Return all effects that should be under way at this node for this study, now."""
    view = make_view(state, local, now_ms)
    if view is None:
        study = STUDY.get(state, local.study)  # over: its last model is still wanted here
        enrolled = study is not None and study.samples_of(local.me) is not None
        return list(hold_models(study, local, now_ms)) if study and enrolled else []
    effects = [*hold_models(view.study, local, now_ms), *announce_ready(view)]
    if view.r.phase == COLLECTING:
        effects += [*contribute(view), *fetch_early(view)]
    elif view.r.phase == MERGING and view.me in get_candidates(view.r):
        leads = get_leader(view.r) == view.me
        effects += [
            *open_dispute(view),
            *answer_dispute(view),
            *confirm_invalid(view),
            *retract_own(view),
        ]
        effects += lead(view) if leads else follow(view)
    effects += poke(view, state)
    return [w for w in unite(effects) if not (isinstance(w, Submit) and w.body in local.refused)]


def unite(effects: list[Effect]) -> Iterator[Effect]:
    """Yield each effect once. A blob that several parts want is pulled from the holders of all of
    them."""
    pulls: dict[Effect, Pull] = {}
    for w in effects:
        if isinstance(w, Pull):
            first = pulls.get(w, w)
            holders = tuple(dict.fromkeys([*first.holders, *w.holders]))
            pulls[w] = replace(first, holders=holders, durable=first.durable or w.durable)
    for w in dict.fromkeys(effects):
        yield pulls.get(w, w)


# before and while collecting


def hold_models(study: Study, local: LocalState, now_ms: int) -> Iterator[Effect]:
    """Fetch the settled model (and the statistics) from which training goes on."""
    for model in (study.statistics, study.current):
        if model is not None and model.digest not in local.held:
            holders = get_holders(model, study)
            yield from pull(local, now_ms, model.digest, model.nbytes, model.layout, holders)


def get_holders(model: Model, study: Study) -> tuple[MemberId, ...]:
    """Return the holders to ask for a settled model: its leader, the signers of its receipts and
    its contributors had it; all of those may be gone or lie, so the other enrolled members follow,
    which have pulled it since."""
    shares = (s.member for s in model.shares)
    enrolled = (e.member for e in study.enrolled)
    return tuple(dict.fromkeys([model.leader, *model.receipts, *shares, *enrolled]))


def announce_ready(view: View) -> Iterator[Effect]:
    """Say that a trainer stands here, if the roster does not have this node."""
    expected = get_candidates(view.r) if view.r.phase == MERGING else view.r.roster
    if view.local.attached and view.me not in {*expected, *view.study.ready}:
        yield Submit(Ready(view.r.study))


def contribute(view: View) -> Iterator[Effect]:
    """Bring the trainer's answer to the ledger, once, if it is an answer to this round. If it was
    excluded because the others could not get it, try again, but less and less often."""
    prepared, r, local = view.local.prepared, view.r, view.local
    if prepared is None or (prepared.number, prepared.base) != (r.number, r.base):
        return
    before = local.contributed.get(r.number)
    pause_ms = local.timeouts.again_ms << min(before.count - 1, MAX_PAUSES) if before else 0
    at_ms = before.last_ms + pause_ms if before else 0
    if r.contribution_of(view.me) is None and view.now_ms < at_ms:
        yield Wake(at_ms)
    elif r.contribution_of(view.me) is None:
        yield Submit(make_contribution(view.study, r, prepared))


def fetch_early(view: View) -> Iterator[Effect]:
    """Pull contributions as they arrive, if this node is the first in line of the roster."""
    order = compute_leader_order(view.r.study, view.r.number, view.r.roster)
    if order and order[0] == view.me:
        yield from pull_contributions(view)


# merging: the leader


def lead(view: View) -> Iterator[Effect]:
    """Get all contributions, merge them, offer the result, and settle when others hold it."""
    local, r = view.local, view.r
    merged = local.merged.get((r.number, r.revision))
    if merged is None:
        yield from (merge(view) if KINDS[r.kind].has_merge else start_from_own(view))
        return
    if merged.digest not in local.synced:
        yield Sync(merged.digest)  # the signers may lie: this may be the only copy
        return
    if r.dispute is not None:
        return  # a merge of this round is recomputed now, this one or another
    receipts = local.receipts.get((r.number, r.revision, merged.digest), {})
    came = [ReceiptCame(r.number, r.revision, merged.digest, m, s) for m, s in receipts.items()]
    signed = [
        Receipt(receipt.member, receipt.signature)
        for receipt in came  # its key may have changed since
        if receipt.member in get_candidates(r) and is_receipt(view.state, r.study, receipt, merged)
    ]
    signed.sort(key=lambda receipt: local.mistrusted[receipt.member])  # stable: else as they came
    backed = choose_receipts(view, signed)
    if backed is not None:
        yield Submit(Settle(view.ref, merged.digest, merged.nbytes, merged.layout, backed))


def choose_receipts(view: View, signed: list[Receipt]) -> tuple[Receipt, ...] | None:
    """Return the first receipts that are enough (a later one must not make another effect), or
    None."""
    r, enrolled = view.r, len(view.r.enrolled)
    for count in range(len(signed) + 1):
        first = tuple(signed[:count])
        if is_backed(r, enrolled, r.term, {receipt.member for receipt in first}):
            return first
    return None


def start_from_own(view: View) -> Iterator[Effect]:
    """Merge the leader's own parameters alone: in the initial round they are the model."""
    prepared, r = view.local.prepared, view.r
    if prepared is not None and prepared.number == r.number:
        share = Share(view.me, prepared.weight, prepared.digest)
        yield Merge(
            r.study, r.number, r.kind, r.revision, view.spec.merge, prepared.layout, (share,)
        )


def merge(view: View) -> Iterator[Effect]:
    """Merge once every contribution is here; report those that cannot be had or merged."""
    local, r = view.local, view.r
    missing = [c for c in r.contributions if c.digest not in local.held]
    bad = [c for c in r.contributions if local.is_bad(c.digest, c.weight)]
    if missing or bad:
        yield from pull_contributions(view)
        yield from report_unavailable(view, missing, bad)
        return
    shares = shares_of(view)
    layout = r.contributions[0].layout
    yield Merge(r.study, r.number, r.kind, r.revision, view.spec.merge, layout, shares)


def report_unavailable(
    view: View, missing: list[Contribution], bad: list[Contribution]
) -> Iterator[Effect]:
    """Report a contribution that cannot be had or merged, another one in each term: reports stay.

    One that cannot be merged is reported by `confirm_invalid`, and the contract decides. But an
    owner may give its contribution to some members and not to others, which cannot confirm that it
    is bad: so, late in the term, one that cannot be merged counts as one that cannot be had."""
    late_ms = get_late_ms(view)
    is_late = late_ms is not None and view.now_ms >= late_ms
    slow = find_slow(view, missing)
    lost = [c for c in missing if c in slow or is_out_of_reach(view, c.digest)]
    said = {p.member for p in view.r.reports if (p.kind, p.reporter) == ("unavailable", view.me)}
    for c in [*lost, *(bad if is_late else [])]:
        if c.member != view.me and c.member not in said:  # its own: see `retract_own`
            yield Submit(Unavailable(view.ref, c.member))
            return
    if late_ms is not None and not is_late:
        yield Wake(late_ms)


def find_slow(view: View, missing: list[Contribution]) -> list[Contribution]:
    """Return the contributions with a pull that has gone on for half of the term and takes longer
    than three quarters of it, while more than half of all contributions are here, and the others
    are enough."""
    r, local = view.r, view.local
    late_ms = get_late_ms(view)
    if late_ms is None or view.now_ms < late_ms or len(r.contributions) <= r.min_peers:
        return []
    if 2 * len(missing) >= len(r.contributions):
        return []  # the fault may be here, or in the network
    since_ms = late_ms - 2 * (late_ms - (view.term_began_ms or 0)) // 3
    return [c for c in missing if local.pulling.get(c.digest, view.now_ms) <= since_ms]


def get_late_ms(view: View) -> int | None:
    """Return the time at three quarters of the term: the rest is for a report to be in a block
    before it ends."""
    if view.term_began_ms is None or view.term_ends_ms is None:
        return None
    return view.term_began_ms + (view.term_ends_ms - view.term_began_ms) * 3 // 4


def is_out_of_reach(view: View, digest: Digest) -> bool:
    """Return whether pulls of this blob have failed for longer than the timeouts allow."""
    failures = recent(view, view.local.failed.get(digest))
    if failures is None or failures.count < 2:
        return False
    return view.now_ms - failures.first_ms >= view.local.timeouts.unavailable_ms


# merging: everyone else


def follow(view: View) -> Iterator[Effect]:
    """Watch the leader, take its merged model, sign for it; suspect a leader that is gone."""
    local, r = view.local, view.r
    leader = get_leader(r)
    if leader is None:
        return
    yield from prepare_audit(view, leader)
    offer = local.offers.get((r.number, r.revision, leader))
    known = offer.digest if offer else ""
    lost = recent(view, local.lost.get(leader))
    at_ms = next_try_ms(local, lost)
    if at_ms > view.now_ms:
        yield Wake(at_ms)
    else:
        yield Watch(leader, r.study, r.number, r.revision, known)
    if lost is not None:
        yield from doubt(view, lost)
    if offer is None or (not KINDS[r.kind].has_merge and local.prepared is None):
        return  # in the initial round only the own trainer knows the model's form
    if offer.digest in local.held and not local.is_bad(offer.digest):
        yield from audit(view, offer)
    elif is_acceptable(view, offer):
        yield from pull(local, view.now_ms, offer.digest, offer.nbytes, offer.layout, (leader,))
    if is_out_of_reach(view, offer.digest) or not is_acceptable(view, offer):
        yield from suspect(view)  # it answers, but not with a model that anybody could take


def suspect(view: View) -> Iterator[Effect]:
    """Suspect, once, the leader of this term. If all have led in vain the fault may be here, or in
    the network: then wait first, for a time that doubles with every cycle of leaders."""
    r = view.r
    if view.me in r.suspects:
        return
    cycle = (r.term - r.since_term) // len(get_candidates(r))
    if cycle:
        if view.term_began_ms is None:
            return  # the next block says when it began
        at_ms = view.term_began_ms + (view.local.timeouts.suspect_ms << min(cycle, MAX_DOUBLINGS))
        if view.now_ms < at_ms:
            yield Wake(at_ms)
            return
    yield Submit(Suspect(view.ref))


def doubt(view: View, lost: Failures) -> Iterator[Effect]:
    """Handle a leader out of reach: fetch contributions if next in line; suspect it after a
    while."""
    r = view.r
    order = compute_leader_order(r.study, r.number, get_candidates(r))
    line = [order[(r.term + k) % len(order)] for k in range(1, HEDGE + 1)]
    if view.me in line:
        yield from pull_contributions(view)
    since_ms = lost.first_ms + view.local.timeouts.suspect_ms
    if view.now_ms < since_ms:
        yield Wake(since_ms)
    elif lost.count >= 2:
        yield from suspect(view)


def is_acceptable(view: View, offer: Offered) -> bool:
    """Return whether an offered model was not found bad and has the study's form (in the initial
    round, that of this node's trainer)."""
    r, local = view.r, view.local
    if local.is_bad(offer.digest):
        return False
    if KINDS[r.kind].carries == DOCUMENT:
        return offer.layout == STATISTICS_LAYOUT and 0 < offer.nbytes <= MAX_STATISTICS_BYTES
    if not 0 < offer.nbytes <= view.spec.max_bytes:
        return False
    if not KINDS[r.kind].has_merge:
        mine = local.prepared
        return mine is not None and (mine.layout, mine.nbytes) == (offer.layout, offer.nbytes)
    current = view.study.current
    return current is not None and (current.layout, current.nbytes) == (offer.layout, offer.nbytes)


def retract_own(view: View) -> Iterator[Effect]:
    """Retract the node's own contribution if a crash has torn its blob and it is needed: members
    that have pulled it before may have died or lie, and too few may be left to exclude it."""
    r, mine = view.r, view.r.contribution_of(view.me)
    if mine is None or mine.digest in view.local.held:
        return
    if r.dispute is not None and r.dispute.leader == view.me:
        return  # to leave now would count as fleeing
    reported = any((p.kind, p.member) == ("unavailable", view.me) for p in r.reports)
    if reported or get_leader(r) == view.me:
        yield Submit(Retract(view.ref))


def confirm_invalid(view: View) -> Iterator[Effect]:
    """Check contributions that others call invalid, and report those that are."""
    local, r = view.local, view.r
    said = {p.member for p in r.reports if p.kind == "invalid"}
    mine = {p.member for p in r.reports if p.kind == "invalid" and p.reporter == view.me}
    for c in r.contributions:
        if c.member == view.me or c.member in mine:
            continue
        if local.is_bad(c.digest, c.weight):
            yield Submit(Invalid(view.ref, c.member))
        elif c.member in said and not local.is_good(c.digest, c.weight):
            if c.digest in local.held:
                yield Check(c.digest, c.member, c.weight)
            else:
                yield from pull_contribution(view, c)


# time


def poke(view: View, state: Reader) -> Iterator[Effect]:
    """Make a block when a deadline of the round has passed, one member after the other."""
    local, study = view.local, view.r.study
    due = [due_ms for timer in TIMERS if (due_ms := get_due_ms(state, f"{timer}/{study}"))]
    if not due:
        return
    enrolled = tuple(e.member for e in view.study.enrolled)
    rank = compute_leader_order(view.r.study, view.r.number, enrolled).index(view.me)
    for due_ms in due:
        at_ms = max(due_ms + 1 + rank * local.timeouts.poke_step_ms,
                    local.poked_ms + local.timeouts.poke_step_ms)  # fmt: skip
        if view.now_ms >= at_ms:
            yield Submit(Poke(view.r.study))
        else:
            yield Wake(at_ms)


# the trainer


@dataclass(frozen=True)
class TrainingTask:
    """The present task of this node's trainer."""

    study: str
    number: int
    kind: str
    training_round: int  # 1 to `rounds` in parameter rounds
    rounds: int
    base: Digest  # settled model to start from; "" before the first
    layout: Digest
    statistics: Digest  # merged statistics document; "" if the study has none


def assign(state: Reader, local: LocalState) -> TrainingTask | None:
    """Return the trainer's next task; None as long as it has to wait."""
    view = make_view(state, local, 0)
    if view is None or (view.r.phase == MERGING and KINDS[view.r.kind].has_contributions):
        return None
    joined = take_in(view.spec, view.study, view.r, local.me)  # else in the next round
    return expect(state, local) if joined is not None else None


def expect(state: Reader, local: LocalState) -> TrainingTask | None:
    """Return the task that an answer of the trainer may be to, also one that comes when the others
    merge already: they may have to collect again."""
    view = make_view(state, local, 0)
    if view is None:
        return None
    r, study, prepared = view.r, view.study, local.prepared
    answered = prepared is not None and (prepared.number, prepared.base) == (r.number, r.base)
    if answered or r.contribution_of(local.me) is not None:
        return None
    if any(m and m.digest not in local.held for m in (study.current, study.statistics)):
        return None
    return TrainingTask(
        study=r.study,
        number=r.number,
        kind=r.kind,
        training_round=compute_training_round(view.spec, r.number),
        rounds=view.spec.rounds,
        base=r.base,
        layout=study.current.layout if study.current else view.spec.layout,
        statistics=study.statistics.digest if study.statistics else "",
    )
