"""Shapley values of hospitals, against all orders in which they can come."""

import itertools

import numpy as np
import pytest

from swarmhub.recipes.contribution import (
    compute_shapley,
    list_coalitions,
    read_contribution,
)

pytestmark = pytest.mark.unit


def by_all_orders(worth, n):
    """The mean gain over all orders; `worth` of a frozenset."""
    found = np.zeros(n)
    orders = list(itertools.permutations(range(n)))
    for order in orders:
        for k, i in enumerate(order):
            found[i] += worth[frozenset(order[: k + 1])] - worth[frozenset(order[:k])]
    return found / len(orders)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_shapley_values_are_means_over_all_orders(n):
    values = np.random.default_rng(n).normal(size=2**n - 1)
    coalitions = list_coalitions(n, 10, is_asked=True)
    worth = {frozenset(np.flatnonzero(c).tolist()): v
             for c, v in zip(coalitions, values, strict=True)}  # fmt: skip
    worth[frozenset()] = 0.0
    found = compute_shapley(values)
    np.testing.assert_allclose(found, by_all_orders(worth, n), atol=1e-12)
    assert found.sum() == pytest.approx(values[-1])


def test_many_hospitals_or_large_models_are_left_out_one_by_one():
    for hospitals, size in ((7, 10), (5, 1_000_000)):
        found = list_coalitions(hospitals, size, is_asked=True)
        assert found.sum(axis=1).tolist() == [hospitals - 1] * hospitals + [hospitals]
    assert len(list_coalitions(4, 10, is_asked=False)) == 4
    assert len(list_coalitions(6, 10, is_asked=True)) == 63


def test_a_coalition_that_lacks_a_class_is_worth_nothing():
    seen = np.array([[40.0, 0.0], [30.0, 30.0], [70.0, 30.0]])  # 1, 2, both
    found = read_contribution(2, 5, {"seen": seen}, {"loss": np.array([10.0, 25.0, 6.0, 5.0])})
    assert found.whole == pytest.approx(0.5)
    # 1 adds nothing alone and 0.1 to 2; 2 adds 0.4 alone and 0.5 to 1
    np.testing.assert_allclose(found.values, [0.05, 0.45])


def test_without_test_patients_there_are_no_contributions():
    seen = np.full((3, 2), 10.0)
    assert read_contribution(2, 5, {"seen": seen}, {"loss": np.zeros(4)}) is None
    assert read_contribution(3, 5, {"seen": seen}, {"loss": np.ones(4)}) is None
