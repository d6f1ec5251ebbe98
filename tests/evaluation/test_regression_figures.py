"""Figures of a number out of sums of hospitals are those of all test patients."""

import numpy as np
import pytest
from scipy.stats import linregress, pearsonr
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from swarmhub.errors import BadInput
from swarmhub.evaluation.regression import Baseline, evaluate_counts, make_counts

pytestmark = pytest.mark.unit

MEAN, DEVIATION = 120.0, 15.0
SITES = (115.0, 121.0, 128.0)
Z = 1.959963984540054


def simulate(seed=0, rows=900, noise=8.0):
    """Outcomes, predicted values and hospitals."""
    rng = np.random.default_rng(seed)
    site = rng.integers(0, 3, rows)
    y = rng.normal(MEAN, DEVIATION, rows) + 4.0 * (site - 1)
    return y, 10 + 0.9 * y + rng.normal(0, noise, rows), site


def sum_of(y, p, site):
    """Summed counts of hospitals."""
    parts = [
        make_counts(y[site == k], p[site == k], Baseline(MEAN, DEVIATION, SITES[k]))
        for k in np.unique(site)
    ]
    return {name: sum(part[name] for part in parts) for name in parts[0]}


@pytest.mark.parametrize("seed", range(3))
def test_figures_are_those_of_scikit_learn_and_scipy(seed):
    y, p, site = simulate(seed)
    found = evaluate_counts(sum_of(y, p, site), DEVIATION).figures
    known = {
        "mae": mean_absolute_error(y, p), "rmse": root_mean_squared_error(y, p),
        "r2": r2_score(y, p), "bias": (y - p).mean(), "correlation": pearsonr(y, p)[0],
        "slope": linregress(p, y).slope,
    }  # fmt: skip
    assert {name: found[name].value for name in known} == pytest.approx(known, abs=1e-9)


def test_intervals_of_slope_and_correlation_are_known():
    y, p, site = simulate()
    found = evaluate_counts(sum_of(y, p, site), DEVIATION).figures
    line = linregress(p, y)
    assert found["slope"].high == pytest.approx(line.slope + Z * line.stderr, abs=1e-9)
    ends = pearsonr(y, p).confidence_interval(0.95)
    assert found["correlation"].low == pytest.approx(ends.low, abs=1e-9)


def test_intervals_of_means_are_normal():
    y, p, site = simulate()
    found = evaluate_counts(sum_of(y, p, site), DEVIATION).figures
    e = np.abs(y - p)
    half = Z * e.std(ddof=1) / 30
    assert found["mae"].low == pytest.approx(e.mean() - half, abs=1e-9)
    square = e**2
    top = square.mean() + Z * square.std(ddof=1) / 30
    assert found["rmse"].high == pytest.approx(np.sqrt(top), abs=1e-6)


def test_baselines_stand_beside_the_model():
    y, p, site = simulate()
    found = evaluate_counts(sum_of(y, p, site), DEVIATION).figures
    plain = {"mean": np.abs(y - MEAN), "site": np.abs(y - np.array(SITES)[site])}
    for name, error in plain.items():
        assert found[f"mae_{name}"].value == pytest.approx(error.mean(), abs=1e-9)
        assert found[f"rmse_{name}"].value == pytest.approx(np.sqrt((error**2).mean()), abs=1e-9)
        gain = error - np.abs(y - p)
        assert found[f"gain_{name}"].value == pytest.approx(gain.mean(), abs=1e-9)
        half = Z * gain.std(ddof=1) / 30
        assert found[f"gain_{name}"].low == pytest.approx(gain.mean() - half, abs=1e-8)


def test_a_useless_model_gains_nothing():
    y, p, site = simulate(noise=60.0)
    found = evaluate_counts(sum_of(y, p, site), DEVIATION).figures
    assert found["gain_mean"].high < 0
    assert found["r2"].value < 0


@pytest.mark.parametrize(("rows", "counted"), [(4, [0, 0]), (5, [5, 0]), (19, [19, 0])])
def test_a_small_hospital_gives_less(rows, counted):
    y, p, _ = simulate(rows=rows)
    counts = make_counts(y, p, Baseline(MEAN, DEVIATION, MEAN))
    assert (counts["rows"].tolist(), counts["counted"].tolist()) == ([rows], counted)
    assert counts["errors"].any() == (counted[0] > 0)
    assert not any(counts[name].any() for name in ("moments", "plain", "gains"))


def test_patients_are_counted_not_rows():
    y, p, _ = simulate(rows=40)
    counts = make_counts(y, p, Baseline(MEAN, DEVIATION, MEAN), np.arange(40) // 10)
    assert counts["counted"].tolist() == [0, 0]


def test_figures_of_small_hospitals_have_their_own_support():
    y, p, site = simulate(rows=60)
    site[:] = 0
    site[:8] = 1
    found = evaluate_counts(sum_of(y, p, site), DEVIATION).figures
    assert (found["mae"].support, found["r2"].support) == (60, 52)
    assert found["mae"].value == pytest.approx(mean_absolute_error(y, p), abs=1e-9)
    assert found["r2"].value == pytest.approx(r2_score(y[8:], p[8:]), abs=1e-8)


def test_figures_of_no_variation_are_none():
    y, p, _ = simulate(rows=30)
    baseline = Baseline(MEAN, DEVIATION, MEAN)
    flat = evaluate_counts(make_counts(y, np.full(30, 100.1), baseline), DEVIATION).figures
    assert (flat["slope"].value, flat["correlation"].value) == (None, None)
    assert flat["r2"].value is not None
    same = evaluate_counts(make_counts(np.full(30, 99.9), p, baseline), DEVIATION).figures
    assert same["r2"].value is None


def test_figures_of_nobody_are_none():
    none = make_counts([], [], Baseline(MEAN, DEVIATION, MEAN))
    found = evaluate_counts(none, DEVIATION)
    assert {figure.value for figure in found.figures.values()} == {None}
    assert found.is_descriptive


def test_other_values_are_refused():
    baseline = Baseline(MEAN, DEVIATION, MEAN)
    for y, p in (([1.0], [1.0, 2.0]), ([np.nan], [1.0]), ([1.0] * 20, [np.inf] * 20)):
        with pytest.raises(BadInput, match="Expected"):
            make_counts(y, p, baseline)
    with pytest.raises(BadInput, match="varies"):
        Baseline(MEAN, 0.0, MEAN)


def test_an_absurd_outcome_counts_as_far_away_and_stops_nobody():
    rng = np.random.default_rng(8)
    y = MEAN + DEVIATION * rng.normal(size=60)
    wild = y.copy()
    wild[3] = 1e12
    counts = make_counts(wild, y, Baseline(MEAN, DEVIATION, MEAN))
    mae = evaluate_counts(counts, DEVIATION).figures["mae"].value
    assert mae == pytest.approx((25 - (y[3] - MEAN) / DEVIATION) * DEVIATION / 60)
