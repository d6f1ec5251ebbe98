"""Figures against scikit-learn and worked examples; what has no meaning is None."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import linear_model, metrics

from swarmhub.errors import BadInput
from swarmhub.evaluation.figures import evaluate_scores, share

RATES = st.lists(st.tuples(st.integers(0, 1), st.floats(0.001, 0.999)), min_size=4, max_size=60)


def patients(seed=0, rows=300, signal=1.2):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, rows)
    return y, 1 / (1 + np.exp(-(signal * (2 * y - 1) + rng.normal(size=rows))))


@settings(max_examples=60, deadline=None)
@given(RATES)
def test_areas_are_those_of_scikit_learn(rows):
    y, p = (np.array(column) for column in zip(*rows, strict=True))
    found = evaluate_scores(y, p).figures
    if 0 < y.sum() < len(y):
        assert found["auc"].value == pytest.approx(metrics.roc_auc_score(y, p))
        assert found["auprc"].value == pytest.approx(metrics.average_precision_score(y, p))
        assert found["auc"].low <= found["auc"].value <= found["auc"].high
    else:
        assert found["auc"].value is None
        assert found["auprc"].value is None
    assert found["brier"].value == pytest.approx(metrics.brier_score_loss(y, p))
    assert found["loss"].value == pytest.approx(metrics.log_loss(y, p, labels=[0, 1]))


def test_calibration_is_a_logistic_regression_on_the_logit():
    y, p = patients()
    logit = np.log(p / (1 - p))
    oracle = linear_model.LogisticRegression(C=np.inf, tol=1e-10).fit(logit[:, None], y)
    found = evaluate_scores(y, p).figures
    assert found["slope"].value == pytest.approx(oracle.coef_[0, 0], abs=1e-5)
    moved = 1 / (1 + np.exp(-(logit + found["intercept"].value)))
    assert moved.sum() == pytest.approx(y.sum())  # in the large: as many as there are


def test_delong_has_the_worked_variance():
    """Five and four patients; placements by hand."""
    y = np.array([1, 1, 1, 1, 1, 0, 0, 0, 0])
    p = np.array([0.9, 0.8, 0.7, 0.6, 0.3, 0.65, 0.5, 0.4, 0.2])
    ones = np.array([1, 1, 1, 0.75, 0.25])
    zeros = np.array([0.6, 0.8, 0.8, 1.0])
    variance = ones.var(ddof=1) / 5 + zeros.var(ddof=1) / 4
    found = evaluate_scores(y, p).figures["auc"]
    assert found.value == pytest.approx(0.8)
    half = 1.959963984540054 * math.sqrt(variance) / (0.8 * 0.2)
    assert found.low == pytest.approx(1 / (1 + math.exp(-(math.log(4) - half))))


def test_the_interval_of_an_area_covers_it_as_often_as_it_says():
    covered = 0
    for seed in range(300):
        found = evaluate_scores(*patients(seed, 120, 0.5)).figures["auc"]
        covered += found.low <= 0.7602 <= found.high  # of two unit normals one apart
    assert 0.92 <= covered / 300 <= 0.98


def test_wilsons_interval_is_the_published_one():
    found = share(15, 148)  # Newcombe 1998, table I
    assert (round(found.low, 4), round(found.high, 4)) == (0.0624, 0.1605)
    assert share(0, 0).value is None


def test_a_perfect_order_has_an_interval_that_is_none():
    found = evaluate_scores([0] * 10 + [1] * 10, np.linspace(0.1, 0.9, 20)).figures
    assert found["auc"].value == 1.0
    assert found["auc"].low < 1.0
    assert found["slope"].value is None


def test_at_the_threshold_the_score_itself_is_positive():
    found = evaluate_scores([1, 0, 1, 0], [0.5, 0.5, 0.4, 0.1]).figures
    assert found["recall"].value == 0.5
    assert found["specificity"].value == 0.5
    assert found["precision"].value == 0.5


def test_few_patients_of_a_class_are_descriptive():
    assert evaluate_scores([1] * 9 + [0] * 50, np.full(59, 0.3)).is_descriptive
    assert not evaluate_scores([1] * 10 + [0] * 50, np.full(60, 0.3)).is_descriptive


@pytest.mark.parametrize("wrong", [[0.2, np.nan], [0.2, 1.5], [0.2], [-0.1, 0.3]])
def test_what_is_no_probability_is_refused(wrong):
    with pytest.raises(BadInput, match="Expected"):
        evaluate_scores([0, 1], wrong)


def test_nobody_is_measured_without_a_figure():
    assert all(f.value is None for f in evaluate_scores([], []).figures.values())
