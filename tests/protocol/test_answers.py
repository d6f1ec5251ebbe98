"""The trainer's answer: judged by the contract's own rule, and taken back if that refuses it."""

import asyncio
from dataclasses import replace

import pytest
from builders import HEART, LAYOUT, auc, digest, initialised, running
from parts import no_sweep, services_on

from swarmhub.contract.records import Evaluation, Stage
from swarmhub.contract.transactions import Enrol, Ready, Withdraw
from swarmhub.errors import TrainerError
from swarmhub.node.services import Services
from swarmhub.node.study_driver import StudyDriver
from swarmhub.protocol import LocalState, PreparedContribution, Submit, assign
from swarmhub.protocol.answers import check_answer, make_contribution, prepare_answer

MILLION = 1_000_000_000_000  # in micro-units


def answer(c, weight=100, nbytes=1000, evaluations=(), layout=LAYOUT):
    r = c.round()
    return PreparedContribution(
        r.number, r.base, digest("d"), digest("root"), nbytes, layout, weight, evaluations
    )


def measured(c, samples=10, **metrics):
    return (Evaluation(c.round().base, samples, metrics),)


BAD = {
    "a metric above a million": lambda c: answer(c, evaluations=measured(c, auc=MILLION + 1)),
    "a metric below it": lambda c: answer(c, evaluations=measured(c, auc=-MILLION - 1)),
    "no samples of an evaluation": lambda c: answer(c, evaluations=measured(c, samples=0)),
    "an empty name": lambda c: answer(c, evaluations=measured(c, **{"": 1})),
    "a name of 41 letters": lambda c: answer(c, evaluations=measured(c, **{"a" * 41: 1})),
    "17 metrics": lambda c: answer(c, evaluations=measured(c, **{f"m{i}": 1 for i in range(17)})),
    "another model's metrics": lambda c: answer(c, evaluations=(auc(digest("other"), 1),)),
    "no samples": lambda c: answer(c, weight=0),
    "more samples than declared": lambda c: answer(c, weight=101),
    "no bytes": lambda c: answer(c, nbytes=0),
    "more bytes than the model": lambda c: answer(c, nbytes=1001),
    "another layout": lambda c: answer(c, layout=digest("other")),
}  # fmt: skip


@pytest.mark.parametrize("make", BAD.values(), ids=BAD)
def test_the_door_refuses_what_the_contract_would(make):
    c = initialised(3)
    draft = make(c)
    with pytest.raises(TrainerError) as refused:
        check_answer(c.state, HEART, 1, draft)
    result = c.act(1, make_contribution(c.study(), c.round(), draft))
    assert not result.ok
    assert result.message in str(refused.value)


def test_the_door_takes_what_the_contract_takes():
    c = initialised(3)
    limits = {f"{i}".rjust(40, "m"): MILLION for i in range(16)}
    draft = prepare_answer(
        c.round().number, c.round().base, (digest("root"), 1000, LAYOUT), 100,
        (measured(c, samples=10**9, **limits), {"loss": -MILLION}),
    )  # fmt: skip
    check_answer(c.state, HEART, 1, draft)
    c.ok(1, make_contribution(c.study(), c.round(), draft))


def test_a_number_of_micro_units_is_said_in_units():
    c = initialised(3)
    with pytest.raises(TrainerError, match=r"'metrics.auc'.*got '-2500000.5'"):
        check_answer(c.state, HEART, 1, answer(c, evaluations=measured(c, auc=-2_500_000_500_000)))


def submitted(c, tmp_path, monkeypatch, prepared):
    """A driver of member 1 after the contract's answer to its contribution."""

    async def run():
        there, local = services_on(tmp_path / "home", state=c.state), LocalState(HEART, 1)
        local.held.add(c.round().base)
        here = StudyDriver(there, local, no_sweep)
        monkeypatch.setattr(here, "react", lambda: None)

        async def submit(self, body):
            return c.act(1, body)

        monkeypatch.setattr(Services, "submit", submit)
        here.prepare(prepared)
        await here._runner.carry_out(Submit(make_contribution(c.study(), c.round(), prepared)))
        return there, here

    return asyncio.run(run())


def test_a_refused_answer_is_taken_back_and_asked_for_again(tmp_path, monkeypatch):
    c = initialised(3)
    prepared = answer(c)
    c.ok(1, Withdraw(HEART))
    c.ok(1, Enrol(HEART, c.study().spec, 50))  # the answer says 100
    there, here = submitted(c, tmp_path, monkeypatch, prepared)
    assert assign(c.state, here.local).number == c.round().number
    assert "1 to the 50 declared" in here.local.answer_refused
    assert there.journal.load_prepared(HEART) is None
    assert any("1 to the 50 declared" in problem for problem in there.problems.sentences)


def test_an_answer_that_is_there_already_is_not_taken_back(tmp_path, monkeypatch):
    c = initialised(3)
    prepared = answer(c)
    c.ok(1, make_contribution(c.study(), c.round(), prepared))
    _, here = submitted(c, tmp_path, monkeypatch, prepared)
    assert here.local.prepared == prepared


def test_a_new_answer_ends_the_refusal():
    c = initialised(3)
    local = LocalState(HEART, 1, answer_refused="no")
    local.learn(replace(answer(c), weight=1), 0)
    assert local.answer_refused == ""


def test_a_trainer_has_no_task_before_enough_hospitals_are_ready():
    c = running(4, min_peers=3, rounds=0, stages=(Stage("fit", "sum"),))
    local = LocalState(HEART, 1)
    c.ready(1, 2)
    assert assign(c.state, local) is None
    c.ready(3)
    assert assign(c.state, local).kind == "sum"


def test_a_start_uses_no_data_and_waits_for_nobody():
    c = running(4, min_peers=3)
    c.ready(1)
    assert assign(c.state, LocalState(HEART, 1)).kind == "initial"


def test_a_trainer_has_no_task_in_a_round_that_has_lost_too_many():
    c = initialised(3, min_peers=3)
    local = LocalState(HEART, 1, held={c.round().base})
    assert assign(c.state, local) is not None
    c.ok(3, Withdraw(HEART))
    assert (c.round().phase, len(c.round().roster)) == ("COLLECTING", 2)
    assert assign(c.state, local) is None
    c.enrol(3)
    c.ok(3, Ready(HEART))
    assert assign(c.state, local) is not None


def test_an_answer_to_a_round_with_too_few_hospitals_goes_nowhere():
    c = running(4, min_peers=3)
    c.ready(1, 2)
    c.refused("StaleRound", 1, c.contribution(1))
