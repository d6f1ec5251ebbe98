"""Rounds in shards: how a model is cut, a leader for each shard, one settlement for all."""

from __future__ import annotations

import dataclasses

import pytest
from builders import CLAIMED, HEART, LAYOUT, RIGHT, digest, running
from hypothesis import given
from hypothesis import strategies as st

from swarmhub import merkle
from swarmhub.contract.consortium.thresholds import compute_witnesses
from swarmhub.contract.events import FalseMerge, Settled, ShardSettled, StudyEnded, TookOver
from swarmhub.contract.records import LEADERSHIP, ROUND, MergeRule, RoundRef
from swarmhub.contract.round.election import get_auditors, get_leader
from swarmhub.contract.round.shards import cut, cut_round, get_leads, get_parts, get_views
from swarmhub.contract.transactions import (
    Dispute,
    Pause,
    Propose,
    Recompute,
    Retract,
    Settle,
    Suspect,
    Unavailable,
    receipt_message,
)
from swarmhub.merkle import CHUNK_BYTES
from swarmhub.types import OFFER_DOMAIN

MEMBERS = tuple(range(1, 8))
CHUNKS = 13  # seven members: seven shards of two chunks, the last of one
NBYTES = CHUNKS * CHUNK_BYTES - 100
FORM = {"nbytes": NBYTES, "layout": LAYOUT}


def leaves_of(word, count=CHUNKS):
    """The leaves of a made-up buffer."""
    return [bytes.fromhex(digest(f"{word} {i}")) for i in range(count)]


def parts_of(word, size=2):
    """Root and parts of a made-up contribution."""
    leaves = leaves_of(word)
    return merkle.root_of(leaves).hex(), tuple(r.hex() for r in merkle.roots_of(leaves, size))


def collecting(n=7, **spec):
    """The first training round of a study with a model of thirteen chunks."""
    c = running(n, **spec)
    c.ready(*c.chain.active)
    c.settle(**FORM)
    return c


def contribute(c, *members, **changes):
    for member in members:
        root, parts = parts_of(f"by {member}")
        c.contribute(member, **FORM | {"root": root, "parts": parts} | changes)


def merging(**spec):
    c = collecting(**spec)
    contribute(c, *MEMBERS)
    assert c.round().phase == "MERGING"
    return c


def see(c, shard):
    """The round as the leader of a shard sees it."""
    return ROUND.of_shard(c.state, HEART, shard)


def settlement(c, shard, word="merged", **changes):
    """A settlement of a shard, with the receipts that it needs."""
    r, part = see(c, shard), get_parts(c.round())[shard]
    root = parts_of(word)[1][shard]
    of, ref = part.compute_digest(root), RoundRef.of(r)
    drawn = get_auditors(r, len(r.enrolled))
    receipts = tuple(c.receipt(m, ref, of, part.nbytes, part.name) for m in drawn)
    body = Settle(ref, of, part.nbytes, part.name, receipts, root=root)
    return dataclasses.replace(body, **changes)


def settle(c, *shards, **changes):
    for shard in shards:
        c.ok(get_leader(see(c, shard)), settlement(c, shard, **changes))


@given(st.integers(1, 400), st.integers(1, 64), st.integers(0, CHUNK_BYTES - 1))
def test_parts_are_subtrees_and_no_more_than_wanted(chunks, most, short):
    nbytes = chunks * CHUNK_BYTES - short
    parts, leaves = cut(LAYOUT, nbytes, most), leaves_of("x", chunks)
    sizes = [merkle.chunk_count(p.nbytes) for p in parts]
    assert len(parts) <= most
    assert sum(p.nbytes for p in parts) == nbytes
    assert set(sizes[:-1]) <= {sizes[0]}
    roots = merkle.roots_of(leaves, sizes[0])
    ranges = [leaves[p.first : p.first + n] for p, n in zip(parts, sizes, strict=True)]
    assert roots == [merkle.root_of(found) for found in ranges]
    assert merkle.root_of(roots) == merkle.root_of(leaves)
    assert cut(LAYOUT, nbytes, len(parts)) == parts
    assert len({p.name for p in parts}) == len(parts)
    assert len(parts) == 1 or sizes[0] < 2 * -(-chunks // most)


def test_each_member_leads_a_shard_and_the_last_one_settles_the_model():
    c = merging()
    leaders = [get_leader(view) for view in get_views(c.state, c.round())]
    assert sorted(leaders) == list(MEMBERS)
    settle(c, 3, 0, 1, 2, 4, 6)
    assert not [s for s in c.happened(Settled) if s.model.kind == "train"]
    settle(c, 5)
    model = c.happened(Settled)[-1].model
    whole = merkle.blob_digest(LAYOUT, NBYTES, merkle.root_of(leaves_of("merged")))
    assert (model.digest, model.nbytes, model.layout) == (whole, NBYTES, LAYOUT)
    assert [s.leader for s in model.shards] == leaders
    assert model.leader == leaders[5]
    assert [e.shard for e in c.happened(ShardSettled)] == [3, 0, 1, 2, 4, 6, 5]
    assert c.round().number == 3
    assert not [p for p in c.state.values if "/leader/" in p and not p.endswith("/0")]


def test_who_is_away_costs_its_own_shards_alone():
    c = collecting()
    contribute(c, *MEMBERS)
    before = [get_leader(view) for view in get_views(c.state, c.round())]
    gone = before[2]
    c = collecting()
    contribute(c, *(m for m in MEMBERS if m != gone))
    c.idle(c.spec().quorum_grace_ms + 1)
    after = [get_leader(view) for view in get_views(c.state, c.round())]
    assert after == [before[3] if m == gone else m for m in before]


def test_suspicions_move_the_lead_of_their_shard_alone():
    c = merging()
    leader = get_leader(see(c, 4))
    others = [m for m in MEMBERS if m != leader]
    for member in others[: compute_witnesses(7, 7)]:
        c.ok(member, Suspect(RoundRef.of(see(c, 4))))
    assert [lead.term for lead in get_leads(c.state, c.round())] == [0, 0, 0, 0, 1, 0, 0]
    assert [(e.shard, e.before) for e in c.happened(TookOver)] == [(4, leader)]


def test_who_leads_two_shards_in_vain_passes_both_on():
    c = collecting()
    contribute(c, *(m for m in MEMBERS if m != 4))
    c.idle(c.spec().quorum_grace_ms + 1)
    leaders = [get_leader(view) for view in get_views(c.state, c.round())]
    (busy,) = {m for m in leaders if leaders.count(m) == 2}
    shards = [s for s, m in enumerate(leaders) if m == busy]
    missing = next(m for m in c.round().contributors if m != busy)
    for shard in shards:
        c.ok(busy, Unavailable(RoundRef.of(see(c, shard)), missing))
    terms = [lead.term for lead in get_leads(c.state, c.round())]
    assert [s for s, term in enumerate(terms) if term] == shards
    assert [r.reporter for r in c.round().reports] == [busy]


def test_a_leaders_time_ends_in_its_own_shard():
    c = merging()
    settle(c, *range(6))
    c.idle(c.due_ms(f"term/{HEART}/6") - c.now_ms + 1)
    assert [lead.term for lead in get_leads(c.state, c.round())] == [0, 0, 0, 0, 0, 0, 1]
    assert [d for d in c.deadlines if d.startswith("term/")] == [f"term/{HEART}/6"]


def test_a_settled_shard_is_settled_once():
    c = merging()
    settle(c, 1)
    again = settlement(c, 1, "another")
    c.refused("AlreadyDone", get_leader(see(c, 1)), again)
    follower = next(m for m in MEMBERS if m != get_leader(see(c, 1)))
    c.refused("AlreadyDone", follower, Suspect(RoundRef.of(see(c, 1))))


def test_another_set_settles_all_shards_anew():
    c = merging()
    settle(c, 0, 1, 2)
    c.ok(7, Retract(c.ref()))
    assert c.round().revision == 1
    assert all(lead.settled is None for lead in get_leads(c.state, c.round()))
    settle(c, *range(7), word="of six")
    model = c.happened(Settled)[-1].model
    assert [s.member for s in model.shares] == [1, 2, 3, 4, 5, 6]


def test_who_retracts_may_do_so_when_the_first_shard_is_settled():
    c = merging()
    settle(c, 0)
    c.ok(3, Retract(RoundRef.of(see(c, 0))))


@pytest.mark.parametrize("wrong", ["too few", "too many", "of others", "none"])
def test_parts_that_are_not_those_of_the_contribution_are_refused(wrong):
    c = collecting()
    root, parts = parts_of("by 1")
    given = {
        "too few": parts[:-1], "too many": (*parts, parts[0]), "none": (),
        "of others": parts_of("by 2")[1],
    }[wrong]  # fmt: skip
    body = c.contribution(1, **FORM, root=root, parts=given)
    assert "parts" in c.refused("BadValue", 1, body).message


@pytest.mark.parametrize("changes", [
    {"root": ""}, {"root": digest("another")}, {"nbytes": NBYTES}, {"layout": LAYOUT},
    {"model": digest("model")}, {"digest": digest("another")},
])  # fmt: skip
def test_a_shard_is_settled_in_its_own_form(changes):
    c = merging()
    c.refused("BadValue", get_leader(see(c, 2)), settlement(c, 2, **changes))


@pytest.mark.parametrize("shard", [-1, 7, 1 << 40])
def test_there_is_no_shard_beyond_the_last(shard):
    c = merging()
    body = settlement(c, 2)
    ref = dataclasses.replace(body.ref, shard=shard)
    c.refused("StaleRound", get_leader(see(c, 2)), dataclasses.replace(body, ref=ref))


@pytest.mark.parametrize("spec", [
    {"shards": 1}, {"merge": MergeRule("geometric_median")}, {"merge": MergeRule("clipped_mean")},
])  # fmt: skip
def test_rules_that_look_at_everything_have_one_leader(spec):
    c = collecting(**spec)
    contribute(c, *MEMBERS, parts=())
    assert len(get_views(c.state, c.round())) == 1
    c.settle(**FORM)
    assert c.happened(Settled)[-1].model.shards == ()


def test_three_members_and_models_of_one_chunk_have_one_leader():
    assert collecting(3).round().shards == 1
    c = running(7)
    c.ready(*MEMBERS)
    c.settle(nbytes=CHUNK_BYTES)
    assert c.round().shards == 1


def test_the_terms_say_how_many_shards_there_are_at_most():
    c = collecting(shards=3)
    assert [p.first for p in cut(LAYOUT, NBYTES, c.round().shards)] == [0, 8]
    terms = dataclasses.replace(c.spec(), name="x", shards=65)
    assert "shards" in c.refused("BadValue", 1, Propose(terms)).message


def dispute(c, shard, by):
    """A dispute about the offer of a shard's leader, whose chunks are those of `claimed`."""
    view, part = see(c, shard), get_parts(c.round())[shard]
    leaves = [bytes.fromhex(CLAIMED), bytes.fromhex(RIGHT)]
    of = part.compute_digest(merkle.root_of(leaves).hex())
    message = receipt_message(c.chain.chain_id, RoundRef.of(view), of, part.nbytes, part.name)
    offer = c.accounts[get_leader(view)].sign(OFFER_DOMAIN, message)
    path = tuple(h.hex() for h in merkle.path_of(leaves, 0))
    body = Dispute(RoundRef.of(view), of, part.nbytes, part.name, offer, 0, CLAIMED, path, RIGHT)
    c.ok(by, body)
    return of


def test_a_false_leader_leads_no_shard_any_more():
    c = merging()
    liar, honest = get_leader(see(c, 1)), [m for m in MEMBERS if m != get_leader(see(c, 1))]
    of = dispute(c, 1, honest[0])
    for member in honest[1:4]:
        c.ok(member, Recompute(RoundRef.of(see(c, 1)), of, 0, RIGHT))
    assert [(e.leader, e.shard) for e in c.happened(FalseMerge)] == [(liar, 1)]
    leads = get_leads(c.state, c.round())
    assert all(lead.false_leaders == (liar,) for lead in leads)
    assert [lead.term for lead in leads] == [0, 1, 0, 0, 0, 0, 0]


def test_a_dispute_holds_up_its_own_shard_alone():
    c = merging()
    dispute(c, 1, next(m for m in MEMBERS if m != get_leader(see(c, 1))))
    settle(c, 0, 2)
    c.refused("Disputed", get_leader(see(c, 1)), settlement(c, 1))


def test_a_pause_forgets_the_shards():
    c = merging()
    settle(c, 0, 1)
    c.ok(1, Pause(HEART))
    assert not c.has_round()
    assert all(LEADERSHIP.get(c.state, HEART, "leader", s) is None for s in range(1, 7))
    assert not [d for d in c.deadlines if d.startswith("term/")]


def test_changes_of_all_shards_are_confirmed_as_one_model():
    c = collecting(wire="int8", rounds=1)
    contribute(c, *MEMBERS)
    settle(c, *range(7))
    r, model = c.round(), digest("the model of the change")
    assert (r.phase, r.revision, len(r.change.shards)) == ("CONFIRMING", 1, 7)
    whole = merkle.blob_digest(LAYOUT, NBYTES, merkle.root_of(leaves_of("merged")))
    assert r.change.digest == whole
    c.settle(**FORM, digest=model)
    found = c.happened(Settled)[-1].model
    assert (found.digest, found.change.digest, found.change.wire) == (model, whole, "int8")
    assert c.happened(StudyEnded) or c.round().number == 3


def test_the_cut_round_has_that_part_of_each_contribution():
    c = merging()
    view = cut_round(see(c, 6))
    assert {c.nbytes for c in view.contributions} == {CHUNK_BYTES - 100}
    assert len({c.digest for c in view.contributions}) == 7
    assert view.contributors == MEMBERS
