"""Votes, departures, removals and rotations."""

from __future__ import annotations

import dataclasses

import pytest
from builders import HEART, Consortium, card_of, genesis_of, initialised, key

from swarmhub import contract, keys
from swarmhub.contract.consortium.thresholds import compute_quorum
from swarmhub.contract.events import Admitted, MotionClosed, MotionWaits, PowerChanged, Rotated
from swarmhub.contract.quotas import MAX_MOTIONS
from swarmhub.contract.records import KEY_OWNER
from swarmhub.contract.state import Overlay
from swarmhub.contract.transactions import (
    Leave,
    Release,
    Remove,
    Revoke,
    Rotate,
    Validate,
    Vote,
    Withdraw,
    card_message,
)
from swarmhub.types import CARD_DOMAIN

DAY_MS = 86_400_000


def found(**changes):
    genesis = genesis_of(["h1", "h2"], **changes)
    overlay = Overlay(contract.State())
    return contract.found(overlay, genesis, contract.Env(0, genesis.time_ms, keys.verify))


# votes


@pytest.mark.parametrize(("n", "quorum"), [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (6, 5), (7, 5)])
def test_a_newcomer_is_admitted_at_the_threshold_and_not_before(n, quorum):
    c = Consortium(n)
    motion = c.apply("newcomer")
    for voter in range(1, quorum):
        c.ok(voter, Vote(motion, True))
        assert c.chain.active == tuple(range(1, n + 1))
    c.ok(quorum, Vote(motion, True))
    assert c.chain.active == tuple(range(1, n + 2))
    assert c.member(n + 1).power == 0, "a newcomer has no power before it has caught up"
    assert c.open_motions == ()
    assert c.deadlines == []


@pytest.mark.parametrize("n", range(1, 8))
def test_a_motion_is_lost_when_the_quorum_is_out_of_reach(n):
    c = Consortium(n)
    motion = c.apply("newcomer")
    blocking = n - compute_quorum(n) + 1
    for voter in range(1, blocking):
        c.ok(voter, Vote(motion, False))
        assert c.open_motions == (motion,)
    c.ok(blocking, Vote(motion, False))
    assert c.open_motions == ()
    assert c.happened(MotionClosed) == [MotionClosed(motion, "admit", "lost")]
    assert len(c.chain.active) == n


def test_votes_are_refused_from_strangers_on_nothing_and_twice():
    c = Consortium()
    motion = c.apply("newcomer")
    c.refused("NotAMember", key("newcomer"), Vote(motion, True))
    c.refused("UnknownThing", 1, Vote(motion + 1, True))
    c.ok(1, Vote(motion, True))
    c.refused("AlreadyDone", 1, Vote(motion, False))
    c.ok(2, Vote(motion, False))
    c.refused("AlreadyDone", 2, Vote(motion, True))


def test_who_is_admitted_while_a_vote_is_open_votes_too():
    c = Consortium(3)
    motion = c.apply("late")
    fifth = c.admit("newcomer")
    c.ok(fifth, Vote(motion, True))
    assert c.motion(motion).ayes == (fifth,)


def test_a_motion_is_decided_by_the_members_of_the_deciding_block():
    c = Consortium(1, vote_period_ms=DAY_MS)
    early = [c.apply(f"early {i}") for i in range(MAX_MOTIONS - 1)]  # a founder alone
    for i in range(6):
        c.admit(f"grown {i}")
    for motion in early:
        c.ok(1, Vote(motion, True))
    assert c.open_motions == tuple(early), "one of seven votes carries nothing"
    assert len(c.chain.active) == 7


def test_an_old_removal_needs_the_votes_of_all_who_came_since():
    c = Consortium(3)
    c.ok(1, Remove(2))  # member 3 does not agree yet
    removal = c.open_motions[0]
    for i in range(5):
        c.admit(f"grown {i}")
    for voter in (3, 4, 5):
        c.ok(voter, Vote(removal, True))
    assert c.member(2).status == "active", "four of seven electors"
    c.ok(6, Vote(removal, True))
    assert c.member(2).status == "removed"


def test_a_withdrawal_decides_a_release_that_waits_for_it():
    c = initialised(5)
    c.ok(1, Release(HEART, c.study().current.digest))
    for voter in (2, 3):
        c.ok(voter, Vote(c.open_motions[0], True))
    assert not c.study().released, "three of five enrolled; four are needed"
    c.ok(5, Withdraw(HEART))
    assert [m.digest for m in c.study().released] == [c.study().current.digest]


def test_what_a_member_moved_lapses_when_it_departs():
    c = Consortium(4)
    admission, token = c.apply("newcomer", sponsor=4), c.invite(4, "later")
    c.ok(4, Remove(3))
    c.ok(4, Leave())
    assert c.open_motions == ()
    assert [(e.kind, e.outcome) for e in c.happened(MotionClosed)] == [
        ("admit", "lapsed"),
        ("remove", "lapsed"),
    ]
    assert c.deadlines == []
    c.refused("UnknownThing", 1, Vote(admission, True))
    c.refused("UnknownThing", key("later"), c.application(token, card_of("later")))


def test_votes_of_departed_members_lapse():
    c = Consortium(4)
    motion = c.apply("newcomer")
    c.ok(3, Vote(motion, True))
    c.ok(4, Vote(motion, True))
    c.ok(4, Leave())
    c.ok(1, Vote(motion, True))
    assert c.motion(motion) is not None, "three electors are left and two of them agreed"
    c.ok(2, Vote(motion, True))
    assert c.chain.active == (1, 2, 3, 5)


def test_a_departure_can_carry_a_motion():
    c = Consortium(5)
    motion = c.apply("newcomer")
    for voter in (1, 2, 3):
        c.ok(voter, Vote(motion, True))
    assert c.motion(motion) is not None
    c.ok(5, Leave())
    assert c.chain.active == (1, 2, 3, 4, 6)


def test_a_departure_can_lose_a_motion():
    c = Consortium(4)
    motion = c.apply("newcomer")
    c.ok(1, Vote(motion, False))
    c.ok(2, Leave())
    assert c.happened(MotionClosed) == [MotionClosed(motion, "admit", "lost")]


def test_one_of_two_removes_the_other_at_once():
    c = Consortium(2)
    c.ok(1, Remove(2))
    assert (c.chain.active, c.open_motions) == ((1,), ())
    assert c.happened(MotionClosed) == [MotionClosed(1, "remove", "carried")]


def test_a_release_is_decided_by_those_still_enrolled():
    c = initialised(3)
    c.ok(1, Release(HEART, c.study().current.digest))
    c.ok(2, Withdraw(HEART))
    assert len(c.open_motions) == 1, "member 3 has not voted"
    c.refused("NotAllowed", 2, Vote(c.open_motions[0], True))
    c.ok(3, Withdraw(HEART))
    assert c.happened(MotionClosed) == [MotionClosed(1, "release", "carried")]


def test_each_motion_has_one_outcome_when_one_departure_causes_another():
    c = Consortium(6)
    c.ok(1, Remove(6))
    removal = c.open_motions[0]
    admission = c.apply("newcomer")
    for motion in (removal, admission):
        for voter in (1, 2, 3):
            if voter not in c.motion(motion).ayes:
                c.ok(voter, Vote(motion, True))
    c.ok(5, Leave())  # carries the removal of 6, which carries the admission
    assert c.chain.active == (1, 2, 3, 4, 7)
    outcomes = [e.motion for e in c.happened(MotionClosed)]
    assert outcomes == [removal, admission]


def test_a_motion_lapses_after_its_period():
    c = Consortium(4, vote_period_ms=10_000)
    motion = c.apply("newcomer")
    c.ok(1, Vote(motion, True))
    opened = c.due_ms(f"motion/{motion}") - 10_000
    c.now_ms = opened + 9_999
    assert c.idle() == []
    assert c.idle() == [MotionClosed(motion, "admit", "lapsed")]
    assert c.open_motions == ()
    c.refused("UnknownThing", 2, Vote(motion, True))


def waiting(c, **same):
    """Two hospitals apply with something in common, and the first is admitted: as member 4."""
    twin, token = key("twin"), c.invite(1, "twin")
    c.ok(twin, c.application(token, card_of(**{"name": "twin", "account": twin} | same)))
    motion = c.open_motions[0]
    c.admit("newcomer")
    for voter in (1, 2, 3):
        c.ok(voter, Vote(motion, True))
    c.ok(key("newcomer"), Vote(motion, True))
    return motion


def test_an_applicant_whose_name_was_taken_meanwhile_waits():
    c = Consortium(3)
    motion = waiting(c, name="newcomer", tls="ab", consensus="ab" * 32, address="twin.example:1")
    why = "a member is named 'newcomer'; choose a name that looks different"
    assert c.motion(motion).waits == why
    c.rotate(1)  # all is counted again
    assert c.happened(MotionWaits) == [MotionWaits(motion, "admit", why)], "once"
    assert [e.outcome for e in c.happened(MotionClosed)] == ["carried"]  # the other one's
    c.ok(key("newcomer"), Leave())
    assert c.happened(Admitted)[-1] == Admitted(5, "newcomer")
    assert c.open_motions == ()


def test_an_applicant_that_waits_is_admitted_when_a_member_moves():
    c = Consortium(3)
    motion = waiting(c, address="newcomer.example:7000")
    assert c.motion(motion).waits == "member 4 is at newcomer.example:7000; give another address"
    moved, proof = c.rotated(4, by=key("newcomer"), address="new.example:1")
    c.ok(key("newcomer"), Rotate(moved, proof))
    assert c.happened(Admitted)[-1] == Admitted(5, "twin")


def test_an_applicant_that_waits_for_ever_lapses():
    c = Consortium(3, vote_period_ms=DAY_MS)
    motion = waiting(c, address="newcomer.example:7000")
    assert c.idle(DAY_MS) == [MotionClosed(motion, "admit", "lapsed")]
    assert c.deadlines == []


def test_who_lacks_votes_again_waits_for_these_alone():
    c = Consortium(3)
    motion = waiting(c, address="newcomer.example:7000")
    for i in range(3):  # seven members need five ayes, and there are four
        c.admit(f"grown {i}")
    c.ok(5, Vote(motion, False))
    assert c.motion(motion).waits == ""
    c.ok(6, Vote(motion, True))
    assert c.motion(motion).waits != ""
    assert len(c.happened(MotionWaits)) == 2


@pytest.mark.parametrize(
    "taken",
    [
        {"address": "newcomer.example:7000"},
        {"ledger": f"{'ab' * 20}@newcomer.example:7000"},
        {"tls": card_of("newcomer").tls},
        {"consensus": card_of("newcomer").consensus},
        {"by": key("newcomer")},
    ],
    ids=lambda c: next(iter(c)),
)
def test_a_rotation_takes_nothing_that_an_applicant_has(taken):
    c = Consortium(3)
    motion = c.apply("newcomer")
    said = c.refused("AlreadyDone", 2, Rotate(*c.rotated(2, **taken))).message
    assert said.endswith(f"of the card belongs to the applicant of motion {motion}.")
    for voter in (1, 2, 3):
        c.ok(voter, Vote(motion, True))
    assert len(c.chain.active) == 4


def test_a_member_rotates_what_it_has_beside_an_applicant_that_waits():
    c = Consortium(3)
    waiting(c, address="newcomer.example:7000")
    c.ok(key("newcomer"), Rotate(*c.rotated(4)))


def test_the_open_motions_of_a_member_are_bounded():
    c = Consortium(3)
    for i in range(MAX_MOTIONS):
        c.apply(f"n{i}", sponsor=3)
    token = c.invite(3, "too many")
    result = c.refused(
        "StateQuotaExceeded", key("too many"), c.application(token, card_of("too many"))
    )
    assert result.message == (
        "Member 3 has 8 open motions, and may have no more; wait for the votes on one."
    )
    assert c.apply("of another", sponsor=1)
    c.ok(1, Remove(3))


def test_a_removal_does_not_count_in_its_movers_quota():
    c = Consortium(12)
    for target in range(2, 12):
        c.ok(1, Remove(target))
    assert len(c.open_motions) == 10
    c.apply("newcomer", sponsor=1)


# leaving and removing


def test_a_member_leaves():
    c = Consortium(3)
    c.ok(2, Leave())
    assert c.chain.active == (1, 3)
    assert (c.member(2).status, c.member(2).power) == ("left", 0)
    assert KEY_OWNER.get(c.state, key("h2").public) is None
    assert PowerChanged(key("h2/consensus").public, 0) in c.events
    c.refused("NotAMember", 2, Leave())


def test_the_last_member_cannot_leave():
    c = Consortium(1)
    c.refused("NotAllowed", 1, Leave())


def test_who_left_comes_back_with_another_id():
    c = Consortium(3)
    c.ok(3, Leave())
    assert c.admit("h3") == 4
    assert c.chain.active == (1, 2, 4)


def test_the_others_remove_a_member_and_the_target_does_not_vote():
    c = Consortium(4)
    c.ok(1, Remove(4))
    motion = c.motion(c.open_motions[0])
    assert (motion.by, motion.ayes) == (1, (1,)), "who moves has voted"
    c.refused("AlreadyDone", 1, Vote(motion.id, False))
    c.refused("NotAllowed", 4, Vote(motion.id, False))
    for voter in (2, 3):
        c.ok(voter, Vote(motion.id, True))
    assert c.chain.active == (1, 2, 3)
    assert c.member(4).status == "removed"
    c.refused("NotAMember", 4, Leave())


def test_removals_that_make_no_sense_are_refused():
    c = Consortium(4)
    c.refused("NotAMember", key("stranger"), Remove(1))
    c.refused("UnknownThing", 1, Remove(9))
    c.refused("NotAllowed", 1, Remove(1))
    c.ok(1, Remove(4))
    c.refused("AlreadyDone", 2, Remove(4))
    c.ok(3, Leave())
    c.refused("UnknownThing", 1, Remove(3))


def test_removing_who_has_left_meanwhile_changes_nothing_more():
    c = Consortium(4)
    c.ok(1, Remove(4))
    motion = c.open_motions[0]
    c.ok(4, Leave())
    for voter in (2, 3):
        c.ok(voter, Vote(motion, True))
    assert c.member(4).status == "left"
    assert c.happened(MotionClosed)[-1] == MotionClosed(motion, "remove", "carried")


def test_a_newcomer_without_power_departs_without_a_validator_update():
    c = Consortium(2)
    newcomer = c.admit("newcomer")
    before = c.happened(PowerChanged)
    c.ok(newcomer, Leave())
    assert c.happened(PowerChanged) == before


def test_a_newcomer_has_power_when_its_node_says_that_it_has_caught_up():
    c = Consortium(2)
    newcomer = c.admit("newcomer")
    result = c.ok(newcomer, Validate())
    assert contract.end_block(result.events) == ((key("newcomer/consensus").public, 1),)
    c.refused("AlreadyDone", newcomer, Validate())
    c.refused("AlreadyDone", 1, Validate())
    c.refused("NotAMember", key("stranger"), Validate())
    assert contract.end_block(c.ok(newcomer, Leave()).events) == (
        (key("newcomer/consensus").public, 0),
    )


@pytest.mark.parametrize(
    "ledger", ["x", "h:1", "ab" * 20, f"{'ab' * 20}@h", f"{'AB' * 20}@h:1", f"{'ab' * 19}@h:1"]
)
def test_an_address_of_a_ledger_that_is_none_is_refused(ledger):
    c = Consortium(2)
    card, proof = c.rotated(2, ledger=ledger)
    c.refused("BadValue", 2, Rotate(card, proof))


def test_two_members_have_no_engine_in_common():
    c = Consortium(2)
    c.ok(1, Rotate(*c.rotated(1, by=key("h1"), ledger=f"{'ab' * 20}@one:1")))
    card, proof = c.rotated(2, ledger=f"{'ab' * 20}@two:1")
    c.refused("AlreadyDone", 2, Rotate(card, proof))
    c.ok(2, Rotate(*c.rotated(2, ledger=f"{'cd' * 20}@two:1")))
    assert c.member(2).ledger == f"{'cd' * 20}@two:1"


# rotation


def test_a_member_rotates_all_its_keys():
    c = Consortium(3)
    card, proof = c.rotated(2, consensus=key("new consensus").public, tls="abcd")
    result = c.ok(2, Rotate(card, proof))
    assert c.member(2).account == card.account
    assert (c.member(2).tls, c.member(2).address) == ("abcd", card.address)
    assert contract.end_block(result.events) == ((key("h2/consensus").public, 0),)
    assert Rotated(2, ("account", "tls", "consensus")) in result.events
    assert c.member(2).release == card.release != ""
    result = c.ok(key("h2/new"), Validate())  # when its engine runs with the new one
    assert contract.end_block(result.events) == ((key("new consensus").public, 1),)
    c.refused("NotAMember", 2, Leave())
    c.ok(key("h2/new"), Leave())


def test_a_key_that_comes_and_goes_in_one_block_is_no_validator_update():
    """An engine stops for good where it is told to remove what has never been a validator."""
    c = Consortium(4)
    first, proof = c.rotated(2, by=key("h2"), consensus=key("k2").public)
    second, proof_2 = c.rotated(2, by=key("h2"), consensus=key("k3").public)
    bodies = (Rotate(first, proof), Validate(), Rotate(second, proof_2))
    (made, *_) = c.block(*[c.write(2, body) for body in bodies])
    assert [r.code for r in made.results] == ["ok"] * 3
    assert made.validators == ((key("h2/consensus").public, 0),)
    (made, *_) = c.block(c.write(2, Validate()), c.write(2, Leave()))
    assert made.validators == ()


def test_the_only_validator_goes_on_with_its_new_key():
    c = Consortium(1)
    c.admit("newcomer")
    card, proof = c.rotated(1, consensus=key("new consensus").public)
    result = c.ok(1, Rotate(card, proof))
    assert contract.end_block(result.events) == tuple(
        sorted([(key("h1/consensus").public, 0), (key("new consensus").public, 1)])
    )
    assert c.member(1).power == 1


def test_revoked_keys_are_nobodys_until_they_are_rotated():
    c = Consortium(3)
    result = c.ok(2, Revoke())
    assert contract.end_block(result.events) == ((key("h2/consensus").public, 0),)
    assert (c.member(2).status, c.member(2).tls, c.member(2).ledger) == ("active", "", "")
    c.refused("AlreadyDone", 2, Revoke())
    c.refused("NotAllowed", 2, Validate())
    c.refused("AlreadyDone", 3, Rotate(*c.rotated(3, consensus=card_of("h2").consensus)))
    c.ok(2, Rotate(*c.rotated(2, tls="abcd")))
    assert c.member(2).tls == "abcd"
    assert c.member(2).power == 0
    c.ok(key("h2/new"), Validate())


def test_the_last_validators_power_passes_to_those_who_remain():
    for goes in (Revoke(), Leave()):
        c = Consortium(1)
        newcomers = [c.admit("two"), c.admit("three")]
        result = c.ok(1, goes)
        assert contract.end_block(result.events) == tuple(
            sorted(
                [
                    (key("h1/consensus").public, 0),
                    (key("two/consensus").public, 1),
                    (key("three/consensus").public, 1),
                ]
            )
        )
        assert [c.member(m).power for m in newcomers] == [1, 1]


def test_the_last_member_with_valid_keys_cannot_revoke_them():
    Consortium(1).refused("NotAllowed", 1, Revoke())
    c = Consortium(2)
    c.ok(2, Revoke())
    c.refused("NotAllowed", 1, Revoke())


def test_a_member_moves_to_another_address_with_the_same_keys():
    c = Consortium(3)
    card, proof = c.rotated(2, by=key("h2"), address="new.example:1")
    result = c.ok(2, Rotate(card, proof))
    assert c.member(2).address == "new.example:1"
    assert contract.end_block(result.events) == ()
    c.ok(2, Leave())


def test_a_member_without_power_rotates_without_a_validator_update():
    c = Consortium(2)
    newcomer = c.admit("newcomer")
    card, proof = c.rotated(newcomer, consensus=key("new consensus").public)
    assert contract.end_block(c.ok(newcomer, Rotate(card, proof)).events) == ()


def test_rotations_that_are_not_a_members_own_are_refused():
    c = Consortium(3)
    card, proof = c.rotated(2)
    c.refused("NotAMember", key("stranger"), Rotate(card, proof))
    c.refused("BadValue", 3, Rotate(card, proof))  # another's name
    c.refused("BadValue", 2, Rotate(card, key("h2").sign("swarmhub/rotate/1", b"")))
    unsigned = dataclasses.replace(card, signature=key("x").sign(CARD_DOMAIN, card_message(card)))
    proof = key("h2/new").sign("swarmhub/rotate/1", card_message(unsigned))
    c.refused("BadValue", 2, Rotate(unsigned, proof))


def test_a_rotation_does_not_take_anothers_keys():
    c = Consortium(3)
    c.refused("AlreadyDone", 2, Rotate(*c.rotated(2, by=key("h3"))))
    c.refused("AlreadyDone", 2, Rotate(*c.rotated(2, tls=card_of("h3").tls)))
    c.refused("AlreadyDone", 2, Rotate(*c.rotated(2, consensus=card_of("h3").consensus)))
