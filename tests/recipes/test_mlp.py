"""The network over sites: near the pooled one, whatever the sites are."""

import numpy as np
import pytest
from swarm_of_sites import synthetic, train

from swarmhub.data import auc
from swarmhub.recipes.mlp import Mlp
from swarmhub.recipes.objective import Objective
from swarmhub.recipes.solver import Loss


def network(inputs, labels, seed=0, strength=0.1):
    y = np.concatenate(labels)
    rows = (int((y == 0).sum()), int((y == 1).sum()))
    p = inputs[0].shape[1]
    return Mlp(p, Objective.of(p, rows, strength), seed)


def pooled(inputs, labels):
    return [np.vstack(inputs)], [np.concatenate(labels)]


def test_the_local_problem_is_solved_alike_in_the_span_and_in_full(monkeypatch):
    rng = np.random.default_rng(2)
    loss = Loss(rng.normal(size=(30, 80)), rng.choice([-1.0, 1.0], 30), rng.random(30) + 0.5)
    strength, centre = np.append(np.full(80, 0.2), 0.1), rng.normal(size=81)
    found = loss.proximal(strength, centre)
    gradient = loss.gradient(found) + strength * (found - centre)
    assert np.abs(gradient).max() < 1e-8
    monkeypatch.setattr("swarmhub.recipes.solver.MAX_REDUCED_ROWS", 0)
    np.testing.assert_allclose(loss.proximal(strength, centre), found, atol=1e-7)


def test_a_site_with_one_class_and_sites_of_unlike_size_take_part():
    x, y = synthetic(np.random.default_rng(3), [300, 7, 60], 12, [0.5, 0.0, 0.3])
    assert y[1].sum() == 0
    model = network(x, y)
    (every,), (label,) = pooled(x, y)
    found = [train(model, *parts) for parts in ((x, y), pooled(x, y))]
    a, b = (auc(label, model.predict(p, every)) for p in found)
    assert abs(a - b) < 0.02


@pytest.mark.parametrize("sites", [2, 24])
def test_two_to_twenty_four_sites_come_close_to_pooled(sites):
    rng = np.random.default_rng(sites)
    x, y = synthetic(rng, [int(n) for n in rng.integers(8, 60, sites)], 10)
    model, (every,) = network(x, y), pooled(x, y)[0]
    swarm = model.predict(train(model, x, y), every)
    single = model.predict(train(model, *pooled(x, y)), every)
    assert np.corrcoef(swarm, single)[0, 1] > 0.98


def test_missed_rounds_and_lost_states_cost_little():
    x, y = synthetic(np.random.default_rng(5), [80, 60, 70], 10, [0.3, 0.5, 0.7])
    model, every = network(x, y), np.vstack(x)
    calm = model.predict(train(model, x, y, 20), every)
    absent = {(4, 1), (5, 1), (9, 0), (14, 2)}
    lost = {(7, 0), (12, 1), (20, 2)}
    rough = model.predict(train(model, x, y, 20, absent, lost), every)
    assert np.abs(calm - rough).max() < 0.1
    assert np.corrcoef(calm, rough)[0, 1] > 0.99


def test_a_robust_merge_holds_against_a_site_that_sends_nonsense():
    x, y = synthetic(np.random.default_rng(11), [60] * 6, 8)
    model = network(x, y)
    calm = train(model, x[:5], y[:5])

    def median(sent, _rows):
        sent = [*sent[:5], {k: np.full_like(v, 1e6) for k, v in sent[0].items()}]
        return {k: np.median([c[k] for c in sent], axis=0) for k in sent[0]}

    found = train(model, x, y, rounds=30, merge=median)
    a, b = (auc(y[5], model.predict(p, x[5])) for p in (calm, found))
    assert abs(a - b) < 0.1


def test_the_network_learns_an_interaction():
    rng = np.random.default_rng(8)
    x = rng.normal(size=(900, 6))
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    inputs, labels = [x[:200], x[200:600]], [y[:200], y[200:600]]
    model = network(inputs, labels)
    merged = train(model, inputs, labels, rounds=30)
    assert auc(y[600:], model.predict(merged, x[600:])) > 0.85


def test_training_follows_from_the_seed_and_leaves_its_inputs_alone():
    x, y = synthetic(np.random.default_rng(9), [30, 40], 4)
    model = network(x, y, 5)
    first, second = model.initial(), network(x, y, 5).initial()
    assert all((first[k] == second[k]).all() for k in first)
    local = model.fit(first, x[0], y[0], {})[1]
    before = {k: v.copy() for k, v in local.items()}
    a, b = (model.fit(first, x[0], y[0], local)[0] for _ in range(2))
    assert all((a[k] == b[k]).all() for k in a)
    assert all((local[k] == before[k]).all() for k in local)
    assert all((first[k] == second[k]).all() for k in first)
