"""Masked stages of sums and counts in the contract: what they exclude, and when they are over."""

from __future__ import annotations

import pytest
from builders import HEART, Consortium, auc, digest, spec_of
from masked import MASKED, MaskedConsortium

from swarmhub.contract.events import RoundOpened
from swarmhub.contract.records import RESULT, Bound, Stage, Until
from swarmhub.contract.transactions import Propose

ALL = (1, 2, 3, 4)
MOVING = Until("moving", 0)
BOUNDS = (Bound("moving", 0, 1),)
START = Stage("initial", "initial")
COUNTS = Stage("evaluation", "evaluate", bounds=BOUNDS)
PATH = Stage("path", "sum", 4, bounds=BOUNDS, until=MOVING, agreed=("at",))


def begun(*stages: Stage) -> MaskedConsortium:
    c = MaskedConsortium(4)
    c.start(privacy=MASKED, min_peers=3, rounds=0, stages=stages)
    c.ready(*ALL)
    return c


def at_rest(*stages: Stage, **changes: object) -> MaskedConsortium:
    """A study whose first masked round is confirmed."""
    c = begun(*stages)
    c.reach("CONFIRMING", *ALL)
    c.settle(**changes)
    return c


def test_a_stage_of_sums_walks_through_the_phases_of_masks():
    c = begun(PATH, START)
    assert (c.round().kind, c.round().phase, c.round().base) == ("sum", "KEYING", "")
    c.reach("UNMASKING", *ALL)
    masked = c.total.digest
    c.reach("CONFIRMING", *ALL)
    result = c.settle(digest=digest("the sums"))
    stored = RESULT.need(c.state, HEART, "path")
    assert (stored.digest, stored.is_last, masked == result) == (result, False, False)
    assert (c.round().turn, c.round().base, c.round().is_masked) == (2, result, True)


def test_keys_of_the_next_round_of_sums_are_taken_early():
    c = begun(PATH, START)
    c.reach("CONFIRMING", *ALL)
    for member in ALL:
        c.ok(member, c.key(member, number=2))
    c.settle()
    assert (c.round().number, c.round().phase) == (2, "DEALING")


def test_the_test_of_a_stage_is_of_the_sums_not_of_masked_ones():
    c = begun(PATH, START)
    c.reach("MERGING", *ALL)
    c.refused("BadValue", c.leader(), c.settlement(c.leader(), met=True))
    c.reach("CONFIRMING", *ALL)
    c.settle(met=True)
    assert (c.round().kind, RESULT.need(c.state, HEART, "path").is_last) == ("initial", True)


def test_the_sums_have_the_form_of_the_contributions():
    c = begun(PATH, START)
    c.reach("CONFIRMING", *ALL)
    for changes in ({"layout": digest("another")}, {"nbytes": 64}):
        c.refused("BadValue", c.leader(), c.settlement(c.leader(), **changes))


def test_sums_that_are_what_they_started_from_are_the_last():
    c = at_rest(PATH, START)
    c.reach("CONFIRMING", *ALL)
    c.settle(digest=c.round().base)
    assert RESULT.need(c.state, HEART, "path").is_last
    assert [e.kind for e in c.happened(RoundOpened)] == ["sum", "sum", "initial"]


def test_counts_are_masked_and_come_without_metrics():
    c = begun(START, COUNTS)
    model = c.settle()
    c.reach("COLLECTING", *ALL)
    c.refused("BadValue", 1, c.contribution(1, evaluations=(auc(model, 900_000),)))
    c.refused("BadValue", 1, c.contribution(1, root="", nbytes=0, layout=""))
    c.reach("CONFIRMING", *ALL)
    c.settle()
    assert c.study().status == "finished"
    assert RESULT.need(c.state, HEART, "evaluation").is_last


def test_documents_of_a_masked_study_are_merged_in_plain():
    c = begun(Stage("statistics", "describe"), PATH, START)
    assert not c.round().is_masked
    c.play(*ALL)
    assert c.round().is_masked


@pytest.mark.parametrize(
    ("stage", "field"),
    [
        (Stage("path", "sum", members=(1, 2, 3)), "members"),
        (Stage("counts", "evaluate", bounds=BOUNDS, members=(1, 2, 3)), "members"),
        (Stage("figures", "evaluate"), "bounds"),
        (Stage("training", "train", 2, until=MOVING), "until"),
    ],
)
def test_stages_that_cannot_be_masked_are_refused(stage, field):
    c = Consortium(4)
    spec = spec_of(privacy=MASKED, min_peers=3, rounds=0, stages=(START, stage))
    result = c.act(1, Propose(spec))
    assert (result.code, field in result.message) == ("BadValue", True), result


def test_the_usual_stages_of_a_masked_study_have_no_metrics():
    c = MaskedConsortium(4)
    c.begin(rounds=1)
    c.reach("CONFIRMING", *ALL)
    c.settle()
    assert c.study().status == "finished"
