"""Differential expression of two groups: for each column, the difference of its mean in group 1
and group 0, with tests.

    welch     t of two groups with variances of their own, over all rows alike (Welch, Biometrika
              1947;34:28): moments of the two groups, as `moments` computes them
    fit       least squares with an intercept for each hospital (or batch) and covariates: Student's
              t
    moderate  Smyth's moderated t (Stat Appl Genet Mol Biol 2004;3:3; limma's eBayes): the variances
              of all columns are shrunken towards a prior that is fitted to them

Rows without a group or a covariate are left out. A column is tested over its known rows. It has no
test (NaN) if the group cannot be told from the batches and covariates, if no degree of freedom is
left (Student's t only), or if its residuals are all zero; the last kind takes no part in the prior
either. (limma raises such variances to 1e-5 of the median, which pulls the prior's degrees of
freedom down for all.) p is two-sided; q is adjusted over all tests by Benjamini and Hochberg.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from swarmhub.data.harmonise.iterate import Array, Mask, Sums, Whole, check_rows, divide
from swarmhub.data.harmonise.least_squares import AGREED, Fit, FitStep, read_fit
from swarmhub.data.harmonise.moments import Moments, MomentsStep
from swarmhub.data.harmonise.special import (
    digamma,
    false_discovery,
    trigamma,
    trigamma_inverse,
    two_sided,
)
from swarmhub.errors import BadInput

__all__ = [
    "AGREED",
    "Expression",
    "Prior",
    "Significance",
    "expression_step",
    "fit_prior",
    "read_expression",
    "welch",
    "welch_step",
]


@dataclass(frozen=True, eq=False)
class Significance:
    """Statistic, degrees of freedom, two-sided p and adjusted p of p columns; NaN: no test."""

    t: Array
    df: Array
    p: Array
    q: Array

    @classmethod
    def of(cls, t: Array, df: Array) -> Significance:
        """Return the tests of statistics with these degrees of freedom."""
        p = two_sided(t, df)
        return cls(t, np.where(np.isnan(t), np.nan, df), p, false_discovery(p))


@dataclass(frozen=True)
class Prior:
    """The variances' prior: that of `variance` x df / chi-square with `df` degrees of freedom;
    infinite: all columns have one variance; 0: there is no prior."""

    variance: float
    df: float


@dataclass(frozen=True, eq=False)
class Expression:
    """`count` rows, `effect` (group 1 - group 0), residual `variance` and `df`, and `unscaled` (the
    standard error is the square root of unscaled x variance) of p columns; the prior; the tests."""

    count: Whole
    effect: Array
    variance: Array
    df: Whole
    unscaled: Array
    prior: Prior
    student: Significance
    moderated: Significance


def expression_step(
    x: npt.ArrayLike,
    group: npt.ArrayLike,
    covariates: npt.ArrayLike | None = None,
    batch: Sequence[str] | None = None,
) -> FitStep:
    """Return a hospital's side of the fit: rows x (n, p), group (n,) of 0 and 1, NaN: left out;
    covariates (n, q - 1), the same at all hospitals. Raises BadInput for other groups or shapes."""
    rows, labels = check_rows(x), _check_group(group)
    others = np.zeros((len(rows), 0)) if covariates is None else covariates
    z = check_rows(others, "covariates")
    named = len(rows) if batch is None else len(batch)
    if not len(rows) == len(labels) == len(z) == named:
        raise BadInput(
            f"Expected a group, covariates and a batch for each of {len(rows)} rows, got "
            f"{len(labels)}, {len(z)} and {named}; give one of each for every row."
        )
    design = np.concatenate([z, labels[:, None]], axis=1)  # the group last: see `solve_in_order`
    kept = ~np.isnan(design).any(axis=1)
    chosen = None if batch is None else [b for b, k in zip(batch, kept, strict=True) if k]
    return FitStep(rows[kept], design[kept], chosen)


def _check_group(group: npt.ArrayLike) -> Array:
    given = np.asarray(group)
    if given.ndim == 1 and given.dtype.kind in "biuf":
        labels = given.astype(np.float64)
        if np.isin(labels[~np.isnan(labels)], (0.0, 1.0)).all():
            return labels
    raise BadInput(
        "Expected a group of 0 or 1 for each row (NaN: left out), got other values; code the two "
        "groups so."
    )


def read_expression(sums: Sums, p: int, covariates: int = 0) -> Expression:
    """Return the effects and tests of p columns from the last sums of `expression_step`, with as
    many covariates. Raises BadInput if the sums are of other columns or covariates."""
    fit = read_fit(sums, p, covariates + 1)
    is_told = fit.estimable[:, -1]
    effect = np.where(is_told, fit.coefficients[:, -1], np.nan)
    unscaled = np.where(is_told, divide(1.0, fit.pivots[:, -1]), np.nan)
    variance = divide(fit.squares, fit.df)
    usable = is_told & ~(fit.flat & (fit.df > 0))
    student = Significance.of(
        np.where(usable, divide(effect, np.sqrt(unscaled * variance)), np.nan),
        fit.df.astype(np.float64),
    )
    prior = fit_prior(variance[_spread(fit)], fit.df[_spread(fit)])
    return Expression(
        fit.count, effect, variance, fit.df, unscaled, prior, student,
        _moderate(fit, effect, unscaled, prior, usable),
    )  # fmt: skip


def _spread(fit: Fit) -> Mask:
    """Return the columns with a variance to which the prior is fitted, (p,) of bool."""
    return (fit.df > 0) & ~fit.flat


def fit_prior(variance: Array, df: npt.NDArray[np.generic]) -> Prior:
    """Return the prior of positive variances (k,) with df (k,) degrees of freedom each, from the
    mean and the variance of log variance (Smyth 2004, 6.2; the scale for infinite df as in limma:
    the mean variance)."""
    if len(variance) < 2:
        return Prior(float(variance[0]) if len(variance) else math.nan, 0.0)
    half = np.asarray(df, dtype=np.float64) / 2
    e = np.log(variance) - digamma(half) + np.log(half)
    mean = float(e.mean())
    excess = float(((e - mean) ** 2).sum()) / (len(e) - 1) - float(trigamma(half).mean())
    if excess <= 0:
        return Prior(float(variance.mean()), math.inf)
    own = trigamma_inverse(excess)
    return Prior(math.exp(mean + float(digamma(own)) - math.log(own)), 2 * own)


def _moderate(fit: Fit, effect: Array, unscaled: Array, prior: Prior, usable: Mask) -> Significance:
    df = fit.df.astype(np.float64)
    if math.isinf(prior.df):
        posterior = np.full(len(df), prior.variance)
    elif prior.df:
        posterior = (prior.df * prior.variance + fit.squares) / (prior.df + df)
    else:
        posterior = divide(fit.squares, df)
    t = np.where(usable, divide(effect, np.sqrt(unscaled * posterior)), np.nan)
    pooled = float(df[_spread(fit)].sum())  # no test has more than all columns have together
    return Significance.of(t, np.minimum(df + prior.df, pooled))


# two groups, all rows alike


def welch_step(x: npt.ArrayLike, group: npt.ArrayLike) -> MomentsStep:
    """Return a hospital's side of Welch's t: the moments of both groups, as columns side by side
    (n, 2p). Raises BadInput as `expression_step`."""
    rows, labels = check_rows(x), _check_group(group)
    if len(labels) != len(rows):
        raise BadInput(
            f"Expected a group for each of {len(rows)} rows, got {len(labels)}; give one for every "
            "row."
        )
    parts = [np.where((labels == value)[:, None], rows, np.nan) for value in (0.0, 1.0)]
    return MomentsStep(np.concatenate(parts, axis=1))


def welch(moments: Moments) -> Significance:
    """Return Welch's tests from the moments of both groups. A column with fewer than two known
    values in a group, or with no variance in both, has none."""
    n0, n1 = np.split(moments.count.astype(np.float64), 2)
    centre0, centre1 = np.split(moments.centre, 2)
    shift0, shift1 = np.split(moments.shift, 2)
    variance0, variance1 = np.split(moments.variance, 2)
    a, b = divide(variance0, n0), divide(variance1, n1)
    df = divide((a + b) ** 2, divide(a**2, n0 - 1) + divide(b**2, n1 - 1))
    return Significance.of(divide((centre1 - centre0) + (shift1 - shift0), np.sqrt(a + b)), df)
