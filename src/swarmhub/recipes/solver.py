"""The local problem of every recipe here: a class-weighted logistic loss with a quadratic pull.

    minimise over v (p + 1,):   g(v) + 1/2 sum_k strength_k (v_k - centre_k)^2

It is strictly convex because every strength is positive, also if a site has a single class or fewer
rows than features. Newton's method finds the minimum to about nine digits; each step is solved by
conjugate gradients, so no p x p matrix is ever made. If rows are fewer than features, v - centre
can only lie in the span of the rows (the gradient of g does), so the search is done in that span:
20,000 features x 50 rows becomes 50 x 50.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

MAX_REDUCED_ROWS = 1500  # above, an eigendecomposition of rows x rows costs more than it saves
NEWTON_STEPS = 50
TOLERANCE = 1e-9  # of the gradient's norm, relative to its norm at the start


def sigmoid(margin: Array) -> Array:
    """Return 1 / (1 + exp(-margin)) without overflow."""
    result: Array = 0.5 * (1.0 + np.tanh(0.5 * margin))
    return result


@dataclass(frozen=True)
class Loss:
    """The loss g(w, b) = 1/n sum_j weights_j log(1 + exp(-signs_j (w.x_j + b)))."""

    x: Array  # (n, p)
    signs: Array  # (n,) of -1, +1
    weights: Array  # (n,)

    def gradient(self, wb: Array) -> Array:
        """Return the gradient: (p + 1,) -> (p + 1,)."""
        slope = self.slope(self.x @ wb[:-1] + wb[-1])
        return np.append(slope @ self.x, slope.sum())

    def slope(self, margin: Array) -> Array:
        """Return the derivative by each row's margin; (n,) -> (n,)."""
        return -self.weights * self.signs * sigmoid(-self.signs * margin) / len(margin)

    def _value(self, margin: Array) -> float:
        return float(self.weights @ np.logaddexp(0.0, -self.signs * margin)) / len(margin)

    def proximal(self, strength: Array, centre: Array) -> Array:
        """Return argmin of g(v) + 1/2 sum_k strength_k (v_k - centre_k)^2; (p + 1,), (p + 1,) -> (p
        + 1,).

        All strengths but the last (the bias's) are equal.
        """
        n, p = self.x.shape
        offset = self.x @ centre[:-1] + centre[-1]  # (n,)
        if n < p and n <= MAX_REDUCED_ROWS:
            # x = U S V': v - centre = V t, and the margins change by (U S) t
            values, vectors = np.linalg.eigh(self.x @ self.x.T)
            kept = values > values[-1] * 1e-12
            scale = np.sqrt(values[kept])
            rows = vectors[:, kept] * scale  # (n, r)
            t = self._newton(rows, offset, np.append(strength[: len(scale)], strength[-1]))
            step = (vectors[:, kept] @ (t[:-1] / scale)) @ self.x  # (p,)
            step = np.append(step, t[-1])
        else:
            step = self._newton(self.x, offset, strength)
        found: Array = centre + step
        return found

    def _newton(self, rows: Array, offset: Array, strength: Array) -> Array:
        """Return argmin over t (r + 1,) of g at margins offset + rows t + t_last, + 1/2
        strength.t^2."""
        n = len(offset)
        a = np.concatenate([rows, np.ones((n, 1))], axis=1)  # (n, r + 1)
        t = np.zeros(a.shape[1])
        margin = offset
        value = self._value(margin)
        first = 0.0
        for _ in range(NEWTON_STEPS):
            gradient = self.slope(margin) @ a + strength * t
            size = float(np.linalg.norm(gradient))
            first = first or size
            if size <= TOLERANCE * first or size <= 1e-14:
                break
            p = sigmoid(margin)
            curvature = self.weights * p * (1.0 - p) / n  # (n,)
            step = _conjugate_gradients(a, curvature, strength, -gradient)
            along = a @ step
            downhill = float(gradient @ step)
            length = 1.0
            while length > 1e-6:
                trial = t + length * step
                found = self._value(margin + length * along)
                found += 0.5 * float(strength @ trial**2)
                if found <= value + 1e-4 * length * downhill + 1e-15 * abs(value):
                    break
                length *= 0.5
            else:
                break  # no descent left within rounding
            t, margin, value = trial, margin + length * along, found
        return t


def _conjugate_gradients(a: Array, curvature: Array, strength: Array, right: Array) -> Array:
    """Solve (a' diag(curvature) a + diag(strength)) v = right by Jacobi-preconditioned CG."""
    inverse = 1.0 / (curvature @ (a * a) + strength)
    v = np.zeros_like(right)
    residual = right.copy()
    scaled = inverse * residual
    direction = scaled.copy()
    energy = float(residual @ scaled)
    stop = 1e-14 * energy  # of the squared norm: seven digits
    for _ in range(2 * len(right) + 20):
        if energy <= stop:
            break
        image = (curvature * (a @ direction)) @ a + strength * direction
        length = energy / float(direction @ image)
        v += length * direction
        residual -= length * image
        scaled = inverse * residual
        energy, before = float(residual @ scaled), energy
        direction = scaled + (energy / before) * direction
    return v
