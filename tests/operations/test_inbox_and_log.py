"""Motions and events in words: who, about what, and what is missing."""

import dataclasses

import pytest
from builders import HEART, Consortium, initialised, key

from swarmhub.contract.events import (
    AdmissionMoved,
    Enrolled,
    MergeStarted,
    Reported,
    Rotated,
    Settled,
    TookOver,
    get_study,
)
from swarmhub.contract.records import Model, Share
from swarmhub.contract.transactions import Announce, Release, Remove, Upgrade, Vote
from swarmhub.errors import BadInput
from swarmhub.ledger.sentences import members_of
from swarmhub.operations.inbox import read_inbox, say_motion
from swarmhub.operations.ledger_client import LedgerClient
from swarmhub.operations.log import Wanted, find_member, say_event, select_events

NAMES = {1: "North", 2: "South", 3: "East"}


def inbox(c):
    return read_inbox(LedgerClient(c, c.accounts[1]))


def test_an_inbox_names_the_hospital_that_is_to_be_removed():
    c = Consortium(4)
    c.ok(1, Remove(3))
    c.idle()
    (motion,) = inbox(c)
    heading, lines = say_motion(motion)
    assert heading == "Motion 1: remove 'h3'"
    assert ("about", "member 3") in lines
    assert {*motion.ayes, *motion.silent} == {"h1", "h2", "h4"}
    assert motion.lapses_ms == c.due_ms("motion/1")


def test_an_inbox_says_how_many_ayes_are_missing():
    c = Consortium(4)
    motion = c.apply("newcomer")
    (before,) = inbox(c)
    c.ok(2, Vote(motion, True))
    c.ok(3, Vote(motion, False))
    (after,) = inbox(c)
    assert after.needed == before.needed - 1
    assert "h2" in after.ayes
    assert after.nays == ("h3",)
    assert "fingerprint" in after.detail
    assert after.address == "newcomer.example:7000"


def test_an_inbox_says_why_an_applicant_with_the_votes_waits():
    c = Consortium(2, max_members=3)
    motions = [c.apply("a"), c.apply("b")]
    for motion in motions:
        c.ok(1, Vote(motion, True))
        c.ok(2, Vote(motion, True))
    c.ok(key("a"), Vote(motions[1], True))
    (shown,) = inbox(c)
    assert ("waits", "it has the votes, but all 3 seats are taken; it is carried as soon as that "
            "has changed") in say_motion(shown)[1]  # fmt: skip


def test_a_motion_to_release_names_the_study_and_its_model():
    c = initialised(3)
    model = c.study().current.digest
    c.ok(1, Release(HEART, model))
    heading, lines = say_motion(inbox(c)[0])
    assert heading == f"Motion 1: release a model of '{HEART}'"
    assert ("about", f"model {model}") in lines


def test_an_upgrade_names_the_hospitals_that_it_waits_for():
    c = Consortium(3)
    c.ok(1, Announce((1, 2)))
    c.ok(2, Upgrade(2, 30))
    heading, lines = say_motion(inbox(c)[0])
    assert heading == "Motion 1: go on with 'contract version 2'"
    assert ("about", "from 30 blocks after the decision on; not yet at h2, h3") in lines


def settled(**changes):
    told = {"study": HEART, "number": 3, "kind": "train", "leader": 2, "term": 1}
    shares = (Share(1, 7, "b" * 64), Share(9, 8, "c" * 64))
    rest = {"nbytes": 8, "layout": "", "base": "", "spec": "", "rule": "", "revision": 0}
    model = Model(**told, **rest, digest="a" * 64, shares=shares, receipts=(3,),
                  stage="training", turn=2)  # fmt: skip
    return Settled(dataclasses.replace(model, **changes), "d" * 64)


def test_an_event_is_said_with_members_names():
    assert say_event(settled(), NAMES) == (
        "South settles round 3 of 'heart' (training 2, term 1): model aaaaaaaaaaaaaaaa… of "
        "North (7), member 9 (8)"
    )
    assert say_event(settled(shares=()), NAMES).endswith("of its leader")
    assert say_event(Reported(HEART, 2, "invalid", 1, 3), NAMES) == (
        "East cannot merge the contribution of North to round 2 of 'heart'"
    )


def test_names_with_braces_are_shown_as_they_are():
    said = say_event(AdmissionMoved("{0} {motion}", "key", 4), NAMES)
    assert said == "{0} {motion} applies for membership (motion 4)"


@pytest.mark.parametrize(
    ("event", "members"),
    [
        (MergeStarted(HEART, 1, 0, 0, 1, (1, 2)), {1, 2}),
        (TookOver(HEART, 1, 1, leader=None, before=2), {2}),
        (settled(), {1, 2, 3, 9}),
        (Rotated(2, ("tls",)), {2}),
    ],
)
def test_an_event_is_of_every_member_that_it_names(event, members):
    assert members_of(event) == members


class Recorded(Consortium):
    def block(self, *txs):
        made = super().block(*txs)
        self.kept = [*getattr(self, "kept", []), *made]
        return made


def test_a_log_is_of_a_study_a_member_and_since_a_moment():
    c = Recorded(3)
    c.propose(name="other")
    c.idle(60_000)
    since_ms = c.now_ms
    c.start(2, 3, min_peers=2)
    of_study = select_events(c.kept, Wanted(study=HEART))
    assert {get_study(e.event) for e in of_study} == {HEART}
    of_member = select_events(c.kept, Wanted(member=3))
    assert Enrolled in {type(e.event) for e in of_member}
    assert all(3 in members_of(e.event) for e in of_member)
    recent = select_events(c.kept, Wanted(since_ms=since_ms))
    assert "other" not in {get_study(e.event) for e in recent}
    assert select_events(c.kept, Wanted(study=HEART, last=2)) == of_study[-2:]


def test_a_member_is_found_by_name_or_number():
    assert (find_member(NAMES, "South"), find_member(NAMES, "3")) == (2, 3)
    with pytest.raises(BadInput, match="there are: 1 North, 2 South, 3 East"):
        find_member(NAMES, "West")
