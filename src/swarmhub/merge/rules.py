"""The rules: what becomes of one column of values, one value from each member.

weighted_mean      sum of w_i x_i over sum of w_i (FedAvg, McMahan et al. 2017). No protection.
coordinate_median  the middle value, or the mean of the two middle ones (Yin et al. 2018).
trimmed_mean       the k smallest and the k largest of N are dropped, k = floor(N trim / 1000),
                   and the rest averaged (Yin et al. 2018).
geometric_median   the point with the least weighted sum of distances to the contributions, each
                   taken as one vector (Pillutla et al. 2022); see `geometric`.
clipped_mean       the weighted mean of deltas to the base model, none longer than the median of
                   this round's; see `clipping`.
nnm_trimmed_mean   the trimmed mean of each contribution's mean with its N - k nearest (Allouah et
                   al. 2023); see `nearest`.

The coordinate median and the two trimmed means ignore weights: a Byzantine member could claim a
large one. Under the other rules `max_share_permille` bounds what one weight counts; see `caps`.

Integer and BOOL tensors follow one rule under every rule: the lower median, element by element.
It is exact (no rounding to decide on), it withstands a Byzantine minority, and it is always a
value that a member sent, as a counter (BatchNorm's num_batches_tracked), an index or a mask needs.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from swarmhub.errors import MergeError
from swarmhub.merge.arithmetic import Array, Float64s, fold, sort_rows, tree_sum
from swarmhub.merge.caps import NO_CAP

NAMES = (
    "weighted_mean", "coordinate_median", "trimmed_mean", "geometric_median", "clipped_mean",
    "nnm_trimmed_mean",
)  # fmt: skip
CHUNK_LOCAL = frozenset(["weighted_mean", "coordinate_median", "trimmed_mean"])
WEIGHTED = frozenset(["weighted_mean", "geometric_median", "clipped_mean"])
TRIMMED = frozenset(["trimmed_mean", "nnm_trimmed_mean"])
NEEDS_BASE = frozenset(["clipped_mean"])  # the model from which the contributions started

# N float64 rows (P,), which it may overwrite -> one row (P,); if the rule needs the base, its row
# comes last, and stays as it is
Combine = Callable[[Sequence[Float64s]], Float64s]


@dataclass(frozen=True)
class Rule:
    """How float tensors are merged; `trim_permille` (0 to 500) matters to the trimmed means only,
    `max_share_permille` (1 to 1000: no cap) to the rules with weights."""

    name: str
    trim_permille: int = 100
    max_share_permille: int = NO_CAP

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise MergeError(
                f"Expected a merge rule of {', '.join(NAMES)}, got {str(self.name)[:60]!r}."
            )
        if type(self.trim_permille) is not int or not 0 <= self.trim_permille <= 500:
            raise MergeError(
                f"Expected a trim of 0 to 500 permille at each end, got {self.trim_permille!r}."
            )
        cap = self.max_share_permille
        if type(cap) is not int or not 1 <= cap <= NO_CAP:
            raise MergeError(f"Expected a largest share of 1 to 1000 permille, got {cap!r}.")
        if cap != NO_CAP and self.name not in WEIGHTED:
            raise MergeError(f"Expected no largest share for {self.name}, got {cap} permille.")


def local_rule(rule: Rule, weights: Sequence[int]) -> Combine:
    """Return a chunk-local rule's combination. Raises MergeError if trimming leaves nothing."""
    if rule.name == "weighted_mean":
        return functools.partial(weighted_mean, [float(w) for w in weights], float(sum(weights)))
    if rule.name == "coordinate_median":
        return coordinate_median
    return functools.partial(trimmed_mean, count_trimmed(rule, len(weights)))


def count_trimmed(rule: Rule, n: int) -> int:
    """Return how many of n values are dropped at each end. Raises MergeError if none is left."""
    drop = n * rule.trim_permille // 1000
    if 2 * drop >= n:
        raise MergeError(
            f"Trimming {drop} of {n} contributions at each end leaves none; "
            "lower the trim or wait for more contributions."
        )
    return drop


def weighted_mean(weights: Sequence[float], total: float, rows: Sequence[Float64s]) -> Float64s:
    """Return tree_sum(w_i x_i) / total.  # (N,), (), (N, P) -> (P,)

    Of equal F32, F16 or BF16 inputs it is exactly that input while the total is below 2^29: then
    each product and sum fits float64. Of equal F64 inputs it may differ in the last bits.
    """
    for weight, row in zip(weights, rows, strict=True):
        np.multiply(row, weight, out=row)
    mean = tree_sum(rows)
    return np.divide(mean, total, out=mean)


def by_weights(weights: Sequence[float]) -> Combine:
    """Return the weighted mean for real-valued weights; their total is summed by the tree."""
    return functools.partial(weighted_mean, weights, fold(np.array(weights, np.float64)))


def coordinate_median(rows: Sequence[Float64s]) -> Float64s:
    """Return each column's middle value, or mean of the two middle ones.  # (N, P) -> (P,)"""
    ordered = _ascending(rows)
    low, high = ordered[(len(rows) - 1) // 2], ordered[len(rows) // 2]
    if low is high:
        return low
    np.add(low, high, out=low)
    return np.divide(low, 2.0, out=low)


def trimmed_mean(drop: int, rows: Sequence[Float64s]) -> Float64s:
    """Return the mean of each column without its `drop` smallest and largest.  # (N, P) -> (P,)"""
    kept = _ascending(rows)[drop : len(rows) - drop]
    mean = tree_sum(kept)
    return np.divide(mean, float(len(kept)), out=mean)


def lower_median(rows: Sequence[Array]) -> Array:
    """Return the integer or boolean at place (N - 1) // 2 of each column.  # (N, P) -> (P,)"""
    return sort_rows([row.copy() for row in rows])[(len(rows) - 1) // 2]


def _ascending(rows: Sequence[Float64s]) -> list[Float64s]:
    for row in rows:
        np.add(row, 0.0, out=row)  # -0.0 becomes +0.0: equal values, equal bits
    return cast(list[Float64s], sort_rows(rows))
