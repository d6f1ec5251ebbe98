"""The recipe `fedavg`: averaged steps against rows in one place, and its terms."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from swarmhub.contract.records import Declaration, Outcome, Privacy, Spec
from swarmhub.data.heart import write_heart
from swarmhub.data.reading import Files, read_dataset
from swarmhub.data.schema import Schema
from swarmhub.demo.yardstick import outcomes
from swarmhub.errors import BadInput
from swarmhub.examples.rehearsal import Split
from swarmhub.models.architecture import check_arrays, name_method
from swarmhub.params.buffer import layout_of
from swarmhub.privacy import ring_layout
from swarmhub.recipes import plan
from swarmhub.recipes.fedavg import AveragedTraining
from swarmhub.recipes.linear.averaging import Walk, compute_objective, compute_update, walk_down
from swarmhub.recipes.linear.axes import Axes
from swarmhub.recipes.linear.losses import LOGISTIC, loss_of
from swarmhub.recipes.linear.stack import Models, Stack
from swarmhub.recipes.registry import list_maskable
from swarmhub.train.training import SwarmRound

pytestmark = pytest.mark.unit

OUTPUTS = {"binary": 1, "classes": 3, "continuous": 1}
P, C = 6, 0.1


def terms(kind="binary", masked=False, **options):
    outcome = {
        "binary": Outcome("y", positive=("1",)), "continuous": Outcome("y", "continuous"),
        "classes": Outcome("y", "classes", classes=("a", "b", "c")),
        "time_to_event": Outcome("y", "time_to_event", positive=("1",), time="t"),
    }[kind]  # fmt: skip
    privacy = Privacy(masked=masked)
    return Spec("x", title="X", data=Declaration(outcome), options=options, privacy=privacy)


def rows_of(kind, n, rng):
    y = rng.normal(size=n) if kind == "continuous" else rng.integers(0, max(2, OUTPUTS[kind]), n)
    return rng.normal(size=(n, P)), y


def count(kind, y):
    return (len(y),) if kind == "continuous" else tuple(np.bincount(y).tolist())


def site_of(x, y, class_rows, kind="binary", test_x=None, **options):
    """A hospital, as far as training asks for it."""
    loss = loss_of(kind, len(class_rows))
    design = SimpleNamespace(class_rows=class_rows, sources=[None] * x.shape[1])
    swarm = SimpleNamespace(spec=terms(kind, model="fedavg", **options))
    return SimpleNamespace(
        y=y, loss=loss, design=design, swarm=swarm, axes=Axes.of(x), test_x=test_x, kind=kind
    )


def train(sites, rounds):
    """The arrays after some rounds of means weighted by rows."""
    trainings = [AveragedTraining(site) for site in sites]
    total = sum(len(site.y) for site in sites)
    for number in range(1, rounds + 1):
        for training in trainings:
            training.fit(SwarmRound(number, rounds, ""))
        for name in ("bias", "weight"):
            parts = [len(t.site.y) / total * t.parameters[name] for t in trainings]
            for training in trainings:
                np.copyto(training.parameters[name], sum(parts), casting="same_kind")
    return trainings[0].parameters


def descend(kind, x, y, class_rows, rate):
    """One step down from zero of the pooled loss, written out: (e, p + 1)."""
    wide = np.column_stack([x, np.ones(len(x))])
    if kind == "continuous":
        return rate * (y @ wide / len(y))[None]
    classes = np.eye(len(class_rows))[y]
    weight = len(y) / (len(class_rows) * np.array(class_rows, dtype=float))[y]
    slopes = weight[:, None] * (1 / len(class_rows) - classes)  # at zero all are as likely
    found = -rate * slopes.T @ wide / len(y)
    return found[1:] if kind == "binary" else found


@pytest.mark.parametrize("kind", OUTPUTS)
def test_one_step_at_each_hospital_is_the_pooled_step(kind):
    rng = np.random.default_rng(1)
    parts = [rows_of(kind, n, rng) for n in (40, 40, 40)]
    x, y = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    class_rows = count(kind, y)
    sites = [site_of(x, y, class_rows, kind, steps="1", rate="0.3") for x, y in parts]
    found = train(sites, 1)
    made = np.column_stack([np.atleast_2d(found["weight"]), found["bias"]])
    np.testing.assert_allclose(made, descend(kind, x, y, class_rows, 0.3), atol=1e-6)


def test_rounds_of_one_step_are_gradient_descent():
    rng = np.random.default_rng(2)
    parts = [rows_of("binary", n, rng) for n in (70, 30, 20)]
    x, y = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    class_rows = count("binary", y)
    found = train([site_of(a, b, class_rows, steps="1", rate="0.3") for a, b in parts], 50)
    point, wide = np.zeros(P + 1), np.column_stack([x, np.ones(len(x))])
    weight = len(y) / (2 * np.array(class_rows, dtype=float))[y]
    for _ in range(50):
        slope = weight * (1 / (1 + np.exp(-wide @ point)) - y)
        point -= 0.3 * (slope @ wide / len(y) + np.append(point[:-1], 0.0) / (C * len(y)))
    np.testing.assert_allclose([*found["weight"], *found["bias"]], point, atol=1e-6)


def test_the_update_is_a_step_along_the_gradient_alone():
    rng = np.random.default_rng(3)
    x, y = rows_of("binary", 50, rng)
    stack = Stack.of(Models.of([C], count("binary", y), LOGISTIC), Axes.of(x), y)
    point, direction = rng.normal(size=P + 1), rng.normal(size=P + 1)
    sides = [compute_objective(stack, point + s * direction) for s in (1e-5, -1e-5)]
    slope = (sides[0] - sides[1]) / 2e-5
    update = compute_update(stack, point, 0.25)
    assert update @ direction == pytest.approx(-0.25 * slope, rel=1e-6)
    assert compute_update(stack, point, 0.5) == pytest.approx(2 * update)


def test_a_hospital_s_own_loss_never_rises_in_a_round():
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(30, 400)), rng.integers(0, 2, 30)
    stack = Stack.of(Models.of([C], count("binary", y), LOGISTIC), Axes.of(x), y)
    point = np.zeros(401)
    lengths = [compute_objective(stack, point)]
    for _ in range(10):
        point = walk_down(stack, point, Walk(5, 0.5))
        lengths.append(compute_objective(stack, point))
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[-1] < 0.5 * lengths[0]


def test_heart_is_within_0_005_of_scikit_learn(tmp_path):
    spec = plan.complete(replace(
        terms(), data=Declaration(Outcome("label", positive=("1",), negative=("0",)))
    ))  # fmt: skip
    schema = Schema.of(spec.data)
    split = Split.of(
        spec, [read_dataset(Files((p,)), schema) for p in write_heart(tmp_path).values()], 2, 0.3
    )
    y = [outcomes([part]).astype(np.int64) for part in split.training]
    class_rows = split.design.class_rows
    found = train([site_of(x, own, class_rows) for x, own in zip(split.x, y, strict=True)], 20)
    pooled = LogisticRegression(C=C, class_weight="balanced", max_iter=5000)
    pooled.fit(np.concatenate(split.x), np.concatenate(y))
    tests = np.concatenate([split.matrix(part) for part in split.held])
    joint = tests @ found["weight"] + found["bias"]
    areas = [
        roc_auc_score(outcomes(split.held), s) for s in (joint, pooled.decision_function(tests))
    ]
    assert abs(areas[0] - areas[1]) < 0.005
    assert areas[1] > 0.87


@pytest.mark.parametrize("kind", OUTPUTS)
def test_its_arrays_are_those_of_a_linear_model_and_can_be_masked(kind):
    x, y = rows_of(kind, 30, np.random.default_rng(0))
    site = site_of(x, y, count(kind, y), kind)
    parameters = AveragedTraining(site).parameters
    assert {a.dtype for a in parameters.values()} == {np.dtype(np.float32)}
    masked = ring_layout(layout_of(parameters))
    assert sorted(t.name for t in masked.tensors) == ["bias", "weight"]
    check_arrays("fedavg", site.design, parameters, OUTPUTS[kind])
    methods = {"binary": "logistic", "classes": "softmax", "continuous": "ridge"}
    assert name_method("fedavg", kind, OUTPUTS[kind]) == f"{methods[kind]} regression"


# terms


def test_its_stages_are_a_start_training_and_an_evaluation():
    made = plan.complete(terms(model="fedavg"))
    assert [s.name for s in made.stages] == ["statistics", "initial", "training", "evaluation"]
    assert made.stages[2].until is None
    assert {bound.array.split("/")[0] for bound in made.stages[-1].bounds} == {"swarm"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"penalty": "grid"}, "C from 1e-6 to 1e6 for the model 'fedavg', which learns none"),
        ({"penalty": "0"}, "options.penalty to be 'grid' or C"),
        ({"steps": "0"}, "options.steps to be a whole number from 1 to 100, got '0'"),
        ({"steps": "2.5"}, "options.steps to be a whole number"),
        ({"steps": "²"}, "options.steps to be a whole number"),
        ({"rate": "0"}, "options.rate to be a number from 1e-6 to 10, got '0'"),
        ({"rate": "nan"}, "options.rate to be a number"),
        ({"left_out": "yes"}, "options.left_out to be no, got 'yes'"),
        ({"intercept": "own"}, "out of model, penalty, steps, rate, left_out, standardise"),
    ],
)
def test_an_option_that_cannot_be_is_refused(options, expected):
    with pytest.raises(BadInput, match=expected):
        plan.complete(terms(model="fedavg", **options))


@pytest.mark.parametrize("kind", OUTPUTS)
def test_a_masked_study_has_a_model_that_can_be_masked(kind):
    assert plan.get_model(plan.complete(terms(kind, masked=True))) == "logistic"
    elastic = [] if kind == "classes" else ["elastic_net"]
    assert list_maskable(kind) == ["logistic", *elastic, "trees", "fedavg", "deep", "cnn"]
    words = "in a masked study, got 'mlp'" if kind == "binary" else f"for the outcome '{kind}'"
    with pytest.raises(BadInput, match=words):
        plan.complete(terms(kind, masked=True, model="mlp"))
