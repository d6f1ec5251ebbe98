"""Collect: the roster, what counts as a contribution, when the set closes."""

from __future__ import annotations

import pytest
from builders import (
    HEART,
    MODEL_BYTES,
    Consortium,
    auc,
    digest,
    initialised,
    key,
    merging,
    running,
    spec_of,
)

from swarmhub.contract.records import Evaluation, RoundRef
from swarmhub.contract.round.checks import MAX_METRICS, MAX_STATISTICS_BYTES, STATISTICS_LAYOUT
from swarmhub.contract.round.kinds import KINDS, PHASES, compute_kind, compute_training_round
from swarmhub.contract.transactions import (
    BODIES,
    Finish,
    Leave,
    Poke,
    Ready,
    Remove,
    Retract,
    Rotate,
    Suspect,
    Unavailable,
    Vote,
    Withdraw,
)

# the kinds


@pytest.mark.parametrize(
    ("statistics", "kinds"),
    [
        (False, ["initial", "parameters", "parameters", "evaluation", None, None]),
        (True, ["statistics", "initial", "parameters", "parameters", "evaluation", None]),
    ],
)
def test_a_study_of_two_rounds_walks_through_its_kinds(statistics, kinds):
    spec = spec_of(statistics=statistics, rounds=2)
    assert [compute_kind(spec, number) for number in range(1, 7)] == kinds
    first = 3 if statistics else 2
    assert [compute_training_round(spec, number) for number in (first, first + 1)] == [1, 2]


def test_a_study_with_statistics_from_its_start_to_its_end():
    c = running(3, statistics=True, rounds=2)
    c.ready(1, 2, 3)
    assert (c.round().kind, c.round().phase, c.round().base) == ("statistics", "COLLECTING", "")
    statistics = c.play(1, 2, 3)
    assert c.study().statistics.digest == statistics
    assert (c.study().statistics.rule, c.study().statistics.layout) == (
        "statistics",
        STATISTICS_LAYOUT,
    )
    assert c.study().current is None
    assert (c.round().kind, c.round().phase) == ("initial", "MERGING")
    models = [c.settle()]
    for number in (3, 4):
        r = c.round()
        assert (r.number, r.kind, r.phase) == (number, "parameters", "COLLECTING")
        assert (r.base, r.roster) == (models[-1], (1, 2, 3))
        models.append(c.play())
    assert (c.round().kind, c.round().phase) == ("evaluation", "COLLECTING")
    c.contribute(1, 2, 3, evaluations=(auc(models[-1], 800_000),))
    assert c.study().status == "finished"
    assert not c.has_round()
    assert c.chain.running == ()
    assert c.deadlines == []
    assert [e["digest"] for e in c.happened("settled")] == [statistics, *models]
    assert len({e["lineage"] for e in c.happened("settled")}) == 4


def test_a_settled_model_says_how_it_came_about():
    c = initialised(3)
    base = c.study().current.digest
    for member in (1, 2, 3):
        c.contribute(member, weight=member * 10)
    leader = c.leader()
    merged = c.settle()
    model = c.study().current
    assert (model.digest, model.base, model.leader, model.term) == (merged, base, leader, 0)
    assert (model.kind, model.rule, model.number) == ("parameters", "weighted_mean", 2)
    assert [(s.member, s.weight) for s in model.shares] == [(1, 10), (2, 20), (3, 30)]
    assert model.spec == c.study().spec
    assert leader not in model.receipts


# ready


def test_a_round_opens_when_min_peers_are_ready():
    c = running(4, min_peers=3)
    c.ready(4, 2)
    assert (c.round().phase, c.round().roster) == ("OPEN", (2, 4))
    c.ready(1)
    assert (c.round().phase, c.round().roster) == ("MERGING", (1, 2, 4))


def test_a_round_of_statistics_waits_for_everyone_enrolled():
    c = running(4, statistics=True)
    assert (c.round().phase, c.round().roster) == ("COLLECTING", (1, 2, 3, 4))
    c.contribute(1, 2, 3)
    assert c.round().phase == "COLLECTING"
    c.contribute(4)
    assert c.round().phase == "MERGING"


def test_the_initial_round_goes_straight_to_its_leader():
    c = running(4)
    c.ready(2, 3, 4)
    assert (c.round().phase, c.round().roster) == ("MERGING", (2, 3, 4))
    assert c.happened("merging")[-1]["members"] == [2, 3, 4]
    assert c.leader() in (2, 3, 4)


def test_who_is_ready_while_the_round_collects_joins_its_roster():
    c = Consortium(4)
    c.start(1, 2, 3)
    c.ready(1, 2, 3)
    c.settle()
    c.contribute(1)
    c.enrol(4)
    c.ready(4)
    assert c.round().roster == (1, 2, 3, 4)


def test_who_is_ready_while_others_merge_joins_the_next_round():
    c = Consortium(4)
    c.start(1, 2, 3)
    c.ready(1, 2, 3)
    c.settle()
    c.contribute(1, 2, 3)
    before = c.round()
    c.enrol(4)
    c.ready(4)
    assert c.round() == before
    assert c.study().ready == (4,)
    c.refused("AlreadyDone", 4, Ready(HEART))
    c.settle()
    assert c.round().roster == (1, 2, 3, 4)
    assert c.study().ready == ()


def test_who_is_ready_in_the_initial_round_joins_it_under_a_new_revision():
    c = running(4)
    c.ready(1, 2, 3)
    old = c.settlement(c.leader())
    c.ready(4)
    r = c.round()
    assert (r.phase, r.roster, r.revision, r.term) == ("MERGING", (1, 2, 3, 4), 1, 0)
    c.refused("AlreadyDone", 4, Ready(HEART))
    c.refused("StaleRound", c.leader(), old)
    c.settle()
    assert c.round().roster == (1, 2, 3, 4)


def test_ready_is_refused_from_who_takes_no_part():
    c = Consortium(3)
    c.refused("UnknownThing", 1, Ready(HEART))
    c.propose()
    c.refused("StaleRound", 1, Ready(HEART))
    c.enrol(1)
    c.enrol(2)
    c.start(1, 2, name="lung")
    c.refused("NotAllowed", 3, Ready("lung"))
    c.refused("NotAMember", key("stranger"), Ready("lung"))
    c.ready(1, name="lung")
    c.refused("AlreadyDone", 1, Ready("lung"))


def test_who_missed_the_set_may_say_ready_while_the_others_merge():
    c = initialised(4)
    c.contribute(1, 2, 3)
    c.idle(c.spec().quorum_grace_ms)
    assert c.round().phase == "MERGING"
    c.ok(4, Ready(HEART))
    c.settle()
    assert c.round().roster == (1, 2, 3, 4)


def test_who_misses_a_round_is_dormant_until_it_is_ready_again():
    c = initialised(4)
    c.contribute(1, 2, 3)
    c.idle(c.spec().quorum_grace_ms)
    c.settle()
    assert c.round().roster == (1, 2, 3)
    c.ready(4)
    assert c.round().roster == (1, 2, 3, 4)


# contribute


def test_the_whole_roster_closes_the_set_at_once():
    c = initialised(4)
    c.contribute(1, 2, 3)
    assert c.round().phase == "COLLECTING"
    c.contribute(4)
    r = c.round()
    assert (r.phase, r.contributors, r.revision, r.term) == ("MERGING", (1, 2, 3, 4), 0, 0)
    assert c.deadlines == [f"term/{HEART}"]


def test_contributions_stand_in_the_order_of_member_ids():
    c = initialised(4)
    c.contribute(3, 1, 4, 2)
    assert c.round().contributors == (1, 2, 3, 4)


def test_who_contributes_is_on_the_roster_without_having_said_ready():
    c = Consortium(4)
    c.start(1, 2, 3)
    c.ready(1, 2, 3)
    c.settle()
    c.enrol(4)
    c.contribute(4)
    assert c.round().roster == (1, 2, 3, 4)


def test_fewer_than_min_peers_wait_and_lose_nothing():
    c = initialised(4, min_peers=3)
    c.contribute(1, 2)
    assert c.round().grace == ""
    assert c.deadlines == []
    c.idle(365 * 86_400_000)
    assert (c.round().phase, c.round().contributors) == ("COLLECTING", (1, 2))


def test_the_grace_begins_with_the_min_peers_th_contribution_one_block_later():
    c = initialised(4, min_peers=3, quorum_grace_ms=5000)
    c.contribute(1, 2)
    first, follow_up = c.block(c.write(3, c.contribution(3)))
    assert first.results[0].ok
    assert c.round().grace == "running"
    due = follow_up.block.header.time_ms + 5000
    assert c.due_ms(f"grace/{HEART}") == due
    c.now_ms = due - 1
    c.idle()
    assert c.round().phase == "COLLECTING"
    c.now_ms = due
    c.idle()
    assert (c.round().phase, c.round().contributors) == ("MERGING", (1, 2, 3))
    assert c.deadlines == [f"term/{HEART}"]


def test_a_grace_of_nothing_closes_the_set_in_the_follow_up_block():
    c = initialised(4, quorum_grace_ms=0)
    c.contribute(1, 2, 3)
    assert c.round().phase == "MERGING"


def test_a_late_contribution_is_told_where_to_go_on():
    c = initialised(4)
    late = c.contribution(4)
    c.contribute(1, 2, 3)
    c.idle(c.spec().quorum_grace_ms)
    base = c.round().base
    assert base in c.refused("StaleRound", 4, late).message
    merged = c.settle()
    assert merged in c.refused("StaleRound", 4, late).message


def test_the_first_contribution_counts():
    c = initialised()
    c.contribute(1)
    c.refused("AlreadyDone", 1, c.contribution(1))
    c.refused("AlreadyDone", 1, c.contribution(1, root=digest("better")))


@pytest.mark.parametrize(
    "changes",
    [{"number": 1}, {"number": 3}, {"phase": "MERGING"}, {"phase": "x" * 1000}, {"revision": 1},
     {"term": 1}, {"term": -1}],
    ids=lambda c: next(iter(c.items())).__repr__()[:20],
)  # fmt: skip
def test_a_contribution_names_the_round_as_it_stands(changes):
    c = initialised()
    c.refused("StaleRound", 1, c.contribution(1, ref=c.ref(**changes)))


def test_a_contribution_comes_from_who_takes_part():
    c = Consortium(3)
    c.start(1, 2, statistics=True)
    c.ready(1, 2)
    c.refused("NotAllowed", 3, c.contribution(3))
    c.refused("NotAMember", key("stranger"), c.contribution(3))
    elsewhere = c.contribution(1, ref=RoundRef("lung", 1, "COLLECTING", 0, 0))
    c.refused("UnknownThing", 1, elsewhere)


def test_a_contribution_starts_from_the_settled_model():
    c = initialised()
    result = c.refused("StaleRound", 1, c.contribution(1, base=digest("own model")))
    assert c.round().base in result.message
    c.refused("StaleRound", 1, c.contribution(1, base=""))


BAD_CONTRIBUTIONS = {
    "other terms": {"spec": digest("other terms")},
    "no weight": {"weight": 0},
    "negative weight": {"weight": -5},
    "weight above enrolment": {"weight": 101},
    "no root": {"root": ""},
    "root in capitals": {"root": "AB" * 32},
    "no bytes": {"nbytes": 0},
    "other size": {"nbytes": MODEL_BYTES + 1},
    "above max_bytes": {"nbytes": 4_000_000_001},
    "no layout": {"layout": ""},
    "other layout": {"layout": digest("other layout")},
}


@pytest.mark.parametrize("changes", BAD_CONTRIBUTIONS.values(), ids=BAD_CONTRIBUTIONS)
def test_a_contribution_that_cannot_be_merged_is_refused(changes):
    c = initialised()
    c.refused("BadValue", 1, c.contribution(1, **changes))


def test_a_weight_up_to_the_enrolment_is_accepted():
    c = initialised()
    c.contribute(1, weight=1)
    c.contribute(2, weight=100)


def test_statistics_are_a_document_of_any_size_within_max_bytes():
    c = running(2, statistics=True, max_bytes=500)
    c.ready(1, 2)
    c.refused("BadValue", 1, c.contribution(1, nbytes=501))
    c.refused("BadValue", 1, c.contribution(1, nbytes=5, layout=digest("layout")))
    c.contribute(1, nbytes=500)
    c.contribute(2, nbytes=7)
    assert c.round().phase == "MERGING"
    c.refused("BadValue", c.leader(), c.settlement(c.leader(), nbytes=MAX_STATISTICS_BYTES + 1))
    c.ok(c.leader(), c.settlement(c.leader(), nbytes=507))  # the merge may be longer


def test_where_the_spec_names_no_layout_the_initial_model_fixes_it():
    c = running(2, layout="")
    c.ready(1, 2)
    other = digest("found by the first leader")
    c.refused("BadValue", c.leader(), c.settlement(c.leader(), layout="tall"))
    c.settle(layout=other, nbytes=77)
    c.refused("BadValue", 1, c.contribution(1, nbytes=77))
    c.refused("BadValue", 1, c.contribution(1, layout=other))
    c.contribute(1, nbytes=77, layout=other)


# evaluations


def test_evaluations_name_the_base_or_the_contribution_itself():
    c = initialised()
    base, own = c.round().base, c.contribution(1).digest
    c.refused("BadValue", 1, c.contribution(1, evaluations=(auc(digest("third"), 1),)))
    c.contribute(1, evaluations=(auc(base, 1), auc(own, 2)))
    assert [e.digest for e in c.round().contribution_of(1).evaluations] == [base, own]


def test_there_is_one_evaluation_of_each_model():
    c = initialised()
    base = c.round().base
    c.refused("BadValue", 1, c.contribution(1, evaluations=(auc(base, 1), auc(base, 2))))
    c.refused("BadValue", 1, c.contribution(1, evaluations=(auc(base, 1),) * 3))


@pytest.mark.parametrize(
    ("samples", "metrics"),
    [
        (0, {}),
        (1_000_000_001, {}),
        (1, {f"m{i}": 0 for i in range(MAX_METRICS + 1)}),
        (1, {"": 0}),
        (1, {"m" * 41: 0}),
        (1, {"auc": 10**12 + 1}),
        (1, {"auc": -(10**12) - 1}),
    ],
)
def test_evaluations_are_bounded(samples, metrics):
    c = initialised()
    bad = Evaluation(c.round().base, samples, metrics)
    c.refused("BadValue", 1, c.contribution(1, evaluations=(bad,)))


def test_before_there_is_a_model_nothing_can_be_evaluated():
    c = running(2, statistics=True)
    c.ready(1, 2)
    c.refused("BadValue", 1, c.contribution(1, evaluations=(Evaluation("", 1, {}),)))


def evaluated(*aucs, **spec):
    """A study with models (the initial one first) that have these metrics (value, samples) each."""
    c = initialised(2, rounds=len(aucs) - 1, **spec)
    for measured in aucs:
        for member, (value, samples) in zip((1, 2), measured, strict=True):
            metrics = {} if value is None else {"auc": value}
            base = c.round().base
            c.contribute(member, evaluations=(Evaluation(base, samples, metrics),))
        if c.has_round():
            c.settle()
    assert c.study().status == "finished"
    models = [e["digest"] for e in c.happened("settled")]
    return c, models.index(c.study().best.digest) if c.study().best else None


def test_a_models_score_is_the_mean_weighted_by_samples():
    c, best = evaluated([(900_000, 1), (500_000, 3)], [(0, 1), (0, 1)])
    assert best == 0
    assert c.study().best_score.metrics == {"auc": 600_000}
    assert c.study().best_score.samples == 4


def test_the_samples_of_a_score_are_those_that_were_measured():
    c = initialised(2)
    base, most = c.round().base, [c.study().samples_of(m) for m in (1, 2)]
    for member, value in ((1, 600_000), (2, 200_000)):
        samples = most[member - 1] + 40 * member
        c.contribute(member, evaluations=(Evaluation(base, samples, {"auc": value}),))
    c.settle()
    (score,) = (c.study().best_score,)
    assert score.samples == sum(most) + 120
    assert score.weight == sum(most)
    assert c.happened("evaluated")[0]["samples"] == score.samples
    assert c.happened("evaluated")[0]["weight"] == score.weight


def test_a_stated_number_of_samples_does_not_decide_the_mean():
    c = initialised(2)
    base, most = c.round().base, [c.study().samples_of(m) for m in (1, 2)]
    c.contribute(1, evaluations=(Evaluation(base, 1_000_000_000, {"auc": 1_000_000}),))
    c.contribute(2, evaluations=(Evaluation(base, most[1], {"auc": 0}),))
    c.settle()
    score = c.study().best_score
    assert score.metrics["auc"] == 1_000_000 * most[0] // sum(most)
    assert score.samples == 1_000_000_000 + most[1]


def test_a_score_is_rounded_down():
    c, _ = evaluated([(-1, 1), (0, 1)], [(-5, 1), (-5, 1)])
    assert c.study().best_score.metrics == {"auc": -1}


@pytest.mark.parametrize(
    ("goal", "values", "best"),
    [
        ("max", [500, 700, 600], 1),
        ("max", [500, 600, 700], 2),
        ("max", [700, 700, 700], 0),
        ("min", [500, 700, 400], 2),
        ("min", [500, 500, 600], 0),
    ],
)
def test_the_best_model_is_the_first_with_the_best_score(goal, values, best):
    from swarmhub.contract.records import Metric

    measured = [[(v, 10), (v, 10)] for v in values]
    assert evaluated(*measured, metric=Metric("auc", goal))[1] == best


def test_a_model_that_nobody_measured_by_the_studys_metric_is_not_the_best():
    c, best = evaluated([(None, 1), (None, 1)], [(None, 1), (None, 1)])
    assert best is None
    assert len(c.happened("evaluated")) == 2
    assert c.study().best_score is None


def test_models_that_nobody_measured_have_no_score():
    c = merging(2)
    c.settle()
    assert c.happened("evaluated") == []
    assert c.study().best is None


def test_the_score_counts_once_and_for_the_model_that_was_measured():
    c = initialised(2)
    base = c.round().base
    c.contribute(1, evaluations=(auc(base, 700_000), auc(c.contribution(1).digest, 900_000)))
    c.contribute(2)
    c.settle()
    assert c.study().best_score.metrics == {"auc": 700_000}
    assert c.study().best.digest == base


def test_an_evaluation_round_carries_metrics_only():
    c = initialised(2, rounds=1)
    c.play()
    assert c.round().kind == "evaluation"
    c.refused("BadValue", 1, c.contribution(1, root=digest("model")))
    c.refused("BadValue", 1, c.contribution(1, nbytes=1))
    c.refused("BadValue", 1, c.contribution(1, layout=digest("layout")))
    c.contribute(1, 2)
    assert c.study().status == "finished"


def test_an_evaluation_round_closes_after_its_grace():
    c = initialised(4, rounds=1)
    c.play()
    c.contribute(1, 2, 3)
    c.idle(c.spec().quorum_grace_ms)
    assert c.study().status == "finished"


# retract, withdraw, leave, remove, rotate


def test_a_member_takes_its_contribution_back():
    c = initialised(4)
    c.contribute(1)
    c.ok(1, Retract(c.ref()))
    r = c.round()
    assert (r.contributors, r.revision) == ((), 1)
    assert c.happened("voided") == [{"study": HEART, "number": 2, "member": 1, "revision": 1}]
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
    assert c.happened("reinstated") == [{"study": HEART, "number": 2, "members": [1]}]
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
    assert c.happened("reinstated") == [{"study": HEART, "number": 2, "members": [1]}]
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
    assert len(c.happened("reinstated")) == 1


def test_a_reinstatement_in_the_middle_of_a_merge_makes_nothing_stale():
    c = suspended()
    c.contribute(4)
    ref = c.ref()
    c.idle(c.spec().leader_timeout_ms)
    assert c.happened("reinstated")
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
    assert (r.phase, r.revision, r.term, r.roster) == ("MERGING", 0, 0, (1, 2, 3))
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
    assert (r.phase, r.contributors, r.revision, r.term) == ("MERGING", (1, 2, 3), 1, 1)
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
    assert c.happened("voided") == []
    assert c.round().roster == (1, 2)


def test_below_min_peers_the_round_is_collecting_again_with_all_it_has():
    c = merging(3, min_peers=3)
    c.ok(2, Retract(c.ref()))
    r = c.round()
    assert (r.phase, r.contributors, r.revision, r.term) == ("COLLECTING", (1, 3), 1, 1)
    assert (r.grace, c.deadlines) == ("", [])
    c.contribute(2)
    assert (c.round().phase, c.round().term, c.round().revision) == ("MERGING", 1, 1)


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
    assert (r.phase, r.roster, r.revision, r.term) == ("MERGING", (2, 3), 1, 1)


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


# poke


def test_any_member_pokes_a_round_whose_time_has_passed():
    c = Consortium(4)
    c.start(1, 2, 3)
    c.ready(1, 2)
    c.now_ms += 20_001
    c.ok(4, Poke(HEART))
    assert c.round().term == 1


def test_a_poke_changes_no_round():
    c = merging(3)
    before = c.round()
    c.ok(1, Poke(HEART))
    assert c.round() == before


def test_pokes_of_nothing_are_refused():
    c = running()
    c.refused("NotAMember", key("stranger"), Poke(HEART))
    c.refused("UnknownThing", 1, Poke("lung"))
    c.ok(1, Finish(HEART))
    c.refused("UnknownThing", 1, Poke(HEART))


# several studies


def test_studies_do_not_touch_each_other():
    c = merging(3)
    before = c.round()
    c.start(name="lung")
    c.ready(1, 2, name="lung")
    c.settle("lung")
    c.ok(3, Withdraw("lung"))
    c.ok(1, Finish("lung"))
    assert c.round() == before
    assert c.chain.running == (HEART,)


def test_every_transaction_of_a_round_has_phases_that_take_it():
    taken = {t for phase in PHASES.values() for t in phase.transactions}
    assert taken == {k for k in BODIES if k.startswith("round.")} - {"round.poke"}
    for kind in KINDS.values():
        assert set(kind.phases[:-1]) <= set(PHASES)
        assert [kind.before(kind.after(p)) for p in kind.phases[:-1]] == list(kind.phases[:-1])
