"""Elastic net by sums of hospitals against scikit-learn on all rows."""

import warnings

import numpy as np
import pytest

from swarmhub.errors import BadInput
from swarmhub.recipes.linear.elastic import (
    AGREED,
    ROUNDS,
    ElasticNet,
    curves_of,
    fit_alone,
    read_strength,
    see_folds,
    weigh,
)
from swarmhub.recipes.linear.folds import STRENGTHS
from swarmhub.recipes.linear.losses import LOGISTIC, Squared

SIZES = (60, 25, 40, 1)  # the last has one row; the third has one class only


def make_rows(seed: int, columns: int = 12):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(sum(SIZES), columns))
    x[:, 3] = x[:, 2] + 0.05 * rng.normal(size=len(x))  # nearly the same
    margin = 1.5 * x[:, 0] - x[:, 1] + 0.7 * x[:, 2]
    label = (margin + rng.logistic(size=len(x)) > 0).astype(np.int64)
    site = np.repeat(np.arange(len(SIZES)), SIZES)
    label[site == 2] = 0
    value = margin + 0.5 * rng.normal(size=len(x))
    return x, label, (value - value.mean()) / value.std(), site, rng.integers(0, 5, size=len(x))


def add(parts):
    """Sums of hospitals' arrays, as a `sum` stage merges them."""
    return {
        name: parts[0][name] if name in AGREED
        else np.max([p[name] for p in parts], axis=0) if name == "moving"
        else np.sum([p[name] for p in parts], axis=0)
        for name in parts[0]
    }  # fmt: skip


def run(model, hospitals, away=None):
    """The last sums, and the rounds; hospital 0 misses the round `away`."""
    sums = add([model.arrays(h, None) for h in hospitals])
    while sums["moving"][0] and sums["turn"][0] < ROUNDS:
        here = hospitals[1:] if sums["turn"][0] == away else hospitals
        sums = add([model.arrays(h, sums) for h in here])
    return sums


def split(x, y, loss, class_rows, seen, site):
    return [
        weigh(x[site == k], y[site == k], loss, class_rows, seen[:, site == k])
        for k in range(len(SIZES))
    ]


@pytest.mark.parametrize("ratio", [0.05, 0.5, 1.0])
@pytest.mark.parametrize("away", [None, 2])
def test_logistic_is_the_pooled_solution(ratio, away) -> None:
    x, y, _, site, _ = make_rows(0)
    linear = pytest.importorskip("sklearn.linear_model")
    model = ElasticNet(1, x.shape[1], LOGISTIC, ratio, (0.3,))
    every = np.ones((1, len(x)), dtype=bool)
    sums = run(model, split(x, y, LOGISTIC, np.bincount(y)[None], every, site), away)
    assert not sums["moving"][0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = linear.LogisticRegression(
            C=0.3, l1_ratio=ratio, penalty="elasticnet", solver="saga", class_weight="balanced",
            tol=1e-12, max_iter=100_000,
        ).fit(x, y)  # fmt: skip
    point = sums["at"][0]
    np.testing.assert_allclose(point[:-1], other.coef_[0], atol=1e-6)
    np.testing.assert_allclose(point[-1], other.intercept_[0], atol=1e-6)
    assert ((point[:-1] == 0) == (other.coef_[0] == 0)).all()


@pytest.mark.parametrize("ratio", [0.05, 0.5, 1.0])
def test_numbers_are_the_pooled_solution(ratio) -> None:
    x, _, y, site, _ = make_rows(1)
    linear = pytest.importorskip("sklearn.linear_model")
    model = ElasticNet(1, x.shape[1], Squared(), ratio, (0.1,))
    every = np.ones((1, len(x)), dtype=bool)
    sums = run(model, split(x, y, Squared(), np.array([[len(x)]]), every, site))
    other = linear.ElasticNet(alpha=10.0 / len(x), l1_ratio=ratio, tol=1e-14, max_iter=10**6)
    other.fit(x, y)
    found = sums["at"][0]
    # the library stops at a gap of the objective: of two columns nearly alike it is 1e-6 off
    np.testing.assert_allclose(found[:-1], other.coef_, atol=1e-5)
    slope = (y - x @ found[:-1] - found[-1]) @ x - 10.0 * (1 - ratio) * found[:-1]
    used = found[:-1] != 0
    np.testing.assert_allclose(slope[used], 10.0 * ratio * np.sign(found[:-1][used]), atol=1e-8)
    assert np.abs(slope[~used]).max() <= 10.0 * ratio


def test_a_path_of_folds_is_that_of_models_of_their_own() -> None:
    x, y, _, site, fold = make_rows(2, columns=5)
    seen, rows = see_folds(fold), np.bincount(y)[None] * np.full((5, 1), 0.8)
    path = ElasticNet(5, x.shape[1], LOGISTIC, 0.5, STRENGTHS)
    sums = run(path, split(x, y, LOGISTIC, rows, seen, site))
    assert not sums["moving"][0]
    curves = curves_of(sums)
    assert curves.shape == (5, len(STRENGTHS))
    for place in (0, 8):
        alone = ElasticNet(5, x.shape[1], LOGISTIC, 0.5, (STRENGTHS[place],))
        one = run(alone, split(x, y, LOGISTIC, rows, seen, site))
        np.testing.assert_allclose(curves[:, place], one["held"] / one["held_weight"], atol=2e-4)
    # one place with all rows chooses and finds the same
    strength, point = fit_alone(x, y, fold, LOGISTIC, 0.5)
    assert strength == read_strength(sums)
    whole = ElasticNet(1, x.shape[1], LOGISTIC, 0.5, (strength,))
    every = np.ones((1, len(x)), dtype=bool)
    fit = run(whole, split(x, y, LOGISTIC, np.bincount(y)[None], every, site))
    np.testing.assert_allclose(fit["at"][0], point, atol=1e-8)


def test_more_features_than_rows_and_a_constant_one() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(30, 45))
    x[:, 7] = 0.0
    y = (x[:, 0] + 0.3 * rng.normal(size=30) > 0).astype(np.int64)
    strength, point = fit_alone(x, y, rng.integers(0, 5, size=30), LOGISTIC, 1.0)
    assert strength in STRENGTHS
    assert point[7] == 0.0
    assert 0 < np.count_nonzero(point[:-1]) < 30
    assert np.argmax(np.abs(point[:-1])) == 0


def test_who_lacks_a_class_has_no_model() -> None:
    with pytest.raises(ValueError, match="both classes"):
        fit_alone(np.ones((4, 1)), np.zeros(4), [0, 1, 2, 3], LOGISTIC, 0.5)


def test_sums_that_are_too_large_are_refused_before_they_are_made() -> None:
    with pytest.raises(BadInput, match=r"5 models of 1500 features; choose fewer features"):
        ElasticNet(5, 1500, LOGISTIC, 0.5, STRENGTHS)
