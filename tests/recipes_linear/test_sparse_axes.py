"""Local problems over sparse rows are those over the same rows densely."""

import numpy as np
import pytest
import scipy.sparse as sp

from swarmhub.data.matrix import MAX_DENSE, SparseRows, standardise
from swarmhub.recipes.linear import Axes, Models, Plan, Stack, axes, newton, stack
from swarmhub.recipes.linear.axes import SparseAxes
from swarmhub.recipes.linear.folds import held_out
from swarmhub.recipes.linear.losses import LOGISTIC, Loss, Softmax, Squared
from swarmhub.recipes.linear.training import Training, predict

TYPES = 4


def make_rows(seed, n, p, share=0.1):
    """Sparse features with genes of each of `TYPES` types, and the types, (n,)."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, TYPES, n)
    chance = share * np.where(rng.integers(0, TYPES, p) == y[:, None], 2.5, 0.7)
    x = sp.csr_matrix(np.where(rng.random((n, p)) < chance, rng.gamma(2.0, size=(n, p)), 0.0))
    mean = np.asarray(x.mean(axis=0)).ravel()
    sd = np.sqrt(np.asarray(x.multiply(x).mean(axis=0)).ravel() - mean**2)
    everything, none = np.arange(p), np.zeros(0, dtype=np.int64)
    raw, fix, scale, shift = standardise(x, everything, mean, sd, 10.0)
    made = SparseRows(raw, fix, everything, everything, scale, shift, none, np.zeros((n, 0)))
    return made, y


LOSSES: dict[str, Loss] = {"two": LOGISTIC, "types": Softmax(TYPES), "numbers": Squared()}


def make_stacks(kind, n=600, p=40):
    """The same stack of two models over sparse and over dense rows."""
    rows, y = make_rows(0, n, p)
    y = y > 1 if kind == "two" else y
    loss = LOSSES[kind]
    counts = np.bincount(y) if loss.has_classes else (n,)
    models = Models.of([0.01, 1.0], counts, loss)
    sparse, dense = (Axes.of(x) for x in (rows, rows.dense()))
    assert isinstance(sparse, SparseAxes)
    assert isinstance(dense, Axes)
    sparse = SparseAxes(sparse.x, sparse.free, sparse.basis, sparse.curvature, axes.TOLERANCE)
    return [Stack.of(models, a, y) for a in (sparse, dense)]


@pytest.mark.parametrize("side", [axes.MAX_SIDE, 0], ids=["with a basis", "without"])
@pytest.mark.parametrize("kind", LOSSES)
def test_a_proximal_step_is_that_of_dense_rows(kind, side, monkeypatch):
    monkeypatch.setattr(axes, "MAX_SIDE", side)
    sparse, dense = make_stacks(kind)
    centre = np.random.default_rng(1).normal(size=dense.shape) / np.sqrt(dense.shape[1])
    np.testing.assert_allclose(sparse.losses(centre), dense.losses(centre), rtol=1e-12)
    np.testing.assert_allclose(sparse.gradient(centre), dense.gradient(centre), atol=1e-12)
    found = [s.proximal(np.array([0.3, 0.02]), centre) for s in (sparse, dense)]
    np.testing.assert_allclose(found[0], found[1], atol=1e-8)


def test_models_are_solved_alike_in_parts_and_together(monkeypatch):
    sparse, dense = make_stacks("types")
    together = sparse.optimum()
    chances = [Softmax(TYPES).predict(dense.margins(s.optimum())) for s in (sparse, dense)]
    np.testing.assert_allclose(
        chances[0], chances[1], atol=1e-7
    )  # intercepts may all move by one number
    for module in (newton, stack):
        monkeypatch.setattr(module, "BLOCK", 1)
    assert len(sparse.parts()) == 2
    np.testing.assert_allclose(sparse.optimum(), together, atol=1e-8)


def test_held_out_losses_are_the_same_in_parts(monkeypatch):
    rows, y = make_rows(3, 300, 10)
    plan = Plan(tuple(np.bincount(y)), loss=Softmax(TYPES))
    made = plan.stack(Axes.of(rows.dense()), y, np.arange(300) % 5)
    points = np.random.default_rng(2).normal(size=made.shape)
    together = held_out(made, points)
    monkeypatch.setattr(stack, "BLOCK", 1)
    np.testing.assert_allclose(held_out(made, points), together, rtol=1e-13)


def test_an_intercept_of_a_hospitals_own_is_that_of_dense_rows():
    rows, y = make_rows(4, 400, 12)
    models = Models.of([0.1], np.bincount(y), Softmax(TYPES), own=True)
    weight = np.random.default_rng(3).normal(size=(TYPES, 12))
    found = [Stack.of(models, Axes.of(x), y).intercepts_of(weight) for x in (rows, rows.dense())]
    np.testing.assert_allclose(found[0], found[1], atol=1e-8)


def test_rounds_of_training_come_to_the_model_of_dense_rows():
    parts = [make_rows(seed, 500, 30) for seed in (5, 6)]
    counts = tuple(sum(np.bincount(y) for _, y in parts))
    training = Training.cold(30, counts, 0.1, Softmax(TYPES))
    made = []
    for is_sparse in (True, False):
        stacks = [training.stack(x if is_sparse else x.dense(), y) for x, y in parts]
        merged, states = training.initial(), [{}, {}]
        for _ in range(8):
            both = [training.fit(merged, s, state) for s, state in zip(stacks, states, strict=True)]
            states = [state for _, state in both]
            merged = {k: (both[0][0][k] + both[1][0][k]) / 2 for k in merged}
            merged |= {k: both[0][0][k] for k in ("turn", "moving")}
        made.append(merged)
    np.testing.assert_allclose(made[0]["weight"], made[1]["weight"], atol=1e-5)
    scores = [predict(Softmax(TYPES), m["weight"], m["bias"], parts[0][0]) for m in made]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-5)


def test_the_bound_of_dense_rows_is_that_of_their_axes():
    assert MAX_DENSE == axes.MAX_CELLS
