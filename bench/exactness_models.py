"""Survival and regression over hospitals, against lifelines and scikit-learn on the pooled rows:
rows of `exactness.py`.

Survival: five hospitals of unequal size and hazard; one has one patient, one has no event. Times
are rounded up to the grid before both see them. Regression: four hospitals of unequal size and
means, the smallest of which has one class; a fixed penalty and as many rounds as it takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from exactness_rows import Array, Row, apart, largest, settle

from swarmhub.data.harmonise.least_squares import AGREED, FitStep, read_fit
from swarmhub.recipes.linear.losses import LOGISTIC, Loss, Softmax, Squared
from swarmhub.recipes.linear.offline import Hospital, Rehearsal, add, rehearse
from swarmhub.recipes.survival import cox as coxes
from swarmhub.recipes.survival.kaplan_meier import draw_curve, log_rank, log_rank_parts
from swarmhub.recipes.survival.likelihood import Rows
from swarmhub.recipes.survival.times import TimeGrid, observe, tally

PATIENTS = (120, 60, 90, 1, 25)  # of which the last hospital has no event
GRID = TimeGrid.of([k / 2 for k in range(1, 41)])
EFFECT = np.array([0.8, -0.5, 0.0, 0.3])
SIZES = (140, 60, 25, 8)
STRENGTH = 0.1  # C; a ridge's alpha is 1 / C
ROUNDS = 250


# survival


@dataclass(frozen=True, eq=False)
class Cohort:
    """The hospitals' patients, and the same in one place: columns x (n, 4), hospital (n,), group
    (n,) of 0 to 2, times and events on the grid (n,)."""

    rows: list[Rows]
    groups: list[Array]
    x: Array
    place: Array
    group: Array
    time: Array
    event: Array


def make_cohort(seed: int) -> Cohort:
    rng = np.random.default_rng(seed)
    place = np.repeat(np.arange(len(PATIENTS)), PATIENTS)
    x, group = rng.normal(size=(len(place), 4)), rng.integers(0, 3, len(place))
    hazard = np.exp(x @ EFFECT + 0.3 * group) * (0.06 + 0.03 * place)
    time, end = rng.exponential(1 / hazard), rng.uniform(1, 25, len(place))
    event = (time <= end) & (place != len(PATIENTS) - 1)
    seen = observe(GRID, np.minimum(time, end), event)
    parts = [place == k for k in range(len(PATIENTS))]
    rows = [Rows(x[at], seen.take(at)) for at in parts]
    groups = [group[at] for at in parts]
    return Cohort(rows, groups, x, place, group, GRID.ends[seen.place], seen.event)


def check_curve(seed: int) -> Iterator[Row]:
    from lifelines import KaplanMeierFitter

    cohort = make_cohort(seed)
    sums = add([tally(one.observed) for one in cohort.rows], ())
    found = draw_curve(GRID, sums["events"][0], sums["censored"][0])
    done = KaplanMeierFitter().fit(cohort.time, cohort.event)
    expected = done.survival_function_at_times(GRID.ends).to_numpy()
    yield "Kaplan-Meier: survival", "lifelines", apart(found.survival, expected), 1e-12
    ends = done.confidence_interval_.reindex(GRID.ends, method="ffill").to_numpy()
    inner = (found.survival > 0) & (found.survival < 1) & (found.at_risk > 0)
    off = largest(np.stack([found.low, found.high], axis=1)[inner], ends[inner])
    yield "Kaplan-Meier: interval (absolute)", "lifelines", off, 1e-9
    median = np.array([found.median.value]), np.array([done.median_survival_time_])
    yield "Kaplan-Meier: median", "lifelines", apart(*median), 0.0


def check_log_rank(seed: int) -> Iterator[Row]:
    from lifelines.statistics import multivariate_logrank_test

    cohort = make_cohort(seed)
    pairs = zip(cohort.rows, cohort.groups, strict=True)
    sums = add([tally(one.observed, group, 3) for one, group in pairs], ())
    found = log_rank(*log_rank_parts(sums["events"], sums["censored"]))
    done = multivariate_logrank_test(cohort.time, cohort.group, cohort.event)
    statistic = np.array([found.statistic]), np.array([done.test_statistic])
    yield "log-rank: statistic", "lifelines", apart(*statistic), 1e-9
    yield "log-rank: p", "lifelines", apart(np.array([found.p]), np.array([done.p_value])), 1e-9


def fit_cox(cohort: Cohort, is_stratified: bool) -> coxes.Fit:
    cox, sums = coxes.Cox(4, len(GRID), is_stratified=is_stratified), None
    while sums is None or sums["moving"][0]:
        sums = add([cox.arrays(one, sums) for one in cohort.rows], coxes.AGREED)
    return cox.read(sums)


def check_cox(seed: int) -> Iterator[Row]:
    import pandas as pd
    from lifelines import CoxPHFitter

    cohort = make_cohort(seed)
    table = pd.DataFrame(cohort.x).assign(
        time=cohort.time, event=cohort.event.astype(int), hospital=cohort.place
    )
    table.columns = table.columns.astype(str)
    for name, strata in (("Cox", None), ("Cox, stratified", ["hospital"])):
        given = table if strata else table.drop(columns="hospital")
        done = CoxPHFitter().fit(
            given, "time", "event", strata=strata, fit_options={"precision": 1e-13}
        )
        found = fit_cox(cohort, bool(strata))
        off = largest(found.beta, done.params_.to_numpy())
        yield f"{name}: coefficients (absolute)", "lifelines", off, 1e-9
        off = apart(found.errors, done.standard_errors_.to_numpy())
        yield f"{name}: standard errors", "lifelines", off, 1e-9
        off = apart(np.array([found.value]), np.array([done.log_likelihood_]))
        yield f"{name}: log-likelihood", "lifelines", off, 1e-9


# regression


def make_hospitals(seed: int, p: int, outcome: Callable[[Array], Array]) -> list[Hospital]:
    """Hospitals' rows; `outcome` makes y (n,) of scores (n, 3)."""
    rng = np.random.default_rng(seed)
    effect = rng.normal(size=(3, p)) / np.sqrt(p)
    found = []
    for n in SIZES:
        x = rng.normal(size=(n, p)) + 0.5 * rng.normal(size=p)
        y = outcome(x @ effect.T + 0.7 * rng.normal(size=(n, 3)))
        is_smallest = n == min(SIZES) and y.dtype == np.int64
        found.append(Hospital(x, np.ones_like(y) if is_smallest else y, rng.permutation(n) % 5))
    return found


def pooled(hospitals: list[Hospital]) -> tuple[Array, Array]:
    """All rows in one place: x (n, p), y (n,)."""
    return np.concatenate([h.x for h in hospitals]), np.concatenate([h.y for h in hospitals])


def trained(hospitals: list[Hospital], loss: Loss) -> tuple[Array, Array]:
    """Weights and intercepts of the swarm, the latter about their mean if there are several:
    adding a number to all of a softmax's intercepts changes no probability."""
    how = Rehearsal(strengths=(STRENGTH,), loss=loss, rounds=ROUNDS, still=-1)
    found = rehearse(hospitals, how).parameters
    return found["weight"], about_mean(found["bias"])


def about_mean(bias: Array) -> Array:
    return bias - bias.mean() if bias.size > 1 else bias


def check_regression(seed: int) -> Iterator[Row]:
    from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge

    hospitals = make_hospitals(seed, 20, lambda scores: scores[:, 0])
    x, y = pooled(hospitals)
    sums = settle([FitStep(h.y[:, None], h.x) for h in hospitals], AGREED)
    sites = np.repeat(np.eye(len(SIZES)), SIZES, axis=0)
    done = LinearRegression(fit_intercept=False).fit(np.hstack([x, sites]), y)
    off = largest(read_fit(sums, 1, 20).coefficients[0], done.coef_[:20])
    yield "linear, own intercepts (absolute)", "scikit-learn", off, 1e-9
    yield from compare("ridge", hospitals, Squared(), Ridge(alpha=1 / STRENGTH))
    how: dict[str, Any] = {
        "C": STRENGTH, "class_weight": "balanced", "tol": 1e-12, "max_iter": 50_000,
        "solver": "newton-cg",
    }  # fmt: skip
    for name, loss, outcome in (
        ("logistic", LOGISTIC, lambda scores: (scores[:, 0] > 0).astype(np.int64)),
        ("softmax", Softmax(3), lambda scores: scores.argmax(axis=1)),
    ):
        for p in (20, 300):
            hospitals = make_hospitals(seed + p, p, outcome)
            yield from compare(f"{name}, {p} columns", hospitals, loss, LogisticRegression(**how))


def compare(name: str, hospitals: list[Hospital], loss: Loss, oracle: Any) -> Iterator[Row]:
    """The swarm's parameters against those of scikit-learn's estimator on all rows."""
    weight, bias = trained(hospitals, loss)
    done = oracle.fit(*pooled(hospitals))
    off = max(
        largest(weight.reshape(done.coef_.shape), done.coef_),
        largest(bias, about_mean(np.atleast_1d(done.intercept_))),
    )
    yield f"{name} (absolute)", "scikit-learn", off, 1e-6
