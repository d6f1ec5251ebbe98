"""For whom a study waits, and since when."""

from dataclasses import replace

import pytest
from builders import HEART, Consortium, initialised

from swarmhub.contract.transactions import Amend, Approve, Leave, Pause, Refuse, Withdraw
from swarmhub.node.waits import find_absent, find_wait
from swarmhub.words import say_age

DAY_MS = 86_400_000


def said(c, later_ms=0, name=HEART):
    wait = find_wait(c.state, name, c.now_ms + later_ms)
    return wait and wait.sentence


def test_a_missing_member_is_named_with_the_time_that_it_takes():
    c = initialised(3, min_peers=3, rounds=4)
    began_ms = c.round().began_ms
    c.contribute(1, 2)
    c.now_ms = began_ms + 9 * 60_000
    c.contribute(3)
    c.settle()
    c.contribute(1, 2)
    last = f"waiting for {c.member(3).name}: last contributed in round 1, 14 min ago"
    assert said(c, 14 * 60_000) == f"{last}, which took it 9 min"


def test_a_missing_member_is_named_with_its_last_round():
    c = initialised(3, min_peers=3, rounds=4)
    c.play()
    c.play()
    c.contribute(1, 2)
    name = c.member(3).name
    assert said(c, 14 * 60_000) == f"waiting for {name}: last contributed in round 2, 14 min ago"


def test_a_member_that_never_contributed_is_named():
    c = initialised(3, min_peers=2)
    c.contribute(1)
    wait = find_wait(c.state, HEART, c.now_ms)
    assert [(m.member, m.last_round) for m in wait.members] == [(2, 0), (3, 0)]
    assert f"{c.member(2).name}: has not contributed yet" in wait.sentence
    assert "; one of them must contribute" in wait.sentence


def test_the_grace_is_said_with_its_rest():
    c = initialised(3, min_peers=2, quorum_grace_ms=60_000)
    c.contribute(1, 2)
    c.idle(1000)
    assert "in 5" in said(c)
    assert said(c).endswith("s the round goes on without them")


def absent(c):
    return [m.said for m in find_absent(c.state, HEART, c.now_ms)]


def test_a_round_says_without_whom_it_goes_on():
    c = initialised(4, min_peers=3, rounds=4, quorum_grace_ms=1000)
    c.contribute(1, 2, 3)
    assert absent(c) == []  # it is still waited for
    c.idle(5000)
    assert c.round().phase == "MERGING"
    assert absent(c) == ["h4: has not contributed yet"]
    c.settle()
    assert absent(c) == ["h4: has not contributed yet"]  # nor is it waited for in the next one
    c.ready(4)
    assert absent(c) == []


def test_who_comes_when_the_round_merges_is_ready_for_the_next():
    c = initialised(4, min_peers=3, rounds=4, quorum_grace_ms=1000)
    c.contribute(1, 2, 3)
    c.idle(5000)
    c.ready(4)
    assert absent(c) == ["h4: has not contributed yet; ready for the next round"]


def test_an_open_round_waits_for_who_is_not_ready():
    c = Consortium(3)
    c.start(min_peers=2)
    c.ready(1)
    assert c.round().phase == "OPEN"
    assert said(c).endswith("; one of them must be ready")
    assert c.member(2).name in said(c)
    assert c.member(1).name not in said(c)


def test_a_round_with_too_few_enrolled_says_so():
    c = initialised(3, min_peers=3)
    c.ok(3, Withdraw(HEART))
    c.contribute(1, 2)
    assert said(c) == "waiting: one more must enrol (at least 3 take part)"


def test_a_merging_round_waits_for_its_leader():
    c = initialised(3)
    c.contribute(1, 2, 3)
    assert f"waiting for {c.member(c.leader()).name}, the leader" in said(c)


def test_a_proposed_study_waits_for_enrolments():
    c = Consortium(3)
    c.propose(min_peers=3)
    c.ok(2, Refuse(HEART, c.study().spec))
    c.enrol(1)
    assert said(c).startswith("waiting for 2 more to enrol: ")
    assert f"{c.member(2).name}: has refused the terms" in said(c)
    assert f"{c.member(3).name}: has not answered yet" in said(c)


def test_a_paused_study_says_who_paused_it_and_why():
    c = initialised(3)
    c.ok(1, Pause(HEART, "audit of the data"))
    assert said(c) == (
        "paused by h1: audit of the data; its proposer may resume it ('study resume')"
    )


def test_a_pause_needs_no_reason_and_outlasts_its_proposer():
    c = initialised(3)
    c.ok(1, Pause(HEART))
    c.ok(1, Leave())
    assert said(c) == "paused by h1; any enrolled member may resume it ('study resume')"


def test_a_paused_study_waits_for_approvals_of_amended_terms():
    c = initialised(3, min_peers=3)
    c.ok(1, Pause(HEART))
    c.ok(1, Amend(replace(c.spec(), title="better")))
    c.ok(2, Approve(HEART, c.study().spec))
    assert said(c) == (
        "paused by h1; h3: has not approved the amended terms; one of them must approve"
    )


def test_a_paused_study_that_has_lost_members_says_how_many():
    c = initialised(3, min_peers=3)
    c.ok(1, Pause(HEART))
    c.ok(3, Withdraw(HEART))
    assert said(c) == "paused by h1; one more must enrol"


def test_a_pause_and_a_required_member_are_both_said():
    c = initialised(3, required=(3,))
    c.ok(1, Pause(HEART))
    c.ok(3, Withdraw(HEART))
    assert said(c).startswith("paused by h1: no round settles without h3")


def test_an_approval_is_announced_to_lapse_a_week_before():
    c = initialised(3, approvals_expire_ms=30 * DAY_MS)
    assert "lapse" not in said(c, 22 * DAY_MS)
    c.idle(1000)
    c.ok(2, Approve(HEART, c.study().spec))
    words = said(c, 29 * DAY_MS)
    assert words.endswith("; approvals lapse: h1 in 23 h, h3 in 23 h, h2 in 24 h "
                          "('study approve' renews one)")  # fmt: skip


def test_a_short_approval_is_announced_to_lapse_in_its_second_half():
    c = initialised(3, approvals_expire_ms=2 * DAY_MS)
    assert "lapse" not in said(c, DAY_MS - 60_000)
    assert "lapse" in said(c, DAY_MS)


def test_a_study_that_is_over_waits_for_nobody():
    c = initialised(3, rounds=1)
    c.play()
    c.contribute(1, 2, 3)
    assert c.study().status == "finished"
    assert said(c) is None
    assert said(c, name="unknown") is None


def test_who_withdraws_is_not_remembered():
    c = initialised(3, rounds=4)
    c.play()
    assert [s.member for s in c.study().settled] == [1, 2, 3]
    assert {s.number for s in c.study().settled} == {c.round().number - 1}


@pytest.mark.parametrize(
    ("ms", "words"),
    [(999, "0 s"), (119_999, "119 s"), (120_000, "2 min"), (7_200_000, "2 h"), (3e8, "3 days")],
)
def test_an_age_in_words(ms, words):
    assert say_age(int(ms)) == words
