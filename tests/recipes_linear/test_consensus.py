import numpy as np
import pytest
from recipes_linear.cohorts import make_hospitals, never, oracle, pool, run, stacks_of

from swarmhub.recipes.linear import Axes, Models, Stack, consensus
from swarmhub.recipes.linear.consensus import _continue, changes

STRENGTHS = [0.01, 0.1, 1.0]
COHORTS = {
    "alike": {"sizes": [90, 60, 40], "p": 6},
    "shares differ": {"sizes": [150, 40, 90], "p": 6, "rates": [0.2, 0.9, 0.5]},
    "labels inverted": {"sizes": [100, 70, 50], "p": 6, "inverted": [1]},
    "one class": {"sizes": [80, 20, 60], "p": 6, "rates": [0.5, 0.0, 0.4]},
    "three rows": {"sizes": [80, 3, 60], "p": 6},
    "wide": {"sizes": [40, 25, 30], "p": 150},
}


def expected(hospitals, strengths=STRENGTHS):
    x, y, _ = pool(hospitals)
    return np.array([oracle(x, y, c) for c in strengths])


@pytest.mark.parametrize("kind", COHORTS)
def test_many_rounds_end_at_the_pooled_solution(kind):
    hospitals = make_hospitals(0, **COHORTS[kind])
    settled, _ = run(stacks_of(hospitals, STRENGTHS), 80)
    np.testing.assert_allclose(settled.point, expected(hospitals), atol=1e-6)


@pytest.mark.parametrize("kind", COHORTS)
def test_twenty_rounds_are_within_a_thousandth(kind):
    hospitals = make_hospitals(1, **COHORTS[kind])
    settled, _ = run(stacks_of(hospitals, STRENGTHS[1:2]), 20)
    np.testing.assert_allclose(settled.point, expected(hospitals, STRENGTHS[1:2]), atol=1e-3)


def test_mixing_needs_a_fraction_of_the_rounds_of_plain_admm():
    hospitals = make_hospitals(2, [100, 70, 50], 6, inverted=[1])
    stacks, at = stacks_of(hospitals, [1.0]), expected(hospitals, [1.0])
    errors = [
        np.abs(run(stacks, rounds, mixing=mixes)[0].point - at).max()
        for rounds, mixes in ((15, True), (30, False))
    ]
    assert errors[0] < errors[1]


def test_all_hospitals_find_the_same_next_point():
    hospitals = make_hospitals(3, [50, 60, 70], 8)
    settled, states = run(stacks_of(hospitals, STRENGTHS), 6)
    found = {_continue(settled, state, True).z.tobytes() for state in states}
    assert len(found) == 1


@pytest.mark.parametrize("rounds", [[4], [4, 5, 6], [2, 3, 5, 8, 9]])
def test_a_hospital_that_misses_rounds_changes_nothing_in_the_end(rounds):
    hospitals = make_hospitals(4, [60, 50, 70], 6, [0.3, 0.8, 0.5])
    settled, _ = run(stacks_of(hospitals, STRENGTHS), 80, lambda turn, i: i == 1 and turn in rounds)
    np.testing.assert_allclose(settled.point, expected(hospitals), atol=1e-6)


@pytest.mark.parametrize("of", [[1], [0, 2], [0, 1, 2]])
def test_lost_states_change_nothing_in_the_end(of):
    hospitals = make_hospitals(5, [60, 50, 70], 6, [0.3, 0.8, 0.5])
    lost = lambda turn, i: i in of and turn in (3, 7)  # noqa: E731
    settled, _ = run(stacks_of(hospitals, STRENGTHS), 80, lost=lost)
    np.testing.assert_allclose(settled.point, expected(hospitals), atol=1e-6)


def test_a_lost_multiplier_is_restored_by_those_of_the_others():
    hospitals = make_hospitals(6, [60, 50, 70], 6, [0.3, 0.8, 0.5])
    stacks = stacks_of(hospitals, STRENGTHS)
    lost = lambda turn, i: i == 1 and turn == 41  # noqa: E731
    merged, states = run(stacks, 41, lost=lost)
    at_rest = -stacks[1].gradient(run(stacks, 40)[0].point) / merged.coupling[:, None]
    expected_now = at_rest + states[1]["w"] - merged.point  # as if it had not been lost
    settled, states = run(stacks, 42, lost=lost)
    np.testing.assert_allclose(states[1]["multiplier"], expected_now, atol=1e-6)
    assert np.abs(settled.multiplier).max() < 1e-9


def test_the_merged_model_hardly_moves_if_a_hospital_is_away():
    hospitals = make_hospitals(7, [60, 50, 70], 6, inverted=[1])
    stacks = stacks_of(hospitals, STRENGTHS)
    before, _ = run(stacks, 20)
    after, states = run(stacks, 21, lambda turn, i: i == 1 and turn == 21)
    assert np.abs(after.point - before.point).max() < 1e-3
    assert np.abs(states[1]["multiplier"]).max() > 0.1  # merged with w, it would have moved


def test_a_hospital_that_leaves_takes_its_rows_along():
    hospitals = make_hospitals(8, [60, 50, 70], 6, [0.3, 0.6, 0.5])
    settled, _ = run(stacks_of(hospitals, STRENGTHS), 80, lambda turn, i: i == 1 and turn > 5)
    models = stacks_of(hospitals, STRENGTHS)[0].models
    x, y, _ = pool(hospitals[::2])
    rest = Models(models.penalty, models.class_weights)
    np.testing.assert_allclose(settled.point, Stack.of(rest, Axes.of(x), y).optimum(), atol=1e-6)


def test_a_hospital_that_comes_late_is_taken_in():
    hospitals = make_hospitals(9, [60, 50, 70], 6, [0.3, 0.8, 0.5])
    settled, _ = run(stacks_of(hospitals, STRENGTHS), 80, lambda turn, i: i == 0 and turn < 6)
    np.testing.assert_allclose(settled.point, expected(hospitals), atol=1e-6)


def test_models_that_lack_one_hospital_each_are_trained_together():
    hospitals = make_hospitals(10, [60, 50, 70, 40], 6, [0.3, 0.6, 0.5, 0.5])
    rest = [pool([h for h in hospitals if h is not left]) for left in hospitals]
    models = Models.of([0.1] * 4, [[(y == 0).sum(), (y == 1).sum()] for _, y, _ in rest])
    stacks = [
        Stack.of(models, Axes.of(h.x), h.y, np.repeat((np.arange(4) != i)[:, None], len(h.y), 1))
        for i, h in enumerate(hospitals)
    ]
    settled, _ = run(stacks, 60)
    at = np.array([oracle(x, y, 0.1) for x, y, _ in rest])
    np.testing.assert_allclose(settled.point, at, atol=1e-6)


def test_a_contribution_that_was_not_merged_begins_anew():
    stacks = stacks_of(make_hospitals(11, [60, 50], 4), [0.1])
    settled, states = run(stacks, 6)
    _, sent = consensus.advance(stacks[1], settled, {})
    later, _ = run(stacks[:1], 7)
    assert not consensus.is_unbroken(later, sent)
    assert consensus.is_unbroken(settled, states[1])


def test_changes_are_unknown_at_first_and_small_at_last():
    stacks = stacks_of(make_hospitals(12, [60, 50], 4), [0.1])
    assert changes(run(stacks, 1)[1][0]).tolist() == [1.0]
    assert changes(run(stacks, 40)[1][0])[0] < 1e-6
    assert never(1, 0) is False
