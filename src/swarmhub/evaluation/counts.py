"""Counts of test patients by score: what leaves a hospital to measure a model over all of them.

Histograms over a grid that all agree on, one of each class, and the four cells at the threshold. A
histogram is never a list of scores: within a class, neighbours are put together until each group
has `min_count` patients, and the rows of a group are counted at its mean. Beside the rows of a bin
goes the sum of their squared distances from the mean of their group, as mean and variance of a cell
of five are published anywhere. A hospital with fewer than `few` patients, or with too few of one
class, gives the four cells only. Sums over hospitals are exact, so pooled figures follow from the
settled sums alone.

Theory. A group at one point would make the classes look further apart than they are: with seven
positive patients all spread within the class is gone. So the rows of a bin are taken for normally
spread about its middle, with the published variance. Order within a hospital is known there:
`pairs` adds, for each hospital, the pairs of a positive and a negative patient that its own scores
order rightly, less those that its own histograms do. What is left is the order of pairs across
hospitals. On simulated hospitals (2 to 8, with areas under the ROC curve from .6 to .95 and 10% to
90% positive patients, 200 and 400 in all) the area of the sums is off by 0.002 or less in the mean
in nine of ten settings; `tests/evaluation` has the figures.

The grid is even in logits, since scores crowd near 0 and 1: 240 bins of a tenth from -12 to 12.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.evaluation.figures import (
    Array,
    Evaluation,
    Figure,
    Scored,
    measure_calibration,
    measure_cells,
    measure_order,
)

MIN_COUNT, FEW = 5, 20  # patients
WIDTH, FARTHEST = 0.1, 12.0  # of a bin, and of the grid, in logits
BINS = 240
HISTOGRAMS = ("positive", "negative", "positive_spread", "negative_spread")
NODES = 9  # points that stand for the spread of a bin
SPREAD = 1000  # a squared logit in the unit of the spread
HALF = 2000  # a pair in the unit of `pairs`
Counts = dict[str, npt.NDArray[np.int64]]


def to_logits(probability: npt.ArrayLike) -> Array:
    """Return the logits of probabilities, kept within the grid; (n,) -> (n,)."""
    edge = 1.0 / (1.0 + np.exp(FARTHEST))
    p = np.clip(np.asarray(probability, dtype=np.float64), edge, 1.0 - edge)
    return np.log(p / (1.0 - p))


def make_counts(
    y: npt.ArrayLike,
    probability: npt.ArrayLike,
    threshold: float = 0.5,
    patients: npt.NDArray[Any] | None = None,
    min_count: int = MIN_COUNT,
    few: int = FEW,
) -> Counts:
    """Return what leaves a hospital: `positive`, `negative` and their `_spread` (BINS,), `pairs`
    (1,), `threshold` (4,) with true and false positives, true and false negatives; int64. y (n,) in
    {0, 1}, probability (n,), patients (n,) says which rows are of the same one."""
    Scored.of(y, probability)  # checks them
    label, p = np.asarray(y) == 1, np.asarray(probability, dtype=np.float64)
    people = (
        np.arange(len(label)) if patients is None else np.unique(patients, return_inverse=True)[1]
    )
    found = {name: np.zeros(BINS, dtype=np.int64) for name in HISTOGRAMS}
    found["pairs"] = np.zeros(1, dtype=np.int64)
    found["threshold"] = count_cells(label, p >= threshold)
    classes = [len(np.unique(people[label == c])) for c in (True, False)]
    if len(np.unique(people)) >= few and min(classes) >= min_count:
        logits = to_logits(p)
        for name, at in (("positive", label), ("negative", ~label)):
            rows, spread = _group(logits[at], people[at], min_count)
            found |= {name: rows, f"{name}_spread": spread}
        exact, known = (_count_pairs(s) for s in (Scored.of(label, p), scored_of(found)))
        found["pairs"][0] = round(HALF * (exact - known))
    return found


def _count_pairs(scored: Scored) -> float:
    """Return the number of pairs of a positive and a negative row in the right order."""
    below = np.cumsum(scored.zeros) - scored.zeros / 2.0
    return float((scored.ones * below).sum())


def count_cells(label: npt.NDArray[np.bool_], said: npt.NDArray[np.bool_]) -> Any:
    """Return true and false positives, true and false negatives, (4,) int64."""
    cells = [label & said, ~label & said, ~label & ~said, label & ~said]
    return np.array([int(cell.sum()) for cell in cells], dtype=np.int64)


def _group(
    logits: Array, people: npt.NDArray[Any], least: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return rows and spread by bin: neighbours together until each group has `least` patients."""
    order = np.argsort(logits, kind="stable")
    groups: list[list[int]] = []
    group: list[int] = []
    seen: set[int] = set()
    for row in order.tolist():
        group.append(row)
        seen.add(int(people[row]))
        if len(seen) >= least:
            groups.append(group)
            group, seen = [], set()
    if group:
        groups[-1] += group
    rows, spread = np.zeros(BINS, dtype=np.int64), np.zeros(BINS)
    for members in groups:
        middle = float(logits[members].mean())
        place = min(int((middle + FARTHEST) / WIDTH), BINS - 1)
        rows[place] += len(members)
        spread[place] += float(((logits[members] - middle) ** 2).sum())
    return rows, np.rint(SPREAD * spread).astype(np.int64)


def make_subgroup_counts(
    y: npt.ArrayLike,
    probability: npt.ArrayLike,
    members: npt.NDArray[np.bool_],
    threshold: float = 0.5,
    min_count: int = MIN_COUNT,
) -> npt.NDArray[np.int64]:
    """Return the four cells at the threshold of each subgroup, (S, 4); members (S, n). All four are
    0 (withheld) if one of them, here or among the other patients, has 1 to `min_count` - 1."""
    label = np.asarray(y) == 1
    said = np.asarray(probability, dtype=np.float64) >= threshold
    found = np.zeros((len(members), 4), dtype=np.int64)
    for k, at in enumerate(members):
        inside, outside = (count_cells(label[m], said[m]) for m in (at, ~at))
        small = [(cells > 0) & (cells < min_count) for cells in (inside, outside)]
        if not any(s.any() for s in small):
            found[k] = inside
    return found


def evaluate_counts(counts: Mapping[str, npt.ArrayLike], threshold: float = 0.5) -> Evaluation:
    """Return the figures of summed counts. Those of order and calibration are about the patients in
    the histograms, those at the threshold about all."""
    scored = scored_of(counts)
    tp, fp, tn, fn = (int(n) for n in np.asarray(counts["threshold"]))
    order = measure_order(scored)
    area = order["auc"]
    if area.value is not None and area.low is not None and area.high is not None:
        pairs = float(scored.ones.sum() * scored.zeros.sum())
        shift = float(np.asarray(counts["pairs"])[0]) / HALF / pairs
        value, low, high = (
            min(max(v + shift, 0.0), 1.0) for v in (area.value, area.low, area.high)
        )
        order["auc"] = Figure(value, low, high, area.support)
    return Evaluation(
        tp + fn, tn + fp, threshold,
        order | measure_cells(tp, fp, tn, fn) | measure_calibration(scored),
    )  # fmt: skip


def scored_of(counts: Mapping[str, npt.ArrayLike]) -> Scored:
    """Return histograms as scores: the rows of a bin in NODES equal parts, normally spread about
    its middle. Parts of rows are no whole numbers."""
    ones, zeros = (_spread_out(counts, name) for name in ("positive", "negative"))
    logits = np.unique(np.concatenate([ones[0], zeros[0]]))
    found = Scored(1.0 / (1.0 + np.exp(-logits)), np.zeros(len(logits)), np.zeros(len(logits)))
    np.add.at(found.ones, np.searchsorted(logits, ones[0]), ones[1])
    np.add.at(found.zeros, np.searchsorted(logits, zeros[0]), zeros[1])
    return found


def _spread_out(counts: Mapping[str, npt.ArrayLike], name: str) -> tuple[Array, Array]:
    """Return logits and rows of the parts of one class."""
    rows = np.asarray(counts[name], dtype=np.float64)
    used = np.flatnonzero(rows > 0)
    spread = np.asarray(counts[f"{name}_spread"], dtype=np.float64)[used] / SPREAD
    deviation = np.sqrt(np.maximum(spread, 0.0) / rows[used])  # (u,)
    nodes = np.array([NormalDist().inv_cdf((k + 0.5) / NODES) for k in range(NODES)])
    nodes /= math.sqrt(float((nodes**2).mean()))
    middle = -FARTHEST + WIDTH * (used + 0.5)
    logits = middle[:, None] + deviation[:, None] * nodes
    return logits.ravel(), np.repeat(rows[used] / NODES, NODES)


def trace_roc(scored: Scored) -> tuple[Array, Array]:
    """Return (false positive rate, recall) along the ROC curve, from (0, 0) to (1, 1)."""
    ones = np.cumsum(scored.ones[::-1]) / max(float(scored.ones.sum()), 1e-9)
    zeros = np.cumsum(scored.zeros[::-1]) / max(float(scored.zeros.sum()), 1e-9)
    return np.concatenate([[0.0], zeros]), np.concatenate([[0.0], ones])
