import numpy as np
from recipes_linear.cohorts import make_hospitals, oracle, pool

from swarmhub.recipes.linear import Axes, Plan, Stack, choice_arrays, fit_alone, read_choice
from swarmhub.recipes.linear import grid as grid_stage
from swarmhub.recipes.linear.grid import mean_curve, moves
from swarmhub.recipes.linear.offline import Rehearsal, add, class_rows, run_grid
from swarmhub.recipes.linear.sums import AGREED, from_sums

STRENGTHS = (0.01, 0.1, 1.0)


def learn(hospitals, **how):
    """(plan, last sums of the grid, sums of the choice)"""
    plan = Plan(class_rows(hospitals), STRENGTHS)
    stacks = [plan.stack(Axes.of(h.x), h.y, h.fold) for h in hospitals]
    grid, _ = run_grid(plan, stacks, Rehearsal(**how))
    whole = [Stack.of(plan.final, s.axes, h.y) for s, h in zip(stacks, hospitals, strict=True)]
    sent = [choice_arrays(plan, s, w, grid) for s, w in zip(stacks, whole, strict=True)]
    return plan, grid, add(sent)


def test_fold_models_go_to_the_pooled_ones(monkeypatch):
    monkeypatch.setattr(grid_stage, "STILL", -1.0)  # it never ends early
    hospitals = make_hospitals(0, [60, 50, 70], 6, inverted=[1])
    plan, grid, _ = learn(hospitals, grid_rounds=30)
    x, y, fold = pool(hospitals)
    expected = plan.stack(Axes.of(x), y, fold).optimum()
    np.testing.assert_allclose(from_sums(grid).point, expected, atol=2e-3)


def test_the_swarm_chooses_what_one_place_would():
    for seed in range(6):
        hospitals = make_hospitals(seed, [70, 50, 60], 20, [0.3, 0.6, 0.5])
        x, y, fold = pool(hospitals)
        plan, grid, choice = learn(hospitals)
        assert read_choice(plan, grid, choice).strength == fit_alone(x, y, fold, STRENGTHS)[0]


def test_training_starts_with_the_swarms_gradient():
    hospitals = make_hospitals(7, [70, 50, 60], 6, [0.3, 0.6, 0.5])
    plan, grid, choice = learn(hospitals)
    start = read_choice(plan, grid, choice)
    x, y, _ = pool(hospitals)
    whole = Stack.of(plan.final, Axes.of(x), y)
    g = STRENGTHS.index(start.strength)
    points = plan.mean_of_folds(from_sums(grid).point)
    np.testing.assert_array_equal(start.point, points[g])
    np.testing.assert_allclose(start.gradient, whole.gradient(points)[g], atol=1e-12)


def test_the_start_is_near_the_pooled_solution():
    hospitals = make_hospitals(8, [70, 50, 60], 6, inverted=[2])
    plan, grid, choice = learn(hospitals)
    start = read_choice(plan, grid, choice)
    x, y, _ = pool(hospitals)
    np.testing.assert_allclose(start.point, oracle(x, y, start.strength), atol=0.05)


def test_the_grid_ends_once_its_losses_are_still():
    hospitals = make_hospitals(9, [70, 50, 60], 6)
    plan = Plan(class_rows(hospitals), STRENGTHS)
    stacks = [plan.stack(Axes.of(h.x), h.y, h.fold) for h in hospitals]
    short, turns = run_grid(plan, stacks, Rehearsal(grid_rounds=50))
    assert 3 < turns < 15
    assert short["moving"].tolist() == [0]
    long, _ = run_grid(plan, stacks, Rehearsal(grid_rounds=3))
    assert long["moving"].tolist() == [3]


def test_only_losses_near_the_best_keep_the_grid_going():
    before = np.array([0.9, 0.5, 0.52, 0.9])
    assert not moves(before, np.array([0.8, 0.5, 0.52, 0.7]))
    assert moves(before, np.array([0.9, 0.5, 0.53, 0.9]))


def test_absent_hospitals_and_lost_states_keep_the_choice():
    hospitals = make_hospitals(10, [70, 50, 60], 20, [0.3, 0.6, 0.5])
    usual = read_choice(*learn(hospitals))
    away = learn(hospitals, grid_rounds=12, absent=lambda turn, i: (turn, i) in {(3, 0), (6, 1)})
    lost = learn(hospitals, grid_rounds=12, lost=lambda turn, i: (turn, i) in {(4, 2), (7, 0)})
    for found in (away, lost):
        assert read_choice(*found).strength == usual.strength


def test_a_hospital_of_three_patients_takes_part():
    hospitals = make_hospitals(11, [70, 3, 60], 30)
    plan, grid, choice = learn(hospitals)
    assert np.isfinite(read_choice(plan, grid, choice).point).all()
    assert mean_curve(plan, grid).shape == (3,)


def test_arrays_are_numbers_of_the_two_kinds_that_can_be_added():
    _, grid, choice = learn(make_hospitals(12, [30, 40], 5), grid_rounds=2)
    for name, array in {**grid, **choice}.items():
        assert array.dtype == (np.int64 if name in ("moving", "turn") else np.float64)
        assert np.isfinite(array).all()
    assert set(AGREED) <= set(grid)
