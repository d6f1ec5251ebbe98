"""The protocol of a statistic on sums, and a hospital's rows as the matrix that it is computed of.

Each round every hospital sends arrays; all go on from their sums. Arrays are float64 or int64, and
finite; their names, shapes and types are the same in all rounds and at all hospitals. The agreed
ones (`AGREED` of each method; `turn` is always one) are equal at all hospitals and are not added.
A round's sums are about one point (a centre, coefficients, a basis), which is among the agreed
arrays: the result follows from the newest sums alone, and a hospital that comes late goes on from
them. A hospital's arrays are its own sums, before any threshold on small counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from swarmhub.data.dataset import Dataset
from swarmhub.errors import BadInput

Array = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Arrays = dict[str, npt.NDArray[Any]]
Sums = Mapping[str, npt.NDArray[Any]]

LARGEST = 1e60  # of a value: sums of its square stay below the 1e140 that a stage takes
MAX_VALUES = 1 << 29  # of a matrix: 4 GiB
MAX_SENT = 1 << 25  # values of an array that is sent: 256 MiB
ROUNDING = (16 * 2.0**-52) ** 2  # squared: variation below it, relative to the values, is rounding


class Step(Protocol):
    """One hospital's side of a statistic."""

    @property
    def turns(self) -> int:
        """Most rounds that it takes."""
        ...

    def arrays(self, sums: Sums | None) -> Arrays:
        """Return this hospital's arrays of the round after `sums`; None: of the first round."""
        ...

    def is_last(self, sums: Sums) -> bool:
        """Return whether these sums are the last: the result can be computed from them."""
        ...


def turn_of(sums: Sums | None) -> int:
    """Return the round that sums are of, from 1; 0 before the first."""
    return 0 if sums is None else int(sums["turn"][0])


def turn_array(turn: int) -> Whole:
    """Return the number of a round as an agreed array, (1,)."""
    return np.array([turn], dtype=np.int64)


def need_shapes(sums: Sums, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raise BadInput if sums lack an array or one has another shape: they are of another study."""
    for name, shape in shapes.items():
        got = sums[name].shape if name in sums else None
        if got != shape:
            raise BadInput(
                f"Expected the sums to have '{name}' of shape {shape}, got {got or 'none'}; "
                "compute them of the same columns, with the same version."
            )


def check_rows(x: npt.ArrayLike, what: str = "rows") -> Array:
    """Return a matrix (n, p) as float64, NaN for missing. Raises BadInput if it has another shape,
    more than `MAX_VALUES` values, or values that are infinite or beyond `LARGEST`."""
    given = np.asarray(x)
    if given.ndim != 2 or given.dtype.kind not in "biuf":
        raise BadInput(
            f"Expected the {what} as a matrix of numbers, got {given.dtype} of {given.ndim} axes; "
            "give one row for each sample, one column for each feature."
        )
    if given.size > MAX_VALUES:
        raise BadInput(
            f"Expected at most {MAX_VALUES:,} values in the {what}, got {given.size:,}; "
            "compute the statistic of fewer columns at a time."
        )
    found = given.astype(np.float64)
    with np.errstate(invalid="ignore"):
        wrong = np.abs(found) > LARGEST
    if wrong.any():
        row, column = map(int, np.argwhere(wrong)[0])
        raise BadInput(
            f"Expected numbers up to {LARGEST:g} in the {what}, got a larger or infinite one in "
            f"row {row + 1}, column {column + 1}; leave it empty (NaN) if it was not measured."
        )
    return found


def matrix_of(dataset: Dataset, features: Sequence[str]) -> Array:
    """Return a dataset's values of the study's features, (n, p); a feature that this hospital lacks
    is missing (NaN) in all rows. Raises BadInput as `check_rows`, before it makes a large matrix.
    """
    if dataset.rows * len(features) > MAX_VALUES:
        raise BadInput(
            f"Expected at most {MAX_VALUES:,} values, got {dataset.rows:,} rows of "
            f"{len(features):,} features; compute the statistic of fewer features at a time."
        )
    place = {name: k for k, name in enumerate(dataset.features)}
    here = [k for k, name in enumerate(features) if name in place]
    found = np.full((dataset.rows, len(features)), np.nan)
    values = dataset.x[:, [place[features[k]] for k in here]]
    found[:, here] = values.toarray() if dataset.is_sparse else values
    return check_rows(found)


def first_known(x: Array) -> Array:
    """Return the first known value of each column, 0 if there is none: (n, p) -> (p,).

    Sums of differences from it are exact for a constant column, and lose nothing to a mean that is
    large beside the spread.
    """
    if not len(x):
        return np.zeros(x.shape[1])
    row = np.argmax(~np.isnan(x), axis=0)
    found: Array = np.nan_to_num(x[row, np.arange(x.shape[1])])
    return found


def divide(above: npt.ArrayLike, below: npt.ArrayLike) -> Array:
    """Return a quotient, NaN for a divisor that is not positive."""
    top, bottom = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    shape = np.broadcast_shapes(top.shape, bottom.shape)
    found: Array = np.divide(top, bottom, out=np.full(shape, np.nan), where=bottom > 0)
    return found
