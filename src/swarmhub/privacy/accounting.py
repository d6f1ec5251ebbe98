"""The accountant: how private so many noisy sums are together.

A sum of whole numbers that one patient changes by at most C in the L2 norm, with Gaussian noise of
standard deviation sigma x C, is a Gaussian mechanism; several of them are one with

    mu = sqrt(T_1 / sigma_1^2 + T_2 / sigma_2^2 + ...)

(Dong, Roth, Su, "Gaussian differential privacy", JRSS B 2022), since no step takes a sample of the
patients. And that one is (epsilon, delta)-private exactly if (Balle, Wang, "Improving the Gaussian
mechanism for differential privacy", ICML 2018)

    delta >= Phi(mu / 2 - epsilon / mu) - exp(epsilon) Phi(-mu / 2 - epsilon / mu)

No bound is loose here, so an accountant of privacy loss distributions finds the same. The discrete
Gaussian, which is what the noise is, differs from this by less than 10^-40 (see `noise`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

MOST_EPSILON = 100.0  # beyond it nothing is promised
HALVINGS = 200


def compute_mu(parts: Iterable[tuple[int, float]]) -> float:
    """Return mu of noisy steps: how many there were, and with which noise (sigma, > 0)."""
    return math.sqrt(sum(steps / (noise * noise) for steps, noise in parts))


def compute_delta(mu: float, epsilon: float) -> float:
    """Return the smallest delta for an epsilon (>= 0)."""
    if mu <= 0.0:
        return 0.0
    rest = _upper(epsilon / mu + mu / 2.0)
    scaled = math.exp(epsilon + math.log(rest)) if rest > 0.0 else 0.0
    return max(0.0, _upper(epsilon / mu - mu / 2.0) - scaled)


def compute_epsilon(mu: float, delta: float) -> float:
    """Return the smallest epsilon for a delta (in (0, 1)), never too small; infinity above
    MOST_EPSILON."""
    if compute_delta(mu, MOST_EPSILON) > delta:
        return math.inf
    low, high = 0.0, MOST_EPSILON
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        if compute_delta(mu, middle) > delta:
            low = middle
        else:
            high = middle
    return high


def compute_noise(epsilon: float, delta: float, steps: int) -> float:
    """Return the noise (sigma) with which so many steps are (epsilon, delta)-private together,
    never too small."""
    low, high = 0.0, 1.0
    while compute_delta(compute_mu([(steps, high)]), epsilon) > delta:
        high *= 2.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        if middle <= 0.0 or compute_delta(compute_mu([(steps, middle)]), epsilon) > delta:
            low = middle
        else:
            high = middle
    return high


def _upper(x: float) -> float:
    """Return the probability that a standard normal is above x, right in its relative error."""
    return 0.5 * math.erfc(x / math.sqrt(2.0))
