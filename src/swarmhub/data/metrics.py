"""Metrics of predicted probabilities."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def auc(y: npt.ArrayLike, score: npt.ArrayLike) -> float | None:
    """Return the area under the ROC curve: the chance that a row of class 1 scores above one of
    class 0.

    y (n,) in {0, 1}, score (n,) -> 0..1, ties count half (Mann-Whitney U; Hanley and McNeil,
    Radiology 1982;143:29). None if a class is absent: there is no such chance then.
    """
    labels, scores = np.asarray(y) == 1, np.asarray(score, dtype=np.float64)
    ones = int(labels.sum())
    zeros = len(labels) - ones
    if not ones or not zeros:
        return None
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    rank = np.cumsum(counts) - (counts - 1) / 2.0  # mean rank of each distinct score, from 1
    above = float(rank[place][labels].sum()) - ones * (ones + 1) / 2.0
    return above / (ones * zeros)


def log_loss(y: npt.ArrayLike, probability: npt.ArrayLike) -> float:
    """Return the mean of -log of the probability given to the true label, in nats; y (n,),
    probability (n,).

    Probabilities are kept within [1e-12, 1 - 1e-12], so one sure mistake costs 28, not infinity.
    """
    labels = np.asarray(y) == 1
    p = np.clip(np.asarray(probability, dtype=np.float64), 1e-12, 1.0 - 1e-12)
    return float(-np.log(np.where(labels, p, 1.0 - p)).mean())
