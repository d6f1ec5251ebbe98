"""HDF5 files: opening, text, and sparse matrices, checked before they are used."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from swarmhub.data.frames import explain_unreadable
from swarmhub.data.readers.common import damaged
from swarmhub.errors import BadInput


@contextlib.contextmanager
def open_hdf(path: Path, kind: str) -> Iterator[Any]:
    """Open an HDF5 file. Raises BadInput if it cannot be read, also while it is open."""
    import h5py

    try:
        path.open("rb").close()
    except OSError as error:
        raise explain_unreadable(path, error) from None
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError, RuntimeError, UnicodeDecodeError) as error:
        if isinstance(error, RuntimeError | OSError) and "filter" in str(error):
            raise BadInput(
                f"{path.name} is compressed by a filter that is not installed here; write it again "
                "with gzip."
            ) from None
        raise damaged(path, kind) from None


def read_strings(dataset: Any, source: str) -> list[str]:
    """Return a dataset of text, (n,). Raises BadInput for one of something else, such as objects
    that only pickle could read."""
    import h5py

    if h5py.check_string_dtype(dataset.dtype) is None or dataset.ndim != 1:
        raise BadInput(
            f"{source}: expected text in '{dataset.name}', got {dataset.dtype} of "
            f"{dataset.ndim} dimensions; write the file again with a newer version of its program."
        )
    return [str(text) for text in dataset.asstr()[...]]


def read_sparse(group: Any, shape: tuple[int, int], source: str, is_csc: bool = False) -> Any:
    """Return the sparse matrix (n, p) in the datasets data, indices and indptr, as float64 rows."""
    import scipy.sparse as sp

    data, indices, indptr = (group[name] for name in ("data", "indices", "indptr"))
    lines, width = shape[::-1] if is_csc else shape
    if not (
        data.dtype.kind in "fiub"
        and indices.dtype.kind in "iu"
        and data.shape == indices.shape
        and indptr.shape == (lines + 1,)
    ):
        raise _inconsistent(group, source)
    starts = indptr[...]
    if starts[0] != 0 or starts[-1] != len(data) or np.any(np.diff(starts.astype(np.int64)) < 0):
        raise _inconsistent(group, source)
    values = np.empty(data.shape)
    if len(values):
        data.read_direct(values)  # float32 becomes float64 on the way, without a second copy
    columns = indices[...]
    if len(columns) and not 0 <= columns.min() <= columns.max() < width:
        raise _inconsistent(group, source)
    if np.isnan(values).any():
        raise BadInput(
            f"{source}: the sparse matrix '{group.name}' has missing values (NaN), which a sparse "
            "matrix cannot have beside its zeros; write it as a dense one."
        )
    kind = sp.csc_matrix if is_csc else sp.csr_matrix
    found = kind((values, columns, starts), shape=shape)
    return found.tocsr() if is_csc else found


def _inconsistent(group: Any, source: str) -> BadInput:
    return BadInput(
        f"{source}: the parts of the sparse matrix '{group.name}' do not fit together (shape, "
        "indices, values); the file is damaged: copy it again."
    )
