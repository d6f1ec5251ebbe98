"""The clipped mean: a weighted mean of deltas, of which none is longer than the round's median.

All float tensors of contribution i form one vector x_i with weight w_i; b is the model from which
the round started. With the norms n_i = |x_i - b| and their lower median m,

    v = b + sum of w_i min(1, m / n_i) (x_i - b) / sum of w_i

The median of a round's norms as the bound is that of Geyer, Klein and Nabi ("Differentially
Private Federated Learning: A Client Level Perspective", 2017); clipping around an agreed point
against lies is that of Karimireddy, He and Jaggi ("Learning from History for Byzantine Robust
Optimization", ICML 2021). No contribution moves the model by more than its weight's part of m. m is
the norm at place floor((N - 1) / 2) in ascending order: it lies between the honest ones, or is one,
if fewer than half of the members lie. Of two it is the smaller one, and either can make it 0.

The norms take a pass over all chunks. A second one adds up.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from swarmhub.merge.arithmetic import Float64s, tree_sum
from swarmhub.merge.distances import distances_to
from swarmhub.merge.inputs import Inputs
from swarmhub.merge.rules import Combine
from swarmhub.params import Layout


def clipped_mean_of(layout: Layout, inputs: Inputs) -> Combine:
    """Return the combination of N rows and the base's row. Raises as `Inputs.read` does."""
    with np.errstate(all="ignore"):  # squares may become subnormal or zero
        norms = distances_to(layout, inputs, None)
    longest = sorted(norms)[(len(norms) - 1) // 2]
    factors = [
        float(weight) * (longest / norm if norm > longest else 1.0)
        for weight, norm in zip(inputs.weights, norms, strict=True)
    ]
    return functools.partial(add_deltas, factors, float(sum(inputs.weights)))


def add_deltas(factors: Sequence[float], total: float, rows: Sequence[Float64s]) -> Float64s:
    """Return base + tree_sum(factor_i (x_i - base)) / total, with the base as the last row.

    # (N,), (), (N + 1, P) -> (P,)
    """
    base = rows[-1]
    for factor, row in zip(factors, rows[:-1], strict=True):
        np.subtract(row, base, out=row)
        np.multiply(row, factor, out=row)
    moved = tree_sum(rows[:-1])
    np.divide(moved, total, out=moved)
    return np.add(base, moved, out=moved)
