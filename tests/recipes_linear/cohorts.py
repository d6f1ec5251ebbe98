"""Made-up hospitals, the pooled oracle of scikit-learn, and a swarm of K models in a loop."""

from __future__ import annotations

import numpy as np
import pytest

from swarmhub.recipes.linear import Axes, Models, Stack
from swarmhub.recipes.linear.consensus import Settled, advance
from swarmhub.recipes.linear.coupling import start_of
from swarmhub.recipes.linear.offline import Hospital, add, class_rows
from swarmhub.recipes.linear.sums import from_sums, to_sums


def make_hospitals(seed, sizes, p, rates=None, signal=1.5, inverted=()):
    """Hospitals that differ in size, means and share of label 1; patients have one row each."""
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=p) * signal / np.sqrt(p)
    found = []
    for k, n in enumerate(sizes):
        y = (rng.random(n) < (0.5 if rates is None else rates[k])).astype(np.int64)
        x = rng.normal(size=(n, p)) + 0.5 * rng.normal(size=p) + 2 * np.outer(y - 0.5, direction)
        y = 1 - y if k in inverted else y
        found.append(Hospital(x, y, rng.permutation(n) % 5))
    return found


def pool(hospitals):
    """All rows in one place: x (n, p), y (n,), fold (n,)."""
    return [np.concatenate([getattr(h, name) for h in hospitals]) for name in ("x", "y", "fold")]


def oracle(x, y, strength, weights="balanced"):
    """Scikit-learn's solution, (p + 1,)."""
    linear = pytest.importorskip("sklearn.linear_model")
    model = linear.LogisticRegression(
        C=strength, class_weight=weights, tol=1e-12, max_iter=50_000, solver="newton-cg"
    ).fit(x, y)
    return np.append(model.coef_[0], model.intercept_)


def stacks_of(hospitals, strengths):
    """Each hospital's stack of one model per C, over all of its rows."""
    models = Models.of(strengths, class_rows(hospitals))
    return [Stack.of(models, Axes.of(h.x), h.y) for h in hospitals]


def never(turn, hospital):
    return False


def run(stacks, rounds, absent=never, lost=never, mixing=True):
    """The settled result and the states after these rounds."""
    settled = Settled.start(np.zeros(stacks[0].shape), start_of(stacks[0].models.penalty))
    states = [{} for _ in stacks]
    for turn in range(1, rounds + 1):
        sent = []
        for i, stack in enumerate(stacks):
            if absent(turn, i):
                continue
            state = {} if lost(turn, i) else states[i]
            made, states[i] = advance(stack, settled, state, mixing=mixing)
            sent.append(to_sums(made, stack.rows))
        settled = from_sums(add(sent))
    return settled, states
