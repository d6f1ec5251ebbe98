"""Nearest-neighbour mixing before the trimmed mean (Allouah, Farhadkhani, Guerraoui, Gupta, Pinot
and Stephan, "Fixing by Mixing: A Recipe for Optimal Byzantine ML under Heterogeneity", AISTATS
2023).

With k = floor(N trim / 1000), each vector x_i is replaced by the mean of itself and its N - k - 1
nearest, by squared distance over all float tensors; of equally near ones those with smaller member
ids come first. Then each number loses its k smallest and k largest values, and the rest is
averaged. Hospitals that differ honestly come nearer to each other before anything is dropped, and a
lie that hides among the values of single numbers has to lie near as a whole vector.

Weights do not count: a member near many others would bring a claimed weight into all their means.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from swarmhub.merge.arithmetic import Float64s, tree_sum
from swarmhub.merge.distances import squared_distances
from swarmhub.merge.inputs import Inputs
from swarmhub.merge.rules import Combine, trimmed_mean
from swarmhub.params import Layout


def mixed_trimmed_mean_of(layout: Layout, inputs: Inputs, drop: int) -> Combine:
    """Return the combination of N rows that drops `drop` values at each end. Raises as
    `Inputs.read` does."""
    with np.errstate(all="ignore"):  # squares may become subnormal or zero
        squares = squared_distances(layout, inputs)
    keep = len(squares) - drop
    near = tuple(find_nearest(i, row, keep) for i, row in enumerate(squares))
    return functools.partial(mixed_trimmed_mean, near, drop)


def find_nearest(i: int, squares: Sequence[float], keep: int) -> tuple[int, ...]:
    """Return the places of the `keep` nearest to place i, itself included, ascending; (N,) squared
    distances to it."""
    line = sorted(range(len(squares)), key=lambda j: (j != i, squares[j], j))
    return tuple(sorted(line[:keep]))


def mixed_trimmed_mean(
    near: Sequence[Sequence[int]], drop: int, rows: Sequence[Float64s]
) -> Float64s:
    """Return the trimmed mean of the means of each row's nearest.  # (N, P) -> (P,)"""
    means: dict[Sequence[int], Float64s] = {}
    for places in near:
        if places not in means:
            mean = tree_sum([rows[j].copy() for j in places])
            means[places] = np.divide(mean, float(len(places)), out=mean)
    return trimmed_mean(drop, [means[places].copy() for places in near])
