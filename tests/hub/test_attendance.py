"""Who took part in a round, who did not, and why."""

from builders import HEART
from recorded import Recorded

from swarmhub.contract.transactions import Remove, Retract, Vote, Withdraw
from swarmhub.operations.attendance import (
    LATE,
    NOT_READY,
    REMOVED,
    TAKEN_BACK,
    WITHDRAWN,
    AttendanceBook,
)


def started(n=4, **spec):
    c = Recorded(n)
    c.start(**{"min_peers": 2, "quorum_grace_ms": 1000, "rounds": 5, **spec})
    return c


def rounds(c):
    book = AttendanceBook(HEART)
    for block in c.blocks:
        book.see(block)
    return book.rounds()


def why(held):
    return {absence.member: absence.why for absence in held.absences}


def test_nobody_is_missing_in_an_initial_round():
    c = started()
    c.ready(1, 2, 3, 4)
    c.settle()
    first, second = rounds(c)
    assert (first.kind, first.absences) == ("initial", ())
    assert (second.settled_ms, second.roster) == (0, (1, 2, 3, 4))


def test_a_member_that_is_late_and_one_that_was_not_ready_are_told_apart():
    c = started(7)
    c.ready(1, 2, 3, 4, 5, 6)
    c.settle()
    assert c.round().min_peers == 5
    c.contribute(1, 2, 3, 4, 5)
    c.idle(5000)
    c.settle()
    held = rounds(c)[1]
    assert [k.member for k in held.contributions] == [1, 2, 3, 4, 5]
    assert why(held) == {6: LATE, 7: NOT_READY}
    assert held.settled_ms > held.opened_ms
    assert held.leader == c.study().current.leader


def test_who_withdraws_or_takes_a_contribution_back_is_missing_for_that():
    c = started()
    c.ready(1, 2, 3, 4)
    c.settle()
    c.contribute(1, 2, 3, 4)
    c.ok(4, Withdraw(HEART))
    c.ok(3, Retract(c.ref()))
    c.idle(60_000)
    c.settle()
    assert why(rounds(c)[1]) == {3: TAKEN_BACK, 4: WITHDRAWN}


def test_who_is_removed_amid_a_round_is_missing_for_that():
    c = started()
    c.ready(1, 2, 3, 4)
    c.settle()
    c.ok(1, Remove(4))
    (motion,) = c.open_motions
    for voter in (2, 3):
        c.ok(voter, Vote(motion, True))
    c.contribute(1, 2, 3)
    c.settle()
    assert why(rounds(c)[1]) == {4: REMOVED}


def test_a_takeover_names_both_leaders():
    c = started()
    c.ready(1, 2, 3, 4)
    c.settle()
    c.contribute(1, 2, 3, 4)
    before = c.leader()
    c.idle(10_000_000)
    held = rounds(c)[1]
    assert next((t.before, t.leader) for t in held.takeovers) == (before, c.leader(term=1))
    c.settle()
    assert rounds(c)[1].leader == c.study().current.leader
