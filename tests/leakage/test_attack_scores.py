"""Figures of an attack against scikit-learn and NumPy."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from swarmhub.leakage.scores import correlate, mean_by_patient, measure_attack


def scores(seed, n=150, m=300, shift=1.0):
    chance = np.random.default_rng(seed)
    return chance.normal(shift, 1, n), np.round(chance.normal(0, 1, m), 1)


@pytest.mark.parametrize("seed", range(3))
def test_auroc_is_that_of_scikit_learn(seed):
    inside, outside = scores(seed)
    label = np.r_[np.ones(len(inside)), np.zeros(len(outside))]
    found = measure_attack(inside, outside)["auroc"]
    assert found.value == pytest.approx(roc_auc_score(label, np.r_[inside, outside]), abs=1e-12)
    assert found.low < found.value < found.high


@pytest.mark.parametrize("seed", range(3))
def test_tpr_is_read_off_the_roc_curve(seed):
    inside, outside = scores(seed)
    label = np.r_[np.ones(len(inside)), np.zeros(len(outside))]
    false, true, _ = roc_curve(label, np.r_[inside, outside], drop_intermediate=False)
    expected = true[false <= 0.01].max()
    assert measure_attack(inside, outside)["tpr"].value == pytest.approx(expected, abs=1e-12)


def test_few_others_allow_no_false_alarm():
    found = measure_attack([3.0, 1.0, 2.0, 2.0], [2.0] * 99)["tpr"]
    assert (found.value, found.support) == (0.25, 4)


def test_the_interval_covers_chance_nineteen_times_of_20():
    found = [measure_attack(*scores(seed, 80, 80, 0.0))["auroc"] for seed in range(400)]
    covered = np.mean([f.low <= 0.5 <= f.high for f in found])
    assert 0.92 <= covered <= 0.98


def test_no_members_give_no_figures():
    assert measure_attack([], [1.0])["auroc"].value is None


def test_rows_of_a_patient_count_once():
    assert mean_by_patient([1.0, 3.0, 10.0], [7, 7, 2]).tolist() == [10.0, 2.0]


def test_correlation_is_that_of_numpy():
    a, b = np.random.default_rng(1).normal(size=(2, 30))
    found = correlate(a, b + a)
    assert found.value == pytest.approx(np.corrcoef(a, b + a)[0, 1], abs=1e-12)
    half = 1.959963984540054 / np.sqrt(27)
    assert np.arctanh(found.high) - np.arctanh(found.value) == pytest.approx(half)
    assert correlate([1.0] * 9, range(9)).value is None
