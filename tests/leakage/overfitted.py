"""Models that have learnt their rows by heart, and models that never saw them."""

import numpy as np

from swarmhub.recipes.linear.alone import fit_at
from swarmhub.recipes.linear.axes import Axes
from swarmhub.recipes.linear.losses import LOGISTIC

FEATURES, ROWS = 1000, 80


def rows(seed, n=ROWS, p=FEATURES, signal=0.2):
    """Rows x (n, p) with labels y (n,), which ten of the features tell a little."""
    chance = np.random.default_rng(seed)
    x = chance.standard_normal((n, p))
    y = (signal * x[:, :10].sum(axis=1) + chance.standard_normal(n) > 0).astype(np.int64)
    return x, y


def fit_linear(x, y, strength=1e3):
    """A logistic regression with hardly a penalty: (w, b)."""
    point = fit_at(Axes.of(x), y, strength)
    return point[:-1], point[-1]


def losses(model, x, y):
    """The log loss of each row."""
    weight, bias = model
    return LOGISTIC.each(y.astype(np.float64), (x @ weight + bias)[None, None])[0]
