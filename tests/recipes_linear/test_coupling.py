import numpy as np
import pytest

from swarmhub.recipes.linear import coupling
from swarmhub.recipes.linear.coupling import adapt, start_of, warm

CURVED = np.array([[4.0, 1.0]])  # the gradient changed twice as much as the model


def test_the_coupling_becomes_the_curvature_on_the_way():
    assert adapt(np.array([1.0]), CURVED, 2).tolist() == [2.0]
    assert adapt(np.array([10.0]), CURVED, 2).tolist() == [2.0]


@pytest.mark.parametrize("turn", [0, 1, 3, 4, 20])
def test_the_coupling_changes_at_stated_turns_only(turn):
    assert adapt(np.array([1.0]), CURVED, turn).tolist() == [1.0]


def test_one_change_has_a_limit_and_small_ones_are_not_made():
    assert adapt(np.array([1e-3]), CURVED, 2).tolist() == [1e-3 * coupling.LARGEST]
    assert adapt(np.array([1e3]), CURVED, 2).tolist() == [1e3 / coupling.LARGEST]
    assert adapt(np.array([1.9]), CURVED, 2).tolist() == [1.9]


def test_models_without_movement_keep_their_coupling():
    for secant in ([0.0, 0.0], [1.0, 0.0], [0.0, 1.0]):
        assert adapt(np.array([0.5]), np.array([secant]), 2).tolist() == [0.5]


def test_a_warm_start_is_coupled_more_strongly_than_the_folds():
    folds = np.array([0.2, 0.5, 0.3, 0.9, 0.1])
    assert warm(folds, 1e-6) == coupling.WARM * 0.3  # their median
    usual = float(start_of(np.array([4.0]))[0])
    assert warm(folds, 4.0) == coupling.WARM * usual
