import numpy as np
import pytest
from recipes_linear.cohorts import make_hospitals, oracle, pool

from swarmhub.recipes.linear import Axes, Plan, Stack, choose
from swarmhub.recipes.linear.folds import curves, held_out


def test_equal_losses_choose_the_stronger_penalty():
    assert choose(np.full((5, 4), 0.6)) == 0
    assert choose(np.array([[0.7, 0.5, 0.5, 0.6]] * 5)) == 1


@pytest.mark.parametrize(
    ("best", "chosen"), [([3], 3), ([2, 3], 2), ([0, 1, 8], 3), ([1, 1, 2, 2, 2], 2), ([0, 8], 4)]
)
def test_the_choice_is_the_mean_of_what_the_folds_choose(best, chosen):
    assert choose(1.0 - np.eye(9)[best]) == chosen


def test_folds_may_differ_in_the_level_of_their_losses():
    curve = np.array([0.6, 0.5, 0.55])
    assert choose(curve + np.array([[0.0], [5.0], [-0.4]])) == 1


def test_the_choice_is_the_same_in_any_layout_of_memory():
    rng = np.random.default_rng(0)
    for _ in range(200):
        losses = rng.normal(size=(5, 9)) * 0.01 + 0.5
        spaced = np.zeros((10, 18))[::2, ::2]
        spaced[:] = losses
        assert choose(losses) == choose(np.asfortranarray(losses)) == choose(spaced)


def test_rows_are_scored_by_the_models_that_have_not_seen_them():
    (hospital,) = make_hospitals(1, [50], 4)
    plan = Plan((25, 25), (0.1, 1.0), 5)
    stack = plan.stack(Axes.of(hospital.x), hospital.y, hospital.fold)
    points = np.random.default_rng(0).normal(size=(10, 5))
    loss, weight = held_out(stack, points)
    for k in range(10):
        at = hospital.fold == k // 2
        margin = (2 * hospital.y[at] - 1) * (hospital.x[at] @ points[k, :4] + points[k, 4])
        np.testing.assert_allclose(loss[k], np.logaddexp(0.0, -margin).sum())
        assert weight[k] == at.sum()


def test_fold_models_are_those_of_scikit_learn():
    (hospital,) = make_hospitals(2, [80], 6, [0.3])
    ones = int(hospital.y.sum())
    plan = Plan((80 - ones, ones), (0.03, 1.0), 5)
    found = plan.by_fold(plan.stack(Axes.of(hospital.x), hospital.y, hospital.fold).optimum())
    weights = {0: 40 / (80 - ones), 1: 40 / ones}
    for fold in range(5):
        at = hospital.fold != fold
        for g, strength in enumerate(plan.strengths):
            scale = strength * 64 / at.sum()  # the plan's penalty is that of 4/5 of the rows
            expected = oracle(hospital.x[at], hospital.y[at], scale * at.sum() / 64, weights)
            np.testing.assert_allclose(found[fold, g], expected, atol=1e-5)


def test_a_fold_without_a_row_does_not_count():
    plan = Plan((5, 5), (0.1, 1.0), 3)
    loss, weight = np.array([1.0, 2.0, 0.0, 0.0, 3.0, 4.0]), np.array([2.0, 2.0, 0, 0, 4.0, 4.0])
    assert curves(plan, loss, weight).tolist() == [[0.5, 1.0], [0.75, 1.0]]


@pytest.mark.parametrize(
    ("strengths", "folds"), [((), 5), ((0.1,), 1), ((1.0, 0.1), 5), ((0.0,), 2)]
)
def test_a_plan_that_cannot_be_is_refused(strengths, folds):
    with pytest.raises(ValueError, match="Expected"):
        Plan((10, 10), strengths, folds)


def test_all_models_of_a_penalty_are_averaged_over_the_folds():
    plan = Plan((10, 10), (0.1, 1.0), 3)
    values = np.arange(6.0)[:, None] * np.ones((6, 2))
    assert plan.mean_of_folds(values).tolist() == [[2.0, 2.0], [3.0, 3.0]]
    assert pool(make_hospitals(0, [3, 4], 2))[0].shape == (7, 2)
    assert isinstance(plan.stack(Axes.of(np.ones((4, 2))), [0, 1, 0, 1], [0, 1, 2, 0]), Stack)
