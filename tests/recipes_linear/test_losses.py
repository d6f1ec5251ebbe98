"""Softmax and squared losses: derivatives, and the swarm's models against scikit-learn's on all
rows in one place."""

import numpy as np
import pytest
from recipes_linear.cohorts import pool

from swarmhub.recipes.linear.alone import fit_alone
from swarmhub.recipes.linear.losses import LOGISTIC, Softmax, Squared, loss_of
from swarmhub.recipes.linear.offline import Hospital, Rehearsal, rehearse

pytestmark = pytest.mark.unit
SIZES = (140, 60, 25, 8)


def cohorts_of(seed, p, outcome):
    """Hospitals with unequal sizes and means; `outcome` makes y of scores (n, 3)."""
    rng = np.random.default_rng(seed)
    effect = rng.normal(size=(3, p)) / np.sqrt(p)
    found = []
    for n in SIZES:
        x = rng.normal(size=(n, p)) + 0.5 * rng.normal(size=p)
        y = outcome(x @ effect.T + 0.7 * rng.normal(size=(n, 3)))
        found.append(Hospital(x, y, rng.permutation(n) % 5))
    return found


def classes(scores):
    return scores.argmax(axis=1)


def one_class_at_the_smallest(scores):
    return np.full(len(scores), 2) if len(scores) == SIZES[-1] else scores.argmax(axis=1)


def values(scores):
    return scores[:, 0] / 2


@pytest.mark.parametrize("loss", [LOGISTIC, Softmax(3), Squared()])
def test_slopes_and_hessians_are_those_of_finite_differences(loss):
    rng = np.random.default_rng(1)
    y = rng.integers(0, max(2, loss.outputs), 7).astype(float)
    margin = rng.normal(size=(2, loss.outputs, 7))
    way = rng.normal(size=margin.shape)
    step = 1e-6

    def slope(t):
        return loss.slopes(y, margin + t * way)

    along = (loss.each(y, margin + step * way) - loss.each(y, margin - step * way)) / (2 * step)
    np.testing.assert_allclose((slope(0) * way).sum(axis=1), along, atol=1e-8)
    diagonal, product = loss.curvature(y, margin)
    np.testing.assert_allclose(product(way), (slope(step) - slope(-step)) / (2 * step), atol=1e-8)
    unit = np.zeros_like(margin)
    unit[:, 0, :] = 1.0
    np.testing.assert_allclose(product(unit)[:, 0], diagonal[:, 0], atol=1e-12)


@pytest.mark.parametrize("outcome", [classes, one_class_at_the_smallest])
@pytest.mark.parametrize("p", [6, 300])
def test_softmax_in_the_swarm_is_that_of_scikit_learn_on_all_rows(p, outcome):
    linear = pytest.importorskip("sklearn.linear_model")
    hospitals = cohorts_of(3, p, outcome)
    x, y, _ = pool(hospitals)
    found = rehearse(hospitals, Rehearsal(strengths=(0.1,), loss=Softmax(3), rounds=250, still=-1))
    model = linear.LogisticRegression(
        C=0.1, class_weight="balanced", tol=1e-12, max_iter=50_000, solver="newton-cg"
    ).fit(x, y)
    weight, bias = found.parameters["weight"], found.parameters["bias"]
    assert (weight.shape, bias.shape) == ((3, p), (3,))
    np.testing.assert_allclose(weight, model.coef_, atol=1e-6)
    # adding a number to all intercepts changes no probability
    np.testing.assert_allclose(bias - bias.mean(), model.intercept_ - model.intercept_.mean(),
                               atol=1e-6)  # fmt: skip


@pytest.mark.parametrize("p", [6, 300])
def test_ridge_in_the_swarm_is_that_of_scikit_learn_on_all_rows(p):
    linear = pytest.importorskip("sklearn.linear_model")
    hospitals = cohorts_of(4, p, values)
    x, y, _ = pool(hospitals)
    found = rehearse(hospitals, Rehearsal(strengths=(0.1,), loss=Squared(), rounds=250, still=-1))
    model = linear.Ridge(alpha=10.0).fit(x, y)
    np.testing.assert_allclose(found.parameters["weight"], model.coef_, atol=1e-6)
    np.testing.assert_allclose(found.parameters["bias"], [model.intercept_], atol=1e-6)


@pytest.mark.parametrize(("loss", "outcome"), [(Softmax(3), classes), (Squared(), values)])
def test_the_penalty_is_learnt_and_twenty_rounds_are_enough(loss, outcome):
    hospitals = cohorts_of(5, 20, outcome)
    x, y, fold = pool(hospitals)
    found = rehearse(hospitals, Rehearsal(loss=loss, still=5000))
    strength, point = fit_alone(x, y, fold, loss=loss)
    assert 0.09 < found.start.strength / strength < 11  # the curve is flat near its minimum
    assert found.rounds <= 20
    ours = np.concatenate([np.atleast_2d(found.parameters["weight"]),
                           found.parameters["bias"][:, None]], axis=1)  # fmt: skip
    theirs = point.reshape(loss.outputs, -1)
    margins = np.column_stack([x, np.ones(len(x))])
    gap = [loss.each(y.astype(float), (margins @ w.T).T[None]).mean() for w in (ours, theirs)]
    assert abs(gap[0] - gap[1]) < 2e-3


def test_outcomes_have_losses_and_a_time_to_an_event_has_none():
    assert loss_of("binary") is LOGISTIC
    assert loss_of("classes", 4).outputs == 4
    assert not loss_of("continuous").has_classes
    with pytest.raises(ValueError, match="time_to_event"):
        loss_of("time_to_event")
