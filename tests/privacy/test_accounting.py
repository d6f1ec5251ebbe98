"""The accountant against integrals of privacy losses, and against published figures."""

from __future__ import annotations

import math

import numpy as np
import pytest

from swarmhub.privacy.accounting import (
    compute_delta,
    compute_epsilon,
    compute_mu,
    compute_noise,
)

pytestmark = pytest.mark.unit


def integrate_delta(sigma: float, epsilon: float) -> float:
    """The definition: the mass of N(1, sigma^2) beyond exp(epsilon) times that of N(0, sigma^2)."""
    x = np.linspace(-12 * sigma, 12 * sigma + 1, 400_001)
    here, there = (np.exp(-((x - m) ** 2) / (2 * sigma**2)) for m in (1.0, 0.0))
    beyond = np.maximum(0.0, here - math.exp(epsilon) * there) / (sigma * math.sqrt(2 * math.pi))
    return float(np.trapezoid(beyond, x))


@pytest.mark.parametrize(("sigma", "epsilon"), [(0.5, 1), (1, 0), (1, 3), (4, 0.2), (12, 0.1)])
def test_delta_is_that_of_the_definition(sigma, epsilon):
    expected = integrate_delta(sigma, epsilon)
    assert compute_delta(1 / sigma, epsilon) == pytest.approx(expected, rel=1e-4, abs=1e-12)


@pytest.mark.parametrize(("epsilon", "sigma"), [(1, 11.8), (3, 4.40), (5, 2.82), (8, 1.90)])
def test_noise_of_ten_steps_is_that_of_pld_accountants(epsilon, sigma):
    assert compute_noise(epsilon, 1e-5, 10) == pytest.approx(sigma, abs=0.005)


@pytest.mark.parametrize("epsilon", [0.01, 0.5, 1.0, 10.0, 60.0])
@pytest.mark.parametrize("delta", [1e-9, 1e-5, 1e-3])
def test_noise_and_epsilon_are_inverse(epsilon, delta):
    mu = compute_mu([(7, compute_noise(epsilon, delta, 7))])
    assert compute_epsilon(mu, delta) == pytest.approx(epsilon, rel=1e-9)
    assert compute_delta(mu, epsilon) <= delta


def test_steps_of_several_studies_come_together():
    assert compute_mu([(2, 3.0), (5, 3.0)]) == pytest.approx(compute_mu([(7, 3.0)]))
    assert compute_mu([(1, 1.0), (1, 2.0)]) == pytest.approx(math.sqrt(1.25))
    assert compute_epsilon(compute_mu([]), 1e-5) == pytest.approx(0.0, abs=1e-12)


def test_too_little_noise_has_no_epsilon():
    assert math.isinf(compute_epsilon(compute_mu([(30, 0.05)]), 1e-5))
