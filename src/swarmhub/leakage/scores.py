"""Figures of an attack: how well a score parts members from others.

    auroc    area under the ROC curve; interval by DeLong on the logit scale (`evaluation.figures`)
    tpr      share of the members that are found while at most 1% of the others are taken for
             members (Carlini et al., IEEE S&P 2022); Wilson's interval at that threshold, which
             does not count that the threshold was found on the same records

Rows of one patient are no independent records: their scores are averaged, and a patient counts
once.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from swarmhub.evaluation.figures import Figure, Scored, Z, measure_order, nothing, share

Array = npt.NDArray[np.float64]

FALSE_ALARMS = 0.01  # share of the others


def mean_by_patient(score: npt.ArrayLike, patient: npt.ArrayLike) -> Array:
    """Return the mean score of each patient, (u,); score (n,), patient (n,) numbers."""
    _, codes = np.unique(np.asarray(patient), return_inverse=True)
    total = np.bincount(codes, weights=np.asarray(score, dtype=np.float64))
    found: Array = total / np.bincount(codes)
    return found


def measure_attack(members: npt.ArrayLike, others: npt.ArrayLike) -> dict[str, Figure]:
    """Return auroc and tpr of scores of members (u,) and of others (v,), higher for members."""
    inside, outside = (np.asarray(s, dtype=np.float64) for s in (members, others))
    if not len(inside) or not len(outside):
        return {"auroc": nothing(0), "tpr": nothing(0)}
    return {"auroc": measure_auroc(inside, outside), "tpr": measure_tpr(inside, outside)}


def measure_auroc(inside: Array, outside: Array) -> Figure:
    """Return the area under the ROC curve of scores; only their order counts."""
    label = np.concatenate([np.ones(len(inside)), np.zeros(len(outside))])
    _, place = np.unique(np.concatenate([inside, outside]), return_inverse=True)
    rank = (place + 0.5) / (int(place.max()) + 1)
    return measure_order(Scored.of(label, rank))["auc"]


def measure_tpr(inside: Array, outside: Array) -> Figure:
    """Return the share of members above the threshold that at most FALSE_ALARMS of the others
    pass: none of fewer than a hundred."""
    allowed = int(FALSE_ALARMS * len(outside))
    threshold = np.sort(outside)[::-1][allowed]
    return share(int((inside > threshold).sum()), len(inside))


def correlate(found: npt.ArrayLike, truth: npt.ArrayLike) -> Figure:
    """Return Pearson's correlation over k values with Fisher's interval; None of fewer than four
    values, or of constant ones."""
    a, b = (np.asarray(v, dtype=np.float64).reshape(-1) for v in (found, truth))
    k = len(a)
    a, b = a - a.mean(), b - b.mean()
    size = math.sqrt(float(a @ a) * float(b @ b))
    if k < 4 or not size:
        return nothing(k)
    value = max(-1.0, min(1.0, float(a @ b) / size))
    middle = math.atanh(max(-1 + 1e-12, min(1 - 1e-12, value)))
    half = Z / math.sqrt(k - 3)
    return Figure(value, math.tanh(middle - half), math.tanh(middle + half), k)
