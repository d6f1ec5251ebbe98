"""Logarithms of our own: NumPy's to the last digits, and the same on every machine."""

import numpy as np
import pytest

from swarmhub.data import logarithms

X = np.concatenate(
    [10.0 ** np.random.default_rng(0).uniform(-300, 300, 20_000), [1.0, 5e-324, 0.5]]
)
SMALL = np.concatenate([np.random.default_rng(1).uniform(-0.9, 10, 20_000), [0.0, 1e-20, -1e-12]])


@pytest.mark.parametrize("name", ["log", "log2", "log10"])
def test_a_logarithm_is_numpys_to_the_last_digits(name):
    found, oracle = getattr(logarithms, name)(X), getattr(np, name)(X)
    np.testing.assert_allclose(found, oracle, rtol=2e-15, atol=1e-15)


def test_log1p_is_exact_for_small_numbers():
    np.testing.assert_allclose(logarithms.log1p(SMALL), np.log1p(SMALL), rtol=2e-15, atol=0)


def test_powers_of_two_are_exact_and_nan_stays():
    powers = np.arange(-1000.0, 1000.0)
    np.testing.assert_array_equal(logarithms.log2(2.0**powers), powers)
    assert np.isnan(logarithms.log(np.array([np.nan]))).all()
