"""A member with a spent privacy budget: it sends nothing that is refused, and all are told."""

from dataclasses import replace

import pytest
from builders import HEART, digest, initialised

from swarmhub.contract.records import DifferentialPrivacy, Privacy, Stage
from swarmhub.contract.transactions import Contribute, Ready, Retract
from swarmhub.node.waits import find_spent, find_wait
from swarmhub.protocol import LocalState, PreparedContribution, Submit, decide

pytestmark = pytest.mark.unit

DP = DifferentialPrivacy(1_000_000, 10_000_000, 1_000_000, 11_800_000, 1)
STAGES = (Stage("start", "initial"), Stage("training", "train", 1))


@pytest.fixture
def c():
    """A round of which member 1 has taken back its only noisy step."""
    c = initialised(3, privacy=Privacy(dp=DP), stages=STAGES, rounds=0, min_peers=2)
    c.contribute(1)
    c.ok(1, Retract(c.ref()))
    return c


def bodies(c, local):
    return [e.body for e in decide(c.state, local, c.now_ms) if isinstance(e, Submit)]


def prepared(c, made):
    r = c.round()
    return PreparedContribution(
        r.number, r.base, made.digest, made.root, made.nbytes, made.layout, made.weight,
        provenance=made.provenance,
    )  # fmt: skip


def test_a_step_that_would_be_refused_is_not_sent(c):
    other = prepared(c, c.contribution(1, root=digest("another")))
    local = LocalState(HEART, 1, attached=True, prepared=other)
    assert not [b for b in bodies(c, local) if isinstance(b, Contribute | Ready)]
    c.refused("BudgetSpent", 1, c.contribution(1, root=digest("another")))


def test_the_bytes_of_the_last_step_are_sent_again(c):
    local = LocalState(HEART, 1, attached=True, prepared=prepared(c, c.contribution(1)))
    (body,) = [b for b in bodies(c, local) if isinstance(b, Contribute)]
    c.ok(1, body)


def test_a_spent_budget_is_named_to_those_who_wait():
    stages = (STAGES[0], Stage("training", "train", 2))
    privacy = Privacy(dp=replace(DP, steps=2))
    c = initialised(3, privacy=privacy, stages=stages, rounds=0, min_peers=2)
    c.ok(1, c.contribution(1, root=digest("a first answer")))
    c.ok(1, Retract(c.ref()))
    c.play()
    said = find_wait(c.state, HEART, c.now_ms).sentence
    assert f"{c.member(1).name}: its privacy budget in this study is spent" in said
    assert f"{c.member(2).name}: last contributed in round 1" in said


def test_the_operator_is_told_that_the_budget_is_spent(c):
    assert "this hospital's privacy budget in this study is spent (all 1" in find_spent(
        c.state, HEART, 1
    )
    assert find_spent(c.state, HEART, 2) == ""
    c.contribute(1)
    assert find_spent(c.state, HEART, 1) == "", "its last step is in this round"
