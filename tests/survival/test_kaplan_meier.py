"""Curves and tests of summed counts are those of all patients together.

Numbers of other software: lifelines 0.30.3, once, on the times that `survivors.Cohort` rounds.
"""

import math

import numpy as np
import pytest
from scipy.stats import chi2
from survivors import GRID, Cohort, add

from swarmhub.errors import BadInput
from swarmhub.recipes.survival.kaplan_meier import (
    chi_square_tail,
    draw_censoring,
    draw_curve,
    log_rank,
    log_rank_parts,
)
from swarmhub.recipes.survival.times import TimeGrid, observe, tally

pytestmark = pytest.mark.unit


def curve_of(cohort):
    """The curve of the sums of all hospitals."""
    sums = add([tally(one.observed) for one in cohort.rows()])
    return draw_curve(GRID, sums["events"][0], sums["censored"][0])


def draw(time, event, grid=(1, 2, 3, 4, 5, 6, 7, 8)):
    found = tally(observe(TimeGrid.of(grid), time, event))
    return draw_curve(TimeGrid.of(grid), found["events"][0], found["censored"][0])


@pytest.mark.parametrize(
    ("time", "survival", "low", "high"),
    [
        (2, 0.702619047619, 0.647300343381, 0.750964359978),
        (5, 0.506097660045, 0.446870753637, 0.562256882584),
        (10, 0.362599041225, 0.305337695312, 0.420008382302),
        (15, 0.267653673834, 0.213114895888, 0.325047197794),
    ],
)
def test_the_curve_of_sums_is_that_of_lifelines(time, survival, low, high):
    found = curve_of(Cohort()).at(GRID.find_horizon(time))
    assert (found.value, found.low, found.high) == pytest.approx((survival, low, high), abs=1e-10)
    assert found.support == 300


def test_the_median_of_sums_is_that_of_lifelines():
    found = curve_of(Cohort()).median
    assert found.value == 5.5
    assert found.low < found.value < found.high


def test_a_curve_by_hand():
    found = draw([1, 2, 2, 4, 5], [1, 1, 0, 1, 0])
    assert found.survival == pytest.approx([0.8, 0.6, 0.6, 0.3, 0.3, 0.3, 0.3, 0.3])
    assert found.at_risk.tolist() == [5, 4, 2, 2, 1, 0, 0, 0]
    error = math.sqrt(1 / (5 * 4) + 1 / (4 * 3)) / math.log(0.6)
    assert found.low[1] == pytest.approx(0.6 ** math.exp(-1.959963984540054 * error))
    assert found.at(4).value == pytest.approx(0.3)
    assert found.at(5).value is None


def test_a_curve_at_one_half_has_its_first_time_as_median():
    assert draw([1, 2, 3, 4], [1, 1, 0, 0]).median.value == 2


@pytest.mark.parametrize("n", range(2, 62, 2))
def test_rounding_does_not_move_the_median(n):
    times = list(range(1, n + 1))
    assert draw(times, [1] * n, times).median.value == n // 2


def test_a_curve_that_stays_high_has_no_median():
    assert draw([1, 8, 8], [1, 0, 0]).median.value is None


def test_at_zero_and_before_events_the_interval_is_stated():
    found = draw([2, 3], [1, 1])
    assert (found.low[0], found.high[0]) == (1, 1)
    assert np.isnan(found.low[2:]).all()
    assert (found.at(7).value, found.at(7).low) == (0, None)


def test_no_patients_have_no_curve():
    found = draw([], [])
    assert found.at(0).value is None
    assert found.median.value is None


def test_censoring_is_a_curve_after_the_events_of_a_time():
    found = tally(observe(TimeGrid.of([1, 2]), [1, 1, 2, 2], [1, 0, 0, 0]))
    assert draw_censoring(TimeGrid.of([1, 2]), found["events"][0], found["censored"][0]) == (
        pytest.approx([2 / 3, 0])
    )


def test_log_rank_of_three_groups_is_that_of_lifelines():
    cohort = Cohort()
    sums = tally(cohort.observed, cohort.site, 3)
    found = log_rank(*log_rank_parts(sums["events"], sums["censored"]))
    assert found.statistic == pytest.approx(19.53372146886004, abs=1e-9)
    assert (found.p, found.degrees) == (pytest.approx(5.732001264331931e-05, rel=1e-9), 2)


def test_log_rank_of_two_groups_is_that_of_lifelines():
    cohort = Cohort()
    parts = [tally(r.observed, (r.x[:, 0] > 0).astype(int), 2) for r in cohort.rows()]
    sums = add(parts)
    found = log_rank(*log_rank_parts(sums["events"], sums["censored"]))
    assert found.statistic == pytest.approx(67.5994856431877, abs=1e-9)
    assert found.p == pytest.approx(2.0031981951647718e-16, rel=1e-9)


def test_a_group_without_patients_takes_no_degree():
    cohort = Cohort()
    sums = tally(cohort.observed, 2 * (cohort.x[:, 0] > 0).astype(int), 3)
    found = log_rank(*log_rank_parts(sums["events"], sums["censored"]))
    assert (found.degrees, found.statistic) == (1, pytest.approx(67.5994856431877, abs=1e-9))


def test_parts_of_hospitals_add_up_to_a_stratified_test():
    cohort = Cohort()
    parts = []
    for one in cohort.rows():
        counts = tally(one.observed, (one.x[:, 0] > 0).astype(int), 2)
        parts.append(log_rank_parts(counts["events"], counts["censored"]))
    excess, covariance = (sum(v) for v in zip(*parts, strict=True))
    found = log_rank(excess, covariance)
    assert found.statistic == pytest.approx(excess[0] ** 2 / covariance[0, 0])


def test_groups_that_cannot_be_told_apart_have_no_test():
    found = log_rank(*log_rank_parts([[0, 0], [0, 0]], [[3, 0], [0, 3]]))
    assert (found.statistic, found.p, found.degrees) == (None, None, 0)


@pytest.mark.parametrize("degrees", [1, 2, 3, 4, 7, 10])
def test_the_chi_square_tail_is_that_of_scipy(degrees):
    for value in (0.0, 1e-3, 0.7, 3.8, 40.0, 300.0):
        assert chi_square_tail(value, degrees) == pytest.approx(chi2.sf(value, degrees), rel=1e-11)


@pytest.mark.parametrize("counts", [[1, 2], [-1] * 40, [np.nan] * 40])
def test_counts_that_do_not_fit_are_refused(counts):
    with pytest.raises(BadInput, match="Expected counts"):
        draw_curve(GRID, counts, counts)
