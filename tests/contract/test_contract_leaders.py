"""Merge: leaders, takeovers, contributions that are excluded, settlements."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import (
    HEART,
    LAYOUT,
    MODEL_BYTES,
    Consortium,
    digest,
    initialised,
    key,
    merging,
    running,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmhub import contract, keys
from swarmhub.codec import unpack
from swarmhub.contract import deadlines
from swarmhub.contract.consortium.thresholds import (
    compute_faults,
    compute_quorum,
    compute_receipts,
    compute_substitutes,
    compute_unavailable,
    compute_verdict,
    compute_witnesses,
)
from swarmhub.contract.context import Context
from swarmhub.contract.events import Excluded, TookOver
from swarmhub.contract.records import ROUND, Contribution, Deadline, Receipt, Round
from swarmhub.contract.round import drops, phases
from swarmhub.contract.round.election import compute_leader_order, get_leader
from swarmhub.contract.round.phases import MAX_DOUBLINGS
from swarmhub.contract.state import Overlay
from swarmhub.contract.transactions import (
    Invalid,
    Leave,
    Retract,
    Suspect,
    Unavailable,
    receipt_message,
)
from swarmhub.types import TX_DOMAIN


def at_work(c):
    """A transaction at work on a copy of the state."""
    return Context(Overlay(c.state), contract.Env(9, c.now_ms, keys.verify))


# thresholds

TABLE = {  # n: (f, quorum, witnesses, receipts, reporters that exclude)
    0: (0, 0, 1, 0, 1),
    1: (0, 1, 1, 0, 1),
    2: (0, 2, 1, 1, 1),
    3: (0, 3, 1, 1, 2),
    4: (1, 3, 2, 1, 2),
    5: (1, 4, 2, 1, 2),
    6: (1, 5, 2, 1, 2),
    7: (2, 5, 3, 2, 3),
    10: (3, 7, 4, 3, 4),
}


@pytest.mark.parametrize("n", TABLE)
def test_the_thresholds_are_those_of_the_table(n):
    assert (
        compute_faults(n),
        compute_quorum(n),
        compute_witnesses(n, n),
        compute_receipts(n, n),
        compute_unavailable(n, n),
    ) == TABLE[n]


@settings(deadline=None)
@given(st.integers(1, 10_000))
def test_two_quorums_share_an_honest_member_and_the_honest_form_one(n):
    f, quorum = compute_faults(n), compute_quorum(n)
    assert 2 * quorum - n >= f + 1
    assert n - f >= quorum


@settings(deadline=None)
@given(st.integers(2, 10_000), st.integers(0, 10_000))
def test_no_more_contributors_are_asked_for_than_there_are(n, away):
    assert 1 <= compute_unavailable(n + away, n) <= n - 1
    assert 1 <= compute_witnesses(n + away, n) <= n - 1
    assert 1 <= compute_receipts(n + away, n) <= n - 1


@settings(deadline=None)
@given(st.integers(4, 10_000), st.data())
def test_where_at_most_f_are_faulty_liars_decide_nothing_and_the_honest_do(enrolled, data):
    f = compute_faults(enrolled)
    liars = data.draw(st.integers(0, f))
    n = data.draw(st.integers(enrolled - f, enrolled), "contributors")
    honest = n - liars  # f are faulty at most, so those that are away are too
    witnesses = compute_witnesses(enrolled, n)
    assert liars < witnesses <= n - f, "the honest can witness what they see"
    if liars:  # a lying leader needs a receipt of an honest member
        assert liars - 1 < compute_receipts(enrolled, n) <= honest - 1
    substitutes = compute_substitutes(enrolled, n)
    assert compute_receipts(enrolled, n) <= substitutes <= n - 1 - f, "f may be dead or lie"
    verdict = compute_verdict(enrolled, n - 1)
    assert liars < verdict, "liars convict nobody"
    if liars and n - enrolled + f >= liars:  # a lying leader, and no more than f away or lying
        assert honest >= verdict


# the order of leaders


def test_the_order_of_leaders_is_pinned():
    assert compute_leader_order("heart", 1, tuple(range(1, 8))) == (2, 4, 3, 6, 1, 5, 7)


@settings(deadline=None)
@given(st.sets(st.integers(1, 1000), max_size=12), st.integers(1, 10**6), st.randoms())
def test_the_order_depends_on_study_round_and_members_alone(members, number, random):
    shuffled = list(members)
    random.shuffle(shuffled)
    order = compute_leader_order("s", number, tuple(shuffled))
    assert sorted(order) == sorted(members)
    assert order == compute_leader_order("s", number, tuple(sorted(members)))


@settings(deadline=None)
@given(st.sets(st.integers(1, 1000), min_size=1, max_size=12), st.integers(1, 10**6))
def test_a_member_that_goes_does_not_change_the_order_of_the_others(members, number):
    order = compute_leader_order("s", number, tuple(members))
    gone = min(members)
    expected = tuple(m for m in order if m != gone)
    assert compute_leader_order("s", number, tuple(members - {gone})) == expected


def test_the_leader_changes_with_the_round_the_study_and_the_shard():
    firsts = {compute_leader_order("heart", n, tuple(range(1, 5)))[0] for n in range(1, 40)}
    assert firsts == {1, 2, 3, 4}
    orders = {
        compute_leader_order(s, n, tuple(range(1, 8)), shard)
        for s in ("heart", "lung")
        for n in (1, 2)
        for shard in (0, 1)
    }
    assert len(orders) == 8


def test_what_members_contribute_does_not_choose_the_leader():
    one, other = initialised(4), initialised(4)
    for member in (1, 2, 3, 4):
        one.contribute(member)
        other.contribute(member, root=digest(f"other {member}"), weight=member)
    assert one.leader() == other.leader()


def test_a_round_without_candidates_has_no_leader():
    assert get_leader(Round("s", 1, "train", "COLLECTING", ())) is None


# suspect


@pytest.mark.parametrize(("n", "witnesses"), [(2, 1), (3, 1), (4, 2), (5, 2), (6, 2), (7, 3)])
def test_f_plus_one_suspicions_end_a_term_at_once(n, witnesses):
    c = merging(n)
    leader, heir = c.leader(), c.followers()[0]
    others = [m for m in c.chain.active if m != leader]
    for i, member in enumerate(others[:witnesses]):
        assert (c.round().lead.term, len(c.round().lead.suspects)) == (0, i)
        c.ok(member, Suspect(c.ref()))
    r = c.round()
    assert (r.lead.term, r.lead.suspects, c.leader()) == (1, (), heir)
    assert (r.revision, r.contributors) == (0, tuple(c.chain.active))
    assert c.happened(TookOver) == [TookOver(HEART, 2, term=1, leader=heir, before=leader)]


def test_suspicions_are_refused_twice_stale_and_from_who_has_no_part():
    c = Consortium(5)
    c.start(1, 2, 3, 4)
    c.enrol(5)
    c.ready(1, 2, 3, 4)
    c.settle()
    c.refused("StaleRound", 1, Suspect(c.ref()))  # nobody leads yet
    c.contribute(1, 2, 3, 4)
    c.ok(1, Suspect(c.ref()))
    c.refused("AlreadyDone", 1, Suspect(c.ref()))
    c.refused("NotAllowed", 5, Suspect(c.ref()))
    c.refused("NotAMember", key("stranger"), Suspect(c.ref()))
    c.refused("StaleRound", 2, Suspect(c.ref(term=1)))
    c.refused("UnknownThing", 2, Suspect(c.ref(study="lung")))


def test_the_initial_leader_is_suspected_by_the_roster():
    c = running(3)
    c.ready(1, 2)
    heir = c.followers()[0]
    c.refused("NotAllowed", 3, Suspect(c.ref()))
    c.ok(heir, Suspect(c.ref()))
    assert (c.round().lead.term, c.leader()) == (1, heir)


# time


def term_ms(c):
    return next(d.duration_ms for d in deadlines.get_deadlines(c.state) if d.key == f"term/{HEART}")


def test_a_leader_that_is_late_loses_its_term():
    c = merging(3)
    heir = c.followers()[0]
    due = c.due_ms(f"term/{HEART}")
    c.now_ms = due - 1
    assert c.idle() == []
    assert [type(event) for event in c.idle()] == [TookOver]
    assert (c.round().lead.term, c.leader()) == (1, heir)


def test_a_leaders_time_is_a_base_and_the_bytes_it_moves():
    assert term_ms(merging(4, leader_timeout_ms=500)) == 500
    c = merging(4, leader_timeout_ms=500, transfer_bytes_per_s=1000)
    assert term_ms(c) == 500 + 2 * 4 * 1000  # four models of 1000 bytes in, four out


def test_a_leaders_time_doubles_with_each_cycle_of_leaders():
    c = merging(2, leader_timeout_ms=500)
    seen = []
    for _ in range(2 * MAX_DOUBLINGS + 6):
        seen.append(term_ms(c))
        c.idle(seen[-1])
        assert c.round().lead.term == len(seen)
    cycles = [500 << min(i // 2, MAX_DOUBLINGS) for i in range(len(seen))]
    assert seen == cycles


def test_the_longest_time_that_a_spec_allows_can_be_written_down():
    c = initialised(2, leader_timeout_ms=86_400_000, transfer_bytes_per_s=1000, max_bytes=1 << 40)
    ctx = at_work(c)
    entries = tuple(Contribution(m, "", 1 << 40, "", 1) for m in range(64))
    r = replace(c.round(), phase="MERGING", contributions=entries)
    r = r.with_lead(term=64 * MAX_DOUBLINGS)
    phases.mark_term(ctx, r)
    contract.begin_block(ctx.state, ctx.env)
    unpack(Deadline, ctx.state.get(f"deadline/term/{HEART}"))  # as a node reads it after a restart


@pytest.mark.parametrize("timer", [phases.next_term, phases.end_grace])
def test_a_timer_that_finds_the_round_in_another_phase_does_nothing(timer):
    ctx = at_work(initialised(2))
    ROUND.put(ctx.state, HEART, record=replace(ROUND.need(ctx.state, HEART), phase="OPEN"))
    before = dict(ctx.state.writes)
    timer(ctx, HEART)
    assert ctx.state.writes == before


def test_a_grace_or_a_departure_without_an_open_round_does_nothing():
    ctx = at_work(initialised(2))
    ROUND.put(ctx.state, HEART, record=None)
    before = dict(ctx.state.writes)
    phases.end_grace(ctx, HEART)
    drops.drop_member(ctx, HEART, 1)
    assert ctx.state.writes == before


# unavailable


def test_saying_unavailable_costs_the_term():
    c = merging(4)
    leader, heir, other = c.leader(), *c.followers()[:2]
    c.ok(leader, Unavailable(c.ref(), other))
    r = c.round()
    assert (r.lead.term, r.revision, c.leader()) == (1, 0, heir)
    assert other in r.contributors


@pytest.mark.parametrize(("n", "reporters"), [(2, 1), (3, 2), (4, 2), (7, 3)])
def test_enough_leaders_that_cannot_get_a_contribution_exclude_it(n, reporters):
    c = merging(n, min_peers=1)
    target = c.followers()[-1]
    for i in range(reporters):
        assert (c.round().revision, c.round().lead.term) == (0, i)
        c.ok(c.leader(), Unavailable(c.ref(), target))
    r = c.round()
    assert (r.revision, r.phase) == (1, "MERGING")
    assert target not in r.contributors
    assert target not in r.roster
    assert r.reports == ()
    assert c.happened(Excluded) == [Excluded(HEART, target, "unavailable")]


def test_only_the_leader_says_unavailable_and_of_another():
    c = merging(4)
    leader, other = c.leader(), c.followers()[0]
    c.refused("NotAllowed", other, Unavailable(c.ref(), leader))
    c.refused("NotAllowed", leader, Unavailable(c.ref(), leader))
    c.refused("UnknownThing", leader, Unavailable(c.ref(), 99))
    c.refused("NotAMember", key("stranger"), Unavailable(c.ref(), other))
    c.refused("StaleRound", leader, Unavailable(c.ref(term=3), other))


def test_the_same_leader_does_not_count_twice():
    c = merging(4)
    target = c.followers()[-1]
    first = c.leader()
    c.ok(first, Unavailable(c.ref(), target))
    for _ in range(3):
        c.idle(100_000)
    assert c.leader() == first
    c.refused("AlreadyDone", first, Unavailable(c.ref(), target))


def test_an_excluded_member_takes_part_again_in_the_next_round():
    c = merging(4)
    target = c.followers()[-1]
    for _ in range(2):
        c.ok(c.leader(), Unavailable(c.ref(), target))
    c.ready(target)
    c.settle()
    assert c.round().roster == (1, 2, 3, 4)


# invalid


@pytest.mark.parametrize(("n", "witnesses"), [(2, 1), (3, 1), (4, 2), (7, 3)])
def test_f_plus_one_who_checked_exclude_a_contribution(n, witnesses):
    c = merging(n, min_peers=1)
    target, others = 1, list(range(2, n + 1))
    for i, member in enumerate(others[:witnesses]):
        assert (c.round().revision, c.round().lead.term, len(c.round().reports)) == (0, 0, i)
        c.ok(member, Invalid(c.ref(), target))
    r = c.round()
    assert (r.revision, r.lead.term, r.contributors) == (1, 1, tuple(others))
    assert c.happened(Excluded) == [Excluded(HEART, target, "invalid")]


def test_reports_of_different_kinds_do_not_add_up():
    c = merging(4)
    leader, *_, target = c.leader(), *c.followers()
    c.ok(c.followers()[0], Invalid(c.ref(), target))
    c.ok(leader, Unavailable(c.ref(), target))
    assert c.round().revision == 0


def test_reports_against_different_members_do_not_add_up():
    c = merging(4)
    c.ok(1, Invalid(c.ref(), 3))
    c.ok(2, Invalid(c.ref(), 4))
    assert c.round().contributors == (1, 2, 3, 4)


def test_invalid_is_refused_twice_of_oneself_and_from_who_has_no_part():
    c = Consortium(5)
    c.start(1, 2, 3, 4)
    c.enrol(5)
    c.ready(1, 2, 3, 4)
    c.settle()
    c.contribute(1, 2, 3, 4)
    c.ok(1, Invalid(c.ref(), 2))
    c.refused("AlreadyDone", 1, Invalid(c.ref(), 2))
    c.refused("NotAllowed", 2, Invalid(c.ref(), 2))
    c.refused("NotAllowed", 5, Invalid(c.ref(), 2))
    c.refused("NotAMember", key("stranger"), Invalid(c.ref(), 2))
    c.refused("UnknownThing", 1, Invalid(c.ref(), 5))
    c.refused("StaleRound", 3, Invalid(c.ref(revision=1), 2))


def test_in_the_initial_round_there_is_no_contribution_to_report():
    c = running(3)
    c.ready(1, 2)
    c.refused("UnknownThing", c.leader(), Unavailable(c.ref(), c.followers()[0]))
    c.refused("UnknownThing", c.leader(), Invalid(c.ref(), c.followers()[0]))


def test_an_exclusion_below_min_peers_collects_again_and_the_excluded_may_try_again():
    c = merging(3, min_peers=3)
    c.ok(1, Invalid(c.ref(), 2))
    r = c.round()
    assert (r.phase, r.contributors, r.roster) == ("COLLECTING", (1, 3), (1, 3))
    assert (r.revision, r.lead.term, r.reports) == (1, 1, ())
    c.contribute(2, root=digest("a valid one"))
    assert (c.round().phase, c.round().contributors) == ("MERGING", (1, 2, 3))
    c.ok(1, Invalid(c.ref(), 2))
    c.refused("NotAllowed", 2, c.contribution(2, root=digest("a third one")))


# settle


def test_the_leader_settles_and_the_next_round_opens_with_the_contributors():
    c = merging(4)
    c.ok(c.leader(), c.settlement(c.leader()))
    r = c.round()
    assert (r.number, r.phase, r.roster, r.revision, r.lead.term) == (
        3,
        "COLLECTING",
        (1, 2, 3, 4),
        0,
        0,
    )
    assert r.base == c.study().current.digest
    assert c.deadlines == []


def test_a_member_alone_needs_no_receipt():
    c = merging(1, min_peers=1)
    c.ok(1, c.settlement(1, receipts=()))


def test_an_earlier_leader_of_the_same_revision_may_still_settle():
    c = merging(4)
    early, ref = c.leader(), c.ref()
    c.idle(20_000)
    c.idle(20_000)
    assert c.round().lead.term == 2
    assert c.leader() != early
    c.ok(early, c.settlement(early, ref=ref))
    assert (c.study().current.leader, c.study().current.term) == (early, 0)


def test_a_later_leader_has_to_wait_for_its_term():
    c = merging(4)
    heir = c.followers()[0]
    c.refused("StaleRound", heir, c.settlement(heir, ref=c.ref(term=1)))


def test_nobody_leads_by_naming_a_term_below_zero():
    c = merging(4)
    last = c.followers()[-1]
    c.refused("StaleRound", last, c.settlement(last, ref=c.ref(term=-1)))


def test_a_term_that_was_over_before_this_revision_gives_nobody_the_lead():
    c = merging(4)
    c.idle(20_000)  # term 1 of revision 0
    gone = c.leader(term=0)
    c.ok(gone, Retract(c.ref()))  # term 2 of revision 1
    assert (c.round().revision, c.round().lead.term) == (1, 2)
    never = [m for m in c.round().contributors if m != c.leader()]
    for term in (0, 1):
        who = c.leader(term=term)
        if who in never:
            c.refused("StaleRound", who, c.settlement(who, ref=c.ref(term=term)))


@pytest.mark.parametrize(
    "changes",
    [{"number": 1}, {"number": 3}, {"phase": "COLLECTING"}, {"revision": 1}, {"revision": -1}],
    ids=str,
)
def test_a_settlement_names_the_round_as_it_stands(changes):
    c = merging(4)
    leader = c.leader()
    c.refused("StaleRound", leader, c.settlement(leader, ref=c.ref(**changes)))


def test_a_settlement_comes_from_the_leader_while_there_is_one():
    c = initialised(4)
    c.refused("StaleRound", 1, c.settlement(1))
    c.contribute(1, 2, 3, 4)
    other = c.followers()[0]
    c.refused("NotAllowed", other, c.settlement(other))
    c.refused("NotAMember", key("stranger"), c.settlement(other))
    c.refused("UnknownThing", c.leader(), c.settlement(c.leader(), ref=c.ref(study="lung")))


def test_a_round_is_settled_once():
    c = merging(4)
    leader, body = c.leader(), c.settlement(c.leader())
    c.ok(leader, body)
    c.refused("StaleRound", leader, body)


@pytest.mark.parametrize(
    "changes",
    [
        {"digest": "x"},
        {"nbytes": 0},
        {"nbytes": 999},
        {"nbytes": 4_000_000_001},
        {"layout": ""},
        {"layout": digest("other layout")},
    ],
    ids=str,
)
def test_a_settled_model_has_the_studys_form(changes):
    c = merging(4)
    c.refused("BadValue", c.leader(), c.settlement(c.leader(), **changes))


def test_the_receipts_prove_that_enough_others_hold_the_merged_model():
    c = merging(7)
    leader, ref, merged = c.leader(), c.ref(), digest("merged")
    one, two, three, *_ = c.followers()

    def refused(*receipts):
        body = c.settlement(leader, digest=merged, receipts=receipts)
        assert "'receipts'" in c.refused("BadValue", leader, body).message

    def good(m):
        return c.receipt(m, ref, merged)

    refused()
    refused(good(one))
    refused(good(one), good(one))
    refused(good(one), good(leader))
    refused(good(one), Receipt(99, good(one).signature))
    refused(good(one), Receipt(two, good(one).signature))
    refused(good(one), c.receipt(two, ref, digest("another model")))
    refused(good(one), c.receipt(two, c.ref(revision=1), merged))
    refused(good(one), c.receipt(two, c.ref(number=3), merged))
    refused(good(one), c.receipt(two, ref, merged, MODEL_BYTES + 1))
    refused(good(one), c.receipt(two, ref, merged, layout=digest("another layout")))
    refused(good(one), Receipt(two, ""))
    message = receipt_message(c.chain.chain_id, ref, merged, MODEL_BYTES, LAYOUT)
    refused(good(one), Receipt(two, c.accounts[two].sign(TX_DOMAIN, message)))
    elsewhere = receipt_message("another-chain", ref, merged, MODEL_BYTES, LAYOUT)
    refused(good(one), Receipt(two, c.accounts[two].sign("swarmhub/receipt/1", elsewhere)))
    c.ok(leader, c.settlement(leader, digest=merged, receipts=(good(one), good(two), good(three))))
    assert c.study().current.receipts == (one, two, three)


def test_a_receipt_counts_in_any_term_of_its_revision():
    c = merging(4)
    merged = digest("merged")
    early = tuple(c.receipt(m, c.ref(), merged) for m in c.chain.active)
    c.idle(20_000)
    leader = c.leader()
    receipts = tuple(r for r in early if r.member != leader)
    c.ok(leader, c.settlement(leader, digest=merged, receipts=receipts))


def test_receipts_of_who_is_not_in_the_set_do_not_count():
    c = merging(4)
    gone = c.followers()[-1]
    c.ok(gone, Retract(c.ref()))
    leader, merged = c.leader(), digest("merged")
    body = c.settlement(leader, digest=merged, receipts=(c.receipt(gone, c.ref(), merged),))
    c.refused("BadValue", leader, body)
    c.ok(gone, Leave())
    c.refused("BadValue", leader, body)


def test_the_initial_leader_settles_with_receipts_of_the_roster():
    c = running(3, layout=LAYOUT)
    c.ready(1, 2)
    leader = c.leader()
    outsider = c.receipt(3, c.ref(), digest("first"))
    c.refused(
        "BadValue", leader, c.settlement(leader, digest=digest("first"), receipts=(outsider,))
    )
    c.refused("BadValue", leader, c.settlement(leader, layout=digest("other layout")))
    c.settle()
    assert c.study().current.shares == ()
