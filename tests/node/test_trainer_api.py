"""What a node says to an answer that the contract would refuse: one sentence, nothing stored."""

import contextlib
import os

import numpy as np
import pytest
from swarm import Network, make_spec

from swarmhub.errors import TrainerError
from swarmhub.files import lock
from swarmhub.params import write_buffer
from swarmhub.params.buffer import layout_of
from swarmhub.train.client import NodeClient

pytestmark = pytest.mark.process

MODEL = {"w": np.zeros(4)}


class RawTrainer:
    """A trainer of hospital `i` that says to its node whatever it is told to."""

    def __init__(self, network, i, study="s"):
        self.root, self.study = network.homes[i - 1].root, study
        self.client = NodeClient(self.root, patience_s=30)

    def __enter__(self):
        self.lease = lock(self.root / "run" / f"{self.study}.lease")
        self.attach()
        return self

    def __exit__(self, *_):
        self.client.close()
        self.lease.close()

    def post(self, verb, **body):
        return self.client.post(f"/v1/studies/{self.study}/{verb}", body)

    def attach(self):
        self.fence = self.post("attach", pid=os.getpid())["fence"]

    def next(self, wait_s=20):
        return self.post("next", fence=self.fence, wait_s=wait_s)

    def answer(self, task, model=MODEL, samples=10, **more):
        layout = layout_of(model, [])
        with open(task["drop"], "wb") as file:
            write_buffer(model, layout, file)
        said = {"layout": layout, "path": task["drop"]} if model else {}
        return self.post(
            "answer", fence=self.fence, number=task["number"], base=task["base"],
            samples=samples, **{**said, **more},
        )  # fmt: skip


def evaluation(task, samples=10, **metrics):
    return [{"digest": task["base"], "samples": samples, "metrics": metrics}]


BAD = {
    "a number from -1000000 to 1000000, got '2500000'": lambda t: {
        "evaluations": evaluation(t, loss=2_500_000_000_000)
    },
    "'evaluations.samples'": lambda t: {"evaluations": evaluation(t, samples=0, loss=1)},
    "a name of 1 to 40 bytes": lambda t: {"evaluations": evaluation(t, **{"": 1})},
    "at most 16": lambda t: {"own_metrics": {f"m{i}": 1 for i in range(17)}},
    "'samples': expected 1 to the 1000 declared at enrolment, got '0'": lambda t: {"samples": 0},
    "got '1001'": lambda t: {"samples": 1001},
    "NaN is not an integer": lambda t: {"samples": float("nan")},
}


def answered(*trainers):
    """Good answers of all, to the task that is at hand."""
    for trainer in trainers:
        task = trainer.next()
        weight = 1 if task["kind"] == "initial" else 10
        assert trainer.answer(task, samples=weight)["state"] == "taken"


def journal(trainer):
    """The answers that the node keeps over a crash."""
    return [path.read_bytes() for path in (trainer.root / "state").glob("*.prepared")]


@pytest.fixture
def two(tmp_path):
    with Network(tmp_path, 2) as network, contextlib.ExitStack() as stack:
        network.open_study(make_spec(rounds=1, max_bytes=64))
        network.up(1), network.up(2)
        yield [stack.enter_context(RawTrainer(network, i)) for i in (1, 2)]


def test_a_bad_answer_is_refused_at_once_and_the_study_goes_on(two):
    first, second = two
    task = first.next()
    with pytest.raises(TrainerError, match=r"max_bytes = 64 bytes of parameters, got '128'"):
        first.answer(task, {"w": np.zeros(9)}, samples=1)
    with pytest.raises(TrainerError, match=r"bytes of parameters, got '0'"):
        first.answer(first.next(), {"w": np.zeros(0)}, samples=1)
    answered(first, second)
    before = journal(first)
    for said, make in BAD.items():
        task = first.next()
        with pytest.raises(TrainerError, match=said):
            first.answer(task, **make(task))
        assert journal(first) == before
    answered(first, second)
    assert first.next()["kind"] == "evaluate"  # the study has settled the round


def test_a_trainer_that_waits_hears_for_whom(two):
    first, second = two
    answered(first, second)
    answered(first)
    found = first.next(wait_s=2)
    assert found["state"] == "waiting"
    assert found["for"] == "waiting for Hospital 2: has not contributed yet"
