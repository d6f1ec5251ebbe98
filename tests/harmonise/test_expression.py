import math

import numpy as np
import pytest
from harmonise.sums_driver import CONSTANT, make_sites, pooled, run
from scipy import optimize, special, stats

from swarmhub.data.harmonise import (
    expression_step,
    read_expression,
    read_moments,
    welch,
    welch_step,
)
from swarmhub.data.harmonise.expression import AGREED, fit_prior
from swarmhub.data.harmonise.moments import AGREED as MOMENTS_AGREED
from swarmhub.errors import BadInput

pytestmark = pytest.mark.unit

OTHERS = np.arange(30) != CONSTANT


def expression_of(sites, covariates=True):
    steps = [expression_step(s.x, s.group, s.z if covariates else None) for s in sites]
    sums, rounds = run(steps, AGREED)
    assert rounds == 2
    return read_expression(sums, sites[0].x.shape[1], 2 * covariates)


def least_squares(x, group, z, place):
    """Effect, standard error and df of each column by NumPy's SVD on the pooled rows."""
    found = []
    for column in x.T:
        at = ~np.isnan(column) & ~np.isnan(group)
        sites = (place[at][:, None] == np.unique(place[at])).astype(float)
        design = np.column_stack([group[at], z[at] - z[at].mean(axis=0), sites])
        y = column[at] - column[at].mean()
        beta, _, rank, _ = np.linalg.lstsq(design, y)
        df = len(y) - rank
        variance = np.sum((y - design @ beta) ** 2) / df
        unscaled = np.linalg.pinv(design)[0] @ np.linalg.pinv(design)[0]
        found.append((beta[0], variance, df, unscaled))
    return [np.array(part) for part in zip(*found, strict=True)]


def squeeze(variance, df):
    """Smyth's prior by a root finder and SciPy's functions -> (variance, df)."""
    e = np.log(variance) - special.digamma(df / 2) + np.log(df / 2)
    excess = e.var(ddof=1) - special.polygamma(1, df / 2).mean()
    if excess <= 0:
        return variance.mean(), math.inf
    half = optimize.brentq(lambda h: special.polygamma(1, h) - excess, 1e-4, 1e9, xtol=1e-13)
    return np.exp(e.mean() + special.digamma(half) - np.log(half)), 2 * half


@pytest.mark.parametrize("covariates", [True, False])
def test_effects_and_students_t_are_those_of_the_pooled_rows(covariates):
    sites = make_sites(1)
    found = expression_of(sites, covariates)
    x, group, z, place = pooled(sites)
    z = z if covariates else z[:, :0]
    effect, variance, df, unscaled = least_squares(x[:, OTHERS], group, z, place)
    np.testing.assert_array_equal(found.df[OTHERS], df)
    np.testing.assert_allclose(found.effect[OTHERS], effect, rtol=1e-9)
    np.testing.assert_allclose(found.variance[OTHERS], variance, rtol=1e-9)
    np.testing.assert_allclose(found.unscaled[OTHERS], unscaled, rtol=1e-9)
    p = 2 * stats.t.sf(np.abs(effect / np.sqrt(unscaled * variance)), df)
    np.testing.assert_allclose(found.student.p[OTHERS], p, rtol=1e-9)


def test_the_moderated_t_is_smyths():
    sites = make_sites(2)
    found = expression_of(sites)
    effect, variance, df, unscaled = least_squares(pooled(sites)[0][:, OTHERS], *pooled(sites)[1:])
    prior, own = squeeze(variance, df)
    posterior = (own * prior + df * variance) / (own + df)
    t = effect / np.sqrt(unscaled * posterior)
    p = 2 * stats.t.sf(np.abs(t), np.minimum(own + df, df.sum()))
    assert found.prior.df == pytest.approx(own, rel=1e-9)
    assert found.prior.variance == pytest.approx(prior, rel=1e-9)
    np.testing.assert_allclose(found.moderated.t[OTHERS], t, rtol=1e-9)
    np.testing.assert_allclose(found.moderated.p[OTHERS], p, rtol=1e-9)
    q = stats.false_discovery_control(p)
    np.testing.assert_allclose(found.moderated.q[OTHERS], q, rtol=1e-9)


def test_a_constant_column_has_no_test_and_moves_no_prior():
    sites = make_sites(3)
    found = expression_of(sites)
    without = expression_of([type(s)(s.x[:, OTHERS], s.group, s.z) for s in sites])
    assert np.isnan([found.student.p[CONSTANT], found.moderated.q[CONSTANT]]).all()
    assert found.effect[CONSTANT] == pytest.approx(0.0, abs=1e-15)
    assert found.prior == without.prior
    np.testing.assert_array_equal(found.moderated.q[OTHERS], without.moderated.q)


def test_variances_that_differ_by_chance_only_have_an_infinite_prior():
    variance, df = np.array([1.0, 1.01, 0.99, 1.0]), np.full(4, 5)
    prior = fit_prior(variance, df)
    assert prior.df == math.inf
    assert prior.variance == pytest.approx(1.0)
    assert squeeze(variance, df)[1] == math.inf


def test_an_infinite_prior_gives_all_columns_one_variance():
    rng = np.random.default_rng(4)
    z = np.zeros((6, 0))
    sites = [(np.tile(rng.normal(size=(6, 1)), 5) + np.arange(5), np.arange(6) % 2)]
    sums, _ = run([expression_step(x, g, z) for x, g in sites], AGREED)
    found = read_expression(sums, 5)
    assert found.prior.df == math.inf
    np.testing.assert_allclose(found.moderated.df, found.df.sum())
    np.testing.assert_allclose(found.moderated.t, found.student.t, rtol=1e-9)


def test_without_a_degree_of_freedom_only_the_prior_can_tell():
    x = np.random.default_rng(5).normal(size=(8, 40))
    x[2:, 0] = np.nan
    sums, _ = run([expression_step(x, np.arange(8) % 2)], AGREED)
    found = read_expression(sums, 40)
    assert found.df[0] == 0
    assert np.isnan(found.student.t[0])
    assert np.isfinite(found.moderated.p[0])


def test_a_group_that_is_the_hospital_cannot_be_told():
    x = np.random.default_rng(6).normal(size=(5, 3))
    sums, _ = run([expression_step(x, np.full(5, k)) for k in (0, 1)], AGREED)
    found = read_expression(sums, 3)
    assert np.isnan(found.effect).all()
    assert np.isnan(found.moderated.p).all()


def test_a_covariate_that_repeats_another_changes_nothing():
    sites = make_sites(7)
    twice = [type(s)(s.x, s.group, np.column_stack([s.z[:, 0], 3 * s.z[:, 0] - 7])) for s in sites]
    once = [expression_step(s.x, s.group, s.z[:, :1]) for s in sites]
    expected = read_expression(run(once, AGREED)[0], 30, 1)
    found = expression_of(twice)
    np.testing.assert_array_equal(found.df, expected.df)
    np.testing.assert_allclose(found.student.p, expected.student.p, rtol=1e-7)


def test_rows_without_a_group_or_covariate_are_left_out():
    sites = make_sites(8, special=False)
    holed = [type(s)(s.x, s.group.copy(), s.z.copy()) for s in sites]
    holed[0].group[3], holed[1].z[4, 1] = np.nan, np.nan
    fewer = [type(s)(s.x, s.group, s.z) for s in sites]
    for k, row in ((0, 3), (1, 4)):
        s = sites[k]
        fewer[k] = type(s)(*(np.delete(a, row, axis=0) for a in (s.x, s.group, s.z)))
    found, expected = expression_of(holed), expression_of(fewer)
    np.testing.assert_array_equal(found.moderated.p, expected.moderated.p)


def test_batches_at_one_hospital_are_hospitals_of_their_own():
    sites = make_sites(9)
    x, group, z, place = pooled(sites)
    together = [expression_step(x, group, z, [f"plate {k}" for k in place])]
    found = read_expression(run(together, AGREED)[0], 30, 2)
    np.testing.assert_allclose(found.moderated.p, expression_of(sites).moderated.p, rtol=1e-9)


def test_a_covariate_far_from_zero_costs_no_digits():
    sites = make_sites(10)
    years = [type(s)(s.x, s.group, s.z + np.array([2e6, 0.0])) for s in sites]
    found, expected = expression_of(years), expression_of(sites)
    np.testing.assert_allclose(found.moderated.p, expected.moderated.p, rtol=1e-9)


def test_welch_is_scipys_on_the_pooled_rows():
    sites = make_sites(11)
    sums, _ = run([welch_step(s.x, s.group) for s in sites], MOMENTS_AGREED)
    found = welch(read_moments(sums, 60, False))
    x, group, *_ = pooled(sites)
    x = x - np.nanmean(x, axis=0).round()  # exact; SciPy loses digits beside 1e6
    parts = x[group == 1][:, OTHERS], x[group == 0][:, OTHERS]
    expected = stats.ttest_ind(*parts, equal_var=False, nan_policy="omit")
    np.testing.assert_allclose(found.t[OTHERS], expected.statistic, rtol=1e-9)
    np.testing.assert_allclose(found.df[OTHERS], expected.df, rtol=1e-9)
    np.testing.assert_allclose(found.p[OTHERS], expected.pvalue, rtol=1e-9)
    assert np.isnan(found.p[CONSTANT])


def test_one_value_in_a_group_has_no_welch_test():
    x, group = np.array([[1.0], [2.0], [4.0]]), np.array([0, 0, 1])
    sums, _ = run([welch_step(x, group)], MOMENTS_AGREED)
    assert np.isnan(welch(read_moments(sums, 2, False)).p).all()


@pytest.mark.parametrize("group", [[0, 2], [0.5, 1], [[0, 1]], ["a", "b"]])
def test_other_groups_are_refused(group):
    with pytest.raises(BadInput, match="group of 0 or 1"):
        expression_step(np.ones((2, 2)), np.array(group))


@pytest.mark.parametrize("step", [expression_step, welch_step])
def test_a_group_for_each_row_is_needed(step):
    with pytest.raises(BadInput, match="for each of 2 rows"):
        step(np.ones((2, 2)), np.ones(3))


def test_a_hospital_that_comes_late_goes_on_from_the_sums():
    sites = make_sites(12)
    steps = [expression_step(s.x, s.group, s.z) for s in sites]
    early = [step.arrays(None) for step in steps[:3]]
    sums = {n: a if n in AGREED else a + early[1][n] + early[2][n] for n, a in early[0].items()}
    found, expected = (read_expression(run(steps, AGREED, s)[0], 30, 2) for s in (sums, None))
    np.testing.assert_array_equal(found.df, expected.df)
    np.testing.assert_allclose(found.effect[OTHERS], expected.effect[OTHERS], rtol=1e-9)
    np.testing.assert_allclose(found.student.p[OTHERS], expected.student.p[OTHERS], rtol=1e-9)


def test_a_hospital_without_rows_changes_nothing():
    sites = make_sites(13)
    steps = [expression_step(s.x, s.group, s.z) for s in sites]
    empty = expression_step(np.zeros((0, 30)), np.zeros(0), np.zeros((0, 2)), [])
    found, expected = (
        read_expression(run(some, AGREED)[0], 30, 2) for some in ([*steps, empty], steps)
    )
    np.testing.assert_array_equal(found.moderated.p, expected.moderated.p)


def test_too_many_columns_for_the_covariates_are_refused_first():
    with pytest.raises(BadInput, match="at most 13,421 columns with 50 covariates"):
        expression_step(np.zeros((0, 13_422)), np.zeros(0), np.zeros((0, 49)))


def test_covariates_by_the_hundred_are_refused():
    with pytest.raises(BadInput, match="at most 64"):
        expression_step(np.ones((2, 2)), np.ones(2), np.ones((2, 64)))
