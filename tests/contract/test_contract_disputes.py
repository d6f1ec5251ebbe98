"""A merge is doubted: its accuser, those that recompute it, and the decision."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import (
    CLAIMED,
    FALSE,
    HEART,
    LAYOUT,
    MODEL_BYTES,
    OTHER,
    RIGHT,
    card_of,
    digest,
    initialised,
    key,
    merging,
    running,
)

from swarmhub.contract.consortium.thresholds import compute_receipts
from swarmhub.contract.events import DisputeAbandoned, DisputeDismissed, FalseMerge
from swarmhub.contract.round.election import get_auditors, get_leader
from swarmhub.contract.transactions import (
    Poke,
    Recompute,
    Remove,
    Retract,
    Rotate,
    Suspect,
    Vote,
    Withdraw,
    card_message,
    receipt_message,
)
from swarmhub.types import RECEIPT_DOMAIN, ROTATE_DOMAIN


def take_over(c):
    """Two suspect the leader, and the next in line leads; also what its followers are, and a
    dispute about what it has offered."""
    first, voters = c.leader(), c.followers()
    offered = c.doubt()
    for member in voters[:2]:
        c.ok(member, Suspect(c.ref()))
    assert c.leader() != first
    return first, voters, offered


def test_a_false_merge_costs_its_leader_the_round_and_the_next_one_settles():
    c = merging(4)
    liar, first, second = c.leader(), *c.followers()[:2]
    c.ok(first, c.doubt())
    assert c.round().lead.dispute.leader == liar
    c.ok(second, c.answer())  # two of three voters
    (proof,) = c.happened(FalseMerge)
    assert (proof.leader, proof.claimed, proof.recomputed) == (liar, CLAIMED, RIGHT)
    assert sorted(proof.by) == sorted([first, second])
    r = c.round()
    assert (r.lead.dispute, r.lead.false_leaders, r.lead.term) == (None, (liar,), 1)
    assert c.leader() != liar
    c.refused("NotAllowed", liar, c.settlement(liar, ref=c.ref(term=0), digest=FALSE))
    assert c.settle()
    assert c.round().lead.false_leaders == ()  # of that round only


def test_one_lying_auditor_cannot_force_a_redo():
    c = merging(4)
    leader, liar, *honest = c.leader(), *c.followers()
    c.ok(liar, c.doubt())
    for member in honest:
        c.ok(member, c.answer(CLAIMED))
    assert c.round().lead.dispute is None
    assert (c.leader(), c.round().lead.term, c.round().lead.unfounded) == (leader, 0, (liar,))
    c.refused("NotAllowed", liar, c.doubt())  # once a round is enough
    c.settle(digest=FALSE)


def test_a_disputed_merge_is_settled_only_when_the_dispute_is_over():
    c = merging(4)
    leader, one, two, three = c.leader(), *c.followers()
    c.ok(one, c.doubt())
    c.refused("Disputed", leader, c.settlement(leader, digest=FALSE))
    c.ok(two, c.answer(CLAIMED))
    c.ok(three, c.answer(OTHER))  # all have spoken, no majority: not upheld
    assert c.round().lead.dispute is None
    c.settle(digest=FALSE)


def test_nobody_settles_a_false_merge_behind_its_own_dispute_about_a_true_one():
    c = merging(4)
    _, voters, offered = take_over(c)
    liar = c.leader()
    c.ok(liar, offered)
    c.refused("Disputed", liar, c.settlement(liar, digest=digest("another merge")))
    for member in [m for m in voters if m != liar]:
        c.ok(member, c.answer(CLAIMED))
    assert (c.round().lead.dispute, c.round().lead.unfounded) == (None, (liar,))
    c.settle()


def test_a_dispute_that_too_few_answer_lapses_after_a_leaders_time():
    c = merging(4)
    one = c.followers()[0]
    c.ok(one, c.doubt())
    assert f"dispute/{HEART}" in c.deadlines
    c.idle(c.spec().leader_timeout_ms + 1)
    c.act(1, Poke(HEART))
    assert c.round().lead.dispute is None
    assert c.round().lead.unfounded == (one,)


def test_two_voters_who_disagree_uphold_nothing_and_a_sole_voter_decides():
    c = merging(3, min_peers=2)
    one, two = c.followers()
    c.ok(one, c.doubt())
    c.ok(two, c.answer(CLAIMED))
    assert c.happened(DisputeDismissed)
    c = merging(2, min_peers=2)
    (only,) = c.followers()
    c.ok(only, c.doubt())
    assert c.happened(FalseMerge)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"leaf": CLAIMED}, "another hash"),
        ({"leaf": "short"}, "64 hex"),
        ({"claimed": OTHER}, "path"),
        ({"path": (OTHER,)}, "path"),
        ({"path": ("nonsense",)}, "path"),
        ({"chunk": 1}, "0 to 0"),
        ({"chunk": -1}, "0 to 0"),
        ({"offer": "00" * 64}, "signature of the leader"),
        ({"nbytes": 0}, "nbytes"),
        ({"layout": OTHER}, "layout"),
    ],
)
def test_a_dispute_brings_its_proof(changes, word):
    c = merging(4)
    assert word in c.refused("BadValue", c.followers()[0], c.doubt(**changes)).message


def test_an_offer_that_the_leader_did_not_sign_convicts_nobody():
    c = merging(4)
    one, two, _ = c.followers()
    c.refused("BadValue", one, c.doubt(leader=two))
    message = receipt_message(c.chain.chain_id, c.ref(), FALSE, MODEL_BYTES, LAYOUT)
    receipt = c.accounts[c.leader()].sign(RECEIPT_DOMAIN, message)  # another domain
    c.refused("BadValue", one, c.doubt(offer=receipt))


def test_a_leader_that_rotates_its_account_key_is_held_to_what_it_has_offered():
    c = merging(4)
    liar, one, two, _ = c.leader(), *c.followers()
    offered = c.doubt()
    c.rotate(liar)
    assert [f.member for f in c.round().lead.former_accounts] == [liar]
    c.refused("BadValue", one, c.doubt(offer="00" * 64))
    c.ok(one, offered)
    c.ok(two, c.answer())
    assert c.round().lead.false_leaders == (liar,)


def test_an_offer_under_the_new_account_key_counts_too():
    c = merging(4)
    liar, one, two, _ = c.leader(), *c.followers()
    c.rotate(liar)
    c.ok(one, c.doubt())
    c.ok(two, c.answer())
    assert c.round().lead.false_leaders == (liar,)


def test_a_round_keeps_eight_keys_of_a_leader_and_none_of_who_has_not_led():
    c = merging(4)
    leader, other = c.leader(), c.followers()[0]
    offered = c.doubt()
    c.rotate(other)
    assert c.round().lead.former_accounts == ()
    c.refused("BadValue", other, c.doubt(leader=other))
    for word in range(8):
        c.rotate(leader, f"key {word}")
    card, proof = c.rotated(leader, by=key("a ninth"))
    assert "when that is settled" in c.refused("AlreadyDone", leader, Rotate(card, proof)).message
    other_tls = card_of(c.member(leader).name, account=c.accounts[leader], tls="abcd")
    c.ok(leader, Rotate(other_tls, c.accounts[leader].sign(ROTATE_DOMAIN, card_message(other_tls))))
    c.ok(other, offered)
    c.idle(c.spec().leader_timeout_ms + 1)
    c.act(1, Poke(HEART))
    c.settle()
    assert c.round().lead.former_accounts == ()
    c.rotate(leader, "nothing is offered while answers are collected")
    assert c.round().lead.former_accounts == ()


@pytest.mark.parametrize("how", ["retract", "withdraw"])
def test_a_leader_that_flees_from_a_dispute_leads_no_more_in_this_round(how):
    c = merging(4, min_peers=3)
    liar, one = c.leader(), c.followers()[0]
    c.ok(one, c.doubt())
    c.ok(liar, Retract(c.ref()) if how == "retract" else Withdraw(HEART))
    (told,) = c.happened(DisputeAbandoned)
    assert (told.leader, told.by, told.claimed) == (liar, one, CLAIMED)
    assert (c.round().lead.false_leaders, c.round().lead.dispute) == ((liar,), None)


def test_who_is_removed_while_its_merge_is_disputed_has_not_fled():
    c = merging(5, min_peers=3)
    leader, one = c.leader(), c.followers()[0]
    c.ok(one, c.doubt())
    c.ok(one, Remove(leader))
    for member in c.followers():
        if member != one and c.member(leader).status == "active":
            c.ok(member, Vote(c.open_motions[0], True))
    assert c.member(leader).status == "removed"
    assert not c.happened(DisputeAbandoned)
    assert (c.round().lead.false_leaders, c.round().strikes, c.round().lead.dispute) == (
        (),
        (),
        None,
    )


def test_who_leaves_while_anothers_merge_is_disputed_abandons_nothing():
    c = merging(4, min_peers=3)
    one, two, _ = c.followers()
    c.ok(one, c.doubt())
    c.ok(two, Retract(c.ref()))
    assert c.round().lead.false_leaders == ()
    assert not c.happened(DisputeAbandoned)


def test_a_leader_whose_term_is_over_answers_for_what_it_may_still_settle():
    c = merging(4)
    liar, voters, offered = take_over(c)
    leader, term = c.leader(), c.round().lead.term
    c.ok(voters[0], offered)
    c.refused("Disputed", liar, c.settlement(liar, ref=c.ref(term=0), digest=FALSE))
    c.ok(voters[1], c.answer())
    assert c.round().lead.false_leaders == (liar,)
    assert (c.leader(), c.round().lead.term) == (leader, term), "nothing has been said against it"
    c.refused("AlreadyDone", voters[2], offered)
    c.refused("StaleRound", voters[2], replace(offered, ref=c.ref(term=term + 1)))


def test_without_one_of_the_drawn_all_others_but_f_have_to_sign():
    c = merging(7)
    leader, r = c.leader(), c.round()
    drawn = get_auditors(r, 7)
    rest = [m for m in c.followers() if m not in drawn]
    ref, few = c.ref(), [drawn[0], *rest[:2]]
    assert len(drawn) == 2

    def settlement(signers):
        of = digest("merged")
        receipts = tuple(c.receipt(m, ref, of, MODEL_BYTES, c.layout()) for m in signers)
        return c.settlement(leader, digest=of, receipts=receipts)

    for signers in (drawn[:1], few, rest[:3]):
        assert "any 4" in c.refused("BadValue", leader, settlement(signers)).message
    c.ok(leader, settlement(rest))


def test_another_set_of_contributions_needs_other_offers():
    c = merging(4, min_peers=3)
    leader = c.leader()
    old = c.doubt()
    c.rotate(leader)
    c.ok(c.followers()[0], Retract(c.ref()))
    assert c.round().lead.former_accounts == ()
    voter = next(m for m in c.round().contributors if m != c.leader())
    c.refused("StaleRound", voter, old)


def test_who_may_dispute_and_recompute():
    c = merging(4)
    leader, one, two, _ = c.leader(), *c.followers()
    c.refused("NotAllowed", leader, c.doubt())
    c.refused("StaleRound", one, c.doubt(ref=c.ref(number=9)))
    c.refused("UnknownThing", two, c.answer())
    c.ok(one, c.doubt())
    c.refused("AlreadyDone", two, c.doubt())
    c.refused("AlreadyDone", one, c.answer())
    c.refused("NotAllowed", leader, c.answer(CLAIMED))
    c.refused("UnknownThing", two, c.answer(of=OTHER))
    c.refused("BadValue", two, c.answer(leaf="short"))
    c.refused("StaleRound", two, Recompute(c.ref(revision=3), FALSE, 0, RIGHT))
    c = initialised(4)
    c.contribute(1, 2, 3)
    c.refused("StaleRound", 4, c.doubt(leader=1))


def test_the_initial_model_is_nobodys_merge():
    c = running(4)
    c.ready(1, 2, 3, 4)
    assert c.round().kind == "initial"
    c.refused("BadValue", c.followers()[0], c.doubt())


def test_another_set_of_contributions_ends_the_dispute():
    c = merging(4, min_peers=2)
    one, two, _ = c.followers()
    c.ok(one, c.doubt())
    c.ok(two, Retract(c.ref()))
    assert c.round().lead.dispute is None
    assert f"dispute/{HEART}" not in c.deadlines


def test_a_settlement_by_another_leader_ends_the_dispute_about_the_first():
    c = merging(4)
    c.ok(c.followers()[0], c.doubt())
    c.idle(c.spec().leader_timeout_ms - 1)
    c.settle(digest=OTHER)  # the right merge, by the same leader
    assert c.round().lead.dispute is None
    assert not [k for k in c.deadlines if k.startswith("dispute")]


def test_all_false_leaders_are_passed_over():
    c = merging(7, min_peers=3)
    caught = []
    for _ in range(3):
        leader, *others = c.leader(), *c.followers()
        caught.append(leader)
        honest = [m for m in others if m not in caught]
        c.ok(honest[0], c.doubt())
        for member in honest[1:4]:
            c.act(member, c.answer())
        assert c.leader() not in caught
    assert c.round().lead.false_leaders == tuple(caught)
    c.settle()


def test_who_is_convicted_does_not_lead_when_the_set_is_fixed_anew():
    c = merging(2, min_peers=2)
    liar, one = c.leader(), c.followers()[0]
    c.ok(one, c.doubt())
    c.ok(one, Retract(c.ref()))
    c.ok(one, c.contribution(one))
    assert (c.round().phase, c.round().lead.false_leaders) == ("MERGING", (liar,))
    assert c.leader() == one


@pytest.mark.parametrize("n", [2, 3, 4, 7, 10])
def test_as_many_auditors_are_drawn_as_a_settlement_needs_receipts(n):
    r = merging(n, min_peers=2).round()
    auditors = get_auditors(r, n)
    assert len(auditors) == compute_receipts(n, n)
    assert set(auditors) <= set(r.contributors) - {get_leader(r)}
