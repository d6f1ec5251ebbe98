"""Pairs of patients for Harrell's C (JAMA 1982;247:2543), and cutpoints of risk.

A pair counts if the earlier of the two rounded times is an event, or if both are the same and just
one is an event: that one is earlier. It is right if the earlier one has the higher score.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from swarmhub.errors import BadInput
from swarmhub.evaluation.counts import BINS, FARTHEST, WIDTH, to_logits
from swarmhub.evaluation.figures import Array
from swarmhub.evaluation.sums import group_bins
from swarmhub.recipes.survival.times import Observed

Whole = npt.NDArray[np.int64]


def count_pairs(observed: Observed, score: npt.ArrayLike) -> tuple[Whole, Whole]:
    """Return pairs in right order, wrong order and tied in the score, (3,), and the sums over
    patients of a^2, a b, b^2, (3,), with b pairs of each and a twice the right ones plus ties;
    int64. score (n,) is higher for patients at higher risk. Time is of order T n log n."""
    s = np.asarray(score, dtype=np.float64)
    n, place, event = len(s), observed.place, observed.event
    right, tied, pairs = (np.zeros(n, dtype=np.int64) for _ in range(3))
    for t in np.unique(place[event]):
        first = np.flatnonzero((place == t) & event)
        later = np.flatnonzero((place > t) | ((place == t) & ~event))
        for one, other, sign in ((first, later, 1.0), (later, first, -1.0)):
            known = np.sort(sign * s[other])
            below = np.searchsorted(known, sign * s[one], side="left")
            right[one] += below
            tied[one] += np.searchsorted(known, sign * s[one], side="right") - below
            pairs[one] += len(other)
    twice = 2 * right + tied
    total, good, even = (int(v.sum()) // 2 for v in (pairs, right, tied))
    spread = [(twice * twice).sum(), (twice * pairs).sum(), (pairs * pairs).sum()]
    found = np.array([good, total - good - even, even], dtype=np.int64)
    return found, np.array(spread, dtype=np.int64)


def count_pairs_of_groups(events: npt.ArrayLike, censored: npt.ArrayLike) -> Whole:
    """Return pairs in right order, wrong order and tied, (3,) int64, if all of a group have the
    same score: counts (G, T) of patients, groups from low to high risk."""
    d, c = np.asarray(events, dtype=np.int64), np.asarray(censored, dtype=np.int64)
    leaving = d + c
    later = np.cumsum(leaving[:, ::-1], axis=1)[:, ::-1] - d  # (G, T) after t, or censored at t
    below = np.cumsum(later, axis=0) - later
    above = later.sum(axis=0) - below - later
    return np.array([(d * v).sum() for v in (below, above, later)], dtype=np.int64)


def count_risks(risk: npt.ArrayLike, least: int = 5) -> Whole:
    """Return what leaves a hospital to agree on cutpoints: patients by bin of the logit of their
    predicted risk, (BINS,) int64, in groups of at least `least`; zeros of fewer patients. Raises
    BadInput if risk (n,) is not from 0 to 1."""
    p = np.asarray(risk, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise BadInput("Expected predicted risks from 0 to 1, got others.")
    place = np.minimum(((to_logits(p) + FARTHEST) / WIDTH).astype(np.int64), BINS - 1)
    return group_bins(place, BINS, least)


def choose_cuts(counts: npt.ArrayLike, groups: int = 3) -> Array:
    """Return cutpoints of risk, at most (groups - 1,), that part summed counts (BINS,) into nearly
    equal numbers: ends of bins. There are fewer if many patients have the same risk."""
    rows = np.asarray(counts, dtype=np.float64)
    total = float(rows.sum())
    if rows.shape != (BINS,) or not (total > 0 and rows.min() >= 0):
        raise BadInput(
            "Expected counts of patients by risk, got none: no hospital has enough patients; "
            "declare the cutpoints."
        )
    passed = np.cumsum(rows)
    wanted = total * np.arange(1, groups) / groups
    ends = np.unique([int(np.argmin(np.abs(passed - w))) for w in wanted]) + 1
    ends = ends[(passed[ends - 1] > 0) & (passed[ends - 1] < total)]
    cuts: Array = 1.0 / (1.0 + np.exp(FARTHEST - WIDTH * ends))
    return cuts
