"""Checks of units and scales: columns in another unit than at the other hospitals, or in two units,
and panels with logarithms of another base."""

from __future__ import annotations

import math

import numpy as np

from swarmhub.data.check.names import list_names
from swarmhub.data.check.others import Others
from swarmhub.data.dataset import Dataset
from swarmhub.data.findings import Findings
from swarmhub.data.frames import Floats
from swarmhub.data.numbers import value_of
from swarmhub.errors import plain

UNIT = 1.8  # ratio of medians from which on disjoint ranges look like another unit
INNER = (0.1, 0.9)  # quantiles of the ranges that are compared
LEAST_ROWS = 10  # of a column at either side, to say something of its range
WIDE = 50  # columns, from which on a share of them has to differ
SHARE = 0.2
BASES = {
    "log10 and log2": math.log10(2), "log2 and log10": math.log2(10),
    "natural logarithms and log2": math.log(2), "log2 and natural logarithms": math.log2(math.e),
    "log10 and natural logarithms": math.log10(math.e),
    "natural logarithms and log10": math.log(10),
}  # fmt: skip
NEAR = 0.09  # of a base's factor; a bin has 19%
PANEL = 8  # columns, from which on they can be a panel
PART = 0.08  # of the rows: a smaller group is of outliers
GAP = 0.25  # of the distance of the middles
MANY = 60  # values: of fewer, gaps come by chance
APART = 1.5  # spreads (of 80% of a group) between two groups of values


def check_scales(dataset: Dataset, others: Others, found: Findings) -> None:
    """Warn of columns with values that lie beside those of the other hospitals, and of a panel
    with another base."""
    if dataset.is_sparse:
        return
    apart: list[tuple[str, float, float]] = []
    ratios: list[tuple[str, float]] = []
    looked = 0
    for k, name in enumerate(dataset.features):
        theirs = others.bins(name)
        known = dataset.x[:, k]
        known = known[~np.isnan(known)]
        if min(len(known), sum(theirs.values())) < LEAST_ROWS or len(np.unique(known)) < 5:
            continue
        looked += 1
        mine = np.quantile(known, [INNER[0], 0.5, INNER[1]], method="inverted_cdf")
        low, middle, high = (quantile(theirs, q) for q in (INNER[0], 0.5, INNER[1]))
        if middle * mine[1] > 0:
            ratios.append((name, float(mine[1]) / middle))
        gap = max(float(mine[0]) - high, low - float(mine[2]))
        if gap > 0 and (
            _is_far(float(mine[1]), middle)
            if mine[1] * middle > 0
            else gap > max(high - low, float(mine[2] - mine[0]))
        ):
            apart.append((name, float(mine[1]), middle))
    if not check_base(ratios, found) and (looked <= WIDE or len(apart) >= SHARE * looked):
        _say_apart(apart, found)


def _say_apart(apart: list[tuple[str, float, float]], found: Findings) -> None:
    for name, here, there in apart[:6]:
        found.warn(
            "unit",
            f"Column '{plain(name, 60)}': its values lie beside those of the other hospitals "
            f"(median {here:.3g} here, about {there:.2g} there); is the unit the same, and is it "
            "transformed alike?",
            name,
        )
    if len(apart) > 6:
        found.warn("unit", f"The same holds for {len(apart) - 6} more columns.", apart[6][0])


def check_base(ratios: list[tuple[str, float]], found: Findings) -> bool:
    """Return whether many columns' medians differ from those of the others by the one factor that
    lies between two bases of logarithms, and warn of it."""
    values = np.array([ratio for _, ratio in ratios])
    for bases, factor in BASES.items():
        at = (
            np.abs(np.log(values / factor)) < 2.5 * NEAR if len(values) else np.zeros(0, dtype=bool)
        )
        if at.sum() < max(PANEL, 0.4 * len(values)):
            continue
        if abs(math.log(float(np.median(values[at])) / factor)) > NEAR:
            continue
        order = np.argsort(np.abs(np.log(values / factor)))[: int(at.sum())]
        names = [ratios[int(k)][0] for k in order]
        here, there = bases.split(" and ")
        found.warn(
            "unit",
            f"The medians of {len(names)} columns ({list_names(names)}) are {factor:.2f} times "
            f"those of the other hospitals: is the scale {here} here and {there} there?",
            names[0],
        )
        return True
    return False


def quantile(bins: dict[int, int], q: float) -> float:
    """Return a quantile of values that are known by bins."""
    total, seen = sum(bins.values()), 0
    for place in sorted(bins):
        seen += bins[place]
        if seen >= q * total:
            return value_of(place)
    return value_of(max(bins))


def _is_far(here: float, there: float) -> bool:
    """Return whether two medians of one sign differ by a factor that units have."""
    ratio = abs(here / there)
    return ratio > UNIT or ratio < 1 / UNIT


# two units in one column


def check_mixed_units(dataset: Dataset, found: Findings) -> None:
    """Warn of columns with two groups of values far apart, as after a change of the unit."""
    if dataset.is_sparse or len(dataset.features) > WIDE:
        return  # genes of men and women have two groups, too
    for k, name in enumerate(dataset.features):
        groups = split_groups(dataset.x[:, k])
        if groups is not None:
            low, high, share = groups
            found.warn(
                "two units",
                f"Column '{plain(name, 60)}' has two groups of values far apart (about {low:.3g} "
                f"in {share:.0%} of the rows, about {high:.3g} in the others): two units?",
                name,
            )


def split_groups(values: Floats) -> tuple[float, float, float] | None:
    """Return the middles of two groups of values with an empty gap between them, and the share of
    the lower one; None if there is no such gap. Zeros and codes are no group: each has ten distinct
    values at least, and a tenth of the others' spread."""
    known = np.sort(values[~np.isnan(values)])
    least = max(LEAST_ROWS, math.ceil(PART * len(known)))
    if len(known) < MANY or len(known) < 2 * least:
        return None
    gaps = np.diff(known)[least - 1 : len(known) - least]
    at = least + int(np.argmax(gaps))
    low, high = known[:at], known[at:]
    spreads = [_spread(group) for group in (low, high)]
    if min(len(np.unique(group)) for group in (low, high)) < LEAST_ROWS or min(spreads) <= 0:
        return None
    middles = float(np.median(low)), float(np.median(high))
    distance = middles[1] - middles[0]
    is_gap = float(gaps.max()) > GAP * distance
    return (*middles, len(low) / len(known)) if is_gap and distance > APART * max(spreads) else None


def _spread(group: Floats) -> float:
    low, high = np.quantile(group, [0.1, 0.9])
    return float(high - low)
