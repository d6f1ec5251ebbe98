"""Cox regression by rounds of sums is that of all patients together.

Numbers of other software: lifelines 0.30.3 (`CoxPHFitter`, precision 1e-12) and scikit-survival
0.28.0 (`CoxPHSurvivalAnalysis`, ties="efron"), once, on the times that `survivors.Cohort` rounds.
"""

import numpy as np
import pytest
from survivors import BETA, GRID, Cohort, add, run

from swarmhub.contract.records import Stage
from swarmhub.errors import BadInput
from swarmhub.recipes.survival.cox import AGREED, MAX_ROUNDS, Cox
from swarmhub.recipes.survival.likelihood import (
    Rows,
    measure,
    predict_survival,
    read_baseline,
    sum_baseline,
    sum_rows,
)
from swarmhub.recipes.survival.times import TimeGrid, observe
from swarmhub.train.summands import encode

pytestmark = pytest.mark.unit

POOLED = [0.842924147979, -0.457370517914, -0.005588528559, 0.197933583695]
ERRORS = [0.079116073463, 0.074846799611, 0.069486353523, 0.080024747357]
STRATIFIED = [0.844687326941, -0.507920138211, -0.040120560381, 0.172511786364]
STRATIFIED_ERRORS = [0.080312920097, 0.075561630095, 0.071516299967, 0.080089870066]
RIDGE = [7.196793739694e-01, -3.723543485806e-01, -1.260597364625e-04, 1.443880768792e-01]
RIDGE_ERRORS = [0.073697566217, 0.068284804348, 0.06610827053, 0.06890763998]
ALPHA_30 = [7.013489436421e-01, -3.745589838159e-01, -6.044638330152e-04, 1.511907490974e-01]


def fit(cohort, **how):
    cox = Cox(4, len(GRID), **how)
    return cox.read(run(cox, cohort.rows())[-1])


def brute(rows, at):
    """The log partial likelihood of one place, a patient at a time."""
    place, event, margin = rows.observed.place, rows.observed.event, rows.x @ at
    total = 0.0
    for t in np.unique(place[event]):
        tied = np.flatnonzero((place == t) & event)
        risk, of_tied = np.exp(margin[place >= t]).sum(), np.exp(margin[tied]).sum()
        for k, row in enumerate(tied):
            total += margin[row] - np.log(risk - k / len(tied) * of_tied)
    return total


def test_the_pooled_model_is_that_of_lifelines():
    found = fit(Cohort())
    assert found.beta == pytest.approx(POOLED, abs=1e-9)
    assert found.errors == pytest.approx(ERRORS, abs=1e-9)
    assert found.value == pytest.approx(-989.8457837792582, abs=1e-8)
    assert (found.events, found.is_converged) == (210, True)


def test_the_stratified_model_is_that_of_lifelines():
    found = fit(Cohort(), is_stratified=True)
    assert found.beta == pytest.approx(STRATIFIED, abs=1e-9)
    assert found.errors == pytest.approx(STRATIFIED_ERRORS, abs=1e-9)
    assert found.value == pytest.approx(-751.6315193783939, abs=1e-8)
    assert (found.events, found.hazard) == (210, None)


def test_lifelines_penalises_columns_of_unit_deviation():
    cohort = Cohort()
    deviation = cohort.x.std(axis=0, ddof=1)
    cohort.x = cohort.x / deviation
    found = fit(cohort, penalty=300 * 0.1)  # penalizer=0.1
    assert found.beta == pytest.approx(RIDGE, abs=1e-6)
    assert found.errors == pytest.approx(RIDGE_ERRORS, abs=1e-6)


def test_the_penalty_is_alpha_of_scikit_survival():
    assert fit(Cohort(), penalty=30).beta == pytest.approx(ALPHA_30, abs=1e-9)


def test_predicted_survival_is_that_of_lifelines():
    cohort = Cohort()
    found = fit(cohort)
    survival = predict_survival(found.beta, found.hazard, cohort.x[:4])
    known = [0.576029167559, 0.68410714871, 0.542238410481, 0.219260441864]
    assert survival[:, GRID.find_horizon(10)] == pytest.approx(known, abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_the_likelihood_and_its_slopes_are_those_of_patients(seed):
    cohort = Cohort(seed, 60)
    whole, at = Rows(cohort.x, cohort.observed), 0.5 * BETA
    found = measure(add([sum_rows(one, at) for one in cohort.rows()]), at)
    assert found.value == pytest.approx(brute(whole, at), abs=1e-10)
    steps = 1e-4 * np.eye(4)
    slopes = [(brute(whole, at + s) - brute(whole, at - s)) / 2e-4 for s in steps]
    assert found.gradient == pytest.approx(slopes, abs=1e-5)
    above, below = (measure(sum_rows(whole, at + s), at + s) for s in (steps[0], -steps[0]))
    assert found.curvature[0] == pytest.approx((below.gradient - above.gradient) / 2e-4, abs=1e-4)


@pytest.mark.parametrize("is_stratified", [False, True])
def test_few_rounds_are_enough(is_stratified):
    cox = Cox(4, len(GRID), 1.0, is_stratified)
    assert len(run(cox, Cohort().rows())) <= 8


def test_a_trainer_that_comes_late_goes_on_from_the_sums():
    cox, rows = Cox(4, len(GRID)), Cohort().rows()
    sums = run(cox, rows)
    late = add([Cox(4, len(GRID)).arrays(one, dict(sums[2])) for one in rows], AGREED)
    assert all(np.array_equal(late[name], sums[3][name]) for name in late)


def test_a_step_that_goes_too_far_is_halved():
    cox, rows = Cox(4, len(GRID)), Cohort().rows()
    first = run(cox, rows, most=1)[0]
    base, reached = np.zeros(4), np.array([measure(first, np.zeros(4)).value])
    far = first | sum_rows(rows[0], np.full(4, 9.0)) | {
        "at": np.full(4, 9.0), "base": base, "reached": reached, "turn": np.array([2]),
        "counted": first["rows"], "rows": first["rows"],
    }  # fmt: skip
    found = cox.advance(add([far], AGREED))
    assert found.at == pytest.approx(np.full(4, 4.5))
    assert (found.base == base).all()
    assert not found.is_last


@pytest.mark.parametrize("is_stratified", [False, True])
@pytest.mark.parametrize("missed", [0, 1, 3])
def test_a_hospital_that_misses_a_round_does_not_stop_the_others(is_stratified, missed):
    cox, rows = Cox(4, len(GRID), 1.0, is_stratified), Cohort().rows()
    sums = None
    for turn in range(MAX_ROUNDS):
        here = rows[:-1] if turn == missed else rows
        sums = add([cox.arrays(one, sums) for one in here], AGREED)
        if not sums["moving"][0] and turn > missed:
            break
    found, right = cox.read(sums), cox.read(run(cox, rows)[-1])
    assert found.is_converged
    np.testing.assert_allclose(found.beta, right.beta, atol=1e-6)


def test_with_many_tied_events_efrons_hazard_keeps_the_mean_risk():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2000, 1))
    time = np.ceil(rng.exponential(np.exp(-x[:, 0])))  # in years: a third of all at once
    grid = TimeGrid.of(np.arange(1.0, 8.0))
    rows = Rows(x, observe(grid, time, np.ones(2000)))
    cox = Cox(1, len(grid))
    beta = cox.read(run(cox, [rows])[-1]).beta
    sums = sum_baseline(rows, beta)
    found = (time <= 1).mean()
    risks = [1 - predict_survival(beta, read_baseline(sums, is_efron), x)[:, 0].mean()
             for is_efron in (True, False)]  # fmt: skip
    assert abs(risks[0] - found) < 0.02
    assert found - risks[1] > 0.1


def test_heavy_columns_come_to_rest():
    cohort = Cohort(5)
    cohort.x = np.exp(1.5 * cohort.x)  # a step from 0 overshoots
    found = fit(cohort, penalty=1e-6)
    assert found.is_converged
    assert found.rounds <= 25


def test_a_column_that_parts_the_patients_does_not_converge():
    rows = [Rows(np.array([[1.0], [1.0], [0.0], [0.0]]), observe(GRID, [1, 2, 3, 4], [1, 1, 0, 0]))]
    cox = Cox(1, len(GRID))
    assert not cox.read(run(cox, rows)[-1]).is_converged
    ridge = Cox(1, len(GRID), 0.5)
    assert ridge.read(run(ridge, rows)[-1]).is_converged


def test_the_baseline_alone_is_that_of_the_pooled_model():
    cohort = Cohort()
    found = fit(cohort)
    sums = add([sum_baseline(one, found.beta) for one in cohort.rows()])
    assert read_baseline(sums) == pytest.approx(found.hazard, rel=1e-12)


def test_hazard_ratios_have_walds_interval():
    found = fit(Cohort())
    one = found.ratios()[0]
    ends = np.exp(POOLED[0] + np.array([0, -1, 1]) * 1.959963984540054 * ERRORS[0])
    assert [one.value, one.low, one.high] == pytest.approx(ends, abs=1e-7)


@pytest.mark.parametrize("is_stratified", [False, True])
def test_a_sum_stage_takes_the_arrays(is_stratified):
    arrays = Cox(4, len(GRID), 1.0, is_stratified).arrays(Cohort().rows()[0], None)
    found = encode(Stage("fit", "sum", 25), arrays)
    assert all(np.array_equal(found[name], array) for name, array in arrays.items())
    assert found["moving"].dtype == found["events"].dtype == np.int64


def test_a_hospital_without_patients_adds_nothing():
    cox, rows = Cox(4, len(GRID)), Cohort().rows()
    empty = Rows(np.zeros((0, 4)), observe(GRID, [], []))
    assert cox.read(run(cox, [*rows, empty])[-1]).beta == pytest.approx(POOLED, abs=1e-9)


@pytest.mark.parametrize("copy", [0.0, 1.0])
def test_columns_that_do_not_decide_are_named(copy):
    cohort = Cohort()
    cohort.x[:, 2] = copy * cohort.x[:, 1]
    with pytest.raises(BadInput, match=r"column [23] .*declare a penalty"):
        fit(cohort)
    assert fit(cohort, penalty=1.0).is_converged


def test_too_large_sums_are_refused_before_they_are_made():
    assert Cox(100, 200).columns == 100
    with pytest.raises(BadInput, match="choose fewer columns or grid times, or the form strat"):
        Cox(200, 200)
    assert Cox(2000, 200, is_stratified=True).columns == 2000
    with pytest.raises(BadInput, match="choose fewer columns"):
        Cox(10**9, 200, is_stratified=True)


@pytest.mark.parametrize("events", [10**15, -1])
def test_hostile_counts_of_events_are_refused(events):
    rows = Cohort().rows()[0]
    sums = sum_rows(rows, np.zeros(4)) | {"events": np.full(len(GRID), events)}
    with pytest.raises(BadInput, match="events in all"):
        measure(sums, np.zeros(4))


def test_rows_that_do_not_fit_are_refused():
    times = observe(TimeGrid.of([1]), [1], [1])
    with pytest.raises(BadInput, match="a row of columns"):
        Rows(np.zeros((2, 1)), times)
    with pytest.raises(BadInput, match="others in row 1"):
        Rows(np.array([[np.nan]]), times)
    with pytest.raises(BadInput, match="Expected 2 columns"):
        Cox(2, 1).arrays(Rows(np.zeros((1, 1)), times), None)
    with pytest.raises(BadInput, match="penalty of 0 or more"):
        Cox(2, 1, -1.0)
