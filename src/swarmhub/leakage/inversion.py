"""Inversion of a linear model's update: what a reader of one contribution learns of its inputs.

A round of `linear.consensus` sends w = argmin f(v) + rho/2 |v - (z - u)|^2 with u and rho, and z is
known to all: at the minimum grad f(w) = rho (z - u - w), so that the gradient is read, not guessed.
Without the penalty it is, for each output,

    G = sum of r_i x_i,   g = sum of r_i        r_i the weighted slope of row i's loss

G / g is one row exactly if one row stands behind the update (Phong et al., IEEE TIFS 2018), and an
average of the rows weighted by r_i otherwise. At the zero model the slopes of a class are equal:
-G is then the difference of the classes' sums of inputs, or the covariance with a measured outcome.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

LEAST = 1e-9  # of the largest slope of an input: a smaller g is rounding


def recover_gradient(base: Array, sent: Array, multiplier: Array, strength: Array) -> Array:
    """Return the gradient of the hospital's objective at what it sent, (d,): base z, sent w,
    multiplier u, and the coupling of each parameter, all (d,)."""
    found: Array = strength * (base - multiplier - sent)
    return found


def invert(gradient: Array) -> Array | None:
    """Return the reconstructed input of each output, (e, p); gradients (e, p + 1), the intercept's
    last. None if an intercept has none."""
    of_inputs, of_intercept = gradient[:, :-1], gradient[:, -1:]
    if (np.abs(of_intercept) <= LEAST * np.abs(of_inputs).max(initial=0.0)).any():
        return None
    found: Array = of_inputs / of_intercept
    return found


def contrast(x: Array, y: npt.ArrayLike, outputs: int, has_classes: bool) -> Array:
    """Return what the update is about, (e, p): the mean of inputs x (n, p) of each output's class
    (1, if there is one output) less that of the other rows; the covariance with a measured
    outcome."""
    outcome = np.asarray(y, dtype=np.float64)
    if not has_classes:
        found: Array = (outcome @ x / len(x))[None]
        return found
    words = [1] if outputs == 1 else range(outputs)
    both = [(outcome == c) for c in words]
    parted = [m for m in both if m.any() and not m.all()]
    return np.array([x[m].mean(axis=0) - x[~m].mean(axis=0) for m in parted]).reshape(
        -1, x.shape[1]
    )
