"""The scale of a matrix of expression, as far as its numbers tell: raw counts, counts normalised to
one total, or logarithms of these. A model that was trained on one scale is wrong on another one."""

from __future__ import annotations

from typing import Any

import numpy as np

from swarmhub.data.frames import Floats

ROWS = 500  # are looked at
LARGEST_LOG = 50.0  # exp of it is beyond any count
EVEN = 1e-3  # relative spread of the rows' totals that are one total


def find_scale(x: Any) -> tuple[str, str]:
    """Return the unit of a matrix (n, p), dense or sparse, "" if it does not show, and the words
    for a sentence on it."""
    part = x[: min(ROWS, x.shape[0])]
    values: Floats = part if isinstance(part, np.ndarray) else part.toarray()
    known = values[~np.isnan(values)]
    if not known.size or not known.any():
        return "", "no values other than 0"
    if known.min() < 0:
        return "", "negative numbers, as after scaling or centring"
    if np.array_equal(known, np.floor(known)):
        return "count", "raw counts"
    is_small = known.max() < LARGEST_LOG
    if is_small and _have_one_total(np.expm1(values)):
        return "log1p", "log(1 + x) of counts that were normalised to one total"
    if _have_one_total(values):
        return "normalised", "counts that were normalised to one total, without logarithms"
    return "", "logarithms, of a base that does not show" if is_small else "no counts"


def _have_one_total(values: Floats) -> bool:
    totals = np.nansum(values, axis=1)
    totals = totals[totals > 0]
    return len(totals) > 1 and bool(np.ptp(totals) <= EVEN * totals.max())
