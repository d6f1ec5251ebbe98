"""Cross-validation inside the swarm: all folds and penalties as one stack, and the choice of C.

Every hospital splits its training patients into F folds; model k = fold x G + strength is trained
on all hospitals' rows outside of its fold and measured on those inside. Nobody outside of a
hospital learns which patient is in which fold.

Measure. Rows that are held out are scored by the loss that training minimises: the log loss with
class weights, divided by the sum of the weights. A penalty is good if it lowers the expected value
of just that. The plain log loss would measure the shares of the classes as well, for which balanced
training is wrong on purpose.

Choice. The curve of a fold's held-out loss over C is flat near its minimum, and the minimum is
noisy. The chosen C is the geometric mean of the folds' best: on a grid of equal ratios the mean of
their positions, rounded to the grid, ties to the stronger penalty. (LogisticRegressionCV of
scikit-learn averages the folds' best C as well if it does not refit.) Averaging steadies a noisy
estimate as bagging does (Breiman, Machine Learning 1996;24:123). Mean AUC of the pooled model on
the sets of bench/penalty.py, 100 splits:

                                        as they are   one site inverted
    geometric mean of the folds' best        .8542          .7234
        by the plain log loss                .8539          .7256
        by the AUC of each fold              .8542          .7173
    minimum of the mean curve                .8522          .7236
    one standard error, paired by fold       .8500          .7223
    one standard error                       .8466          .7227
    always C = 0.1                           .8545          .7048

(standard errors of differences .0003 to .0010). The one-standard-error rule ("The Elements of
Statistical Learning", 7.10) takes the strongest penalty that is not clearly worse than the best; it
costs AUC if the curve is flat (Parkinson, -.013) or rows are few (Alzheimer, -.005).

All of it is elementwise float64 arithmetic on settled sums, comparisons and whole numbers: every
hospital finds the same C.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from swarmhub.recipes.linear.axes import Array, Axes, SparseAxes
from swarmhub.recipes.linear.losses import LOGISTIC, Loss
from swarmhub.recipes.linear.stack import Models, Stack, weigh_rows

STRENGTHS = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0, 10.0)  # C, as scikit-learn has it
FOLDS = 5  # 3 are .001 of AUC worse, 8 are no better


@dataclass(frozen=True)
class Plan:
    """The terms of cross-validation, the same at all hospitals: the whole swarm's training rows of
    each class (their number alone if there are none), the C that are tried, ascending, the number
    of folds, and the loss."""

    class_rows: tuple[int, ...]
    strengths: tuple[float, ...] = STRENGTHS
    folds: int = FOLDS
    loss: Loss = LOGISTIC
    own: bool = False  # intercepts of each hospital's own

    def __post_init__(self) -> None:
        if self.folds < 2 or not self.strengths or min(self.strengths) <= 0.0:
            raise ValueError("Expected two folds or more, and strengths above 0.")
        if list(self.strengths) != sorted(set(self.strengths)):
            raise ValueError("Expected strengths in ascending order, each once.")

    @property
    def models(self) -> Models:
        """The F x G models: folds are stratified, so each sees all but 1/F of each class."""
        seen = np.array(self.class_rows) * ((self.folds - 1) / self.folds)
        return Models.of(self.strengths * self.folds, seen, self.loss, self.own)

    @property
    def final(self) -> Models:
        """The G models over all training rows."""
        return Models.of(self.strengths, self.class_rows, self.loss, self.own)

    def stack(self, axes: Axes | SparseAxes, y: npt.ArrayLike, fold: npt.ArrayLike) -> Stack:
        """Return a hospital's stack; y (n,), fold (n,) in 0 .. folds - 1."""
        of_model = np.repeat(np.arange(self.folds), len(self.strengths))  # (K,)
        seen = np.asarray(fold)[None, :] != of_model[:, None]  # (K, n)
        return Stack.of(self.models, axes, y, seen)

    def by_fold(self, values: Array) -> Array:
        """Return what is known of each model as (F, G, ...); (K, ...) -> (F, G, ...)."""
        return values.reshape(self.folds, len(self.strengths), *values.shape[1:])

    def mean_of_folds(self, values: Array) -> Array:
        """Return the mean over folds, added fold by fold; (K, ...) -> (G, ...)."""
        by_fold = self.by_fold(values)
        total = by_fold[0]
        for one in by_fold[1:]:
            total = total + one
        found: Array = total / self.folds
        return found


def held_out(stack: Stack, points: Array) -> tuple[Array, Array]:
    """Return the added loss and the added class weights of the rows that each model does not see;
    points (K, d) -> (K,), (K,)."""
    found = [_held_out(stack.take(part), points[part]) for part in stack.parts()]
    return np.concatenate([one[0] for one in found]), np.concatenate([one[1] for one in found])


def _held_out(stack: Stack, points: Array) -> tuple[Array, Array]:
    each = np.where(stack.weights > 0.0, 0.0, weigh_rows(stack.models, stack.y))  # (K, n)
    loss = each * stack.models.loss.each(stack.y, stack.margins(points))
    return loss.sum(axis=1), each.sum(axis=1)


def curves(plan: Plan, loss: Array, weight: Array) -> Array:
    """Return each fold's mean held-out loss by strength, (F, G), of the swarm's sums (K,), (K,). A
    fold without a row is left out."""
    by_fold, weights = plan.by_fold(loss), plan.by_fold(weight)
    used = weights[:, 0] > 0.0
    found: Array = by_fold[used] / weights[used]
    return found


def mean_of(rows: Array) -> Array:
    """Return the mean of rows (F, G) -> (G,), added row by row."""
    total = rows[0]
    for row in rows[1:]:
        total = total + row
    found: Array = total / len(rows)
    return found


def choose(curves_by_fold: Array) -> int:
    """Return the position of the chosen strength; (F, G), strengths ascending."""
    best = [int(np.argmin(curve)) for curve in curves_by_fold]  # the first: the strongest penalty
    return (2 * sum(best) + len(best) - 1) // (2 * len(best))  # the nearest to their mean
