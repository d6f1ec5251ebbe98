"""Elastic net over hospitals: Newton's method in rounds of a `sum` stage, along penalties.

Model k minimises, over all rows j of all hospitals that it may see (N_k of them),

    sum_j s_kj loss(y_j, w . x_j + b) + 1 / C [ (1 - a) / 2 |w|_2^2 + a |w|_1 ]

with the class weights s of `stack`: scikit-learn's LogisticRegression(C, l1_ratio=a,
class_weight="balanced"), and ElasticNet(alpha=1 / (C N), l1_ratio=a) for numbers. The intercept is
free. A round adds each model's loss, gradient (q,) and curvature at the point `at`, of q = p + 1
parameters; the next point minimises that parabola with the penalty, by coordinate descent
(Friedman, Hastie and Tibshirani, J Stat Softw 2010;33(1):1; for proximal Newton steps: Lee, Sun and
Saunders, SIAM J Optim 2014;24:1420). If the objective has risen, of as many rows, the step is
halved.

All K models walk the same ascending C, from the strongest penalty on, each start the solution
before; loss and class weights of rows that a model does not see are added at every solution. All
that an iteration needs is in the sums: a trainer that comes late goes on from the newest. The
arrays AGREED are the same at all hospitals; `moving` is 0 in the last round.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.contract.records import Bound
from swarmhub.errors import BadInput
from swarmhub.recipes.fixed import range_of
from swarmhub.recipes.linear.alone import count_rows
from swarmhub.recipes.linear.axes import Array
from swarmhub.recipes.linear.folds import FOLDS, STRENGTHS, choose
from swarmhub.recipes.linear.losses import Loss
from swarmhub.recipes.linear.stack import Models, weigh_rows
from swarmhub.recipes.linear.sums import Arrays, Sums

Masks = npt.NDArray[np.bool_]
MOST = 1 << 12  # of a value in fixed point, in a masked study; steps of 2^-40
PARTS = frozenset(
    ["curvature", "gradient", "held", "held_weight", "lost", "reached", "value", "weighed"]
)
BOUNDS = (
    *(range_of(name, MOST) for name in ("at", "base", *sorted(PARTS))),
    *(Bound(name, 0, 1 << 40) for name in ("place", "rows", "seen", "turn")),
    Bound("moving", 0, 1),
)
STEP = 1e-10  # of a mean: more than rounding to steps changes it

AGREED = ("at", "base", "lost", "place", "reached", "seen", "turn", "weighed")
ROUNDS = 80  # of a path at most; two or three for each C are usual
MAX_BYTES = 32 << 20  # of one hospital's sums in a round
NEAR = 1e-11  # fall of the objective by row that a step promises: below it is a solution
ROUGH = 1e-5  # the same on the way, for all but the last C
SLACK = 1e-12  # share of an objective by which it rises in rounding only
SWEEPS = 1000  # of coordinate descent
STILL = 1e-11  # largest change of a parameter in the last sweep


@dataclass(frozen=True, eq=False)
class Rows:
    """A hospital's rows x (n, p), outcomes y (n,), and for each of K models the class weights of
    the rows that it sees, and of those that it is measured on, both (K, n)."""

    x: Array
    y: Array
    weights: Array
    held: Array


@dataclass(frozen=True, eq=False)
class Point:
    """Where a round takes its sums: `at` (K, q), the points `base` from which the steps came, the
    objectives `reached` there (K,) of `seen` rows (K,), the position of C, what has been measured
    (`lost` and `weighed`, (K, G)), rounds so far, and whether this is the last one."""

    at: Array
    base: Array
    reached: Array
    seen: Array
    place: int
    lost: Array
    weighed: Array
    turn: int
    is_last: bool


@dataclass(frozen=True)
class ElasticNet:
    """K models over p columns on a path of C, ascending; `ratio` is a. `slack`: an objective may
    rise so much by the steps in which sums are stored. Raises BadInput if a round's sums are too
    large."""

    models: int
    columns: int
    loss: Loss
    ratio: float
    strengths: tuple[float, ...]
    slack: float = 0.0

    def __post_init__(self) -> None:
        size = 8 * self.models * (self._pairs + 3 * (self.columns + 1))
        if size > MAX_BYTES:
            raise BadInput(
                f"Expected sums of up to {MAX_BYTES >> 20} MB in a round, got "
                f"{size / 2**20:.1f} MB for {self.models} models of {self.columns} features; "
                "choose fewer features, or the model logistic."
            )

    @property
    def _pairs(self) -> int:
        return (self.columns + 1) * (self.columns + 2) // 2

    def arrays(self, rows: Rows, sums: Sums | None) -> Arrays:
        """Return this hospital's arrays for the next round; `sums` are the newest settled ones,
        None before the first."""
        point = self.advance(sums)
        x = np.concatenate([rows.x, np.ones((len(rows.x), 1))], axis=1)  # (n, q)
        margin = (point.at @ x.T)[:, None, :]  # (K, 1, n)
        each = self.loss.each(rows.y, margin)  # (K, n)
        slope = self.loss.slopes(rows.y, margin)[:, 0] * rows.weights
        bend = self.loss.curvature(rows.y, margin)[0][:, 0] * rows.weights
        upper = np.triu_indices(self.columns + 1)
        curvature = np.stack([(x.T @ (b[:, None] * x))[upper] for b in bend])
        return {
            "at": point.at,
            "base": point.base,
            "curvature": curvature,
            "gradient": slope @ x,
            "held": (rows.held * each).sum(axis=1),
            "held_weight": rows.held.sum(axis=1),
            "lost": point.lost,
            "moving": np.array([not point.is_last], dtype=np.int64),
            "place": np.array([point.place], dtype=np.int64),
            "reached": point.reached,
            "rows": (rows.weights > 0).sum(axis=1).astype(np.float64),
            "seen": point.seen,
            "turn": np.array([point.turn], dtype=np.int64),
            "value": (rows.weights * each).sum(axis=1),
            "weighed": point.weighed,
        }

    def advance(self, sums: Sums | None) -> Point:
        """Return where the round after these sums takes its own."""
        if sums is None:
            zero = np.zeros((self.models, self.columns + 1))
            none = np.zeros((self.models, len(self.strengths)))
            flat = np.zeros(self.models)
            return Point(zero, zero, flat, flat, 0, none, none, 1, False)
        at, base = _floats(sums, "at"), _floats(sums, "base")
        reached, seen, rows = (_floats(sums, n) for n in ("reached", "seen", "rows"))
        place, turn = int(sums["place"][0]), int(sums["turn"][0])
        lost, weighed = _floats(sums, "lost").copy(), _floats(sums, "weighed").copy()
        here = self._objective(sums, place)
        highest = reached + SLACK * np.abs(reached) + self.slack
        has_risen = (here > highest) & (rows == seen) & (turn > 1)
        still = np.abs(at - base).max(axis=1) <= STILL
        step, gain = self._step(sums, place)
        is_end = place == len(self.strengths) - 1
        near = (NEAR if is_end else ROUGH) * np.maximum(rows, 1.0)
        is_solved = (gain <= near) & ~has_risen | still & has_risen
        if rows.any() and bool(is_solved.all()):
            lost[:, place], weighed[:, place] = sums["held"], sums["held_weight"]
            if is_end:
                end = at + np.where(has_risen[:, None], 0.0, step)
                return Point(end, at, here, rows, place, lost, weighed, turn + 1, True)
            place += 1
            here, has_risen = self._objective(sums, place), np.zeros(self.models, dtype=bool)
            step, _ = self._step(sums, place)
        half = has_risen[:, None]
        return Point(
            np.where(half, 0.5 * (at + base), at + step),
            np.where(half, base, at),
            np.where(has_risen, reached, here),
            np.where(has_risen, seen, rows),
            place, lost, weighed, turn + 1, False,
        )  # fmt: skip

    def _objective(self, sums: Sums, place: int) -> Array:
        weight = _floats(sums, "at")[:, :-1]
        ridge = 0.5 * (1.0 - self.ratio) * (weight**2).sum(axis=1)
        lasso = self.ratio * np.abs(weight).sum(axis=1)
        found: Array = _floats(sums, "value") + (ridge + lasso) / self.strengths[place]
        return found

    def _step(self, sums: Sums, place: int) -> tuple[Array, Array]:
        """Return the steps to the minima of the parabolas with the penalty, (K, q), and by how much
        the objectives would fall, (K,)."""
        at, gradient = _floats(sums, "at"), _floats(sums, "gradient")
        q = self.columns + 1
        curvature = np.zeros((self.models, q, q))
        rows, columns = np.triu_indices(q)
        curvature[:, rows, columns] = curvature[:, columns, rows] = _floats(sums, "curvature")
        l1 = np.append(np.full(self.columns, self.ratio), 0.0) / self.strengths[place]
        l2 = np.append(np.full(self.columns, 1.0 - self.ratio), 0.0) / self.strengths[place]
        curvature[:, np.arange(q), np.arange(q)] += l2
        gradient = gradient + l2 * at
        new = descend(curvature, gradient, at, l1)
        step = new - at
        parabola = (gradient * step).sum(axis=1)
        parabola += 0.5 * np.einsum("kq,kqr,kr->k", step, curvature, step)
        lasso = (l1 * (np.abs(new) - np.abs(at))).sum(axis=1)
        return step, -(parabola + lasso)


def see_folds(fold: npt.ArrayLike, folds: int = FOLDS) -> Masks:
    """Return which rows each of the models of a path sees, (folds, n): all outside of its fold."""
    found: Masks = np.asarray(fold)[None, :] != np.arange(folds)[:, None]
    return found


def weigh(x: Array, y: npt.ArrayLike, loss: Loss, class_rows: npt.ArrayLike, seen: Masks) -> Rows:
    """Return a hospital's rows x (n, p), y (n,) of which each model sees some, (K, n); class_rows
    (K, c) are the rows of each class that it sees in the whole swarm. Those that it does not see
    are measured."""
    rows = np.asarray(class_rows, dtype=np.float64)
    outcome = np.asarray(y, dtype=np.float64)
    each = weigh_rows(Models.of([1.0] * len(seen), rows, loss), outcome)
    return Rows(x, outcome, np.where(seen, each, 0.0), np.where(seen, 0.0, each))


def read_strength(sums: Sums, strengths: tuple[float, ...] = STRENGTHS) -> float:
    """Return C as chosen by the folds, of the last sums of a path."""
    return strengths[choose(curves_of(sums))]


def curves_of(sums: Sums) -> Array:
    """Return each fold's mean loss of the rows that its model does not see, (F, G), of the last
    sums of a path; a fold without a row is left out. A C that the rounds did not reach has an
    infinite loss."""
    lost, weighed = _floats(sums, "lost"), _floats(sums, "weighed")
    used = weighed[:, 0] > 0
    lost, weighed = lost[used], weighed[used]
    found: Array = np.where(weighed > 0, lost / np.where(weighed > 0, weighed, 1.0), np.inf)
    return found


def fit_alone(
    x: Array, y: npt.ArrayLike, fold: npt.ArrayLike, loss: Loss, ratio: float
) -> tuple[float, Array]:
    """Choose C by these folds and fit all rows at one place -> (C, point (p + 1,)), the intercept
    last. Raises ValueError if a class is absent."""
    rows = np.array(count_rows(y, loss), dtype=np.float64)
    if not rows.min():
        raise ValueError(f"Expected rows of both classes, got {rows.tolist()}.")
    folds = max(FOLDS, int(np.max(np.asarray(fold), initial=0)) + 1)
    share = np.full((folds, 1), (folds - 1) / folds)
    path = ElasticNet(folds, x.shape[1], loss, ratio, STRENGTHS)
    strength = read_strength(
        iterate(path, weigh(x, y, loss, share * rows, see_folds(fold, folds)), ROUNDS)
    )
    one = ElasticNet(1, x.shape[1], loss, ratio, (strength,))
    every = weigh(x, y, loss, rows[None], np.ones((1, len(x)), dtype=bool))
    return strength, np.asarray(iterate(one, every, ROUNDS)["at"])[0]


def iterate(model: ElasticNet, rows: Rows, rounds: int) -> Arrays:
    """Return the last sums of a stage at one place."""
    sums = model.arrays(rows, None)
    while sums["moving"][0] and sums["turn"][0] < rounds:
        sums = model.arrays(rows, sums)
    return sums


def descend(curvature: Array, gradient: Array, at: Array, l1: Array) -> Array:
    """Return argmin over v of gradient . (v - at) + 1/2 (v - at)' curvature (v - at) + l1 . |v| for
    each of K models, by coordinate descent: (K, q, q), (K, q), (K, q), (q,) -> (K, q). A parameter
    without any curvature stays."""
    v = at.copy()
    slope = gradient.copy()  # of the parabola at v, (K, q)
    diagonal = np.diagonal(curvature, axis1=1, axis2=2)
    safe = np.where(diagonal > 0, diagonal, 1.0)
    is_whole = True  # or only the parameters that are not 0, until those are still
    for _ in range(SWEEPS):
        largest = 0.0
        active = range(v.shape[1]) if is_whole else np.flatnonzero((v != 0).any(axis=0))
        for j in active:
            wanted = v[:, j] - slope[:, j] / safe[:, j]
            bound = l1[j] / safe[:, j]
            new = np.sign(wanted) * np.maximum(np.abs(wanted) - bound, 0.0)
            change = np.where(diagonal[:, j] > 0, new - v[:, j], 0.0)
            if not change.any():
                continue
            v[:, j] += change
            slope += change[:, None] * curvature[:, j]
            largest = max(largest, float(np.abs(change).max()))
        is_still = largest <= STILL
        if is_whole and is_still:
            break
        is_whole = is_still
    return v


def _floats(sums: Sums, name: str) -> Any:
    return np.asarray(sums[name], dtype=np.float64)
