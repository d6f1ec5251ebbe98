"""Statistics of omics data on sums, against libraries on the pooled rows: rows of `exactness.py`.

Five hospitals of unequal size: one has one row, one has one class, one lacks a block of columns;
some values are missing, one column is constant, one has a mean of 1e6 and a standard deviation of
1e-3. Oracles that cannot do this (NaN, other definitions) get complete rows.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from exactness_rows import Array, Row, apart, largest, settle

from swarmhub.data import harmonise
from swarmhub.data.harmonise import combat, components, correlations, expression, moments
from swarmhub.data.harmonise.special import two_sided

SIZES = (80, 45, 120, 1, 24)
CONSTANT, FAR = 4, 7


@dataclass(frozen=True, eq=False)
class Site:
    """Rows x (n, p), group (n,), covariates z (n, 2)."""

    x: Array
    group: Array
    z: Array


@dataclass(frozen=True, eq=False)
class Case:
    """The hospitals, their rows in one place, and which columns vary everywhere."""

    sites: list[Site]
    x: Array
    group: Array
    z: Array
    place: Array
    varies: Array

    @classmethod
    def of(cls, sites: list[Site]) -> Case:
        x, group, z = (np.concatenate([getattr(s, n) for s in sites]) for n in ("x", "group", "z"))
        place = np.repeat(np.arange(len(sites)), [len(s.x) for s in sites])
        return cls(sites, x, group, z, place, np.nanstd(x, axis=0) > 1e-12)


def make_case(seed: int, genes: int, sizes: tuple[int, ...] = SIZES, hard: bool = True) -> Case:
    """Hospitals' rows; `hard` as the module says, else complete."""
    rng = np.random.default_rng(seed)
    level, spread = rng.normal(8, 2, genes), rng.gamma(4, 0.25, genes) + 0.1
    sites = []
    for k, n in enumerate(sizes):
        group = (np.arange(n) % 3 == 0).astype(float) if not hard or k != 4 else np.ones(n)
        z = np.stack([rng.integers(30, 80, n), rng.integers(0, 2, n)], axis=1).astype(float)
        x = level + rng.normal(size=genes) + rng.normal(size=(n, genes)) * spread
        x[:, : genes // 10] += group[:, None]
        if hard:
            x[:, CONSTANT], x[:, FAR] = 0.1, 1e6 + 1e-3 * rng.normal(size=n)
            x[rng.random(x.shape) < 0.03] = np.nan
        if hard and k == 2:
            x[:, genes // 2 : genes // 2 + 10] = np.nan
        sites.append(Site(x, group, z))
    return Case.of(sites)


def check_moments(case: Case) -> Iterator[Row]:
    p, at = case.x.shape[1], case.varies
    steps = [harmonise.MomentsStep(s.x, True) for s in case.sites]
    found = harmonise.read_moments(settle(steps, moments.AGREED), p, True)
    moved = case.x - np.round(np.nanmean(case.x, axis=0))  # exact
    yield "counts", "NumPy", apart(found.count, (~np.isnan(case.x)).sum(axis=0)), 0.0
    yield "means", "NumPy", apart(found.mean, np.nanmean(case.x, axis=0)), 1e-12
    expected = np.nanvar(moved, axis=0, ddof=1)
    yield "variances", "NumPy", apart(found.variance[at], expected[at]), 1e-12
    for q in (0.05, 0.5, 0.95):
        expected = np.nanquantile(case.x, q, axis=0, method="inverted_cdf")
        off = np.abs(found.quantile(q) - expected)[at] / found.bin_width[at]
        yield f"quantile {q:g} (bins)", "NumPy", float(off.max()), 1.0


def check_correlations(case: Case) -> Iterator[Row]:
    import pandas as pd

    few = slice(0, 60)
    table = pd.DataFrame(case.x[:, few] - np.round(np.nanmean(case.x[:, few], axis=0)))
    steps = [harmonise.CorrelationsStep(s.x[:, few]) for s in case.sites]
    found = harmonise.read_correlations(settle(steps, correlations.AGREED), 60)
    both = np.ix_(case.varies[few], case.varies[few])
    yield "pairs' rows", "pandas", apart(found.count, rows_of_pairs(table.notna())), 0.0
    off = largest(found.correlation[both], table.corr().to_numpy()[both])
    yield "correlations (absolute)", "pandas", off, 1e-12
    expected = table.cov().to_numpy()[both]
    sd = np.sqrt(np.diag(expected))
    off = largest(found.covariance[both] / np.outer(sd, sd), expected / np.outer(sd, sd))
    yield "covariances (in sd x sd)", "pandas", off, 1e-12


def rows_of_pairs(known: Any) -> Array:
    """Rows in which both columns of each pair are known: (n, p) table of bool -> (p, p)."""
    one = known.to_numpy().astype(np.float64)
    return one.T @ one


def check_tails(seed: int) -> Iterator[Row]:
    from scipy import stats

    rng = np.random.default_rng(seed + 1)
    t, df = 10 ** rng.uniform(-2, 2, 20_000), 10 ** rng.uniform(0, 8, 20_000)
    expected = 2 * stats.t.sf(t, df)
    deep = expected < 1e-290
    yield "tail of t", "SciPy", apart(two_sided(t, df)[~deep], expected[~deep]), 1e-10


def check_welch(case: Case) -> Iterator[Row]:
    from scipy import stats

    steps = [harmonise.welch_step(s.x, s.group) for s in case.sites]
    p, at = case.x.shape[1], case.varies
    found = harmonise.welch(
        harmonise.read_moments(settle(steps, moments.AGREED), 2 * p, False)
    )  # fmt: skip
    moved = (case.x - np.round(np.nanmean(case.x, axis=0)))[:, at]
    parts = moved[case.group == 1], moved[case.group == 0]
    expected = stats.ttest_ind(*parts, equal_var=False, nan_policy="omit")
    yield "Welch's t", "SciPy", apart(found.t[at], expected.statistic), 1e-9
    yield "Welch's p", "SciPy", apart(found.p[at], expected.pvalue), 1e-9


def fit(case: Case) -> Any:
    steps = [harmonise.expression_step(s.x, s.group, s.z) for s in case.sites]
    return harmonise.read_expression(settle(steps, expression.AGREED), case.x.shape[1], 2)


def design_of(case: Case, rows: Array) -> Array:
    """Group, covariates, and an intercept for each hospital that has one of these rows."""
    here = np.unique(case.place[rows])
    sites = (case.place[rows][:, None] == here).astype(float)
    return np.column_stack([case.group[rows], case.z[rows] - 50, sites])


def check_least_squares(case: Case) -> Iterator[Row]:
    import statsmodels.api as sm

    found, expected = fit(case), np.full((case.x.shape[1], 3), np.nan)
    for k in np.flatnonzero(case.varies):
        rows = np.flatnonzero(~np.isnan(case.x[:, k]))
        y = case.x[rows, k] - np.round(case.x[rows, k].mean())
        fitted = sm.OLS(y, design_of(case, rows)).fit()
        expected[k] = fitted.params[0], fitted.tvalues[0], fitted.pvalues[0]
    at = case.varies
    yield "effect", "statsmodels", apart(found.effect[at], expected[at, 0]), 1e-9
    yield "Student's t", "statsmodels", apart(found.student.t, expected[:, 1]), 1e-9
    yield "Student's p", "statsmodels", apart(found.student.p, expected[:, 2]), 1e-9


def check_moderated(genes: int, seed: int) -> Iterator[Row]:
    import pandas as pd
    from inmoose.limma import eBayes, lmFit

    complete = make_case(seed + 3, genes, hard=False)
    found, rows = fit(complete), np.arange(len(complete.x))
    done = eBayes(lmFit(pd.DataFrame(complete.x.T), pd.DataFrame(design_of(complete, rows))))
    own = np.array([found.prior.df, found.prior.variance])
    t, p = done.t.iloc[:, 0].to_numpy(), done.p_value.iloc[:, 0].to_numpy()
    expected = np.array([done.df_prior, done.s2_prior])
    yield "moderated: prior", "inmoose limma", apart(own, expected), 1e-9
    yield "moderated: t", "inmoose limma", apart(found.moderated.t, t), 1e-9
    yield "moderated: p", "inmoose limma", apart(found.moderated.p, p), 1e-9


def harmonised(case: Case) -> Array:
    steps = [harmonise.combat_step(s.x, s.z) for s in case.sites]
    settled = harmonise.read_combat(settle(steps, combat.AGREED), case.x.shape[1], 2)
    return np.concatenate([harmonise.adjust(settled, s.x, s.z) for s in case.sites])


def check_combat(genes: int, seed: int) -> Iterator[Row]:
    import pandas as pd
    from neuroCombat import neuroCombat

    complete = make_case(seed + 4, genes, (80, 45, 120, 24), hard=False)
    covars = pd.DataFrame(complete.z, columns=["age", "sex"]).assign(batch=complete.place)
    with contextlib.redirect_stdout(io.StringIO()):
        done = neuroCombat(complete.x.T, covars, "batch", continuous_cols=["age", "sex"])
    yield "ComBat (absolute)", "neuroCombat", largest(harmonised(complete), done["data"].T), 1e-8


def check_components(seed: int) -> Iterator[Row]:
    from scipy.linalg import subspace_angles
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(seed + 5)
    left, _ = np.linalg.qr(rng.normal(size=(300, 200)))
    left, _ = np.linalg.qr(left - left.mean(axis=0))
    right, _ = np.linalg.qr(rng.normal(size=(400, 200)))
    x = (left * np.sqrt(0.95 ** np.arange(200))) @ right.T * 100 + 5
    steps = [harmonise.ComponentsStep(part, 5) for part in np.split(x, [150, 151, 230])]
    sums = settle(steps, components.AGREED)
    found, expected = harmonise.read_components(sums, 400, 5), PCA(5, svd_solver="full").fit(x)
    angle = subspace_angles(found.loadings, expected.components_.T).max()
    rounds = harmonise.turn_of(sums)
    yield f"components: angle ({rounds} rounds)", "scikit-learn", float(angle), 1e-6
    off = apart(found.variance, expected.explained_variance_)
    yield "components: variance", "scikit-learn", off, 1e-9
