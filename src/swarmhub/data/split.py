"""Setting patients aside, so that a model is measured on patients that it has not seen."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

from swarmhub.data.tables import Table


def split_holdout(
    rows: int, label: npt.ArrayLike, seed: int, fraction: float = 0.3
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return (training, held-out) row positions of one site, sorted; the same for the same
    arguments.

    Each class gives `fraction` of its rows, rounded, but never its last one; a site with one class
    works. The draw depends on the seed, the class and its size alone.
    """
    labels = np.asarray(label)
    held = np.zeros(rows, dtype=bool)
    for value in np.unique(labels):
        of_class = np.flatnonzero(labels == value)
        count = min(round(fraction * len(of_class)), len(of_class) - 1)
        text = f"holdout {seed} {value} {len(of_class)}".encode()
        rng = np.random.default_rng(int.from_bytes(hashlib.sha256(text).digest()[:8], "big"))
        held[rng.permutation(of_class)[:count]] = True
    return np.flatnonzero(~held), np.flatnonzero(held)


def split_patients(table: Table, seed: int, fraction: float) -> tuple[Table, Table]:
    """Return (training, held-out) tables of a labelled table, all rows of a patient in the same
    one.

    A patient is of class 1 if any of their rows is; each class gives `fraction` of its patients,
    rounded, but never its last one. The same for the same table, seed and fraction.
    """
    assert table.label is not None
    if table.patients is None:
        training, held = split_holdout(table.rows, table.label, seed, fraction)
        return table.take(training), table.take(held)
    place = {name: k for k, name in enumerate(dict.fromkeys(table.patients.tolist()))}
    of_row = np.array([place[name] for name in table.patients])
    label = np.zeros(len(place), dtype=np.int64)
    np.maximum.at(label, of_row, table.label)
    training, held = split_holdout(len(place), label, seed, fraction)
    return table.take(np.isin(of_row, training)), table.take(np.isin(of_row, held))
