"""Statistics of numeric columns, many columns at a time; `summaries` says what is withheld."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.codec import Json
from swarmhub.data.dataset import Dataset
from swarmhub.data.frames import Floats
from swarmhub.data.people import Codes, People

MAX_CODES = 10  # distinct values of a column of codes
SAMPLE = 500  # rows in which a column with more distinct values is no column of codes
OCTAVE = 4  # bins of the histogram for each doubling: a bin's ends differ by 19%
SMALLEST = 2.0**-40  # of an absolute value that is not taken for 0
MAX_BINS = 400  # of a document's column, as in `merge.documents`
AT_ONCE = 500_000  # values
ZERO = (0.0).hex()


def summarise_numbers(dataset: Dataset, people: People, least: int) -> Iterator[tuple[str, Json]]:
    """Yield name and statistics of each numeric column."""
    assert dataset.y is not None
    x: Any = dataset.x.tocsc() if dataset.is_sparse else dataset.x
    step = max(1, AT_ONCE // max(1, dataset.rows))
    for start in range(0, len(dataset.features), step):
        part = x[:, start : start + step]
        part = part.toarray().astype(np.float64) if dataset.is_sparse else part
        names = dataset.features[start : start + step]
        yield from zip(names, _summarise(part, dataset.y, people, least), strict=True)


def _summarise(x: Floats, y: Floats, people: People, least: int) -> Iterator[Json]:
    """Yield the statistics of each column of x (n, p)."""
    known = ~np.isnan(x)
    counts = known.sum(axis=0)
    is_small = people.count_by_column(known) < max(1, least)
    for k in _find_codes(x):
        is_small[k] |= _has_small_code(x[known[:, k], k], people[known[:, k]], least)
    classes = [people.count_by_column(known & (y == c)[:, None]) for c in (0.0, 1.0)]
    is_paired = np.minimum(*classes) >= max(1, least)
    n = np.maximum(counts, 1)
    mean = np.where(known, x, 0.0).sum(axis=0) / n
    deviations = np.where(known, x - mean, 0.0)
    m2 = (deviations**2).sum(axis=0)
    centre = np.where(known, y[:, None], 0.0).sum(axis=0) / n
    xy = (deviations * (y[:, None] - centre)).sum(axis=0)
    places = bin_of(x)
    for k in range(x.shape[1]):
        count = 0 if is_small[k] else int(counts[k])
        pairs = count if is_paired[k] else 0
        at = known[:, k]
        whole = count == len(x)
        yield {
            "kind": "numeric", "count": count, "missing": len(x) - int(counts[k]),
            "withheld": int(counts[k]) - count,
            "mean": float(mean[k]).hex() if count else ZERO,
            "m2": float(m2[k]).hex() if count else ZERO,
            "bins": _make_bins(places[:, k] if whole else places[at, k],
                               people if whole else people[at], least) if count else {},
            "pairs": pairs, "x": float(mean[k]).hex() if pairs else ZERO,
            "y": float(centre[k]).hex() if pairs else ZERO,
            "xy": float(xy[k]).hex() if pairs else ZERO,
        }  # fmt: skip


def _find_codes(x: Floats) -> list[int]:
    """Return the columns with few distinct values, if the first rows have few."""
    first = np.sort(x[:SAMPLE], axis=0)
    distinct = (np.diff(first, axis=0) > 0).sum(axis=0) + 1
    return [int(k) for k in np.flatnonzero(distinct <= MAX_CODES)]


def _has_small_code(known: Floats, people: People, least: int) -> bool:
    distinct, codes = np.unique(known, return_inverse=True)
    is_coded = 2 * len(distinct) <= len(known) or bool(np.all(distinct == np.round(distinct)))
    if not 1 < len(distinct) <= MAX_CODES or not is_coded:
        return False
    return min(people.count_by_code(codes, len(distinct))) < least


# histograms


def bin_of(values: npt.ArrayLike) -> Codes:
    """Return the number of the bin of each value: 0 for 0, else the sign and a quarter of an
    octave; 0 for NaN, too."""
    x = np.asarray(values, dtype=np.float64)
    size = np.maximum(np.abs(x), SMALLEST)
    with np.errstate(invalid="ignore"):
        place = np.floor(OCTAVE * np.log2(size)) + OCTAVE * 40 + 1
        found = np.where(size > SMALLEST, np.copysign(place, x), 0.0)
    return np.nan_to_num(found).astype(np.int64)


def value_of(place: int) -> float:
    """Return the middle of a bin."""
    if place == 0:
        return 0.0
    size: float = 2.0 ** ((abs(place) - 1 - OCTAVE * 40 + 0.5) / OCTAVE)
    return size if place > 0 else -size


def _make_bins(places: Codes, people: People, least: int) -> dict[str, int]:
    """Return rows by bin; neighbours are merged until each bin has values of `least` patients."""
    lowest = int(places.min())
    rows = np.bincount(places - lowest)
    found: dict[int, int] = {}
    start, count, largest, last = 0, 0, 0, -1
    for k, here in enumerate(rows.tolist()):
        if not here:
            continue
        count += here
        largest = k if here > rows[largest] or largest < start else largest
        if count < least:
            continue
        if people.single or _within(places - lowest, people, start, k).has(least):
            found[largest] = count
            start, count, last = k + 1, 0, largest
    if last >= 0:
        found[last] += count
    return {str(lowest + place): n for place, n in found.items()}


def _within(places: Codes, people: People, low: int, high: int) -> People:
    """Return the patients of the rows in bins `low` to `high`."""
    return people[(places >= low) & (places <= high)]
