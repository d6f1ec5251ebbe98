"""The best split of a node out of its histograms.

With G and H the sums of gradients and curvatures of a node, and L and R its sides, a split gains

    G_L^2 / (H_L + PENALTY) + G_R^2 / (H_R + PENALTY) - G^2 / (H + PENALTY)

and a leaf has the value -G / (H + PENALTY): Chen and Guestrin, XGBoost (KDD 2016), equations 5 and
7, with gamma = 0. PENALTY is `reg_lambda`, LEAST_CURVATURE `min_child_weight` there, both at their
defaults. Of equal gains the first feature and cut counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from swarmhub.recipes.trees.cells import Array, Whole

PENALTY = 1.0
LEAST_CURVATURE = 1.0  # of each side of a split
LEAST_GAIN = 1e-6  # less is rounding, as in XGBoost


@dataclass(frozen=True, eq=False)
class Splits:
    """Splits of nodes, (...): feature and cut, rows of the node, and the values of both sides,
    (..., 2). A node that is not split has cut B - 1, so that all its rows are on the left side."""

    feature: Whole
    cut: Whole
    is_split: npt.NDArray[np.bool_]
    has_rows: npt.NDArray[np.bool_]
    values: Array


def find_splits(gradient: Array, curvature: Array, rows: Array, least: int) -> Splits:
    """Return the best splits of nodes out of their sums by feature and bin, (..., p, B) each. Each
    side of a split has `least` rows or more."""
    lead, (features, bins) = gradient.shape[:-2], gradient.shape[-2:]
    left = [np.cumsum(v, axis=-1) for v in (gradient, curvature, rows)]
    whole = [v[..., :1, -1:] for v in left]  # of any feature: all have the same rows
    g, h, n = (v[..., :-1] for v in left)
    right_g, right_h, right_n = (w - v for w, v in zip(whole, (g, h, n), strict=True))
    is_open = (np.minimum(n, right_n) >= max(least, 1)) & (
        np.minimum(h, right_h) >= LEAST_CURVATURE
    )
    gain = g * g / (h + PENALTY) + right_g * right_g / (right_h + PENALTY)
    gain -= whole[0] * whole[0] / (whole[1] + PENALTY)
    flat = np.where(is_open, gain, -np.inf).reshape(*lead, features * (bins - 1))
    best = flat.argmax(axis=-1)
    is_split = np.take_along_axis(flat, best[..., None], axis=-1)[..., 0] > LEAST_GAIN

    def at(values: Array, otherwise: Array) -> Array:
        chosen = np.take_along_axis(values.reshape(flat.shape), best[..., None], axis=-1)[..., 0]
        return np.where(is_split, chosen, otherwise)

    total_g, total_h, total_n = (w[..., 0, 0] for w in whole)
    zero = np.zeros(lead)
    values = np.stack(
        [
            -at(g, total_g) / (at(h, total_h) + PENALTY),
            -at(right_g, zero) / (at(right_h, zero) + PENALTY),
        ],
        axis=-1,
    )
    return Splits(
        np.where(is_split, best // (bins - 1), 0), np.where(is_split, best % (bins - 1), bins - 1),
        is_split, total_n > 0, values,
    )  # fmt: skip
