"""How good a model of K classes is at test patients, out of counts of hospitals.

A hospital sends (`make_counts`), whole numbers only; K classes are 0 .. K - 1:

    totals      patients' rows, and rows whose most probable class is the true one, (2,). A hospital
                with fewer than `few` patients gives only these
    confusion   rows by true class and most probable class, (K, K). The row of a class with 1 to
                `min_count` - 1 patients is withheld (zeros)
    loss        rows, sum of -log of the true class's probability, and sum of its squares, (3,)
    positive, negative, positive_spread, negative_spread, pairs, threshold
                counts of each class against all others, as `counts` has them: histograms of scores
                and four cells at one half, (K, ...)

Definitions:

    accuracy            of all rows; interval by Wilson
    recall, precision   by class, of the confusion matrix; interval by Wilson
    f1                  by class, 2 tp / (2 tp + fp + fn) = 2 j / (1 + j) with the share
                        j = tp / (tp + fp + fn): Wilson's interval of j, transformed
    balanced_accuracy   mean recall of classes that have rows; normal interval of independent shares
    macro_f1            mean f1 of classes that have rows, true or predicted; if rows are
                        withheld, of those that have true ones
    auc                 of class k against all others by histograms: see `counts` on how exact
    macro_auc           mean of these
    loss                mean of -log; interval normal, of a mean

All but auc are exact; loss to steps of 2^-30. Equal probabilities: the first class counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.errors import BadInput
from swarmhub.evaluation.counts import FEW, HISTOGRAMS, MIN_COUNT
from swarmhub.evaluation.counts import evaluate_counts as evaluate_two
from swarmhub.evaluation.counts import make_counts as make_two
from swarmhub.evaluation.figures import DESCRIPTIVE, SMALLEST, Array, Figure, Z, nothing, share
from swarmhub.evaluation.sums import (
    COARSE,
    FINE,
    Counts,
    convert,
    count_patients,
    from_steps,
    mean_of,
    to_steps,
)

ONE_AGAINST_ALL = (*HISTOGRAMS, "pairs", "threshold")
COUNTED = ("totals", "confusion", "loss", *ONE_AGAINST_ALL)
MOST_CLASSES = 100  # K (4 BINS + 5) + K^2 numbers leave a hospital


@dataclass(frozen=True)
class OfClass:
    """The figures of one class, by name; `support` is its number of rows that are published."""

    support: int
    figures: dict[str, Figure]


@dataclass(frozen=True, eq=False)
class ClassEvaluation:
    """Figures over all classes, those of each class, and the confusion matrix (K, K) with true
    classes as rows."""

    rows: int
    figures: dict[str, Figure]
    classes: tuple[OfClass, ...]
    confusion: npt.NDArray[np.int64]

    @property
    def is_descriptive(self) -> bool:
        """Whether there are too few rows of a class to say something of other patients."""
        return min(one.support for one in self.classes) < DESCRIPTIVE


def make_counts(
    y: npt.ArrayLike,
    probability: npt.ArrayLike,
    patients: npt.NDArray[Any] | None = None,
    min_count: int = MIN_COUNT,
    few: int = FEW,
) -> Counts:
    """Return what leaves a hospital, int64: y (n,) in 0 .. K - 1, probability (n, K), patients (n,)
    says which rows are of the same one. Raises BadInput if a row's probabilities do not add up to
    1, or a label is another."""
    label, p = _check(y, probability)
    n, k = p.shape
    said = p.argmax(axis=1) if n else np.zeros(0, dtype=np.int64)
    people = np.arange(n) if patients is None else patients
    is_few = count_patients(n, patients) < few
    sizes = [len(np.unique(people[label == c])) for c in range(k)]
    shown = np.array([size >= min_count and not is_few for size in sizes])
    cells = np.bincount(label * k + said, minlength=k * k).reshape(k, k) * shown[:, None]
    cost = np.zeros(0) if is_few else -np.log(np.maximum(p[np.arange(n), label], SMALLEST))
    found = {
        "totals": np.array([n, (label == said).sum()], dtype=np.int64),
        "confusion": cells.astype(np.int64),
        "loss": np.concatenate(
            [[len(cost)], to_steps([cost.sum()], FINE), to_steps([(cost**2).sum()], COARSE)]
        ),
    }
    used = slice(0, 0) if is_few else slice(None)
    each = [make_two(label[used] == c, p[used, c], 0.5, people[used], min_count, few)
            for c in range(k)]  # fmt: skip
    return found | {name: np.stack([two[name] for two in each]) for name in ONE_AGAINST_ALL}


def _check(y: npt.ArrayLike, probability: npt.ArrayLike) -> tuple[npt.NDArray[np.int64], Array]:
    label, p = np.asarray(y), np.asarray(probability, dtype=np.float64)
    if p.ndim != 2 or label.shape != (len(p),) or not 2 <= p.shape[1] <= MOST_CLASSES:
        raise BadInput(
            f"Expected probabilities of 2 to {MOST_CLASSES} classes for each label, got "
            f"{p.shape} for {label.shape}."
        )
    if not np.isin(label, np.arange(p.shape[1])).all():
        raise BadInput(f"Expected labels from 0 to {p.shape[1] - 1}, got others.")
    if not (((p >= 0) & (p <= 1)).all() and (np.abs(p.sum(axis=1) - 1) <= 1e-6).all()):
        raise BadInput("Expected probabilities from 0 to 1 that add up to 1 in a row, got others.")
    return label.astype(np.int64), p


def evaluate_counts(counts: Mapping[str, npt.ArrayLike]) -> ClassEvaluation:
    """Return the figures of summed counts. Accuracy is about all rows, the other figures about
    those that are published."""
    confusion = np.asarray(counts["confusion"], dtype=np.int64)
    rows, right = (int(v) for v in np.asarray(counts["totals"]))
    is_whole = int(confusion.sum()) == rows
    classes = tuple(_measure_class(counts, confusion, c, is_whole) for c in range(len(confusion)))
    number, total, squares = (int(v) for v in np.asarray(counts["loss"]))
    published = int(confusion.sum())
    scored = [one.figures["auc"].value for one in classes]
    figures = {
        "accuracy": share(right, rows),
        "balanced_accuracy": _mean_recall(confusion),
        "macro_f1": _mean([one.figures["f1"].value for one in classes], published),
        "macro_auc": _mean(scored, max(one.figures["auc"].support for one in classes)),
        "loss": mean_of(number, float(from_steps(total)), float(from_steps(squares, COARSE))),
    }
    return ClassEvaluation(rows, figures, classes, confusion)


def _measure_class(
    counts: Mapping[str, npt.ArrayLike], confusion: npt.NDArray[np.int64], c: int, is_whole: bool
) -> OfClass:
    support, found = int(confusion[c].sum()), int(confusion[c, c])
    said = int(confusion[:, c].sum())
    two = evaluate_two({name: np.asarray(counts[name])[c] for name in ONE_AGAINST_ALL})
    if not (support or is_whole):  # all of its rows may be withheld: it is not never right
        said = 0
    jaccard = share(found, support + said - found)
    figures = {
        "precision": share(found, said),
        "recall": share(found, support),
        "f1": convert(jaccard, lambda j: 2 * j / (1 + j)),
        "auc": two.figures["auc"],
    }
    return OfClass(support, figures)


def _mean_recall(confusion: npt.NDArray[np.int64]) -> Figure:
    """Return the balanced accuracy."""
    rows = confusion.sum(axis=1)
    used = rows > 0
    if not used.any():
        return nothing(0)
    recall = np.diag(confusion)[used] / rows[used]
    variance = float((recall * (1 - recall) / rows[used]).sum()) / len(recall) ** 2
    value, half = float(recall.mean()), Z * math.sqrt(variance)
    return Figure(value, max(0.0, value - half), min(1.0, value + half), int(rows.sum()))


def _mean(values: Sequence[float | None], support: int) -> Figure:
    """Return the mean of figures that have a value, without an interval."""
    known = [v for v in values if v is not None]
    if not known:
        return nothing(support)
    return Figure(math.fsum(known) / len(known), None, None, support)
