import time

import numpy as np
import pytest
from swarm_of_sites import design_of, pooled, synthetic, train

from swarmhub.data import auc, load_heart, split_holdout
from swarmhub.errors import BadInput
from swarmhub.recipes import KINDS, make_model
from swarmhub.recipes.solver import Loss


def study(tables, kind, seed=0):
    design = design_of(tables)
    model = make_model(kind, design, seed)
    return design, model, [design.matrix(t) for t in tables], [t.label for t in tables]


def test_one_site_alone_is_scikit_learns_logistic_regression():
    linear = pytest.importorskip("sklearn.linear_model")
    rng = np.random.default_rng(0)
    for rows, p in ((200, 8), (40, 300)):
        _, model, x, y = study(synthetic(rng, [rows], p, [0.3]), "logistic")
        found = train(model, x, y, rounds=60)
        oracle = linear.LogisticRegression(
            C=0.1, class_weight="balanced", tol=1e-10, max_iter=10_000
        ).fit(x[0], y[0])
        np.testing.assert_allclose(found["weight"], oracle.coef_[0], atol=2e-4)
        np.testing.assert_allclose(found["bias"], oracle.intercept_, atol=2e-4)


def test_sites_that_differ_end_at_the_pooled_solution():
    linear = pytest.importorskip("sklearn.linear_model")
    tables = synthetic(np.random.default_rng(1), [150, 40, 90], 6, [0.2, 0.9, 0.5])
    _, model, x, y = study(tables, "logistic")
    oracle = linear.LogisticRegression(
        C=0.1, class_weight="balanced", tol=1e-10, max_iter=10_000
    ).fit(np.vstack(x), np.concatenate(y))
    found = train(model, x, y, rounds=100)
    np.testing.assert_allclose(found["weight"], oracle.coef_[0], atol=1e-4)
    np.testing.assert_allclose(found["bias"], oracle.intercept_, atol=1e-4)


def test_the_local_problem_is_solved_alike_in_the_span_of_rows_and_in_full(monkeypatch):
    rng = np.random.default_rng(2)
    loss = Loss(rng.normal(size=(30, 80)), rng.choice([-1.0, 1.0], 30), rng.random(30) + 0.5)
    strength, centre = np.append(np.full(80, 0.2), 0.1), rng.normal(size=81)
    found = loss.proximal(strength, centre)
    gradient = loss.gradient(found) + strength * (found - centre)
    assert np.abs(gradient).max() < 1e-8
    monkeypatch.setattr("swarmhub.recipes.solver.MAX_REDUCED_ROWS", 0)
    np.testing.assert_allclose(loss.proximal(strength, centre), found, atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_four_hospitals_together_are_as_good_as_pooled_and_better_than_alone(kind):
    gaps, gains = [], []
    for seed in range(3):
        halves = [(t, *split_holdout(t.rows, t.label, seed)) for t in load_heart().values()]
        training, held = (
            [t.take(a) for t, a, _ in halves],
            pooled([t.take(b) for t, _, b in halves]),
        )

        def score(tables, seed=seed, held=held):
            design, model, x, y = study(tables, kind, seed)
            return auc(held.label, model.predict(train(model, x, y), design.matrix(held)))

        swarm = score(training)
        gaps.append(abs(swarm - score([pooled(training)])))
        gains.append(swarm - np.mean([score([t]) for t in training]))
    assert max(gaps) < 0.01
    assert np.mean(gains) > 0.02


@pytest.mark.parametrize("kind", KINDS)
def test_a_site_with_one_class_and_sites_of_very_different_size_take_part(kind):
    rng = np.random.default_rng(3)
    tables = synthetic(rng, [300, 7, 60], 12, [0.5, 0.0, 0.3])
    design, model, x, y = study(tables, kind)
    assert y[1].sum() == 0
    found = train(model, x, y)
    everyone = pooled(tables)
    single = train(model, [np.vstack(x)], [np.concatenate(y)])
    a, b = (auc(everyone.label, model.predict(p, design.matrix(everyone))) for p in (found, single))
    assert abs(a - b) < 0.02


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sites", [2, 24])
def test_two_to_twenty_four_sites_come_close_to_pooled(kind, sites):
    rng = np.random.default_rng(sites)
    tables = synthetic(rng, [int(n) for n in rng.integers(8, 60, sites)], 10)
    design, model, x, y = study(tables, kind)
    everyone = design.matrix(pooled(tables))
    swarm = model.predict(train(model, x, y), everyone)
    single = model.predict(train(model, [np.vstack(x)], [np.concatenate(y)]), everyone)
    assert np.corrcoef(swarm, single)[0, 1] > 0.98


@pytest.mark.parametrize("kind", KINDS)
def test_missed_rounds_and_lost_states_cost_little(kind):
    tables = synthetic(np.random.default_rng(5), [80, 60, 70], 10, [0.3, 0.5, 0.7])
    _, model, x, y = study(tables, kind)
    everyone = np.vstack(x)
    calm = model.predict(train(model, x, y, 20), everyone)
    absent = {(4, 1), (5, 1), (9, 0), (14, 2)}
    lost = {(7, 0), (12, 1), (20, 2)}
    rough = model.predict(train(model, x, y, 20, absent, lost), everyone)
    assert np.abs(calm - rough).max() < 0.05
    assert np.corrcoef(calm, rough)[0, 1] > 0.99


@pytest.mark.parametrize("kind", KINDS)
def test_a_robust_merge_holds_against_a_site_that_sends_nonsense(kind):
    tables = synthetic(np.random.default_rng(11), [60] * 6, 8)
    design, model, x, y = study(tables, kind)
    calm = train(model, x[:5], y[:5])

    def median(sent, _rows):
        sent = [*sent[:5], {k: np.full_like(v, 1e6) for k, v in sent[0].items()}]
        return {k: np.median([c[k] for c in sent], axis=0) for k in sent[0]}

    found = train(model, x, y, rounds=30, merge=median)
    held = design.matrix(tables[5])
    a, b = (auc(tables[5].label, model.predict(p, held)) for p in (calm, found))
    assert abs(a - b) < 0.05


def test_a_site_that_lost_its_state_at_the_solution_stays_there():
    tables = synthetic(np.random.default_rng(6), [80, 60], 5, [0.3, 0.7])
    _, model, x, y = study(tables, "logistic")
    merged = train(model, x, y, rounds=100)
    again = train(model, x, y, rounds=101, lost={(101, 0), (101, 1)})
    np.testing.assert_allclose(again["weight"], merged["weight"], atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_twenty_thousand_features_of_fifty_rows_take_little_time_and_find_the_signal(kind):
    rng = np.random.default_rng(7)
    label = rng.integers(0, 2, 250)
    loadings = rng.normal(size=(10, 20_000))
    factors = rng.normal(size=(250, 10))
    factors[:, 0] += 3 * (label - 0.5)
    x = factors @ loadings + 2 * rng.normal(size=(250, 20_000))
    x /= x.std(axis=0)
    model = make_model(kind, _Wide(), 0)
    inputs, labels = [x[:50], x[50:100]], [label[:50], label[50:100]]
    start = time.perf_counter()
    model.fit(model.initial(), inputs[0], labels[0], {})
    assert time.perf_counter() - start < 2
    swarm = auc(label[100:], model.predict(train(model, inputs, labels), x[100:]))
    single = train(model, [x[:100]], [label[:100]])
    assert abs(swarm - auc(label[100:], model.predict(single, x[100:]))) < 0.02
    assert swarm > 0.75


class _Wide:
    names = tuple(f"g{k}" for k in range(20_000))
    class_rows = (50, 50)


def test_the_network_learns_an_interaction_that_a_line_cannot():
    rng = np.random.default_rng(8)
    x = rng.normal(size=(900, 6))
    y = (x[:, 0] * x[:, 1] > 0).astype(int)

    class Six:
        names = tuple("abcdef")
        class_rows = (300, 300)

    found = {}
    for kind in KINDS:
        model = make_model(kind, Six(), 0)
        merged = train(model, [x[:200], x[200:600]], [y[:200], y[200:600]], rounds=30)
        found[kind] = auc(y[600:], model.predict(merged, x[600:]))
    assert found["logistic"] < 0.6
    assert found["mlp"] > 0.85


@pytest.mark.parametrize("kind", KINDS)
def test_training_is_the_same_for_the_same_seed_and_leaves_its_inputs_alone(kind):
    tables = synthetic(np.random.default_rng(9), [30, 40], 4)
    _, model, x, y = study(tables, kind, seed=5)
    first, second = model.initial(), make_model(kind, design_of(tables), 5).initial()
    assert all((first[k] == second[k]).all() for k in first)
    local = model.fit(first, x[0], y[0], {})[1]
    before = {k: v.copy() for k, v in local.items()}
    a, b = (model.fit(first, x[0], y[0], local)[0] for _ in range(2))
    assert all((a[k] == b[k]).all() for k in a)
    assert all((local[k] == before[k]).all() for k in local)
    assert all((first[k] == second[k]).all() for k in first)


def test_an_unknown_recipe_is_answered_with_the_nearest():
    design = design_of(synthetic(np.random.default_rng(10), [30], 3))
    with pytest.raises(BadInput, match="did you mean 'logistic'"):
        make_model("logistics", design, 0)
