"""Cox regression over hospitals: Newton's method in rounds of a `sum` stage.

    maximise over b (p,):   log L(b) - penalty / 2 |b|^2

`penalty` is in the unit of the whole log-likelihood, 1 / C of the logistic recipe. On the same
columns that is `alpha` of scikit-survival's CoxPHSurvivalAnalysis, whose ties are Breslow's by
default (`ties="efron"` is this one), and n times `penalizer` of lifelines' CoxPHFitter, which
divides each column by its standard deviation (of n - 1) first.

Two forms. *Pooled*: one baseline; a round adds the sums of `likelihood` by grid time. *Stratified
by hospital*: each has a baseline of its own, its risk sets are its own patients, and only its
likelihood, gradient (p,) and curvature (p, p) leave.

A round takes sums at the point `at`. If the penalised likelihood is lower there than at `base`, the
point that the step came from, the step is halved; else the next step goes from there. They are
compared only if both are of as many rows: a hospital may miss a round. All that an
iteration needs is in the sums, so a trainer that comes late goes on from the newest. The arrays
`AGREED` are the same at all hospitals. `moving` is 0 in the last round: declare

    agreed = ["at", "base", "reached", "counted", "turn"],  until = { array = "moving", most = 0 },
    max_rounds = 25

Columns are standardised. The likelihood is concave; from 0, steps are halved rarely, and 5 to 8
rounds are usual. Without a penalty it has no maximum if columns part those with early events from
the others: no x . b goes beyond FARTHEST, the rounds run out, and `Fit.is_converged` is False.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from swarmhub.contract.records import Bound
from swarmhub.errors import BadInput
from swarmhub.evaluation.figures import Array, Figure, Z
from swarmhub.recipes.fixed import range_of
from swarmhub.recipes.survival.likelihood import (
    Arrays,
    Likelihood,
    Rows,
    Sums,
    measure,
    read_baseline,
    sum_rows,
)

AGREED = ("at", "base", "reached", "counted", "turn")
MAX_ROUNDS = 25
MAX_BYTES = 32 << 20  # of one hospital's sums in a round; 140 columns at 200 times
NEAR = 1e-10  # gain in likelihood that a step promises: below, the next point is the last
SLACK = 1e-12  # share of the likelihood by which it falls in rounding only
SINGULAR = 1e-12  # smallest eigenvalue of the scaled curvature
MOST = 1 << 12  # of a value in fixed point, in a masked study; steps of 2^-40
STEP = 1e-10  # of a mean: more than rounding to steps changes it
STRATIFIED = ("curvature", "gradient", "value")
POOLED = ("risk0", "risk1", "risk2", "tied0", "tied1", "tied2", "total")
PARTS = frozenset([*STRATIFIED, *POOLED, "reached"])
COUNTED = ("beyond", "counted", "events", "rows", "turn")


def make_bounds(is_stratified: bool) -> tuple[Bound, ...]:
    """Return the bounds of a round's arrays in a masked study."""
    names = ("at", "base", "reached", *(STRATIFIED if is_stratified else POOLED))
    return (
        *(range_of(name, MOST) for name in names),
        *(Bound(name, 0, 1 << 40) for name in COUNTED),
        Bound("moving", 0, 1),
    )


@dataclass(frozen=True, eq=False)
class Point:
    """Where a round takes its sums: `at` (p,), the point `base` (p,) from which the step came, the
    penalised likelihood there, of how many rows it is, rounds so far, and whether this is the last
    one."""

    at: Array
    base: Array
    reached: float
    counted: int
    turn: int
    is_last: bool


@dataclass(frozen=True, eq=False)
class Fit:
    """A Cox model: coefficients (p,), their covariance (p, p), the log partial likelihood without
    penalty, events, rounds, whether Newton's method came to rest, and the cumulative baseline
    hazard (T,) of all hospitals (None in the stratified form)."""

    beta: Array
    covariance: Array
    value: float
    events: int
    rounds: int
    is_converged: bool
    hazard: Array | None

    @property
    def errors(self) -> Array:
        """Standard errors (p,), from the Hessian of the penalised likelihood."""
        return np.sqrt(np.diag(self.covariance))

    def ratios(self) -> tuple[Figure, ...]:
        """Return the hazard ratio of each column with Wald's interval; support is the events."""
        found = []
        for beta, error in zip(self.beta.tolist(), self.errors.tolist(), strict=True):
            value, low, high = (
                math.exp(min(max(v, -700.0), 700.0))
                for v in (beta, beta - Z * error, beta + Z * error)
            )
            found.append(Figure(value, low, high, self.events))
        return tuple(found)


@dataclass(frozen=True)
class Cox:
    """A Cox regression of p columns on T grid times that all hospitals run alike. `slack`: the
    likelihood may fall so much by the steps in which sums are stored. Raises BadInput if a round's
    sums are too large, or the penalty is negative."""

    columns: int
    times: int
    penalty: float = 0.0
    is_stratified: bool = False
    slack: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.penalty < np.inf:
            raise BadInput(f"Expected a penalty of 0 or more, got {self.penalty:g}.")
        p = self.columns
        by_time = 2 * self.times * (1 + p + p * (p + 1) // 2)
        size = 8 * (p * p + p if self.is_stratified else by_time)
        if not 0 < size <= MAX_BYTES:
            form = "columns" if self.is_stratified else (
                "columns or grid times, or the form stratified by hospital"
            )  # fmt: skip
            raise BadInput(
                f"Expected sums of up to {MAX_BYTES >> 20} MB in a round, got {size / 2**20:.1f} "
                f"MB for {p} columns at {self.times} times; choose fewer {form}."
            )

    def arrays(self, rows: Rows, sums: Sums | None) -> Arrays:
        """Return this hospital's arrays for the next round; `sums` are the newest settled ones,
        None before the first. Raises BadInput if rows or sums do not fit, or the columns do not
        decide the point."""
        if rows.x.shape[1] != self.columns or len(rows.observed.grid) != self.times:
            raise BadInput(
                f"Expected {self.columns} columns at {self.times} grid times, got "
                f"{rows.x.shape[1]} at {len(rows.observed.grid)}."
            )
        point = self.advance(sums)
        found = sum_rows(rows, point.at)
        if self.is_stratified:
            own = measure(found, point.at)
            found = {
                "value": np.array([own.value]), "gradient": own.gradient,
                "curvature": own.curvature, "beyond": found["beyond"],
                "events": np.array([found["events"].sum()], dtype=np.int64),
            }  # fmt: skip
        return found | {
            "at": point.at,
            "base": point.base,
            "reached": np.array([point.reached]),
            "counted": np.array([point.counted], dtype=np.int64),
            "rows": np.array([len(rows.observed)], dtype=np.int64),
            "turn": np.array([point.turn], dtype=np.int64),
            "moving": np.array([not point.is_last], dtype=np.int64),
        }

    def advance(self, sums: Sums | None) -> Point:
        """Return where the round after these sums takes its own."""
        if sums is None:
            zero = np.zeros(self.columns)
            return Point(zero, zero, 0.0, 0, 1, False)
        at, base, turn = sums["at"], sums["base"], int(sums["turn"][0])
        reached, counted = float(sums["reached"][0]), int(sums["counted"][0])
        rows = int(sums["rows"][0])
        here = self._penalised(sums)
        lowest = reached - SLACK * abs(reached) - self.slack
        is_lower = rows == counted and not here.value >= lowest
        if turn > 1 and (is_lower or sums["beyond"][0] != 0):
            middle = 0.5 * (at + base)
            still = float(np.abs(at - base).max()) <= SLACK * (1 + float(np.abs(base).max()))
            return Point(base if still else middle, base, reached, counted, turn + 1, still)
        step = solve(here.curvature, here.gradient)
        is_last = float(here.gradient @ step) <= NEAR
        return Point(at + step, at, here.value, rows, turn + 1, is_last)

    def read(self, sums: Sums) -> Fit:
        """Return the model of the last sums of the stage."""
        here, at = self._penalised(sums), np.asarray(sums["at"], dtype=np.float64)
        step = solve(here.curvature, here.gradient)
        covariance = np.linalg.inv(here.curvature).astype(np.float64)
        return Fit(
            beta=at,
            covariance=covariance,
            value=here.value + 0.5 * self.penalty * float(at @ at),
            events=int(np.asarray(sums["events"]).sum()),
            rounds=int(sums["turn"][0]),
            is_converged=float(here.gradient @ step) <= NEAR and not sums["beyond"][0],
            hazard=None if self.is_stratified else read_baseline(sums),
        )

    def _penalised(self, sums: Sums) -> Likelihood:
        at = np.asarray(sums["at"], dtype=np.float64)
        if self.is_stratified:
            found = Likelihood(float(sums["value"][0]), sums["gradient"], sums["curvature"])
        else:
            found = measure(sums, at)
        return Likelihood(
            found.value - 0.5 * self.penalty * float(at @ at),
            found.gradient - self.penalty * at,
            found.curvature + self.penalty * np.eye(self.columns),
        )


def solve(curvature: Array, gradient: Array) -> Array:
    """Return Newton's step; (p, p), (p,) -> (p,). Raises BadInput if the columns do not decide
    it."""
    scale = np.sqrt(np.diag(curvature))
    flat = np.flatnonzero(~(scale > 0))
    advice = "leave it out, or declare a penalty"
    if len(flat):
        raise BadInput(
            f"Expected columns that vary among the patients at risk, got column {flat[0] + 1} "
            f"without any information; {advice}."
        )
    scaled = curvature / np.outer(scale, scale)
    values, vectors = np.linalg.eigh(scaled)
    if not values[0] > SINGULAR * values[-1]:
        worst = int(np.argmax(np.abs(vectors[:, 0])))
        raise BadInput(
            f"Expected columns that are no sums of one another, got column {worst + 1} that "
            f"follows from others; {advice}."
        )
    step: Array = vectors @ ((vectors.T @ (gradient / scale)) / values) / scale
    return step
