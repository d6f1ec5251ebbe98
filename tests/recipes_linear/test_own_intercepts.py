"""Models with an intercept of each hospital's own, against pooled models with a column for each."""

from typing import Any

import numpy as np
import pytest

from swarmhub.recipes.linear.axes import Axes
from swarmhub.recipes.linear.losses import LOGISTIC, Softmax, Squared
from swarmhub.recipes.linear.offline import Hospital, Rehearsal, class_rows, rehearse
from swarmhub.recipes.linear.stack import Models, Stack

SIZES = (60, 35, 80)
LARGE = 1e3  # a column of such numbers is hardly penalised


def shifted_hospitals(seed, outcome):
    """Hospitals whose outcomes differ by more than what the features tell."""
    rng = np.random.default_rng(seed)
    effect = rng.normal(size=(3, 5))
    found = []
    for k, n in enumerate(SIZES):
        x = rng.normal(size=(n, 5)) + 0.5 * k
        scores = x @ effect.T + rng.normal(size=(n, 3)) + np.array([3.0 * k - 3.0, 0.0, 1.0])
        found.append(Hospital(x, outcome(scores), rng.permutation(n) % 5))
    return found


OUTCOMES: dict[str, tuple[Any, Any]] = {
    "two classes": (LOGISTIC, lambda s: (s[:, 0] > 0).astype(np.int64)),
    "three classes": (Softmax(3), lambda s: s.argmax(axis=1)),
    "numbers": (Squared(), lambda s: s[:, 0]),
}


def with_columns(hospitals):
    """All rows, with a column for each hospital that is hardly penalised."""
    site = np.concatenate([np.full(len(h.y), k) for k, h in enumerate(hospitals)])
    x = np.concatenate([h.x for h in hospitals])
    return np.column_stack([x, LARGE * np.eye(len(hospitals))[site]])


@pytest.mark.parametrize("kind", OUTCOMES)
def test_weights_are_those_of_a_pooled_model_with_a_column_for_each_hospital(kind):
    linear = pytest.importorskip("sklearn.linear_model")
    loss, outcome = OUTCOMES[kind]
    hospitals = shifted_hospitals(1, outcome)
    how = Rehearsal(strengths=(1.0,), loss=loss, own=True, rounds=120, still=-1)
    found = rehearse(hospitals, how).parameters
    y = np.concatenate([h.y for h in hospitals])
    if loss.has_classes:
        model = linear.LogisticRegression(
            C=1.0, class_weight="balanced", fit_intercept=False, tol=1e-10, max_iter=10_000,
            solver="newton-cg",
        )  # fmt: skip
    else:
        model = linear.Ridge(alpha=1.0, fit_intercept=False, solver="svd")
    theirs = np.atleast_2d(model.fit(with_columns(hospitals), y).coef_)
    np.testing.assert_allclose(np.atleast_2d(found["weight"]), theirs[:, :5], atol=2e-4)
    rows = np.array(SIZES) / sum(SIZES)
    mean = (theirs[:, 5:] * LARGE) @ rows
    ours = found["bias"]
    if loss.outputs > 1:  # adding a number to all changes no probability
        mean, ours = mean - mean.mean(), ours - ours.mean()
    np.testing.assert_allclose(ours, mean, atol=5e-3)


def test_an_own_intercept_helps_if_hospitals_measure_differently():
    hospitals = shifted_hospitals(2, OUTCOMES["numbers"][1])
    later = shifted_hospitals(2, OUTCOMES["numbers"][1])
    errors = []
    for own in (False, True):
        found = rehearse(hospitals, Rehearsal(loss=Squared(), own=own)).parameters
        models = Models.of([1.0], class_rows(hospitals, Squared()), Squared(), own)
        point = np.append(found["weight"], 0.0 if own else found["bias"])[None]
        every = [Stack.of(models, Axes.of(h.x), h.y).margins(point)[0, 0] - h.y for h in later]
        errors.append(np.abs(np.concatenate(every)).mean())
    assert errors[1] < 0.7 * errors[0]


def test_a_hospital_of_one_class_keeps_a_finite_intercept():
    hospitals = shifted_hospitals(3, OUTCOMES["two classes"][1])
    hospitals[0] = Hospital(hospitals[0].x, np.zeros(SIZES[0], dtype=np.int64), hospitals[0].fold)
    found = rehearse(hospitals, Rehearsal(own=True))
    assert np.isfinite(found.parameters["weight"]).all()
    assert np.abs(found.parameters["bias"]).max() < 20
