"""Motions and events in words: who, about what, and what is missing."""

import re
from pathlib import Path

import pytest
from builders import HEART, Consortium, initialised, key

import swarmhub.contract
from swarmhub.contract.transactions import Announce, Release, Remove, Upgrade, Vote
from swarmhub.errors import BadInput
from swarmhub.operations.inbox import read_inbox, say_motion
from swarmhub.operations.ledger_client import LedgerClient
from swarmhub.operations.log import (
    SAID,
    Happened,
    Wanted,
    find_member,
    members_of,
    say_event,
    select_events,
)

CONTRACT = Path(swarmhub.contract.__file__).parent
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


def test_every_event_of_the_contract_has_a_sentence():
    source = " ".join(path.read_text() for path in CONTRACT.rglob("*.py"))
    emitted = set(re.findall(r'emit\(\s*"(\w+)",', source))
    assert len(emitted) > 30
    assert emitted - set(SAID) == set()


def test_an_event_is_said_with_members_names():
    fields = {"study": HEART, "number": 3, "kind": "parameters", "digest": "a" * 64, "leader": 2,
              "shares": [{"member": 1, "weight": 7}, {"member": 9, "weight": 8}]}  # fmt: skip
    assert say_event(Happened(1, 0, "settled", fields), NAMES) == (
        "South settles round 3 of 'heart' (parameters): model aaaaaaaaaaaaaaaa… of North (7), "
        "member 9 (8)"
    )
    later = Happened(1, 0, "of a later contract", {"member": 1, "x": "y"})
    assert say_event(later, NAMES) == "of a later contract member=North x=y"


def test_names_with_braces_are_shown_as_they_are():
    fields = {"name": "{0} {motion}", "motion": 4}
    said = say_event(Happened(1, 0, "applied", fields), NAMES)
    assert said == "{0} {motion} applies for membership (motion 4)"


@pytest.mark.parametrize(
    ("name", "fields", "members"),
    [
        ("merging", {"leader": 1, "members": [1, 2]}, {1, 2}),
        ("settled", {"leader": 1, "receipts": [3], "shares": [{"member": 2}]}, {1, 2, 3}),
        ("rotated", {"member": 2, "changed": ["tls"]}, {2}),
    ],
)
def test_an_event_is_of_every_member_that_it_names(name, fields, members):
    assert members_of(name, fields) == members


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
    assert {e.fields["study"] for e in of_study} == {HEART}
    of_member = select_events(c.kept, Wanted(member=3))
    assert "enrolled" in {e.name for e in of_member}
    assert all(3 in members_of(e.name, e.fields) for e in of_member)
    recent = select_events(c.kept, Wanted(since_ms=since_ms))
    assert "other" not in {e.fields.get("study") for e in recent}
    assert select_events(c.kept, Wanted(study=HEART, last=2)) == of_study[-2:]


def test_a_member_is_found_by_name_or_number():
    assert (find_member(NAMES, "South"), find_member(NAMES, "3")) == (2, 3)
    with pytest.raises(BadInput, match="there are: 1 North, 2 South, 3 East"):
        find_member(NAMES, "West")
