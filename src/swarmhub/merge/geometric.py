"""The geometric median, by the smoothed Weiszfeld iteration (RFA: Pillutla, Kakade, Harchaoui,
"Robust Aggregation for Federated Learning", IEEE TSP 2022).

All float tensors of contribution i form one vector x_i with weight w_i. The median v minimises sum
of w_i |v - x_i|; fewer than half of the weight can move it only so far. Each step is

    b_i = w_i / max(|v - x_i|, SMOOTHING),    v = sum of b_i x_i / sum of b_i

so the result is a weighted mean, and all that must be found are its N weights. They are found by
passes over all chunks: a pass computes v again from the weights, block by block, and adds up the
squared distances. The model is never held in memory, only one total a chunk and contribution.

(The distances could all be had in one pass, from the pairwise ones. But then an attacker's
contribution at 1e20 would drown the distances between honest ones in rounding.)

The first v is the coordinate median. From the mean, a contribution at distance 1e20 would take some
40 steps to shake off; from the coordinate median it never enters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from swarmhub.merge.arithmetic import fold
from swarmhub.merge.blocks import BLOCK, Scratch, blocks
from swarmhub.merge.pieces import WeightedSource, pieces, read
from swarmhub.merge.rules import Combine, by_weights, coordinate_median
from swarmhub.params import Layout

# Leaves the result within 1 % of the honest spread from the limit, also with two wild contributions
# of five (the paper stops after 3). Each iteration costs one pass over all contributions.
ITERATIONS = 8
# Distance below which two models count as one (the paper's value): far below what a training step
# moves, far above float64's rounding of a distance, so no contribution gets an endless weight.
SMOOTHING = 1e-6


def geometric_weights(layout: Layout, ordered: Sequence[WeightedSource]) -> list[float]:
    """Return the N weights with which the mean is the geometric median. Raises as `read` does."""
    combine: Combine = coordinate_median
    weights: list[float] = []
    for _ in range(ITERATIONS):
        with np.errstate(all="ignore"):  # a distance that overflows is infinite: far enough
            distances = _distances(layout, ordered, combine)
        weights = [
            c.weight / max(distance, SMOOTHING)  # infinitely far (overflow): no weight
            for c, distance in zip(ordered, distances, strict=True)
        ]
        combine = by_weights(weights)
    return weights


def _distances(layout: Layout, ordered: Sequence[WeightedSource], combine: Combine) -> list[float]:
    """Return the Euclidean distance of each contribution to the point of `combine`, (N,)."""
    scratch = Scratch(len(ordered))
    centre = np.empty(BLOCK)
    totals: list[list[float]] = [[] for _ in ordered]  # squares, one total a chunk
    for piece in pieces(layout):
        raws = [read(c.member, c.source, piece) for c in ordered]
        squares: list[list[float]] = [[] for _ in ordered]  # one a block
        for block in blocks(piece):
            if not block.is_float:
                continue
            stored = [block.of(raw) for raw in raws]
            point = centre[: stored[0].size]
            np.copyto(point, combine(scratch.widened(stored, block.dtype)))
            for row, into in zip(scratch.widened(stored, block.dtype), squares, strict=True):
                np.subtract(row, point, out=row)
                np.multiply(row, row, out=row)
                into.append(fold(row))
        for into, found in zip(totals, squares, strict=True):
            into.append(fold(np.array(found, np.float64)))
    return [math.sqrt(fold(np.array(found, np.float64))) for found in totals]
