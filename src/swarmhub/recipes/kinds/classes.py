"""Several classes: the probability of each, (n, e); of two, that of the second, (n,)."""

from __future__ import annotations

from typing import Any

import numpy as np

from swarmhub.data.frames import Floats
from swarmhub.evaluation import classes
from swarmhub.evaluation.classes import COUNTED, ClassEvaluation
from swarmhub.recipes.kinds.kind import FEW, Arrays, Tested

METRICS = ("accuracy", "macro_f1", "balanced_accuracy", "loss")
SIGNED = ("pairs",)
SENT = (
    "counts of test patients by true and by predicted class, by the score of each class in bins, "
    "with the spread in each, of pairs in the right order, and sums of losses"
)

__all__ = ["COUNTED", "METRICS", "SENT", "SIGNED", "count", "evaluate", "measure", "publish"]


def measure(tested: Tested, predicted: Floats) -> dict[str, float]:
    """Return accuracy, macro-F1, balanced accuracy and loss; the loss alone of few patients."""
    figures = evaluate(tested, predicted).figures
    names = METRICS if tested.count >= FEW else ("loss",)
    return {n: value for n in names if (value := figures[n].value) is not None}


def count(tested: Tested, predicted: Floats) -> Arrays:
    """Return the confusion matrix, losses, and histograms of each class against the others."""
    return classes.make_counts(
        tested.y, by_class(tested, predicted), tested.patients, tested.min_count, FEW
    )


def evaluate(tested: Tested, predicted: Floats) -> ClassEvaluation:
    """Return all figures, with nothing withheld."""
    made = classes.make_counts(tested.y, by_class(tested, predicted), None, 1, 0)
    return classes.evaluate_counts(made)


def publish(tested: Tested, models: dict[str, Any]) -> dict[str, float]:
    """Return the figures that are published."""
    found = {"samples": float(len(tested.y))}
    if tested.count < FEW:
        return found
    for model, prefix in (("swarm", ""), ("local", "local "), ("left-out", "left-out ")):
        names = ("loss", "accuracy", "macro_f1") if model == "swarm" else ("accuracy",)
        for name in names:
            value = models[model].figures[name].value if model in models else None
            if value is not None:
                found[prefix + name] = value
    return found


def by_class(tested: Tested, predicted: Floats) -> Floats:
    """Return the probability of each class, (n, e)."""
    if not len(predicted):
        return np.zeros((0, tested.classes))
    return predicted if predicted.ndim == 2 else np.column_stack([1.0 - predicted, predicted])
