import numpy as np
import pytest
from recipes_linear.cohorts import make_hospitals, stacks_of

from swarmhub.recipes.linear import Axes, Models, Stack, axes


def solve(x, y, free=None):
    """A proximal step in two models."""
    stack = Stack.of(Models.of([0.01, 1.0], (len(y) - y.sum(), y.sum())), Axes.of(x, free), y)
    centre = np.random.default_rng(1).normal(size=stack.shape) / np.sqrt(stack.shape[1])
    coupling = np.array([0.3, 0.02])
    found = stack.proximal(coupling, centre)
    return found, stack.gradient(found) + coupling[:, None] * stack.metric * (found - centre)


@pytest.mark.parametrize(("n", "p"), [(30, 400), (400, 12), (40, 40), (1, 5), (5, 1)])
def test_local_problems_are_solved_alike_with_and_without_axes(n, p, monkeypatch):
    (hospital,) = make_hospitals(0, [n], p)
    found, gradient = solve(hospital.x, hospital.y)
    assert np.abs(gradient).max() < 1e-8
    monkeypatch.setattr(axes, "MAX_SIDE", 0)
    np.testing.assert_allclose(solve(hospital.x, hospital.y)[0], found, atol=1e-7)


def test_rows_that_repeat_or_are_zero_are_no_obstacle():
    (hospital,) = make_hospitals(2, [20], 60)
    x = np.concatenate([hospital.x, hospital.x[:5], np.zeros((3, 60))])
    y = np.concatenate([hospital.y, hospital.y[:5], [0, 1, 1]])
    for rows, labels in ((x, y), (np.zeros((4, 9)), np.array([0, 1, 1, 1]))):
        assert np.abs(solve(rows, labels)[1]).max() < 1e-8


@pytest.mark.parametrize("p", [6, 150])
def test_free_columns_are_not_penalised(p):
    (hospital,) = make_hospitals(3, [50], p)
    free = np.stack([np.ones(50), np.arange(50) % 2 == 0], axis=1).astype(float)
    assert np.abs(solve(hospital.x, hospital.y, free)[1]).max() < 1e-8
    models = Models.of([0.1], (25, 25))
    point = Stack.of(models, Axes.of(hospital.x, free), hospital.y).optimum()
    gradient = Stack.of(models, Axes.of(hospital.x, free), hospital.y).gradient(point)
    assert np.abs(gradient).max() < 1e-6


def test_gradients_are_those_of_finite_differences():
    stack = stacks_of(make_hospitals(4, [30], 5), [0.1, 2.0])[0]
    at, step = np.random.default_rng(0).normal(size=(2, 6)), 1e-6

    def objective(points):
        ridge = 0.5 * stack.models.penalty * (points[:, :-1] ** 2).sum(axis=1)
        return stack.losses(points) + ridge

    for k in range(6):
        ahead = step * np.eye(6)[k]
        slope = (objective(at + ahead) - objective(at - ahead)) / (2 * step)
        np.testing.assert_allclose(stack.gradient(at)[:, k], slope, atol=1e-8)
