"""The geometric median, by the smoothed Weiszfeld iteration (RFA: Pillutla, Kakade, Harchaoui,
"Robust Aggregation for Federated Learning", IEEE TSP 2022).

All float tensors of contribution i form one vector x_i with weight w_i. The median v minimises sum
of w_i |v - x_i|; fewer than half of the weight can move it only so far. Each step is

    b_i = w_i / max(|v - x_i|, SMOOTHING),    v = sum of b_i x_i / sum of b_i

so the result is a weighted mean, and all that must be found are its N weights. They are found by
passes over all chunks: a pass computes v again from the weights, block by block, and adds up the
squared distances (`distances`).

(The distances could all be had in one pass, from the pairwise ones. But then an attacker's
contribution at 1e20 would drown the distances between honest ones in rounding.)

The first v is the coordinate median. From the mean, a contribution at distance 1e20 would take some
40 steps to shake off; from the coordinate median it never enters.
"""

from __future__ import annotations

import numpy as np

from swarmhub.merge.distances import distances_to
from swarmhub.merge.inputs import Inputs
from swarmhub.merge.rules import Combine, by_weights, coordinate_median
from swarmhub.params import Layout

# Leaves the result within 1 % of the honest spread from the limit, also with two wild contributions
# of five (the paper stops after 3). Each iteration costs one pass over all contributions.
ITERATIONS = 8
# Distance below which two models count as one (the paper's value): far below what a training step
# moves, far above float64's rounding of a distance, so no contribution gets an endless weight.
SMOOTHING = 1e-6


def geometric_weights(layout: Layout, inputs: Inputs) -> list[float]:
    """Return the N weights with which the mean is the geometric median. Raises as `Inputs.read`
    does."""
    combine: Combine = coordinate_median
    weights: list[float] = []
    for _ in range(ITERATIONS):
        with np.errstate(all="ignore"):  # a distance that overflows is infinite: far enough
            distances = distances_to(layout, inputs, combine)
        weights = [
            weight / max(distance, SMOOTHING)  # infinitely far (overflow): no weight
            for weight, distance in zip(inputs.weights, distances, strict=True)
        ]
        combine = by_weights(weights)
    return weights
