"""Stages: which terms can run, the walk through them, sums, members of a stage, required ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import HEART, MODEL_BYTES, Consortium, auc, digest, running, spec_of

from swarmhub.contract import events, quotas
from swarmhub.contract.records import (
    RESULT,
    SPEC,
    Bound,
    Declaration,
    Inputs,
    LeftOut,
    MergeRule,
    Outcome,
    Position,
    Provenance,
    Stage,
    Until,
)
from swarmhub.contract.stages import (
    MAX_ARRAYS,
    MAX_STAGES,
    compute_next,
    count_training_rounds,
    get_stages,
)
from swarmhub.contract.transactions import (
    Amend,
    Approve,
    Finish,
    Leave,
    Propose,
    Ready,
    Remove,
    Retract,
    Start,
    Vote,
    Withdraw,
)

OTHER = digest("another layout")
FIT = Stage("fit", "sum", 3, until=Until("slope", 5), bounds=(Bound("slope", -9, 9, 20),))
BEGIN, LEARN = Stage("begin", "initial"), Stage("learn", "train", 2)
LOOK = Stage("look", "evaluate")
COUNT = Stage("count", "evaluate", bounds=(Bound("hits", 0, 100),))


def staged(*stages, n=3, **terms):
    """A running study of these stages: its first round waits for trainers."""
    return running(n, rounds=0, stages=stages, **{"min_peers": 2, **terms})


# terms


@pytest.mark.parametrize(
    ("stages", "field"),
    [
        ((replace(FIT, name=""),), "stages[0].name"),
        ((FIT, FIT), "stages[1].name"),
        ((LEARN,), "stages[0].kind"),
        ((FIT, LOOK), "stages[1].kind"),
        ((replace(FIT, max_rounds=0),), "stages[0].max_rounds"),
        ((replace(BEGIN, max_rounds=2),), "stages[0].max_rounds"),
        ((BEGIN, replace(LEARN, max_rounds=100_000)), "stages"),
        ((replace(FIT, rule=MergeRule("trimmed_mean")),), "stages[0].rule"),
        ((BEGIN, replace(LEARN, rule=MergeRule("trimmed_mean", 500))), "stages[1].rule"),
        ((BEGIN, replace(LEARN, rule=MergeRule(max_share_permille=0))), "stages[1].rule.max_share"),
        ((replace(FIT, members=(2, 1)),), "stages[0].members"),
        ((replace(FIT, members=(1, 1)),), "stages[0].members"),
        ((replace(FIT, members=(1, 2, 9)),), "stages[0].members"),
        ((replace(FIT, members=(1,)),), "stages[0].members"),
        ((BEGIN, replace(COUNT, members=(1,))), "stages[1].members"),
        ((BEGIN, replace(LOOK, until=FIT.until)), "stages[1].until"),
        ((replace(FIT, until=Until("slope", -1)),), "stages[0].bounds"),
        ((replace(FIT, until=Until("", 1)),), "stages[0].array"),
        ((BEGIN, replace(LEARN, agreed=("x",))), "stages[1].agreed"),
        ((BEGIN, replace(LEARN, bounds=FIT.bounds)), "stages[1].bounds"),
        ((replace(FIT, agreed=("at", "at")),), "stages[0].bounds"),
        ((replace(FIT, bounds=FIT.bounds * 2),), "stages[0].bounds"),
        ((replace(FIT, agreed=tuple(map(str, range(MAX_ARRAYS)))),), "stages[0].bounds"),
        ((replace(FIT, bounds=(Bound("slope", 2, 1),)),), "stages[0].bounds"),
        ((replace(FIT, bounds=(Bound("slope", 0, 1, 53),)),), "stages[0].bounds"),
        ((replace(FIT, bounds=(Bound("slope", 0, 1, -1),)),), "stages[0].bounds"),
        ((replace(FIT, bounds=(Bound("slope", 0, 4, 52),)),), "stages[0].bounds"),
        ((BEGIN, replace(COUNT, bounds=(Bound("hits", 0, 9, 1),))), "stages[1].bounds"),
        (tuple(replace(FIT, name=f"s{i}") for i in range(MAX_STAGES + 1)), "stages"),
    ],
)
def test_stages_that_could_never_run_are_refused(stages, field):
    terms = spec_of(rounds=0, stages=stages, min_peers=2)
    said = Consortium(3).refused("BadValue", 1, Propose(terms)).message
    assert said.startswith(f"Expected {field} to be") or field in said, said


@pytest.mark.parametrize(
    "more", [{"rounds": 3}, {"statistics": True}, {"merge": MergeRule("trimmed_mean")}]
)
def test_a_study_lists_its_stages_or_says_them_in_short(more):
    terms = replace(spec_of(rounds=0, stages=(FIT,)), **more)
    Consortium(3).refused("BadValue", 1, Propose(terms))


def test_without_stages_a_study_has_rounds():
    Consortium(3).refused("BadValue", 1, Propose(spec_of(rounds=0)))
    Consortium(3).refused("BadValue", 1, Propose(spec_of(rounds=100_001)))


def test_the_largest_bound_is_exact():
    c = Consortium(3)
    bound = Bound("slope", -(2**33), 2**33, 20)
    c.propose(rounds=0, stages=(replace(FIT, bounds=(bound,)),))


def test_results_of_stages_are_charged_to_the_proposer():
    c = Consortium(3)
    c.propose(rounds=0, stages=(BEGIN,))
    before = quotas.compute_bytes(c.state, 1)
    c.propose(rounds=0, stages=(BEGIN,), name="short")
    one = quotas.compute_bytes(c.state, 1) - before
    c.propose(rounds=0, stages=(BEGIN, FIT), name="long")
    assert quotas.compute_bytes(c.state, 1) - before - 2 * one >= quotas.RESULT_BYTES


# the walk


def test_a_stage_ends_after_its_rounds_or_as_soon_as_its_test_holds():
    spec = spec_of(rounds=0, stages=(FIT, BEGIN, LEARN))
    assert compute_next(spec, Position(1, 0, 1), False) == Position(2, 0, 2)
    assert compute_next(spec, Position(1, 0, 1), True) == Position(2, 1, 1)
    assert compute_next(spec, Position(3, 0, 3), False) == Position(4, 1, 1)
    assert compute_next(spec, Position(9, 2, 2), False) is None
    assert count_training_rounds(spec) == 2


def test_training_ends_as_soon_as_its_test_holds():
    c = staged(BEGIN, replace(LEARN, max_rounds=9, until=Until("moving", 500)), LOOK)
    c.ready(1, 2, 3)
    c.play()
    c.play()
    assert c.round().turn == 2
    c.contribute(1, 2, 3)
    c.settle(met=True)
    assert c.round().kind == "evaluate"
    assert c.study().current.met


def test_a_test_that_the_stage_lacks_cannot_hold():
    c = staged(BEGIN, LEARN)
    c.ready(1, 2, 3)
    c.play()
    c.contribute(1, 2, 3)
    c.refused("BadValue", c.leader(), c.settlement(c.leader(), met=True))


def test_a_contribution_says_what_it_was_made_with():
    c = staged(BEGIN, LEARN)
    c.ready(1, 2, 3)
    c.play()
    made = Provenance("Python 3.11.7, numpy 2.4.6", digest("data"))
    c.ok(1, c.contribution(1, provenance=made))
    for wrong in (Provenance("a" * 201), Provenance("a\nb"), Provenance("é"), Provenance("", "x")):
        said = c.refused("BadValue", 2, c.contribution(2, provenance=wrong)).message
        assert "provenance." in said


def test_a_study_may_declare_its_data():
    c = Consortium(3)
    declared = Declaration(Outcome("diagnosis", positive=("AML",)), inputs=(Inputs("clinical"),))
    c.propose(data=declared)
    assert SPEC.need(c.state, HEART).data == declared
    assert SPEC.need(c.state, HEART) != spec_of()


def test_a_sum_is_the_stages_result_and_no_model():
    c = staged(FIT, BEGIN)
    c.ready(1, 2, 3)
    first = c.play()
    found = RESULT.need(c.state, HEART, "fit")
    assert (found.digest, found.turn, found.is_last) == (first, 1, False)
    assert c.study().current is None
    assert (c.round().stage, c.round().turn, c.round().base) == (0, 2, first)


def test_a_contribution_starts_from_the_newest_result_of_its_stage():
    c = staged(FIT)
    c.ready(1, 2, 3)
    c.play()
    c.refused("StaleRound", 1, c.contribution(1, base=""))
    c.contribute(1)


def test_a_test_that_holds_ends_the_stage():
    c = staged(FIT, BEGIN)
    c.ready(1, 2, 3)
    c.contribute(1, 2, 3)
    c.settle(met=True)
    found = RESULT.need(c.state, HEART, "fit")
    assert (found.turn, found.is_last, found.met) == (1, True, True)
    assert c.round().kind == "initial"


def test_receipts_say_whether_the_test_holds():
    c = staged(FIT)
    c.ready(1, 2, 3)
    c.contribute(1, 2, 3)
    honest = c.settlement(c.leader())
    c.refused("BadValue", c.leader(), replace(honest, met=True))
    c.ok(c.leader(), honest)


def test_a_stage_without_a_test_never_says_that_one_holds():
    c = staged(replace(FIT, until=None))
    c.ready(1, 2, 3)
    c.contribute(1, 2, 3)
    c.refused("BadValue", c.leader(), c.settlement(c.leader(), met=True))


def test_scores_of_an_earlier_start_do_not_count():
    again = replace(BEGIN, name="again")
    c = staged(BEGIN, LEARN, again, replace(LEARN, name="relearn"))
    c.ready(1, 2, 3)
    c.settle()
    c.play()
    c.play(evaluations=(auc(c.round().base, 900_000),))
    assert c.study().best is not None
    c.settle()
    assert (c.study().best, c.study().best_score) == (None, None)


# layouts


def test_a_sum_takes_the_layout_of_most_and_leaves_the_others_out():
    c = staged(FIT, n=4, min_peers=3)
    c.ready(1, 2, 3, 4)
    c.contribute(2, 3, 4)
    c.contribute(1, layout=OTHER)
    assert c.round().phase == "MERGING"
    assert c.round().contributors == (2, 3, 4)
    assert c.round().left_out == (LeftOut(1, OTHER),)
    (left,) = c.happened(events.LeftOut)
    assert (left.member, left.expected, left.like) == (1, c.layout(), 2)


def test_too_few_of_one_layout_are_not_merged():
    c = staged(FIT, n=4, min_peers=3)
    c.ready(1, 2, 3, 4)
    c.contribute(1, 2)
    c.contribute(3, 4, layout=OTHER)
    assert (c.round().phase, c.round().contributors) == ("COLLECTING", (1, 2))
    c.refused("BadValue", 3, c.contribution(3, layout=OTHER))
    c.contribute(3)
    assert c.round().phase == "COLLECTING", "4 may come back within the grace"
    c.contribute(4)
    assert (c.round().phase, c.round().contributors) == ("MERGING", (1, 2, 3, 4))


def test_arrays_of_another_length_are_another_layout():
    c = staged(FIT, n=3)
    c.ready(1, 2, 3)
    c.contribute(1, 2)
    c.contribute(3, nbytes=2 * MODEL_BYTES)
    assert c.round().contributors == (1, 2)


def test_a_sum_is_settled_in_the_layout_of_its_contributions():
    c = staged(FIT)
    c.ready(1, 2, 3)
    c.contribute(1, 2, 3)
    c.refused("BadValue", c.leader(), c.settlement(c.leader(), layout=OTHER))
    c.refused("BadValue", c.leader(), c.settlement(c.leader(), nbytes=2 * MODEL_BYTES))


# evaluations with counts


def evaluating(stage):
    c = staged(BEGIN, stage)
    c.ready(1, 2, 3)
    c.settle()
    return c


NOTHING = {"root": "", "nbytes": 0, "layout": ""}


def test_counts_of_an_evaluation_are_summed():
    c = evaluating(COUNT)
    c.contribute(1, 2, 3)
    assert c.round().phase == "MERGING"
    made = c.settle()
    assert RESULT.need(c.state, HEART, "count").digest == made
    assert c.study().status == "finished"


def test_an_evaluation_without_counts_is_settled_at_once():
    c = evaluating(COUNT)
    c.contribute(1, 2, 3, **NOTHING)
    assert c.study().status == "finished"
    assert RESULT.get(c.state, HEART, "count") is None


def test_a_member_that_alone_brings_counts_is_left_out():
    c = evaluating(COUNT)
    c.contribute(1)
    c.contribute(2, 3, **NOTHING)
    assert c.study().status == "finished"
    assert [e.member for e in c.happened(events.LeftOut)] == [1]


def test_counts_that_the_terms_do_not_declare_are_refused():
    c = evaluating(LOOK)
    counts = {"root": digest("counts"), "nbytes": MODEL_BYTES, "layout": c.layout()}
    c.refused("BadValue", 1, c.contribution(1, **counts))


# members of a stage


def test_a_stage_waits_for_its_members_only():
    c = staged(replace(FIT, members=(1, 2)), replace(FIT, name="next", members=(2, 3)), n=3)
    c.ready(1, 2)
    assert (c.round().roster, c.round().enrolled) == ((1, 2), (1, 2))
    c.ok(3, Ready(HEART))
    c.refused("NotAllowed", 3, c.contribution(3))
    c.refused("AlreadyDone", 3, Ready(HEART))
    c.contribute(1, 2)
    c.settle(met=True)
    assert (c.round().phase, c.round().roster) == ("COLLECTING", (2, 3)), "3 has been ready"


def test_members_of_a_later_stage_stay_ready_over_many_rounds():
    c = staged(replace(FIT, members=(1, 2)), replace(FIT, name="next", members=(2, 3)), n=3)
    c.ok(3, Ready(HEART))
    c.ready(1, 2)
    for _ in range(3):
        c.play(1, 2)
    assert c.round().roster == (2, 3)


def test_one_hospital_measures_alone_what_the_others_have_trained():
    c = staged(replace(BEGIN, members=(1, 2)), replace(LOOK, members=(3,)))
    c.ready(1, 2)
    c.ok(3, Ready(HEART))
    c.settle()
    assert (c.round().min_peers, c.round().phase) == (1, "COLLECTING")
    c.contribute(3, evaluations=(auc(c.round().base, 700_000),))
    assert c.study().status == "finished"


def test_members_that_the_terms_name_must_be_enrolled_to_start():
    c = Consortium(3)
    c.propose(rounds=0, stages=(replace(FIT, members=(1, 3)),), min_peers=2)
    c.enrol(1)
    c.enrol(2)
    c.refused("BadValue", 1, Start(HEART))
    c.enrol(3)
    c.ok(1, Start(HEART))


# required members


def test_a_round_waits_for_a_required_member_beyond_its_grace():
    c = running(4, required=(4,), min_peers=3)
    c.ready(1, 2, 3)
    assert c.round().phase == "OPEN"
    c.ready(4)
    c.settle()
    c.contribute(1, 2, 3)
    c.idle(60_000)
    assert (c.round().phase, c.round().grace) == ("COLLECTING", "")
    c.contribute(4)
    assert c.round().phase == "MERGING"


def test_a_merge_that_loses_a_required_member_collects_again():
    c = running(4, required=(4,), min_peers=3)
    c.ready(1, 2, 3, 4)
    c.settle()
    c.contribute(1, 2, 3, 4)

    c.ok(4, Retract(c.ref()))
    assert c.round().phase == "COLLECTING"


@pytest.mark.parametrize("required", [(9,), (2, 1), (1, 1)])
def test_required_members_are_active_ones(required):
    Consortium(3).refused("BadValue", 1, Propose(spec_of(required=required)))


def suspended(n=4):
    """A study that has settled a round and lost a member that its terms require."""
    c = running(n, required=(4,), min_peers=2)
    c.ready(*c.chain.active)
    c.settle()
    c.play()
    c.contribute(1)
    c.ok(4, Withdraw(HEART))
    return c


def test_a_study_that_loses_a_required_member_is_suspended():
    c = suspended()
    assert c.study().status == "suspended"
    assert c.study().resumes == Position(3, 1, 2, term=1, revision=1)
    assert c.happened(events.StudySuspended) == [events.StudySuspended(HEART, 4)]
    assert c.chain.running == ()
    c.refused("StaleRound", 2, Ready(HEART))
    c.refused("BadValue", 1, Start(HEART))


def test_a_removed_required_member_suspends_the_study_too():
    c = running(5, required=(4,), min_peers=2)
    c.ready(1, 2, 3, 4, 5)
    c.ok(1, Remove(4))
    for m in (2, 3, 5):
        if c.open_motions:
            c.ok(m, Vote(c.open_motions[-1], True))
    assert c.study().status == "suspended"


def amended(c, **changes):
    return Amend(replace(SPEC.need(c.state, HEART), **changes))


def test_amended_terms_are_approved_anew_and_the_study_goes_on():
    c = suspended()
    model = c.study().current
    c.ok(1, amended(c, required=()))
    assert (c.study().approved, c.study().status) == ((1,), "suspended")
    c.refused("BadValue", 1, Start(HEART))
    c.ok(2, Approve(HEART, c.study().spec))
    c.ok(2, Start(HEART))
    assert [e.member for e in c.study().enrolled] == [1, 2], "3 has not approved"
    assert (c.round().number, c.round().turn, c.round().kind) == (3, 2, "train")
    assert c.study().current == model
    assert (c.round().lead.term, c.round().revision) == (1, 1), "signatures of before are void"
    c.ready(1, 2)
    c.play()


def test_only_the_proposer_amends_and_only_what_does_not_run():
    c = suspended()
    c.refused("NotAllowed", 2, amended(c, required=()))
    running_one = running(3)
    running_one.refused("NotAllowed", 1, amended(running_one, title="x"))
    c.refused("AlreadyDone", 1, amended(c))
    c.refused("UnknownThing", 1, Amend(spec_of(name="none")))


def test_a_proposal_may_be_amended_before_it_starts():
    c = Consortium(3)
    old = c.propose()
    c.enrol(2)
    c.ok(1, amended(c, title="better"))
    c.refused("BadValue", 3, Approve(HEART, old))
    assert c.study().approved == (1,)


def test_an_enrolled_member_amends_if_the_proposer_is_gone():
    c = suspended()
    c.ok(1, Leave())
    c.refused("NotAllowed", 4, amended(c, required=()))
    c.ok(2, amended(c, required=()))


@pytest.mark.parametrize(
    "stages",
    [
        (FIT, BEGIN, replace(LEARN, max_rounds=1)),
        (replace(FIT, name="other"), BEGIN, LEARN),
        (BEGIN, LEARN),
        (FIT, BEGIN, replace(LEARN, name="other")),
        (FIT, BEGIN),
    ],
)
def test_amended_terms_keep_the_stages_that_are_over(stages):
    c = staged(FIT, BEGIN, LEARN, n=3, required=(3,))
    c.ready(1, 2, 3)
    c.contribute(1, 2, 3)
    c.settle(met=True)
    c.settle()
    c.play()
    c.ok(3, Withdraw(HEART))
    c.refused("BadValue", 1, amended(c, stages=stages, required=()))
    longer = (FIT, BEGIN, replace(LEARN, max_rounds=9), LOOK)
    c.ok(1, amended(c, stages=longer, required=()))


def test_a_member_of_a_stage_that_is_over_is_not_missed():
    first = replace(FIT, members=(1, 2, 3))
    c = staged(first, BEGIN, LEARN, n=4, required=(3,))
    c.ready(1, 2, 3)
    c.ok(4, Ready(HEART))
    c.contribute(1, 2, 3)
    c.settle(met=True)
    c.ok(3, Leave())
    assert c.study().status == "suspended"
    c.ok(1, amended(c, required=()))
    for member in (2, 4):
        c.ok(member, Approve(HEART, c.study().spec))
    c.ok(1, Start(HEART))
    assert [e.member for e in c.study().enrolled] == [1, 2, 4]


def test_a_suspended_study_may_be_finished_and_expires():
    c = suspended()
    c.ok(1, Finish(HEART))
    assert c.study().status == "finished"
    assert c.study().resumes is None


def test_the_usual_stages_have_names():
    names = [s.name for s in get_stages(spec_of(statistics=True, rounds=2))]
    assert names == ["statistics", "initial", "training", "evaluation"]
