import numpy as np
from recipes_linear.cohorts import make_hospitals, oracle, stacks_of

from swarmhub.recipes.linear import fit_at, losses, newton
from swarmhub.recipes.linear.axes import Axes


def test_models_side_by_side_are_those_found_one_by_one(monkeypatch):
    stack = stacks_of(make_hospitals(0, [60], 20), [1e-3, 0.1, 10.0, 1e3])[0]
    together = stack.optimum()
    monkeypatch.setattr(newton, "BLOCK", 1)
    np.testing.assert_allclose(stack.optimum(), together, atol=1e-8)


def test_rows_that_can_be_separated_have_a_finite_solution():
    (hospital,) = make_hospitals(1, [30], 200, signal=5.0)
    for strength in (1e-3, 1.0, 1e3):
        found = fit_at(Axes.of(hospital.x), hospital.y, strength)
        expected = oracle(hospital.x, hospital.y, strength)
        np.testing.assert_allclose(found, expected, atol=1e-4 * strength**0.3)


def test_large_margins_neither_overflow_nor_stop_the_search():
    stack = stacks_of(make_hospitals(2, [40], 5), [1.0])[0]
    centre = np.full((1, 6), 1e4)
    found = stack.proximal(np.array([1e-3]), centre)
    gradient = stack.gradient(found) + 1e-3 * (found - centre)
    assert np.abs(gradient).max() < 1e-6 * 1e4


def test_functions_of_margins_are_exact_in_the_tails():
    margin = np.array([-800.0, -40.0, 0.0, 40.0, 800.0])
    np.testing.assert_allclose(losses.softplus(margin), np.logaddexp(0.0, margin), rtol=1e-15)
    np.testing.assert_allclose(losses.sigmoid(margin), [0.0, 0.0, 0.5, 1.0, 1.0], atol=1e-15)
