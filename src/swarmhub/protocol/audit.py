"""Audits of offers, and answers to disputes.

A settlement needs receipts, and no node signs one before it has audited. The contract draws the
auditors; the others audit only when no settlement comes (a drawn auditor may be dead, or lie). An
auditor that finds a false chunk disputes it on the ledger; then every candidate but the leader
recomputes that chunk, and the leaf that most of them report decides.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from swarmhub.contract.records import Contribution, RoundRef
from swarmhub.contract.round.election import get_auditors, get_leader, get_terms
from swarmhub.contract.round.kinds import KINDS, TRAIN
from swarmhub.contract.transactions import Dispute, Recompute
from swarmhub.protocol.changes import compute_model, get_model
from swarmhub.protocol.effects import (
    Audit,
    Check,
    Effect,
    RecomputeChunk,
    SendReceipt,
    Submit,
    Sync,
    Wake,
)
from swarmhub.protocol.observations import Discrepancy, Offered
from swarmhub.protocol.view import View, next_try_ms, pull_contribution, recent, shares_of
from swarmhub.types import MemberId

AUDIT_ALL_BYTES = 64 * 1024  # below this, all of a merge costs no more than drawing from it


def audit(view: View, offer: Offered) -> Iterator[Effect]:
    """Audit a held offer if it is this node's turn, then sign for it."""
    local, r = view.local, view.r
    if not KINDS[r.kind].has_contributions:
        # the leader's own start: nothing to recompute, but to look at
        if local.is_good(offer.digest):
            yield from sign(view, offer)
        else:
            yield Check(view.stage, offer.digest, offer.leader, 0)
            yield from keep(view, offer)
        return
    mine = local.merged.get(view.key)
    if mine is not None and mine.digest == offer.digest:  # led before: it has computed all of it
        yield from sign(view, offer, mine.met)
        return
    found = local.audits.get((*view.key, offer.digest))
    if found is None:
        drawn = get_auditors(r, len(r.enrolled))
        at_ms = get_turn_ms(view, offer, drawn)
        if view.me in drawn or view.now_ms >= at_ms:
            yield from inspect(view, offer)
            yield from keep(view, offer)
        else:
            yield Wake(at_ms)
    elif found.discrepancy is None:
        yield from sign(view, offer, found.met)


def get_turn_ms(view: View, offer: Offered, drawn: Collection[MemberId]) -> int:
    """Return when members audit that were not drawn. One that is far away gets the merge later than
    this node: it has as much time again as the merge took to come here, if it is not lost."""
    local = view.local
    arrived_ms = local.arrived.get(offer.digest, 0)  # not since this node has started: long ago
    took_ms = arrived_ms - (view.term_began_ms or arrived_ms)
    if any(recent(view, local.lost.get(member)) for member in drawn):
        took_ms = 0
    return arrived_ms + max(local.timeouts.audit_ms, took_ms)


def inspect(view: View, offer: Offered) -> Iterator[Effect]:
    """Ask for the audit, and first for the contributions that it needs as a whole."""
    local, r = view.local, view.r
    if any(local.is_bad(c.digest, c.weight) for c in r.contributions):
        return  # nobody can merge that; `confirm_invalid` reports it
    full = view.spec.audit == "full" or offer.nbytes <= AUDIT_ALL_BYTES or is_whole(view)
    missing = [c for c in r.contributions if c.digest not in local.held]
    silent = [c for c in missing if is_needed_whole(view, c, offer.leader)]
    for c in silent:  # the leader has had them all
        yield from pull_contribution(view, c, (offer.leader, c.member, *r.contributors))
    if full:
        for c in missing:
            yield from pull_contribution(view, c, (c.member, offer.leader, *r.contributors))
    if not (missing if full else silent) and not view.lacks_base:
        yield Audit(
            r.study, r.number, view.stage, r.revision, offer.layout, shares_of(view),
            offer.digest, offer.leader, full, view.merge_base, r.is_masked, view.changes,
            view.part,
        )  # fmt: skip


def prepare_audit(view: View, leader: MemberId) -> Iterator[Effect]:
    """Fetch the leader's contribution while the leader still merges, if this node is a drawn
    auditor."""
    r, c = view.r, view.r.contribution_of(leader)
    if r.kind != TRAIN or c is None or not is_needed_whole(view, c, leader):
        return
    if c.digest not in view.local.held and view.me in get_auditors(r, len(r.enrolled)):
        yield from pull_contribution(view, c)


def is_whole(view: View) -> bool:
    """Return whether a merge of this kind is recomputed as a whole, never in parts: all but the
    merges of parameters by a chunk-local rule."""
    return view.r.kind != TRAIN or not view.stage.rule.is_chunk_local


def is_needed_whole(view: View, c: Contribution, leader: MemberId) -> bool:
    """Return whether the audit needs a whole contribution and not stretches of it: a leader that
    saw which are drawn could adapt its answer, and some members have none to give."""
    asked_in_vain = (view.r.number, view.r.revision, c.member) in view.local.lacking
    return c.member == leader or asked_in_vain


def keep(view: View, offer: Offered) -> Iterator[Effect]:
    """Sync the offer before signing for it: the leader may lie, and then this may be the only copy
    of the model that it settles. Of a change, compute the model as well."""
    yield from compute_model(view, offer.digest)
    model = get_model(view, offer.digest)
    yield from (Sync(d) for d in (offer.digest, model) if d and d not in view.local.synced)


def sign(view: View, offer: Offered, met: bool = False) -> Iterator[Effect]:
    """Send a receipt for an offer: kept, and right as far as it was recomputed. `met`: the stage's
    test holds."""
    r, local = view.r, view.local
    if (*view.key, offer.leader) in local.receipted:
        return
    model, unready = get_model(view, offer.digest), list(keep(view, offer))
    if model is None or unready:
        yield from unready
        return
    at_ms = next_try_ms(local, local.lost.get(offer.leader))
    if at_ms > view.now_ms:
        yield Wake(at_ms)
    else:
        yield SendReceipt(
            offer.leader, r.study, r.number, r.revision, offer.digest, met, model, r.lead.shard
        )


def open_dispute(view: View) -> Iterator[Effect]:
    """Bring a false chunk before the ledger, with the leader's signature and the proof: of the
    present leader, and of earlier ones that may still settle."""
    r, local = view.r, view.local
    if r.lead.dispute is not None or view.me in r.lead.unfounded:
        return
    for term in get_terms(r):
        leader = get_leader(r, term)
        if leader is None or leader in r.lead.false_leaders:
            continue
        offer = local.offers.get((*view.key, leader))
        found = local.audits.get((*view.key, offer.digest)) if offer else None
        if offer is not None and found is not None and found.discrepancy is not None:
            yield dispute(replace(view.ref, term=term), offer, found.discrepancy)


def dispute(ref: RoundRef, offer: Offered, discrepancy: Discrepancy) -> Effect:
    """Return the transaction that disputes an offer."""
    return Submit(
        Dispute(
            ref=ref,
            digest=offer.digest,
            nbytes=offer.nbytes,
            layout=offer.layout,
            offer=offer.signature,
            chunk=discrepancy.chunk,
            claimed=discrepancy.claimed,
            path=discrepancy.path,
            leaf=discrepancy.leaf,
        )
    )


def answer_dispute(view: View) -> Iterator[Effect]:
    """Recompute the disputed chunk and report its right leaf."""
    local, r = view.local, view.r
    found = r.lead.dispute
    if found is None or view.me == found.leader or view.me in {a.member for a in found.answers}:
        return
    leaf = local.examined.get((*view.key, found.chunk))
    if leaf is not None:
        yield Submit(Recompute(view.ref, found.digest, found.chunk, leaf))
        return
    whole = is_whole(view)
    missing = [c for c in r.contributions if whole and c.digest not in local.held]
    for c in missing:  # the author of the dispute has recomputed it
        yield from pull_contribution(view, c, (found.by, c.member, *r.contributors))
    if not missing and not view.lacks_base:
        c = r.contributions[0]
        yield RecomputeChunk(
            r.study, r.number, view.stage, r.revision, c.layout, c.nbytes,
            shares_of(view), found.chunk, found.by, found.leader, view.merge_base,
            r.is_masked, view.changes, view.part,
        )  # fmt: skip
