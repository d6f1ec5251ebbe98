"""A study that grows or shrinks: the contributions that a round needs, and its members."""

from __future__ import annotations

import pytest
from builders import CLAIMED, FALSE, HEART, Consortium, initialised, merging, model_of, running
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmhub.contract.consortium.thresholds import (
    compute_faults,
    compute_min_peers,
    compute_quorum,
    describe_min_peers,
)
from swarmhub.contract.transactions import Ready, Retract, Start, Withdraw


def grown(enrolled=7, **spec):
    """Four took part in the rounds so far; up to so many are enrolled and ready since."""
    c = Consortium(enrolled)
    c.start(1, 2, 3, 4, min_peers=3, rounds=5, **spec)
    c.ready(1, 2, 3, 4)
    c.settle()
    c.contribute(1, 2, 3, 4)
    for member in range(5, enrolled + 1):
        c.enrol(member)
        c.ready(member)
    return c


# the number


@pytest.mark.parametrize(
    ("min_peers", "enrolled", "needed"),
    [(1, 3, 1), (1, 4, 3), (2, 6, 3), (3, 6, 3), (3, 7, 5), (6, 7, 6), (3, 10, 7), (3, 0, 3)],
)
def test_a_round_needs_its_terms_and_two_f_and_one(min_peers, enrolled, needed):
    assert compute_min_peers(min_peers, enrolled) == needed


@settings(deadline=None)
@given(st.integers(1, 10_000))
def test_what_the_guarantee_needs_the_honest_can_give(enrolled):
    f = compute_faults(enrolled)
    assert 2 * f < compute_min_peers(1, enrolled) <= enrolled - f
    assert compute_min_peers(1, enrolled) <= compute_quorum(enrolled)


def test_a_study_says_what_it_needs_and_what_it_survives():
    said = describe_min_peers(3, 7)
    assert said == "a round needs 5 of 7 contributions: 2 may be away, 2 may lie"
    assert describe_min_peers(5, 3) == "a round needs 5 contributions: 2 more must enrol"


def test_a_study_starts_with_as_many_as_its_rounds_need():
    c = Consortium(7)
    c.propose(min_peers=3)
    for member in (1, 2):
        c.enrol(member)
    c.refused("BadValue", 1, Start(HEART))
    for member in range(3, 8):
        c.enrol(member)
    c.ok(1, Start(HEART))
    assert c.round().min_peers == 5
    c.ready(1, 2, 3, 4)
    assert c.round().phase == "OPEN"


# growth


def test_a_study_that_has_grown_needs_more_from_the_next_round_on():
    c = grown()
    assert (c.round().number, c.round().min_peers) == (2, 3)
    c.settle()
    assert (c.round().number, c.round().min_peers) == (3, 5)
    c.contribute(1, 2, 3, 4)
    c.idle(c.spec().quorum_grace_ms + 1)
    assert (c.round().phase, c.deadlines) == ("COLLECTING", [])
    c.contribute(6)
    c.idle(c.spec().quorum_grace_ms + 1)
    assert c.round().phase == "MERGING"


def test_two_liars_of_seven_settle_no_false_merge_alone():
    """Any five have contributed: they sign for each other, and for nothing that others do."""
    c = grown()
    c.settle()
    c.contribute(1, 2, 3, 4, 6)
    c.idle(c.spec().quorum_grace_ms + 1)
    leader = c.leader()
    for liar in (m for m in c.round().contributors if m != leader):
        false = c.settlement(leader, digest=FALSE, receipts=())
        alone = (c.receipt(liar, c.ref(), FALSE),)
        c.refused("BadValue", leader, c.settlement(leader, digest=FALSE, receipts=alone))
        c.refused("BadValue", leader, false)


def test_three_of_seven_are_no_round_whoever_they_are():
    """Two liars and one honest member would be one, and the liars would settle what they like."""
    c = grown()
    c.settle()
    c.contribute(1, 6, 7)
    c.idle(c.spec().quorum_grace_ms + 1)
    assert c.round().phase == "COLLECTING"


def test_the_honest_of_a_grown_study_convict_a_lying_leader():
    c = grown()
    c.settle()
    c.contribute(1, 2, 3, 4, 6)
    c.idle(c.spec().quorum_grace_ms + 1)
    leader, others = c.leader(), c.followers()
    c.ok(others[0], c.doubt())
    c.ok(others[1], c.answer(CLAIMED, model_of(CLAIMED)))  # the other liar
    for honest in others[2:]:
        c.act(honest, c.answer())
    assert c.round().lead.false_leaders == (leader,)


def test_who_enrols_while_a_round_merges_changes_no_threshold_of_it():
    c = merging(4, min_peers=3)
    before = c.round()
    d = grown()
    assert d.round().enrolled == before.enrolled == (1, 2, 3, 4)
    d.settle()
    assert d.round().enrolled == tuple(range(1, 8))
    assert d.round().roster == tuple(range(1, 8))


def test_a_round_that_has_enough_takes_in_who_does_not_raise_it():
    c = Consortium(6)
    c.start(1, 2, 3, 4, min_peers=3)
    c.ready(1, 2, 3, 4)
    c.settle()
    c.contribute(1, 2, 3)
    c.enrol(5)
    c.contribute(5)
    assert (c.round().roster, c.round().min_peers) == ((1, 2, 3, 4, 5), 3)
    assert c.round().enrolled == (1, 2, 3, 4, 5)


def test_a_round_that_has_enough_leaves_who_would_raise_it_to_the_next():
    c = Consortium(4)
    c.start(1, 2, 3)
    c.ready(1, 2, 3)
    c.settle()
    c.contribute(1, 2)
    c.enrol(4)
    c.refused("NotAllowed", 4, c.contribution(4))
    c.ready(4)
    assert (c.round().roster, c.study().ready) == ((1, 2, 3), (4,))
    c.contribute(3)
    c.settle()
    assert (c.round().roster, c.round().min_peers) == ((1, 2, 3, 4), 3)


def test_a_round_that_has_too_few_takes_in_who_comes_and_needs_more():
    c = Consortium(4)
    c.start(1, 2, 3)
    c.ready(1, 2, 3)
    c.settle()
    c.contribute(1)
    c.enrol(4)
    c.contribute(4)
    assert (c.round().min_peers, c.round().grace) == (3, "")
    c.contribute(2)
    assert (c.round().phase, c.round().grace) == ("COLLECTING", "running")


def test_an_open_round_needs_more_with_a_newcomer_that_is_ready():
    c = Consortium(4)
    c.start(1, 2, 3, min_peers=2)
    c.ready(1)
    c.enrol(4)
    assert c.round().min_peers == 2
    c.ready(4)
    assert (c.round().phase, c.round().min_peers) == ("OPEN", 3)


def test_a_newcomer_is_no_candidate_of_an_initial_round_with_enough():
    c = Consortium(4)
    c.start(1, 2, 3)
    c.ready(1, 2)
    c.enrol(4)
    c.ready(4)
    assert (c.round().roster, c.study().ready) == ((1, 2), (4,))
    c.settle()
    assert c.round().roster == (1, 2, 4)


def test_a_set_that_falls_short_takes_in_who_has_come_since():
    c = Consortium(4)
    c.start(1, 2, 3)
    c.ready(1, 2, 3)
    c.settle()
    c.contribute(1, 2, 3)
    c.enrol(4)
    c.ready(4)
    assert (c.round().phase, c.round().min_peers) == ("MERGING", 2)
    for member in (3, 2):
        c.ok(member, Retract(c.ref()))
    assert (c.round().phase, c.round().min_peers) == ("COLLECTING", 3)
    assert c.round().roster == (1, 4)


# leaving


def test_without_one_of_seven_the_open_round_needs_three():
    c = initialised(7, min_peers=3)
    c.contribute(1, 2, 3)
    assert (c.round().min_peers, c.round().grace) == (5, "")
    c.ok(7, Withdraw(HEART))
    assert (c.round().min_peers, c.round().enrolled) == (3, (1, 2, 3, 4, 5, 6))
    assert c.round().grace == "running"


def test_an_open_round_begins_when_those_who_are_missing_leave():
    c = running(7, min_peers=3)
    c.ready(1, 2, 3)
    assert c.round().phase == "OPEN"
    c.ok(7, Withdraw(HEART))
    assert c.round().phase == "MERGING"


def test_a_contribution_that_leaves_its_study_does_not_end_the_merge():
    c = initialised(7, min_peers=3)
    c.contribute(1, 2, 3, 4, 5)
    c.idle(c.spec().quorum_grace_ms + 1)
    assert c.round().phase == "MERGING"
    c.ok(5, Withdraw(HEART))
    assert (c.round().phase, c.round().contributors) == ("MERGING", (1, 2, 3, 4))


def test_a_contribution_taken_back_leaves_the_minimum_as_it_is():
    c = initialised(7, min_peers=3)
    c.contribute(1, 2, 3, 4, 5)
    c.idle(c.spec().quorum_grace_ms + 1)
    c.ok(5, Retract(c.ref()))
    assert (c.round().phase, c.round().min_peers) == ("COLLECTING", 5)


def test_who_left_and_enrols_again_in_a_full_round_waits():
    c = initialised(7, min_peers=3)
    c.ok(7, Withdraw(HEART))
    c.contribute(1, 2, 3)
    c.enrol(7)
    c.refused("NotAllowed", 7, c.contribution(7))
    c.ok(7, Ready(HEART))
    assert (c.round().min_peers, c.study().ready) == (3, (7,))
