import numpy as np
import pytest

from swarmhub.data import auc, log_loss


def test_auc_counts_pairs_and_ties_as_halves():
    rng = np.random.default_rng(0)
    y, score = rng.integers(0, 2, 200), rng.integers(0, 20, 200) / 7
    pairs = score[y == 1][:, None] - score[y == 0][None, :]
    assert auc(y, score) == pytest.approx(((pairs > 0) + 0.5 * (pairs == 0)).mean(), abs=1e-12)
    assert auc([0, 1], [0.2, 0.9]) == 1
    assert auc([0, 1, 1], [1, 1, 1]) == 0.5


def test_auc_of_one_class_is_none():
    assert auc([1, 1], [0.1, 0.2]) is None
    assert auc([], []) is None


def test_metrics_agree_with_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(1)
    y, p = rng.integers(0, 2, 100), rng.random(100).round(1).clip(0.05, 0.95)
    assert auc(y, p) == pytest.approx(metrics.roc_auc_score(y, p))
    assert log_loss(y, p) == pytest.approx(metrics.log_loss(y, p))
    assert np.isfinite(log_loss([0], [1.0]))
