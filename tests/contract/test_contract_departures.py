"""Members that retract, withdraw, leave, are removed or rotate keys amid a round."""

from __future__ import annotations

import pytest
from builders import (
    HEART,
    Consortium,
    digest,
    initialised,
    key,
    merging,
    running,
)

from swarmhub.contract.events import Reinstated, Voided
from swarmhub.contract.transactions import (
    Leave,
    Ready,
    Remove,
    Retract,
    Rotate,
    Suspect,
    Unavailable,
    Vote,
    Withdraw,
)

# retract, withdraw, leave, remove, rotate


def test_a_member_takes_its_contribution_back():
    c = initialised(4)
    c.contribute(1)
    c.ok(1, Retract(c.ref()))
    r = c.round()
    assert (r.contributors, r.revision) == ((), 1)
    assert c.happened(Voided) == [Voided(HEART, 2, member=1, revision=1)]
    c.contribute(1, root=digest("better"))


@pytest.mark.parametrize("how", ["retract", "withdraw"])
def test_who_goes_twice_does_not_come_again_in_this_round(how):
    """Each time makes a new revision, and what others send for the one before is stale."""
    c = initialised(4, min_peers=3)
    for revision in (1, 2):
        c.contribute(1)
        if how == "retract":
            c.ok(1, Retract(c.ref()))
        else:
            c.ok(1, Withdraw(HEART))
            c.enrol(1)
            c.ok(1, Ready(HEART)) if revision == 1 else c.refused("NotAllowed", 1, Ready(HEART))
        assert c.round().revision == revision
    c.refused("NotAllowed", 1, c.contribution(1))
    c.contribute(2, 3, 4)
    c.idle(c.spec().quorum_grace_ms)
    c.settle()
    c.ok(1, Ready(HEART))
    c.contribute(1)


def suspended():
    """A round with contributions of members 2 and 3 of four; member 1 has gone twice."""
    c = initialised(4, min_peers=3)
    c.contribute(2, 3)
    for _ in range(2):
        c.contribute(1)
        c.ok(1, Retract(c.ref()))
    c.refused("NotAllowed", 1, c.contribution(1))
    return c


def leave_out(c, who):
    """It serves its contribution to nobody, and does not lead."""
    while c.round().phase == "MERGING" and who in c.round().contributors:
        for one in [m for m in c.round().contributors if m != who]:
            body = Suspect(c.ref()) if c.leader() == who else Unavailable(c.ref(), who)
            if c.round().phase == "MERGING" and c.leader() in (one, who):
                c.act(one, body)


def test_who_has_gone_twice_comes_again_after_a_leaders_time():
    """It may be honest, and a silent one among the others: the round would never end."""
    c = suspended()
    revision, wait_ms = c.round().revision, c.spec().leader_timeout_ms
    c.idle(wait_ms // 2)
    c.refused("NotAllowed", 1, c.contribution(1))
    c.idle(wait_ms // 2)
    r = c.round()
    assert (r.strikes, r.revision, r.contributors) == ((), revision + 1, (2, 3))
    assert c.happened(Reinstated) == [Reinstated(HEART, 2, (1,))]
    c.contribute(1)
    c.idle(c.spec().quorum_grace_ms)
    c.settle()


@pytest.mark.parametrize("slowness", [10, 2], ids=["between merges", "while it merges"])
def test_who_contributes_and_serves_nobody_again_and_again_puts_no_reinstatement_off(slowness):
    """Each time the round has enough for a while, and then too few."""
    c = suspended()
    wait_ms = c.spec().leader_timeout_ms
    began_ms = c.now_ms
    while c.now_ms < began_ms + wait_ms:
        c.refused("NotAllowed", 1, c.contribution(1))
        c.contribute(4)
        c.idle(wait_ms // slowness)
        leave_out(c, 4)
    assert c.happened(Reinstated) == [Reinstated(HEART, 2, (1,))]
    assert c.round().contributors == (2, 3)
    c.ok(1, c.contribution(1))


def test_who_is_always_first_and_serves_nobody_does_not_keep_an_honest_one_out():
    """A study without a grace waits a leader's time, once a part of its round was void."""
    c = initialised(4, min_peers=3, quorum_grace_ms=0)
    c.contribute(2, 3, 4)
    c.refused("StaleRound", 1, c.contribution(1))
    leave_out(c, 4)
    assert c.round().contributors == (2, 3)
    c.contribute(4)
    assert c.due_ms(f"grace/{HEART}") == c.now_ms + c.spec().leader_timeout_ms
    c.contribute(1)
    assert c.round().phase == "MERGING"
    leave_out(c, 4)
    c.settle()
    assert [s.member for s in c.study().current.shares] == [1, 2, 3]


def test_a_reinstatement_is_for_the_suspended_alone_and_gone_with_its_round():
    c = suspended()
    c.ok(2, Retract(c.ref()))
    c.idle(c.spec().leader_timeout_ms)
    assert c.round().strikes == (2,)
    for _ in range(2):
        c.contribute(1)
        c.ok(1, Retract(c.ref()))
    c.contribute(2, 4)
    c.settle()
    assert c.due_ms(f"reinstatement/{HEART}") is None
    assert len(c.happened(Reinstated)) == 1


def test_a_reinstatement_in_the_middle_of_a_merge_makes_nothing_stale():
    c = suspended()
    c.contribute(4)
    ref = c.ref()
    c.idle(c.spec().leader_timeout_ms)
    assert c.happened(Reinstated)
    assert (c.round().phase, c.round().revision) == ("MERGING", ref.revision)


def gone_twice_from_the_start(min_peers):
    """The initial round, of four; member 4 has withdrawn from it twice. With what it was before
    member 4 wanted to be in it again."""
    c = Consortium(4)
    c.start(1, 2, 3, 4, min_peers=min_peers)
    c.ready(1, 2, 3, 4)
    for _ in range(2):
        c.ok(4, Withdraw(HEART))
        c.enrol(4)
        before = c.round()
        c.act(4, Ready(HEART))
    c.refused("NotAllowed", 4, Ready(HEART))
    return c, before


def test_who_comes_and_goes_in_the_initial_round_does_so_twice_at_most():
    c, before = gone_twice_from_the_start(min_peers=3)
    assert c.round() == before


def test_who_is_needed_for_the_initial_round_is_pardoned():
    c, _ = gone_twice_from_the_start(min_peers=4)
    c.idle(c.spec().leader_timeout_ms)
    c.ok(4, Ready(HEART))
    assert c.round().phase == "MERGING"


def test_only_ones_own_contribution_can_be_retracted():
    c = initialised(4)
    c.contribute(1)
    c.refused("UnknownThing", 2, Retract(c.ref()))
    c.refused("NotAMember", key("stranger"), Retract(c.ref()))
    c.refused("StaleRound", 1, Retract(c.ref(revision=5)))


def test_below_min_peers_the_grace_stops_and_begins_anew():
    c = initialised(5, quorum_grace_ms=25_000)
    c.contribute(1, 2, 3)
    assert c.deadlines == [f"grace/{HEART}"]
    c.ok(2, Retract(c.ref()))
    assert (c.round().grace, c.deadlines) == ("", [])
    c.idle(26_000)
    c.contribute(4)
    assert c.due_ms(f"grace/{HEART}") == c.now_ms + 25_000


def test_with_enough_left_the_grace_goes_on():
    c = initialised(5, min_peers=3)
    c.contribute(1, 2, 3, 4)
    due = c.due_ms(f"grace/{HEART}")
    c.ok(3, Retract(c.ref()))
    assert c.round().grace == "running"
    assert c.due_ms(f"grace/{HEART}") == due


def test_who_goes_while_all_others_have_contributed_closes_the_set():
    c = initialised(4)
    c.contribute(1, 2, 3)
    c.ok(4, Withdraw(HEART))
    assert (c.round().phase, c.round().contributors) == ("MERGING", (1, 2, 3))


def test_who_has_no_part_in_the_set_goes_without_a_new_revision():
    c = initialised(4)
    c.contribute(1, 2, 3)
    c.idle(c.spec().quorum_grace_ms)
    leader = c.leader()
    c.ok(4, Withdraw(HEART))
    r = c.round()
    assert (r.phase, r.revision, r.lead.term, r.roster) == ("MERGING", 0, 0, (1, 2, 3))
    assert c.leader() == leader


@pytest.mark.parametrize("how", ["retract", "withdraw", "leave", "remove"])
def test_a_contribution_that_goes_while_others_merge_makes_a_new_revision_and_term(how):
    c = merging(4)
    old = c.ref()
    if how == "remove":
        c.ok(1, Remove(4))
        for voter in (2, 3):
            c.ok(voter, Vote(c.open_motions[0], True))
    else:
        c.ok(4, {"retract": Retract(c.ref()), "withdraw": Withdraw(HEART), "leave": Leave()}[how])
    r = c.round()
    assert (r.phase, r.contributors, r.revision, r.lead.term) == ("MERGING", (1, 2, 3), 1, 1)
    assert c.deadlines == [f"term/{HEART}"]
    late = c.settlement(c.leader(), ref=old)
    c.refused("StaleRound", c.leader(), late)
    c.settle()
    assert [s.member for s in c.study().current.shares] == [1, 2, 3]


@pytest.mark.parametrize("body", [Withdraw(HEART), Leave()], ids=lambda b: b.KIND)
def test_a_settled_contribution_stays(body):
    c = merging(3)
    c.settle()
    c.ok(3, body)
    assert [s.member for s in c.study().current.shares] == [1, 2, 3]
    assert c.happened(Voided) == []
    assert c.round().roster == (1, 2)


def test_below_min_peers_the_round_is_collecting_again_with_all_it_has():
    c = merging(3, min_peers=3)
    c.ok(2, Retract(c.ref()))
    r = c.round()
    assert (r.phase, r.contributors, r.revision, r.lead.term) == ("COLLECTING", (1, 3), 1, 1)
    assert (r.grace, c.deadlines) == ("", [])
    c.contribute(2)
    assert (c.round().phase, c.round().lead.term, c.round().revision) == ("MERGING", 1, 1)


def test_an_initial_round_below_min_peers_is_open_again():
    c = running(3)
    c.ready(1, 2)
    c.ok(1, Withdraw(HEART))
    assert (c.round().phase, c.round().roster) == ("OPEN", (2,))
    c.ready(3)
    assert (c.round().phase, c.round().roster) == ("MERGING", (2, 3))


def test_an_initial_round_that_opens_again_takes_who_said_ready_meanwhile():
    c = running(3)
    c.ready(1, 2, 3)
    c.ok(1, Withdraw(HEART))
    assert (c.round().phase, c.round().roster) == ("MERGING", (2, 3))


def test_an_initial_round_with_enough_left_goes_on_under_a_new_revision():
    c = Consortium(3)
    c.start(statistics=True)
    c.ready(1, 2, 3)
    c.play(1, 2, 3)
    assert (c.round().kind, c.round().roster) == ("initial", (1, 2, 3))
    c.ok(1, Withdraw(HEART))
    r = c.round()
    assert (r.phase, r.roster, r.revision, r.lead.term) == ("MERGING", (2, 3), 1, 1)


def test_who_goes_before_an_initial_round_has_begun_is_off_the_roster():
    c = running(3)
    c.ready(1)
    c.ok(1, Withdraw(HEART))
    assert (c.round().phase, c.round().roster) == ("OPEN", ())


def test_a_rotation_keeps_the_contribution():
    c = merging(3)
    c.ok(2, Rotate(*c.rotated(2)))
    c.accounts[2] = key("h2/new")
    assert c.round().contributors == (1, 2, 3)
    c.settle()
    assert [s.member for s in c.study().current.shares] == [1, 2, 3]
