"""The rows on which a penalty is learnt if there are very many.

Models for each penalty and each fold are forty-five models. From some tens of thousands of rows on
more rows hardly move the choice, and C is in the unit of the whole likelihood: the best one does
not depend on how many rows there are. So each hospital takes the same share of its rows, which
follows from the merged statistics alone, evenly over classes and patients; all rows train the
model.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

MAX_CELLS = 1 << 25  # rows of all hospitals x features x outputs
MIN_ROWS = 8_192  # of all hospitals; they are never thinned out to fewer

Places = npt.NDArray[np.int64]


def compute_share(rows: int, features: int, outputs: int = 1) -> float:
    """Return the share of the rows of all hospitals on which the penalty is learnt."""
    return min(1.0, max(MIN_ROWS, MAX_CELLS // max(1, features * outputs)) / max(1, rows))


def choose_rows(y: npt.NDArray[np.float64], patients: Places, share: float) -> Places:
    """Return the positions of a share of the rows, ascending: evenly over the outcome y (n,), then
    over patients (n,), then in the order of the rows."""
    order = np.lexsort((np.arange(len(y)), patients, y))
    count = min(len(y), max(1, round(share * len(y)))) if len(y) else 0
    places = np.floor((np.arange(count) + 0.5) * len(y) / max(1, count)).astype(np.int64)
    return np.sort(order[places])
