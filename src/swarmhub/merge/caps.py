"""A cap on one member's part in the total weight, in whole numbers.

With the cap c (permille) and the weights w_i, the capped weights are min(w_i, L), with the level L
at which L = c / 1000 of their total: water-filling. If the k largest are capped and the others add
up to R, then L = c R / (1000 - c k); k is the smallest number for which no other exceeds L. All
weights are multiplied by 1000 - c k, so they are whole and their parts exact, then divided by their
greatest common divisor: a sum of few digits is exact in float64.

If N c <= 1000 there is no such level (or only the equal one): all weights are 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

NO_CAP = 1000  # permille


def cap_weights(weights: Sequence[int], permille: int) -> list[int]:
    """Return weights (N,) of which none exceeds the cap's part of the total; those given if none
    does. Equal weights if N members cannot be so."""
    total = sum(weights)
    if all(w * NO_CAP <= permille * total for w in weights):
        return list(weights)
    if len(weights) * permille <= NO_CAP:
        return [1] * len(weights)
    falling, rest, k = sorted(weights, reverse=True), total, 0
    while falling[k] * (NO_CAP - permille * k) > permille * rest:
        rest -= falling[k]
        k += 1
    scale, level = NO_CAP - permille * k, permille * rest
    capped = [min(w * scale, level) for w in weights]
    common = math.gcd(*capped)
    return [w // common for w in capped]
