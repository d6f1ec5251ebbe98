"""Checks of the values in columns of numbers: codes for 'not known', constants, nothing at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.data.check.names import list_names
from swarmhub.data.dataset import Dataset
from swarmhub.data.findings import Findings
from swarmhub.data.frames import Floats
from swarmhub.errors import plain

MANY_ROWS = 50_000  # looked at for an AUC or a duplicate; of larger tables every k-th row
LISTED = 6  # columns with codes of a kind that are named one by one
AT_ONCE = 400_000  # values
SENTINELS = (-9.0, -99.0, -999.0, -9999.0, -1.0, 99.0, 999.0, 9999.0, 99999.0, 888.0, 777.0)
SURE = (*SENTINELS[:4], 999.0, 9999.0, 99999.0)  # a single one is a code, too
FAR = 4.0  # ranges of the other values that a code lies away from them


def check_values(dataset: Dataset, found: Findings) -> None:
    """Warn of numbers that are codes for 'not known', of constants, and of columns without
    values."""
    if dataset.is_sparse or not dataset.rows:
        return
    step = max(1, -(-dataset.rows // MANY_ROWS))
    low, high = (f(dataset.x, axis=0) for f in (np.fmin.reduce, np.fmax.reduce))
    names = dataset.features
    empty = [names[k] for k in np.flatnonzero(np.isnan(low))]
    constant = [names[k] for k in np.flatnonzero(low == high)]
    if empty:
        found.say("empty columns", f"Without any value here: {list_names(empty)}.", empty[0])
    constant += [name for name, w in dataset.categories.items() if len(w.counts()) == 1]
    if constant:
        said = f"The same value in all rows here: {list_names(constant)}."
        found.say("constant columns", said, constant[0])
    x = dataset.x[::step]
    codes: dict[str, list[Code]] = defaultdict(list)
    for k in find_in_parts(x, find_far):
        known = x[~np.isnan(x[:, k]), k]
        for kind, value, rows in _find_codes(known):
            codes[kind].append((names[k], value, rows))
    for kind, listed in codes.items():
        _say_codes(kind, listed, found)


def find_far(x: Floats) -> list[int]:
    """Return the columns with a smallest or largest value far from the next one, in ranges of
    the other values, or on the other side of zero. (n, p) -> indices"""
    found = np.zeros(x.shape[1], dtype=bool)
    for sign in (1.0, -1.0):
        values = sign * x
        end = np.fmin.reduce(values, axis=0)
        inner = np.where(values > end, values, np.nan)
        first, last = np.fmin.reduce(inner, axis=0), np.fmax.reduce(inner, axis=0)
        found |= (first - end) > 0.5 * (last - first)
        if sign > 0:  # a negative code below measurements, a zero among them
            found |= ((end < 0) & (first >= 0)) | ((end == 0) & (first > 0.1 * last))
    return [int(k) for k in np.flatnonzero(found)]


Code = tuple[str, float, int]  # column, value, rows
ADVICE = "if it means 'not known', empty the cells, or declare it in data.missing_words."
KINDS = {
    "zero": "zeros that lie apart from their other values",
    "code": "a value such as -9 or 999, far from their others",
    "far": "a value in several rows that is far from all others",
}  # of values that may mean 'not known'


def _say_codes(kind: str, codes: list[Code], found: Findings) -> None:
    """Warn of each column, or of all of a kind together if they are many."""
    if len(codes) > LISTED:
        said = f"{len(codes)} columns ({list_names([name for name, *_ in codes])}) have"
        found.warn("codes for not known", f"{said} {KINDS[kind]}; {ADVICE}", codes[0][0])
        return
    for name, value, rows in codes:
        found.warn(
            "codes for not known",
            f"Column '{plain(name, 60)}': {rows} rows have the value {value:g}, far from all "
            f"others; {ADVICE}",
            name,
        )


def _find_codes(known: npt.NDArray[np.float64]) -> Iterator[tuple[str, float, int]]:
    """Yield kind, value and rows of the smallest or largest value if it may mean 'not known'."""
    distinct, counts = np.unique(known, return_counts=True)
    if len(distinct) < 3:
        return
    for end, inner in ((0, distinct[1:]), (-1, distinct[:-1])):
        value, rows = float(distinct[end]), int(counts[end])
        spread = float(inner[-1] - inner[0])
        gap = float(abs(value - inner[0 if end == 0 else -1]))
        is_usual = value in SENTINELS and (rows > 1 or value in SURE)
        is_code = is_usual and gap > max(0.5 * spread, 1.0)
        is_far = rows > 1 and gap > FAR * spread and len(inner) > 10
        is_negative = value < 0 <= distinct[1] and value in SURE and end == 0
        is_zero = value == 0.0 and rows > 1 and end == 0 and _is_alone(known, distinct[1:])
        if is_code or is_far or is_negative or is_zero:
            kind = "code" if is_code or is_negative else "far"
            yield "zero" if value == 0 else kind, value, rows


def _is_alone(known: Floats, others: Floats) -> bool:
    """Return whether zeros lie apart from the other values, as no true zeros do."""
    if len(others) <= 10 or others[0] <= 0:
        return False
    low, middle, high = np.quantile(known[known > 0], [0.25, 0.5, 0.75])
    return bool(others[0] > max(0.3 * middle, 0.8 * (high - low)))


def dense(x: Any) -> Floats:
    """Return a few columns as a dense matrix."""
    found: Floats = x if isinstance(x, np.ndarray) else x.toarray()
    return found


def find_in_parts(x: Any, find: Callable[[Floats], list[int]]) -> list[int]:
    """Return the columns that `find` finds, looking at some columns at a time."""
    step = max(1, AT_ONCE // max(1, x.shape[0]))
    starts = range(0, x.shape[1], step)
    return [start + k for start in starts for k in find(dense(x[:, start : start + step]))]
