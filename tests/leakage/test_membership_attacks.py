"""The attacks find members of an overfitted model, and nothing in one that never saw them."""

import numpy as np
import pytest
from overfitted import ROWS, fit_linear, losses, rows
from sklearn.neural_network import MLPClassifier

from swarmhub.leakage.membership import (
    measure_confidence,
    score_loss,
    score_shadows,
    score_trajectory,
)
from swarmhub.leakage.scores import measure_attack

REPETITIONS = 10


def attack(model, seed):
    """AUROC by loss of the rows of a seed against those of another one."""
    inside, outside = (score_loss(losses(model, *rows(s))) for s in (seed, seed + 1000))
    return measure_attack(inside, outside)["auroc"]


@pytest.mark.parametrize("seed", range(3))
def test_members_of_an_overfitted_linear_model_are_found(seed):
    found = attack(fit_linear(*rows(seed)), seed)
    assert found.value > 0.9
    assert found.low > 0.6


def test_members_of_an_overfitted_network_are_found():
    x, y = rows(1)
    network = MLPClassifier((16,), max_iter=300, random_state=1, alpha=0).fit(x, y)

    def by_loss(a, b):
        return score_loss(-network.predict_log_proba(a)[np.arange(len(b)), b])

    found = measure_attack(by_loss(x, y), by_loss(*rows(1001)))["auroc"]
    assert found.low > 0.6


def test_a_model_that_never_saw_the_rows_tells_nothing():
    found = [attack(fit_linear(*rows(seed + 500)), seed) for seed in range(REPETITIONS)]
    assert sum(f.low <= 0.5 <= f.high for f in found) >= REPETITIONS - 1
    assert np.mean([f.value for f in found]) == pytest.approx(0.5, abs=0.05)


def by_shadows(seed, seen, strength=1.0):
    """AUROC by shadows of a model that was trained on the rows of the seed `seen`."""
    (x, y), (x2, y2) = rows(seed, p=60), rows(seed + 1000, p=60)
    every, label = np.r_[x, x2], np.r_[y, y2]
    trained, truth = rows(seen, p=60)
    model = fit_linear(trained, truth, strength)

    def fit(mask):
        return losses(fit_linear(every[mask], label[mask], strength), every, label)

    patient = np.arange(2 * ROWS)
    score = score_shadows(losses(model, every, label), patient, fit, pairs=8, seed=1)
    return measure_attack(score[:ROWS], score[ROWS:])["auroc"]


def test_shadow_models_find_members():
    found = [by_shadows(seed, seed) for seed in range(3)]
    assert min(f.low for f in found) > 0.6


def test_shadow_models_find_nobody_in_a_model_of_others():
    found = [by_shadows(seed, seed + 500) for seed in range(2 * REPETITIONS)]
    assert sum(f.low <= 0.5 <= f.high for f in found) >= 16  # 55 of 60: shadows are shared
    assert np.mean([f.value for f in found]) == pytest.approx(0.5, abs=0.04)


def test_shadow_models_need_both_classes_in_a_half():
    assert score_shadows(np.ones(6), np.arange(6), lambda mask: None, 4, 1) is None


def test_a_patient_is_in_one_half_only():
    patient, halves = np.repeat(np.arange(10), 3), []

    def fit(mask):
        halves.append(mask)
        return np.ones(30)

    score_shadows(np.ones(30), patient, fit, pairs=3, seed=1)
    assert all(len(set(mask[patient == k])) == 1 for mask in halves for k in range(10))
    assert len(halves) == 6


def test_a_trajectory_averages_chance_away():
    chance = np.random.default_rng(1)
    each = 1 + chance.normal(size=(8, 400)) - 0.5 * (np.arange(400) < 200)
    one, all_of_them = score_loss(each[0]), score_trajectory(each)
    found = [measure_attack(s[:200], s[200:])["auroc"] for s in (one, all_of_them)]
    assert found[1].low > found[0].high


def test_confidence_of_the_log_loss_is_the_margin():
    margin = np.array([-40.0, -1.5, 0.0, 2.0, 30.0])
    assert measure_confidence(np.log1p(np.exp(-margin))) == pytest.approx(margin, rel=1e-6)
    assert np.isfinite(measure_confidence([0.0, np.inf])).all()
