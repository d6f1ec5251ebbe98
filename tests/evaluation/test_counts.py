"""Counts that leave a hospital: never a list of scores, and enough for the pooled figures."""

from statistics import NormalDist

import numpy as np
import pytest

from swarmhub.data import auc
from swarmhub.evaluation.counts import (
    BINS,
    HISTOGRAMS,
    evaluate_counts,
    make_counts,
    make_subgroup_counts,
    scored_of,
    trace_roc,
)
from swarmhub.evaluation.figures import evaluate_scores


def simulate(seed, area, positive, rows, sites):
    """Labels, probabilities and sites of hospitals whose scores are shifted against each other."""
    rng = np.random.default_rng(seed)
    y = (rng.random(rows) < positive).astype(int)
    site = rng.integers(0, sites, rows)
    logit = rng.normal(size=rows) + NormalDist().inv_cdf(area) * np.sqrt(2) * y
    logit = 1.2 * logit + rng.normal(0, 0.4, sites)[site] + np.log(positive / (1 - positive))
    return y, 1 / (1 + np.exp(-logit)), site


def summed(y, p, site):
    """Sums over hospitals, and the patients that are in the histograms."""
    total, used = None, np.zeros(len(y), dtype=bool)
    for k in np.unique(site):
        counts = make_counts(y[site == k], p[site == k])
        used[site == k] = counts["positive"].any()
        total = counts if total is None else {n: total[n] + counts[n] for n in counts}
    return total, used


@pytest.mark.parametrize("positive", [0.3, 0.5])
@pytest.mark.parametrize("area", [0.6, 0.75, 0.85, 0.95])
@pytest.mark.parametrize("sites", [2, 4])
def test_the_area_of_the_sums_is_that_of_all_patients(sites, area, positive):
    errors = []
    for seed in range(12):
        y, p, site = simulate(seed, area, positive, 300, sites)
        total, used = summed(y, p, site)
        errors.append(evaluate_counts(total).figures["auc"].value - auc(y[used], p[used]))
    assert abs(np.mean(errors)) <= 0.002
    assert np.max(np.abs(errors)) <= 0.008


def test_one_hospital_alone_has_its_exact_area():
    y, p, _ = simulate(1, 0.8, 0.4, 90, 1)
    found = evaluate_counts(make_counts(y, p)).figures["auc"].value
    assert found == pytest.approx(auc(y, p), abs=1e-4)


def test_other_figures_of_the_sums_are_near_the_exact_ones():
    y, p, site = simulate(2, 0.85, 0.4, 400, 4)
    total, _ = summed(y, p, site)
    found, exact = evaluate_counts(total).figures, evaluate_scores(y, p).figures
    for name in ("accuracy", "recall", "specificity", "precision"):
        assert found[name] == exact[name]
    for name, near in (("brier", 0.003), ("loss", 0.01), ("auprc", 0.02), ("slope", 0.05)):
        assert found[name].value == pytest.approx(exact[name].value, abs=near)


def test_no_bin_has_fewer_than_five_patients():
    for seed in range(20):
        y, p, _ = simulate(seed, 0.8, 0.3, 60, 1)
        patients = np.arange(60) // 2
        counts = make_counts(y, p, patients=patients)
        for name in ("positive", "negative"):
            rows = counts[name][counts[name] > 0]
            assert rows.size == 0 or rows.min() >= 5


@pytest.mark.parametrize(("rows", "ones"), [(19, 9), (40, 4), (40, 36), (0, 0)])
def test_a_hospital_with_few_patients_gives_the_four_cells_only(rows, ones):
    y = np.array([1] * ones + [0] * (rows - ones))
    counts = make_counts(y, np.linspace(0.1, 0.9, rows))
    assert not any(counts[name].any() for name in HISTOGRAMS)
    assert counts["threshold"].sum() == rows
    assert {len(counts[name]) for name in HISTOGRAMS} == {BINS}
    assert all(array.dtype == np.int64 for array in counts.values())


def test_small_cells_of_subgroups_are_withheld_and_their_complements():
    y = np.array([0, 1] * 60)
    p = np.where(y == 1, 0.8, 0.2)
    half, few = np.arange(120) < 60, np.arange(120) < 6
    found = make_subgroup_counts(y, p, np.array([half, few, ~few]))
    assert found.tolist() == [[30, 0, 30, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_the_roc_curve_goes_from_corner_to_corner():
    y, p, _ = simulate(3, 0.8, 0.4, 90, 1)
    across, up = trace_roc(scored_of(make_counts(y, p)))
    assert (across[0], up[0]) == (0.0, 0.0)
    assert (across[-1], up[-1]) == (pytest.approx(1.0), pytest.approx(1.0))
    assert (np.diff(across) >= 0).all()
    assert (np.diff(up) >= 0).all()


@pytest.mark.parametrize("seed", range(20))
def test_a_perfect_order_has_an_area_of_one_in_spite_of_rounding(seed):
    rng = np.random.default_rng(seed)
    k = int(rng.integers(3, 40))
    y = np.r_[np.ones(k, int), np.zeros(k, int)]
    p = np.r_[rng.uniform(0.6, 0.99, k), rng.uniform(0.01, 0.4, k)]
    of_counts = evaluate_counts(make_counts(y, p, min_count=1, few=0)).figures
    for figures in (of_counts, evaluate_scores(y, p).figures):
        for name in ("auc", "auprc"):
            found = figures[name]
            assert 1 - 1e-9 < found.value <= 1.0
            assert 0.5 < found.low <= found.high <= 1.0
