import fractions

import numpy as np
import pandas as pd
import pytest
from harmonise.sums_driver import CONSTANT, FAR, LACKED, make_sites, pooled, run

from swarmhub.data.harmonise import (
    CorrelationsStep,
    MomentsStep,
    read_correlations,
    read_moments,
)
from swarmhub.data.harmonise.correlations import AGREED as PAIRS_AGREED
from swarmhub.data.harmonise.correlations import MAX_COLUMNS
from swarmhub.data.harmonise.moments import AGREED
from swarmhub.errors import BadInput

pytestmark = pytest.mark.unit


def moments_of(sites, histogram=False):
    p = sites[0].x.shape[1]
    sums, _ = run([MomentsStep(s.x, histogram) for s in sites], AGREED)
    return read_moments(sums, p, histogram)


def test_moments_are_those_of_the_pooled_rows():
    sites = make_sites()
    x = pooled(sites)[0]
    found = moments_of(sites)
    np.testing.assert_array_equal(found.count, (~np.isnan(x)).sum(axis=0))
    np.testing.assert_array_equal(found.missing, np.isnan(x).sum(axis=0))
    np.testing.assert_allclose(found.mean, np.nanmean(x, axis=0), rtol=1e-12)
    expected = np.nanvar(x, axis=0, ddof=1)
    varies = np.arange(x.shape[1]) != CONSTANT
    np.testing.assert_allclose(found.variance[varies], expected[varies], rtol=1e-12)


def test_nothing_cancels_beside_a_large_mean():
    rng = np.random.default_rng(1)
    sites = [1e6 + 1e-3 * rng.normal(size=(n, 1)) for n in (400, 3, 1)]
    sums, rounds = run([MomentsStep(x) for x in sites], AGREED)
    exact = [fractions.Fraction(float(v)) for v in np.concatenate(sites)[:, 0]]
    mean = sum(exact) / len(exact)
    variance = float(sum((v - mean) ** 2 for v in exact) / (len(exact) - 1))
    assert rounds == 2
    np.testing.assert_allclose(read_moments(sums, 1, False).variance, variance, rtol=1e-12)


def test_a_constant_column_has_a_variance_of_exactly_zero():
    found = moments_of(make_sites())
    assert found.constant.nonzero()[0].tolist() == [CONSTANT]
    assert found.variance[CONSTANT] == 0.0
    assert found.mean[CONSTANT] == pytest.approx(0.1, rel=1e-15)


def test_a_column_that_nobody_has_is_none():
    sums, _ = run([MomentsStep(np.full((3, 1), np.nan), True)] * 2, AGREED)
    found = read_moments(sums, 1, True)
    assert (found.count[0], found.missing[0]) == (0, 6)
    assert np.isnan([found.mean[0], found.variance[0], found.quantile(0.5)[0]]).all()


def test_one_value_has_a_mean_and_no_variance():
    found = moments_of(make_sites(sizes=(1,), missing=0.0, special=False))
    assert not np.isnan(found.mean).any()
    assert np.isnan(found.variance).all()


@pytest.mark.parametrize("q", [0.02, 0.1, 0.25, 0.5, 0.9, 0.98])
def test_quantiles_are_within_one_bin(q):
    sites = make_sites(2)
    x = pooled(sites)[0]
    found = moments_of(sites, histogram=True)
    expected = np.nanquantile(x, q, axis=0, method="inverted_cdf")
    assert (np.abs(found.quantile(q) - expected) <= found.bin_width + 1e-9).all()


def test_a_quantile_beyond_all_bins_is_the_outermost_edge():
    x = np.concatenate([np.zeros(999), [1e6]])[:, None]
    found = read_moments(run([MomentsStep(x, True)], AGREED)[0], 1, True)
    assert found.quantile(1.0)[0] == pytest.approx(found.mean[0] + 8 * found.sd[0])
    assert abs(found.quantile(0.5)[0]) <= found.bin_width[0]


def test_a_hospital_that_comes_late_goes_on_from_the_sums():
    sites = make_sites(3)
    steps = [MomentsStep(s.x) for s in sites]
    early = [step.arrays(None) for step in steps[:2]]
    sums = {k: early[0][k] if k in AGREED else early[0][k] + early[1][k] for k in early[0]}
    found = read_moments(run(steps, AGREED, sums)[0], 30, False)
    np.testing.assert_allclose(found.mean, moments_of(sites).mean, rtol=1e-14)
    assert found.count[0] == moments_of(sites).count[0]


def table_of(sites):
    """The pooled rows, moved by whole numbers: exact, and pandas loses 7 digits beside 1e6."""
    table = pd.DataFrame(pooled(sites)[0])
    return table - table.mean().round()


def correlations_of(sites):
    sums, rounds = run([CorrelationsStep(s.x) for s in sites], PAIRS_AGREED)
    assert rounds == 2
    return read_correlations(sums, sites[0].x.shape[1])


def test_correlations_are_those_of_pandas_on_the_pooled_rows():
    sites = make_sites(4)
    table = table_of(sites)
    found = correlations_of(sites)
    varies = np.arange(30) != CONSTANT
    both = np.ix_(varies, varies)
    known = table.notna().to_numpy().astype(int)
    np.testing.assert_array_equal(found.count, known.T @ known)
    expected = table.corr().to_numpy()
    np.testing.assert_allclose(found.correlation[both], expected[both], atol=1e-12)
    assert np.isnan(found.correlation[CONSTANT]).all()
    expected = table.cov().to_numpy()[both]
    sd = np.sqrt(np.diag(expected))
    assert (np.abs(found.covariance[both] - expected) <= 1e-12 * np.outer(sd, sd)).all()


def test_two_columns_without_a_common_row_have_none():
    x = np.array([[1.0, np.nan], [2.0, np.nan], [np.nan, 5.0], [np.nan, 4.0]])
    found = read_correlations(run([CorrelationsStep(x)], PAIRS_AGREED)[0], 2)
    assert found.count.tolist() == [[2, 0], [0, 2]]
    assert np.isnan([found.correlation[0, 1], found.covariance[0, 1]]).all()
    np.testing.assert_allclose(np.diag(found.correlation), 1.0)


def test_a_far_column_and_lacked_ones_correlate_as_pooled():
    sites = make_sites(5, missing=0.0)
    found = correlations_of(sites).correlation[FAR, LACKED]
    expected = table_of(sites).corr().to_numpy()[FAR, LACKED]
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.array([[1.0, np.inf]]), "row 1, column 2"),
        (np.array([[1e61]]), "row 1, column 1"),
        (np.zeros(3), "as a matrix of numbers"),
        (np.array([["a"]]), "as a matrix of numbers"),
    ],
)
def test_rows_that_cannot_be_added_are_refused(x, words):
    with pytest.raises(BadInput, match=words):
        MomentsStep(x)


def test_too_many_columns_to_correlate_are_refused_first():
    with pytest.raises(BadInput, match="at most 4096"):
        CorrelationsStep(np.zeros((0, MAX_COLUMNS + 1)))


def test_sums_of_other_columns_are_refused():
    sums, _ = run([MomentsStep(np.ones((2, 3)))], AGREED)
    with pytest.raises(BadInput, match="shape"):
        read_moments(sums, 4, False)


def test_an_unknown_quantile_is_refused():
    found = moments_of(make_sites(), histogram=True)
    with pytest.raises(BadInput, match="from 0 to 1"):
        found.quantile(1.5)
