"""Two classes: probabilities of label 1, (n,)."""

from __future__ import annotations

from typing import Any

import numpy as np

from swarmhub.data.frames import Floats
from swarmhub.data.metrics import auc, log_loss
from swarmhub.evaluation.counts import HISTOGRAMS, make_counts
from swarmhub.evaluation.figures import Evaluation, evaluate_scores
from swarmhub.recipes.kinds.kind import FEW, Arrays, Tested

METRICS = ("auc", "loss")
COUNTED = (*HISTOGRAMS, "pairs", "threshold")
SIGNED = ("pairs",)
SENT = (
    "counts of test patients by outcome and by the score in bins, with the spread in each, of "
    "pairs in the right order, and of right and wrong decisions at the threshold"
)
PUBLISHED = (
    "auc", "auprc", "loss", "accuracy", "recall", "specificity", "brier", "intercept", "slope",
    "ece",
)  # fmt: skip


def measure(tested: Tested, predicted: Floats) -> dict[str, float]:
    """Return AUC and loss; no AUC of few patients or of one class."""
    found = {"loss": log_loss(_labels(tested), predicted)}
    area = auc(tested.y, predicted)
    if area is not None and tested.count >= FEW:
        found["auc"] = area
    return found


def count(tested: Tested, predicted: Floats) -> Arrays:
    """Return histograms of scores, and four cells at the threshold."""
    return make_counts(
        tested.y, predicted, tested.schema.threshold, tested.patients, tested.min_count, FEW
    )


def evaluate(tested: Tested, predicted: Floats) -> Evaluation:
    """Return all figures."""
    return evaluate_scores(_labels(tested), predicted, tested.schema.threshold)


def publish(tested: Tested, models: dict[str, Any]) -> dict[str, float]:
    """Return the figures that are published."""
    found = {"samples": float(len(tested.y)), "positives": float(tested.y.sum())}
    if tested.count < FEW:
        return found
    figures = models["swarm"].figures
    for name in PUBLISHED:
        if figures[name].value is not None:
            found[name] = figures[name].value
    if figures["auc"].low is not None and figures["auc"].high is not None:
        found |= {"auc low": figures["auc"].low, "auc high": figures["auc"].high}
    for model, key in (("local", "local auc"), ("left-out", "left-out auc")):
        area = models[model].figures["auc"].value if model in models else None
        if area is not None:
            found[key] = area
    return found


def _labels(tested: Tested) -> Any:
    return tested.y.astype(np.int64)
