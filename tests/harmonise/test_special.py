import math

import numpy as np
import pytest
from scipy import special, stats

from swarmhub.data.harmonise.special import (
    digamma,
    false_discovery,
    trigamma,
    trigamma_inverse,
    two_sided,
)

pytestmark = pytest.mark.unit


def test_digamma_and_trigamma_are_those_of_scipy():
    x = 10 ** np.random.default_rng(0).uniform(-3, 8, 3000)
    np.testing.assert_allclose(digamma(x), special.digamma(x), rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(trigamma(x), special.polygamma(1, x), rtol=1e-10)


@pytest.mark.parametrize("value", [1e-9, 1e-4, 0.3, 1.0, 40.0, 1e5, 1e10])
def test_the_inverse_of_trigamma_is_one(value):
    assert special.polygamma(1, trigamma_inverse(value)) == pytest.approx(value, rel=1e-10)


def test_tails_of_students_t_are_those_of_scipy():
    rng = np.random.default_rng(1)
    t = np.concatenate([[0.0, 1e-8], 10 ** rng.uniform(-3, 2.5, 4000)])
    df = 10 ** rng.uniform(0, 9, len(t))
    expected = 2 * stats.t.sf(t, df)
    deep = expected < 1e-290
    np.testing.assert_allclose(two_sided(t, df)[~deep], expected[~deep], rtol=1e-10)
    assert (two_sided(t, df)[deep] < 1e-289).all()


@pytest.mark.parametrize("df", [0.5, 1, 2, 7.3, 199, 1999, 2001, 1e12])
def test_tails_hold_on_both_sides_of_each_method(df):
    t = np.array([0.0, 0.5, 1.0, 1.7320, 1.7321, 2.0, 5.0, 10.0])
    np.testing.assert_allclose(two_sided(t, df), 2 * stats.t.sf(t, df), rtol=1e-10)
    np.testing.assert_array_equal(two_sided(-t, df), two_sided(t, df))


def test_infinite_degrees_of_freedom_are_the_normal_distribution():
    t = np.array([0.0, 1.96, 30.0])
    np.testing.assert_allclose(two_sided(t, math.inf), 2 * stats.norm.sf(t), rtol=1e-12)


def test_an_infinite_statistic_is_certain_and_none_stays_none():
    found = two_sided([np.inf, np.nan, 2.0], [5.0, 5.0, 0.0])
    assert found[0] == 0.0
    assert np.isnan(found[1:]).all()


def test_adjusted_p_is_that_of_scipy_and_skips_what_was_not_tested():
    p = np.random.default_rng(2).random(50) ** 3
    np.testing.assert_allclose(false_discovery(p), stats.false_discovery_control(p), rtol=1e-13)
    gaps = np.insert(p, [0, 20], np.nan)
    found = false_discovery(gaps)
    np.testing.assert_allclose(found[~np.isnan(gaps)], false_discovery(p))
    assert np.isnan(found[[0, 21]]).all()
