"""Who may read a blob of a study from a node."""

from __future__ import annotations

import pytest
from builders import HEART, LAYOUT, MODEL_BYTES, Consortium, digest

from swarmhub.contract.records import StartModel
from swarmhub.contract.transactions import Finish, Ready, Release, Vote, Withdraw
from swarmhub.protocol import FetchedBlobs, LocalState, MergeDone, Pull, decide, may_read

ENROLLED, STRANGER, NEWCOMER = 4, 5, 6


def collecting():
    """1, 2 and 3 take part in round 2; 4 is enrolled and has no trainer, 5 is not enrolled, 6 has
    enrolled since, and would make the round need more. Returns what member 1 holds, too."""
    c = Consortium(6)
    c.start(1, 2, 3, 4, min_peers=3)
    c.ready(1, 2, 3)
    c.settle()
    c.contribute(1, 2, 3)
    c.enrol(NEWCOMER)
    r = c.round()
    theirs, merge = r.contribution_of(2).digest, digest("merge")
    local = LocalState(HEART, 1, held={theirs, merge, r.base})
    local.learn(FetchedBlobs(r.number, (theirs,)), 0)
    local.learn(MergeDone(r.number, r.revision, merge, MODEL_BYTES, LAYOUT, ""), 0)
    return c, local, {"contribution": theirs, "merge": merge, "model": r.base}


@pytest.mark.parametrize("what", ["contribution", "merge", "model"])
@pytest.mark.parametrize("member", [2, 3])
def test_who_takes_part_in_a_round_reads_what_is_in_it(what, member):
    c, local, blobs = collecting()
    assert may_read(c.state, local, member, blobs[what])


@pytest.mark.parametrize("what", ["contribution", "merge"])
@pytest.mark.parametrize("member", [ENROLLED, NEWCOMER])
def test_who_is_not_on_the_roster_reads_no_contribution(what, member):
    c, local, blobs = collecting()
    assert c.study().samples_of(member) is not None
    assert not may_read(c.state, local, member, blobs[what])


@pytest.mark.parametrize("member", [ENROLLED, NEWCOMER])
def test_who_is_enrolled_reads_settled_models(member):
    c, local, blobs = collecting()
    assert may_read(c.state, local, member, blobs["model"])


@pytest.mark.parametrize("what", ["contribution", "merge", "model"])
def test_a_stranger_to_the_study_reads_nothing_of_it(what):
    c, local, blobs = collecting()
    assert STRANGER in c.chain.active
    assert not may_read(c.state, local, STRANGER, blobs[what])


@pytest.mark.parametrize("what", ["contribution", "merge", "model"])
def test_who_has_withdrawn_reads_nothing_any_more(what):
    c, local, blobs = collecting()
    c.ok(3, Withdraw(HEART))
    assert not may_read(c.state, local, 3, blobs[what])


@pytest.mark.parametrize("what", ["contribution", "merge"])
def test_nothing_of_a_round_with_too_few_hospitals_is_read(what):
    c, local, blobs = collecting()
    assert may_read(c.state, local, 2, blobs[what])
    c.ok(3, Withdraw(HEART))
    assert (len(c.round().roster), c.round().min_peers, c.round().phase) == (2, 3, "COLLECTING")
    assert not may_read(c.state, local, 2, blobs[what])


def test_a_contribution_is_read_again_once_enough_hospitals_are_there():
    c, local, blobs = collecting()
    c.ok(3, Withdraw(HEART))
    c.ok(ENROLLED, Ready(HEART))
    assert may_read(c.state, local, 2, blobs["contribution"])


def released():
    """1 and 2 have released a model; 3 and 4 run a study that starts from it, 5 is in neither."""
    c = Consortium(5)
    c.start(1, 2)
    c.ready(1, 2)
    model = c.settle()
    c.ok(1, Release(HEART, model))
    c.ok(2, Vote(c.open_motions[-1], True))
    c.start(3, 4, name="lung", start_from=StartModel(HEART, model))
    return c, LocalState(HEART, 1, held={model}), model


@pytest.mark.parametrize(("member", "may"), [(2, True), (3, True), (4, True), (5, False)])
def test_a_released_model_is_read_for_a_study_that_starts_from_it(member, may):
    c, local, model = released()
    assert may_read(c.state, local, member, model) is may


def test_a_released_model_is_read_as_long_as_that_study_runs():
    c, local, model = released()
    c.ok(3, Withdraw("lung"))
    assert not may_read(c.state, local, 3, model)
    c.ok(1, Finish("lung"))
    assert not may_read(c.state, local, 4, model)


def test_a_model_that_is_not_released_is_read_by_nobody_else():
    c, local, _ = released()
    local.held.add(newer := c.play(1, 2))
    assert may_read(c.state, local, 2, newer)
    assert not may_read(c.state, local, 3, newer)


def test_who_starts_from_a_model_fetches_it_from_those_who_have_it():
    c, _, model = released()
    (pull,) = decide(c.state, LocalState("lung", 3), c.now_ms)
    assert isinstance(pull, Pull)
    assert (pull.digest, {*pull.holders[:2]}) == (model, {1, 2})


def test_when_a_round_is_settled_its_contributions_are_read_no_more():
    c, local, blobs = collecting()
    c.idle(c.spec().quorum_grace_ms + 1)
    c.settle(digest=blobs["merge"])
    assert not may_read(c.state, local, 2, blobs["contribution"])
    assert may_read(c.state, local, ENROLLED, blobs["merge"])
