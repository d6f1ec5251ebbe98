"""Differential privacy in the contract: what terms may have, and steps that are counted."""

from __future__ import annotations

import dataclasses

import pytest
from builders import HEART, auc, digest, initialised, proposed, spec_of
from masked import MASKED, MaskedConsortium

from swarmhub.contract.records import DifferentialPrivacy, Privacy, Stage, Until
from swarmhub.contract.round.budget import get_spent
from swarmhub.contract.transactions import Amend, Pause, Propose, Ready, Retract, Withdraw

DP = DifferentialPrivacy(1_000_000, 10_000_000, 1_000_000, 11_800_000, 3)
NOISY = Privacy(dp=DP)
TRAINING = (Stage("start", "initial"), Stage("training", "train", 3))
TERMS = {"privacy": NOISY, "stages": TRAINING, "rounds": 0}


def spent(c, *members: int) -> list[int]:
    return [get_spent(c.state, HEART, m) for m in members]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"epsilon_millionths": 0}, "privacy.dp.epsilon_millionths"),
        ({"delta_trillionths": 2_000_000_000}, "privacy.dp.delta_trillionths"),
        ({"noise_millionths": 0}, "privacy.dp.noise_millionths"),
        ({"steps": 2}, "privacy.dp.steps"),
    ],
)
def test_a_budget_that_cannot_be_is_refused(changes, field):
    privacy = Privacy(dp=dataclasses.replace(DP, **changes))
    terms = spec_of(name="x", **TERMS | {"privacy": privacy})
    result = proposed().refused("BadValue", 1, Propose(terms))
    assert field in result.message


@pytest.mark.parametrize(
    "stage",
    [
        Stage("statistics", "describe"),
        Stage("penalty", "sum"),
        Stage("end", "evaluate"),
        Stage("more", "train", 1, until=Until("moving", 0)),
    ],
)
def test_what_has_no_noise_is_no_part_of_a_dp_study(stage):
    terms = spec_of(name="x", **TERMS | {"stages": (Stage("start", "initial"), stage)})
    result = proposed().refused("BadValue", 1, Propose(terms))
    assert "in a dp study" in result.message


def test_each_contribution_that_others_read_is_a_step():
    c = initialised(**TERMS)
    c.contribute(1, 2)
    assert spent(c, 1, 2, 3) == [1, 1, 0]


def test_the_same_bytes_once_more_are_no_step():
    c = initialised(**TERMS)
    c.contribute(1)
    c.ok(1, Retract(c.ref()))
    c.contribute(1)
    assert spent(c, 1) == [1]


def test_a_contribution_weighs_what_was_declared():
    c = initialised(**TERMS)
    result = c.refused("BadValue", 1, c.contribution(1, weight=99))
    assert "100 declared at enrolment, in a dp study" in result.message


def test_metrics_of_a_hospital_stay_at_home_in_a_dp_study():
    c = initialised(**TERMS)
    body = c.contribution(1)
    body = dataclasses.replace(body, evaluations=(auc(body.digest, 800_000),))
    assert "none of one hospital in a dp round" in c.refused("BadValue", 1, body).message


def test_a_budget_is_spent_once_and_for_all():
    c = initialised(**TERMS)
    for turn in range(2):  # an answer that is another one each time
        c.ok(1, c.contribution(1, root=digest(f"answer {turn}")))
        c.ok(1, Retract(c.ref()))
    c.ok(1, Withdraw(HEART))
    assert spent(c, 1) == [2]


def test_a_step_beyond_the_budget_is_refused():
    one = dataclasses.replace(DP, steps=1)
    stages = (Stage("start", "initial"), Stage("training", "train", 1))
    c = initialised(privacy=Privacy(dp=one), stages=stages, rounds=0)
    c.contribute(1)
    c.ok(1, Retract(c.ref()))
    result = c.refused("BudgetSpent", 1, c.contribution(1, root=digest("another")))
    assert "spent (1 noisy steps)" in result.message
    c.refused("BudgetSpent", 1, Ready(HEART))


def test_a_masked_step_is_counted_once_its_sum_is_opened():
    c = MaskedConsortium(4)
    c.begin(**TERMS | {"privacy": dataclasses.replace(MASKED, dp=DP)})
    c.reach("MERGING", 1, 2, 3, 4)
    assert spent(c, 1, 2, 3, 4) == [0, 0, 0, 0]
    c.settle()
    assert (c.round().phase, spent(c, 1, 2, 3, 4)) == ("UNMASKING", [1, 1, 1, 1])


def test_a_study_that_has_run_keeps_its_budget():
    c = initialised(**TERMS)
    c.ok(1, Pause(HEART))
    more = Privacy(dp=dataclasses.replace(DP, noise_millionths=1_000_000))
    result = c.refused("BadValue", 1, Amend(spec_of(**TERMS | {"privacy": more})))
    assert "steps were made under it" in result.message
    c.ok(1, Amend(spec_of(**TERMS | {"title": "another"})))
