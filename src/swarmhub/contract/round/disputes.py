"""Disputes: a leader's merge is doubted, recomputed, and found true or false.

A merge has one right result, so a dispute names a chunk and its right leaf. The candidates other
than the leader recompute that chunk; the leaf that more than half of them report decides, if those
are more than f, the number of Byzantine members that the study tolerates. A merge that is found
false costs its leader this round; a dispute that is not upheld costs its author the right to open
another in this round. A dispute that stays undecided for a leader's time is not upheld: a
settlement needs receipts of members that have audited it in any case.

A leader is accountable for its offers, also when it rotates its account key afterwards: a round
keeps the keys that a leader had, until its set of contributions changes. It is accountable as long
as it may settle, also when another one leads by now; and if it takes its contribution back while
its merge is disputed, it leads no more in this round.
"""

from __future__ import annotations

from dataclasses import replace

from swarmhub import codec, merkle
from swarmhub.contract import deadlines, events
from swarmhub.contract.consortium.thresholds import compute_verdict
from swarmhub.contract.context import Context
from swarmhub.contract.records import (
    MEMBER,
    ROUND,
    Answer,
    FormerAccount,
    Member,
    OpenDispute,
    Round,
    RoundRef,
)
from swarmhub.contract.refusals import AlreadyDone, BadValue, NotAllowed, StaleRound, UnknownThing
from swarmhub.contract.round.checks import (
    check_merged,
    need_candidate,
    need_led_round,
    need_shard,
)
from swarmhub.contract.round.election import get_candidates, get_leader, has_led
from swarmhub.contract.round.endings import put
from swarmhub.contract.round.kinds import KINDS, is_led, is_taken
from swarmhub.contract.round.phases import next_term
from swarmhub.contract.round.shards import find_due, find_shard, get_views, make_key
from swarmhub.contract.state import Reader
from swarmhub.contract.transactions import Dispute, Recompute, receipt_message
from swarmhub.types import OFFER_DOMAIN, Digest, MemberId, PublicKey

MAX_FORMER = 8  # account keys of one leader that a round keeps


def dispute(ctx: Context, tx: Dispute) -> None:
    """Open a dispute about a leader's signed offer, by one chunk that a candidate has
    recomputed."""
    member = ctx.need_member()
    study, spec, r = need_led_round(ctx, tx.ref, tx.KIND)
    need_candidate(r, member)
    leader = get_leader(r, tx.ref.term)
    if not KINDS[r.kind].has_contributions or leader is None:
        raise BadValue("ref", "a round with contributions to merge", r.kind)
    if member.id == leader or member.id in r.lead.unfounded:
        raise NotAllowed("another contributor without an unfounded dispute", "dispute a merge")
    if leader in r.lead.false_leaders:
        raise AlreadyDone(f"the merge of member {leader} was found false")
    if r.lead.dispute is not None:
        raise AlreadyDone(f"the merge of member {r.lead.dispute.leader} is disputed")
    check_merged(study, spec, r, tx)
    check_offer(ctx, tx, leader)
    check_proof(tx)
    doubted = OpenDispute(tx.digest, leader, tx.chunk, tx.claimed, member.id, ())
    put(ctx, r.with_lead(dispute=doubted))
    deadlines.mark(ctx.state, make_key("dispute", r), spec.leader_timeout_ms)
    ctx.emit(
        events.DisputeOpened(
            r.study, r.number, leader, tx.digest, tx.chunk, tx.claimed, member.id, r.lead.shard
        )
    )
    take_answer(ctx, tx.ref, member.id, tx.leaf)


def recompute(ctx: Context, tx: Recompute) -> None:
    """Store a candidate's own hash of the disputed chunk."""
    member = ctx.need_member()
    _, _, r = need_shard(ctx, tx.ref)
    if replace(tx.ref, term=r.lead.term) != RoundRef.of(r) or not is_taken(r.phase, tx.KIND):
        raise StaleRound(str(tx.ref), str(RoundRef.of(r)), r.base)
    need_candidate(r, member)
    found = r.lead.dispute
    if found is None or (found.digest, found.chunk) != (tx.digest, tx.chunk):
        raise UnknownThing("dispute about model", tx.digest)
    if member.id == found.leader:
        raise NotAllowed("a contributor other than the leader in question", "recompute its merge")
    if any(a.member == member.id for a in found.answers):
        raise AlreadyDone(f"member {member.id} has recomputed chunk {tx.chunk}")
    if not codec.is_digest(tx.leaf):
        raise BadValue("leaf", "a sha256 hash of 64 hex digits", tx.leaf)
    take_answer(ctx, tx.ref, member.id, tx.leaf)


def take_answer(ctx: Context, ref: RoundRef, member: MemberId, leaf: Digest) -> None:
    """Count an answer; decide when enough of the voters agree, or all have answered."""
    r = ROUND.of_shard(ctx.state, ref.study, ref.shard)
    assert r.lead.dispute is not None
    claimed, answers = r.lead.dispute.claimed, (*r.lead.dispute.answers, Answer(member, leaf))
    r = r.with_lead(dispute=replace(r.lead.dispute, answers=answers))
    put(ctx, r)
    voters = len(get_candidates(r)) - 1
    needed = compute_verdict(len(r.enrolled), voters)
    agreed = [a.leaf for a in answers if sum(b.leaf == a.leaf for b in answers) >= needed]
    if agreed and agreed[0] != claimed:
        convict(ctx, r, agreed[0])
    elif agreed or len(answers) == voters:
        dismiss(ctx, r)


def convict(ctx: Context, r: Round, leaf: Digest) -> None:
    """Find the merge false: its leader leads no more in this round, and the next in line does."""
    found = r.lead.dispute
    assert found is not None
    by = tuple(a.member for a in found.answers if a.leaf == leaf)
    ctx.emit(
        events.FalseMerge(
            r.study, r.number, r.revision, r.lead.term, found.leader, found.digest, found.chunk,
            found.claimed, leaf, by, r.lead.shard,
        )
    )  # fmt: skip
    deadlines.clear(ctx.state, make_key("dispute", r))
    put(ctx, r.with_lead(dispute=None))
    for view in get_views(ctx.state, r):  # it leads no shard any more
        leads, known = get_leader(view) == found.leader, view.lead.false_leaders
        put(ctx, view.with_lead(false_leaders=tuple(dict.fromkeys((*known, found.leader)))))
        if leads:
            next_term(ctx, r.study, view.lead.shard)


def dismiss(ctx: Context, r: Round) -> None:
    """End a dispute that is not upheld; its author opens no other in this round."""
    found = r.lead.dispute
    assert found is not None
    ctx.emit(
        events.DisputeDismissed(
            r.study, r.number, found.leader, found.digest, found.chunk, found.by, r.lead.shard
        )
    )
    deadlines.clear(ctx.state, make_key("dispute", r))
    put(ctx, r.with_lead(dispute=None))
    for view in get_views(ctx.state, r):  # nor about another shard
        known = view.lead.unfounded
        put(ctx, view.with_lead(unfounded=tuple(dict.fromkeys((*known, found.by)))))


def end_dispute(ctx: Context, key: str) -> None:
    """Dismiss a dispute if too few have recomputed the chunk in time."""
    r = find_due(ctx.state, key)
    if r is not None and r.lead.dispute is not None:
        dismiss(ctx, r)


def check_offer(ctx: Context, tx: Dispute, leader: MemberId) -> None:
    """Check that the leader itself has offered this digest."""
    message = receipt_message(ctx.chain.chain_id, tx.ref, tx.digest, tx.nbytes, tx.layout)
    accounts = get_accounts(ctx.state, tx.ref.study, leader, tx.ref.shard)
    if not any(ctx.env.verify(a, OFFER_DOMAIN, message, tx.offer) for a in accounts):
        raise BadValue("offer", f"the signature of the leader, member {leader}", tx.offer[:16])


def get_accounts(
    state: Reader, name: str, member: MemberId, shard: int = 0
) -> tuple[PublicKey, ...]:
    """Return the keys with which a member may have signed an offer of a shard in the open revision
    of a study."""
    r = find_shard(state, name, shard)
    former = r.lead.former_accounts if r is not None else ()
    now = MEMBER.need(state, member).account
    return (now, *(f.account for f in former if f.member == member))


def keep_account(ctx: Context, name: str, member: Member) -> None:
    """Keep the account key that a member rotates: if it has led this revision of a study's round,
    it may have signed an offer with that key."""
    found = ROUND.get(ctx.state, name)
    if found is None or not is_led(found) or not KINDS[found.kind].has_contributions:
        return
    for r in get_views(ctx.state, found):
        if has_led(r, member.id):
            keep_account_of(ctx, r, member)


def keep_account_of(ctx: Context, r: Round, member: Member) -> None:
    """Keep the account key of a leader of the round's shard."""
    if sum(f.member == member.id for f in r.lead.former_accounts) >= MAX_FORMER:
        raise AlreadyDone(
            f"member {member.id} rotated its account key {MAX_FORMER} times while round {r.number} "
            f"of '{r.study}' merges; rotate it again when that is settled"
        )
    former = FormerAccount(member.id, member.account)
    put(ctx, r.with_lead(former_accounts=(*r.lead.former_accounts, former)))


def check_proof(tx: Dispute) -> None:
    """Check that the claimed leaf is that of the chunk in the digest, and that the signer got
    another one."""
    count = merkle.chunk_count(tx.nbytes)
    if not 0 <= tx.chunk < count:
        raise BadValue("chunk", f"0 to {count - 1}", tx.chunk)
    for name, value in (("claimed", tx.claimed), ("leaf", tx.leaf)):
        if not codec.is_digest(value):
            raise BadValue(name, "a sha256 hash of 64 hex digits", value)
    if len(tx.path) > 64 or not all(codec.is_digest(h) for h in tx.path):
        raise BadValue("path", "hashes of 64 hex digits", len(tx.path))
    path = [bytes.fromhex(h) for h in tx.path]
    root = merkle.climb(bytes.fromhex(tx.claimed), tx.chunk, count, path)
    if root is None or merkle.blob_digest(tx.layout, tx.nbytes, root) != tx.digest:
        raise BadValue("path", f"a proof that {tx.digest[:16]}… has that chunk", tx.claimed)
    if tx.leaf == tx.claimed:
        raise BadValue("leaf", "another hash than the claimed one", tx.leaf)
