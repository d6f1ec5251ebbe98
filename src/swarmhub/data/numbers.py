"""Statistics of numeric columns, many columns at a time; `summaries` says what is withheld."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

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
AT_ONCE = 200_000  # values
ZERO = (0.0).hex()


def summarise_numbers(dataset: Dataset, people: People, least: int) -> Iterator[tuple[str, Json]]:
    """Yield name and statistics of each numeric column."""
    assert dataset.y is not None
    step = max(1, AT_ONCE // max(1, dataset.rows))
    levels = (0.0, 1.0) if dataset.has_classes else ()
    for start, part in _cut(dataset, step):
        names = dataset.features[start : start + step]
        yield from zip(names, _summarise(part, dataset.y, levels, people, least), strict=True)


def _cut(dataset: Dataset, step: int) -> Iterator[tuple[int, Columns]]:
    """Yield `step` columns at a time, and the place of the first."""
    if not dataset.is_sparse:
        for start in range(0, len(dataset.features), step):
            yield start, DenseColumns(dataset.x[:, start : start + step])
        return
    from swarmhub.data.sparse import SparseColumns, cut_columns

    for start, part in cut_columns(dataset.x, step):
        yield start, SparseColumns(part)


def summarise_outcome(values: Floats, people: People, least: int) -> Json:
    """Return the statistics of a measured outcome, or of times, (n,)."""
    return next(_summarise(DenseColumns(values[:, None]), values, (), people, least)) | {
        "pairs": 0, "x": ZERO, "y": ZERO, "xy": ZERO,
    }  # fmt: skip


def _summarise(
    part: Columns, y: Floats, levels: Sequence[float], people: People, least: int
) -> Iterator[Json]:
    """Yield the statistics of each column of x (n, p). The covariance with y is published if each
    of its `levels` has enough patients."""
    x, known = part.x, part.known
    counts = known.sum(axis=0)
    is_small = part.count_people(people) < max(1, least)
    for k in _find_codes(x):
        is_small[k] |= part.has_small_code(k, people, least)
    is_paired = ~is_small
    for level in levels:
        is_paired &= part.count_people(people, y == level) >= max(1, least)
    n = np.maximum(counts, 1)
    mean = np.where(known, x, 0.0).sum(axis=0) / n
    deviations = np.where(known, x - mean, 0.0)
    m2 = (deviations**2).sum(axis=0)
    centre = np.where(known, y[:, None], 0.0).sum(axis=0) / n
    xy = (deviations * (y[:, None] - centre)).sum(axis=0)
    bins = part.make_bins(people, least)
    for k in range(x.shape[1]):
        count = 0 if is_small[k] else int(counts[k])
        pairs = count if is_paired[k] else 0
        yield {
            "kind": "numeric", "count": count, "missing": len(x) - int(counts[k]),
            "withheld": int(counts[k]) - count,
            "mean": float(mean[k]).hex() if count else ZERO,
            "m2": float(m2[k]).hex() if count else ZERO,
            "bins": bins[k] if count else {},
            "pairs": pairs, "x": float(mean[k]).hex() if pairs else ZERO,
            "y": float(centre[k]).hex() if pairs else ZERO,
            "xy": float(xy[k]).hex() if pairs else ZERO,
        }  # fmt: skip


def _find_codes(x: Floats) -> list[int]:
    """Return the columns with few distinct values, if the first rows have few."""
    first = np.sort(x[:SAMPLE], axis=0)
    distinct = (np.diff(first, axis=0) > 0).sum(axis=0) + 1
    return [int(k) for k in np.flatnonzero(distinct <= MAX_CODES)]


def is_coded(distinct: int, known: int, is_whole: bool) -> bool:
    """Return whether so many distinct values of so many known ones are codes."""
    return 1 < distinct <= MAX_CODES and (2 * distinct <= known or is_whole)


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


class Columns(Protocol):
    """Columns of numbers that are looked at together: `x` (n, p) with NaN, and which are known."""

    @property
    def x(self) -> Floats:
        """The columns, dense."""

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Which values are known, (n, p)."""

    def count_people(self, people: People, rows: npt.NDArray[np.bool_] | None = None) -> Codes:
        """Return the patients with a known value of each column among these rows, (p,)."""

    def has_small_code(self, k: int, people: People, least: int) -> bool:
        """Return whether column k is one of codes, and one of them belongs to fewer patients."""

    def make_bins(self, people: People, least: int) -> list[dict[str, int]]:
        """Return rows by bin of each column; neighbours are merged until each bin has values of
        `least` patients."""


@dataclass(frozen=True, eq=False)
class DenseColumns:
    """Columns of a dense matrix (n, p)."""

    x: Floats

    @cached_property
    def known(self) -> npt.NDArray[np.bool_]:
        """Which values are known, (n, p)."""
        return ~np.isnan(self.x)

    def count_people(self, people: People, rows: npt.NDArray[np.bool_] | None = None) -> Codes:
        """Return the patients with a known value of each column among these rows, (p,)."""
        return people.count_by_column(self.known if rows is None else self.known & rows[:, None])

    def has_small_code(self, k: int, people: People, least: int) -> bool:
        """Return whether column k is one of codes, and one of them belongs to fewer patients."""
        at = self.known[:, k]
        known = self.x[at, k]
        distinct, codes = np.unique(known, return_inverse=True)
        is_whole = bool(np.all(distinct == np.round(distinct)))
        if not is_coded(len(distinct), len(known), is_whole):
            return False
        return min(people[at].count_by_code(codes, len(distinct))) < least

    def make_bins(self, people: People, least: int) -> list[dict[str, int]]:
        """Return rows by bin of each column; neighbours are merged until each bin has values of
        `least` patients."""
        return _make_all_bins(self.x, self.known, people, least)


def _make_all_bins(
    x: Floats, known: npt.NDArray[np.bool_], people: People, least: int
) -> list[dict[str, int]]:
    """Return rows by bin of each column; neighbours are merged until each bin has values of `least`
    patients."""
    places = np.where(known, bin_of(x), 0)
    lowest = int(places.min(initial=0))
    wide = int(places.max(initial=0)) - lowest + 1
    columns = x.shape[1]
    flat = (places - lowest + wide * np.arange(columns))[known]
    rows = np.bincount(flat, minlength=wide * columns).reshape(columns, wide)
    found = []
    for k in range(columns):
        filled = np.flatnonzero(rows[k])
        groups = merge_bins(filled.tolist(), rows[k][filled].tolist(), least)
        if not people.single:
            at = known[:, k]
            groups = merge_for_patients(groups, places[at, k] - lowest, people[at], least)
        found.append({str(lowest + place): n for place, n, _ in groups})
    return found


Group = tuple[int, int, int]  # bin with most rows, rows, last bin


def merge_bins(filled: list[int], rows: list[int], least: int) -> list[Group]:
    """Return bins with neighbours merged until each has `least` rows; none if all have fewer."""
    groups: list[Group] = []
    count, most, largest = 0, -1, 0
    for place, here in zip(filled, rows, strict=True):
        count += here
        if here > most:
            most, largest = here, place
        if count >= least:
            groups.append((largest, count, place))
            count, most = 0, -1
    if groups and count:
        largest, before, _ = groups[-1]
        groups[-1] = (largest, before + count, filled[-1])
    return groups


def merge_for_patients(
    groups: list[Group],
    places: Codes,
    people: People,
    least: int,
    rest: People | None = None,
    zero: int = 0,
) -> list[Group]:
    """Merge groups of bins further, until each has values of `least` patients. `places` (m,) and
    `people` are of the known values; `rest` are the patients of more values, all in the bin
    `zero`."""
    found: list[Group] = []
    start, count, most, largest = -1, 0, -1, 0
    for place, rows, last in groups:
        count += rows
        if rows > most:
            most, largest = rows, place
        here = people[(places > start) & (places <= last)]
        if rest is not None and start < zero <= last:
            here = rest.together(here)
        if here.has(least):
            found.append((largest, count, last))
            start, count, most = last, 0, -1
    if found and count:
        largest, before, _ = found[-1]
        found[-1] = (largest, before + count, groups[-1][2])
    return found
