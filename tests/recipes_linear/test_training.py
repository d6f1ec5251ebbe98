import time

import numpy as np
import pytest
from recipes_linear.cohorts import make_hospitals, oracle, pool

from swarmhub.data.metrics import auc
from swarmhub.recipes.linear import Axes, Models, Plan, Stack, Training, grid_round
from swarmhub.recipes.linear.offline import Rehearsal, average, class_rows, rehearse, run_training

COHORTS = {
    "shares differ": {"sizes": [150, 40, 90], "p": 8, "rates": [0.2, 0.9, 0.5]},
    "labels inverted": {"sizes": [100, 70, 50], "p": 8, "inverted": [1]},
    "one class": {"sizes": [90, 20, 60], "p": 8, "rates": [0.5, 0.0, 0.4]},
    "three rows": {"sizes": [90, 3, 60], "p": 8},
    "wide": {"sizes": [50, 35, 40], "p": 300},
}


def point_of(parameters):
    return np.append(parameters["weight"], parameters["bias"])


@pytest.mark.parametrize("kind", COHORTS)
def test_a_study_ends_at_the_pooled_solution(kind):
    hospitals = make_hospitals(0, **COHORTS[kind])
    found = rehearse(hospitals, Rehearsal())
    x, y, _ = pool(hospitals)
    expected = oracle(x, y, found.start.strength)
    np.testing.assert_allclose(found.parameters["weight"], expected[:-1], atol=1e-3)
    np.testing.assert_allclose(found.parameters["bias"], expected[-1:], atol=3e-3)
    scores = [x @ p[:-1] + p[-1] for p in (point_of(found.parameters), expected)]
    assert abs(auc(y, scores[0]) - auc(y, scores[1])) < 0.002


@pytest.mark.parametrize("kind", COHORTS)
def test_a_warm_start_is_never_worse_than_a_cold_one(kind):
    hospitals = make_hospitals(1, **COHORTS[kind])
    start = rehearse(hospitals, Rehearsal(rounds=1)).start
    p, rows = hospitals[0].x.shape[1], class_rows(hospitals)
    x, y, _ = pool(hospitals)
    stack = Stack.of(Models.of([start.strength], rows), Axes.of(x), y)
    for rounds in (1, 2, 3, 5, 8, 12, 20):
        losses = []
        for training in (Training(p, rows, start), Training.cold(p, rows, start.strength)):
            found = point_of(run_training(training, hospitals, Rehearsal(rounds=rounds))[0])
            ridge = 0.5 * stack.models.penalty[0] * (found[:-1] ** 2).sum()
            losses.append(float(stack.losses(found[None])[0]) + ridge)
        assert losses[0] <= losses[1] + 1e-5


def test_parameters_keep_their_names_types_and_shapes():
    hospitals = make_hospitals(2, [40, 50], 5)
    training = Training.cold(5, class_rows(hospitals), 0.1)
    parameters = training.initial()
    stacks, states = [training.stack(h.x, h.y) for h in hospitals], [{}, {}]
    for _ in range(9):
        made = []
        for i, stack in enumerate(stacks):
            sent, states[i] = training.fit(parameters, stack, states[i])
            assert {k: (v.dtype, v.shape) for k, v in sent.items()} == {
                k: (v.dtype, v.shape) for k, v in parameters.items()
            }
            made.append(sent)
        parameters = average(made, [40, 50])
    assert all(np.isfinite(v).all() for v in parameters.values())


def test_training_ends_once_the_model_is_still():
    hospitals = make_hospitals(3, [100, 70, 50], 8)
    found = rehearse(hospitals, Rehearsal(rounds=100, still=1000))
    assert found.rounds < 15
    x, y, _ = pool(hospitals)
    expected = oracle(x, y, found.start.strength)
    np.testing.assert_allclose(point_of(found.parameters), expected, atol=5e-3)


def test_accidents_in_training_change_little():
    hospitals = make_hospitals(4, [100, 70, 50], 8, [0.3, 0.7, 0.5])
    how = Rehearsal(
        absent=lambda turn, i: (turn, i) in {(3, 0), (9, 1)},
        lost=lambda turn, i: (turn, i) in {(6, 2)},
    )
    found = rehearse(hospitals, how)
    x, y, _ = pool(hospitals)
    expected = oracle(x, y, found.start.strength)
    np.testing.assert_allclose(point_of(found.parameters), expected, atol=0.02)


def test_plain_rounds_end_at_the_pooled_solution_too():
    hospitals = make_hospitals(5, [100, 70, 50], 8, [0.3, 0.7, 0.5])
    cold = Training.cold(8, class_rows(hospitals), 0.1)
    plain = Training(8, cold.class_rows, cold.start, mixing=False)
    found, _ = run_training(plain, hospitals, Rehearsal(rounds=120))
    x, y, _ = pool(hospitals)
    np.testing.assert_allclose(point_of(found), oracle(x, y, 0.1), atol=1e-4)


def test_probabilities_follow_from_the_parameters():
    training = Training.cold(3, (5, 5), 0.1)
    parameters = {**training.initial(), "weight": np.array([1.0, 0.0, 0.0])}
    found = training.predict(parameters, np.array([[0.0, 9.0, 9.0], [2.0, 0.0, 0.0]]))
    np.testing.assert_allclose(found, [0.5, 1.0 / (1.0 + np.exp(-2.0))])


def test_a_round_over_twenty_thousand_features_takes_seconds():
    (hospital,) = make_hospitals(6, [300], 20_000)
    plan = Plan(class_rows([hospital]))
    stack = plan.stack(Axes.of(hospital.x), hospital.y, hospital.fold)
    arrays, state = grid_round(plan, stack, None, {})
    began = time.process_time()
    grid_round(plan, stack, arrays, state)
    assert time.process_time() - began < 10.0  # 0.4 s here
