"""Evaluations: scores of models, and the best one."""

from __future__ import annotations

import random

import pytest
from builders import (
    HEART,
    auc,
    digest,
    initialised,
    merging,
    running,
)

from swarmhub.contract.events import Evaluated, Settled
from swarmhub.contract.records import Evaluation
from swarmhub.contract.round.checks import MAX_METRICS
from swarmhub.contract.transactions import Withdraw

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
    models = [e.model.digest for e in c.happened(Settled)]
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
    assert c.happened(Evaluated)[0].score.samples == score.samples
    assert c.happened(Evaluated)[0].score.weight == score.weight


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
    assert len(c.happened(Evaluated)) == 2
    assert c.study().best_score is None


def test_other_metrics_make_no_model_the_best():
    c = scored({}, {})
    assert (c.study().best, c.study().best_score, c.study().scorers) == (None, None, ())
    assert [e.score.members for e in c.happened(Evaluated)] == [(), ()]
    assert c.happened(Evaluated)[0].score.metrics == {"accuracy": 1, "loss": 7}


def test_models_that_nobody_measured_have_no_score():
    c = merging(2)
    c.settle()
    assert c.happened(Evaluated) == []
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
    assert c.round().kind == "evaluate"
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


# the best model over one set of members


def scored(*rounds, members=(1, 2, 3), **spec):
    """A study in which the k-th model has these scores, by member; the first is the initial one.
    All members measure other metrics, too."""
    c = initialised(len(members), rounds=len(rounds) + 1, **spec)
    for measured in rounds:
        base = c.round().base
        for m in members:
            metrics = {"accuracy": 1, "loss": 7, **({"auc": measured[m]} if m in measured else {})}
            c.contribute(m, evaluations=(Evaluation(base, 100, metrics),))
        c.settle()
    return c


def number_of_best(c):
    models = [e.model.digest for e in c.happened(Settled)]
    return models.index(c.study().best.digest)


def test_a_model_without_a_hospitals_score_is_not_compared():
    c = scored({1: 900, 2: 900, 3: 300}, {1: 901, 2: 901}, {1: 800, 2: 800, 3: 800})
    assert number_of_best(c) == 2
    assert c.study().best_score.members == (1, 2, 3)


def test_the_best_stays_while_a_hospital_is_away():
    c = scored({1: 500, 2: 500, 3: 500}, {1: 900, 2: 900}, {1: 950, 2: 950})
    assert number_of_best(c) == 0


def test_a_new_hospitals_first_score_begins_another_comparison():
    c = scored({1: 900, 2: 900}, {1: 500, 2: 500, 3: 500}, {1: 400, 2: 400, 3: 400})
    assert number_of_best(c) == 1
    assert c.study().best_score.members == c.study().scorers == (1, 2, 3)


def test_until_all_have_measured_one_the_best_is_of_fewer():
    c = scored({1: 900, 2: 900}, {1: 500, 3: 500})
    assert number_of_best(c) == 0
    assert (c.study().best_score.members, c.study().scorers) == ((1, 2), (1, 2, 3))


def test_a_hospital_that_measures_nothing_is_not_waited_for():
    assert number_of_best(scored({1: 500, 2: 500}, {1: 600, 2: 600})) == 1


def test_after_a_withdrawal_the_others_choose():
    c = scored({1: 500, 2: 500, 3: 900}, {1: 550, 2: 550})
    c.ok(3, Withdraw(HEART))
    assert c.study().scorers == (1, 2)
    for m in (1, 2):
        c.contribute(m, evaluations=(auc(c.round().base, 510),))
    c.settle()
    assert number_of_best(c) == 2


def find_best(rounds):
    """The first of the models with the largest mean, of those that all scorers have measured; None
    if there is none. From the definition, over the whole table at once."""
    scorers = {m for measured in rounds for m in measured}
    means = [
        sum(measured.values()) // len(measured) if measured.keys() == scorers else None
        for measured in rounds
    ]
    known = [mean for mean in means if mean is not None]
    return means.index(max(known)) if known else None


@pytest.mark.parametrize("seed", range(20))
def test_the_best_model_is_that_of_the_whole_table(seed):
    draw = random.Random(seed)
    rounds = [
        {m: draw.randrange(9) * 100 for m in (1, 2, 3) if draw.random() < 0.8} for _ in range(8)
    ]
    c = scored(*rounds)
    expected = find_best(rounds)
    if expected is None:
        assert c.study().best_score.members != c.study().scorers
    else:
        assert number_of_best(c) == expected
