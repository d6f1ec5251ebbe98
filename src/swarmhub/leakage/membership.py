"""Membership inference: the records among the rows that a model was trained on.

Each function returns a score for each record, higher for members.

    loss         a record with a small loss is a member: Yeom et al., IEEE CSF 2018
    trajectory   the same by the mean loss over several models of one training: the
                 chances of one model cancel; after Liu et al., ACM CCS 2022, without their
                 trained classifier
    shadows      the confidence in a record against that of models that have not seen it, trained
                 on halves of the attacker's rows: the offline variant of LiRA, Carlini et al.,
                 IEEE S&P 2022. The confidence's spread is one for all records, as they advise for
                 few shadow models, and so does not change the order

Confidence is log(p / (1 - p)) with p = exp(-loss): of the log loss of two classes that is the
margin towards the right one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
# rows that are trained on (n,) -> losses of all rows (n,); None if there is no model of them
Fit = Callable[[Mask], Array | None]

SMALLEST, LARGEST = 1e-300, 700.0  # of a loss
LEAST_SHADOWS = 2  # which have not seen a record


def score_loss(losses: npt.ArrayLike) -> Array:
    """Return minus the loss of each record, (n,) -> (n,)."""
    return -np.asarray(losses, dtype=np.float64)


def score_trajectory(losses: npt.ArrayLike) -> Array:
    """Return minus the mean over models of each record's loss, (T, n) -> (n,)."""
    found: Array = -np.asarray(losses, dtype=np.float64).mean(axis=0)
    return found


def measure_confidence(losses: npt.ArrayLike) -> Array:
    """Return log(p / (1 - p)) of p = exp(-loss), of the same shape."""
    known = np.clip(np.asarray(losses, dtype=np.float64), SMALLEST, LARGEST)
    found: Array = -known - np.log(-np.expm1(-known))
    return found


def score_shadows(
    losses: npt.ArrayLike, patient: npt.ArrayLike, fit: Fit, pairs: int, seed: int
) -> Array | None:
    """Return each record's confidence less the mean one of the shadow models that have not seen
    it, (n,).

    losses (n,) are the attacked model's, patient (n,) numbers from 0 on. Each of `pairs` draws
    parts the patients in two halves and fits a model of each. None if a record has fewer than
    LEAST_SHADOWS of them."""
    codes = np.asarray(patient, dtype=np.int64)
    chance = np.random.default_rng(seed)
    total, count = np.zeros(len(codes)), np.zeros(len(codes))
    for _ in range(pairs):
        order = chance.permutation(int(codes.max()) + 1)
        first = (order < len(order) // 2)[codes]
        for seen in (first, ~first):
            made = fit(seen)
            if made is not None:
                total += np.where(seen, 0.0, measure_confidence(made))
                count += ~seen
    if not len(count) or count.min() < LEAST_SHADOWS:
        return None
    found: Array = measure_confidence(losses) - total / count
    return found
