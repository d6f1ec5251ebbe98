"""Site inference: the hospital that a record comes from.

A study that trains a model without each hospital settles these, and every enrolled hospital reads
them. A record of a hospital is harder for the model that was trained without it: the attack names
the one with the absence that raises the record's loss most.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def measure_gains(without: npt.ArrayLike, of_all: npt.ArrayLike) -> Array:
    """Return by how much each hospital's absence raises a record's loss, (N, n); losses `without`
    each hospital (N, n), and `of_all` (n,)."""
    found: Array = np.asarray(without, dtype=np.float64) - np.asarray(of_all, dtype=np.float64)
    return found


def attribute(gains: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return the place of the named hospital of each record, (N, n) -> (n,)."""
    found: npt.NDArray[np.int64] = np.argmax(np.asarray(gains), axis=0).astype(np.int64)
    return found
