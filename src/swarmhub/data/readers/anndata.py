"""AnnData files (.h5ad): expression by cell or sample, read by h5py (extra [omics]).

The matrix is X, or the layer that `request.sheet` names ("raw" for the one of .raw). Columns of obs
are words, numbers by their shortest exact text: they are not on the scale of x, which may be
sparse. Nothing else is looked at: other layers, embeddings, graphs and uns stay on the disk, and
nothing is unpickled. The encodings are those of the specification of the format on disk
(anndata.readthedocs.io) and of version 0.7, which has the categories of columns elsewhere; files
from before it are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from swarmhub.data.frames import Array, Request, Words
from swarmhub.data.readers.common import (
    Described,
    check_names,
    check_sheet,
    damaged,
    find_namespace,
    need_room,
    say_names,
    tidied,
    words_of_numbers,
)
from swarmhub.data.readers.hdf import open_hdf, read_sparse, read_strings
from swarmhub.data.readers.scale import find_scale
from swarmhub.errors import BadInput, plain

KIND = "AnnData (.h5ad)"
IDS = ("gene_ids", "gene_id", "ensembl_id", "feature_id", "uniprot")  # usual columns of var
MOST_PACKED = 1100  # times that gzip makes data smaller, at most
SMALL = 64 << 20  # bytes that are unpacked, however well they are packed
MAX_STORED = 1_000_000_000  # values that a sparse matrix stores: 12 GB as float64
BY_COLUMN = {"csr_matrix": False, "csc_matrix": True}
NULLABLE = ("nullable-integer", "nullable-boolean", "nullable-string-array")
VERSIONS = {
    "": ("",), "array": ("0.2.0",), "string-array": ("0.2.0",), "categorical": ("0.2.0",),
    "csr_matrix": ("0.1.0",), "csc_matrix": ("0.1.0",), "dataframe": ("0.1.0", "0.2.0"),
    **dict.fromkeys(NULLABLE, ("0.1.0",)),
}  # fmt: skip
Columns = dict[str, Callable[[], Words | None]]  # None: of a kind that has no words


def read_anndata(path: Path, request: Request) -> Described:
    """Return the cells of a file: x (n, p) float64, dense with NaN or CSR as it is stored; obs as
    the sheet, all of it aside; obs_names as samples.

    `options["names"]` names a column of var that has the names of x ("gene_ids"); the index of var
    are then the labels. Raises BadInput, in one sentence, if the file is no AnnData file, lacks the
    matrix, has an encoding that is not known, or contradicts itself.
    """
    try:
        with open_hdf(path, KIND) as file:
            place, var, notes = _choose_matrix(file, path, request.sheet)
            samples, columns = _read_table(_find(file, "obs", path), path)
            names, labels = _name_genes(*_read_table(_find(file, var, path), path), path, request)
            x = _read_matrix(_find(file, place, path), (len(samples), len(names)), path)
            sheet, left = _read_sheet(columns, request, path)
    except (AttributeError, TypeError, ValueError):  # a group in place of an array, and the like
        raise damaged(path, KIND) from None
    check_sheet(names, sheet, path.name)
    unit, said = find_scale(x)
    notes.append(f"{path.name}: the matrix '{plain(place, 40)}' looks like {said}.")
    if left:
        notes.append(
            f"{path.name}: {len(left)} columns of obs are left out, since they are no numbers, "
            f"text or categories ({say_names(left)})."
        )
    return Described(
        path.name, x, names, sheet, samples=tidied(samples, request.missing),
        namespace=find_namespace(names), unit=unit, notes=tuple(notes), labels=labels,
        aside=frozenset(sheet),
    )  # fmt: skip


def _read_sheet(
    columns: Columns, request: Request, path: Path
) -> tuple[dict[str, Words], list[str]]:
    """Return the columns of obs, and the names of those that cannot be read. Raises BadInput if
    the study needs one of these."""
    names = check_names(columns, f"{path.name}, obs")
    found = {n: read() for n, read in zip(names, columns.values(), strict=True)}
    sheet = {n: tidied(words, request.missing) for n, words in found.items() if words is not None}
    left = [n for n in names if n not in sheet]
    needed = [n for n in left if n in request.as_words]
    if needed:
        raise BadInput(
            f"{path.name}, column '{plain(needed[0], 60)}' of obs: expected numbers, text or "
            "categories, got another encoding; write the column as text."
        )
    return sheet, left


def _name_genes(
    index: Words, columns: Columns, path: Path, request: Request
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the columns of x, and their labels."""
    wanted = request.options.get("names", "")
    own = [name or "" for name in index.texts()]
    better = next((name for name in IDS if name in columns), "")
    advice = "call adata.var_names_make_unique() in the same way at all hospitals"
    if better and wanted != better:
        advice = f"take the names from the column '{better}' of var (the option names)"
    if not wanted:
        return check_names(own, path.name, advice), ()
    words = columns[wanted]() if wanted in columns else None
    if words is None:
        raise BadInput(
            f"{path.name}: expected a column '{plain(wanted, 40)}' of var with the names of genes, "
            f"got {say_names(list(columns)) or 'no column'}; correct the option names."
        )
    return check_names([t or "" for t in words.texts()], path.name, advice), tuple(own)


# parts of the file


def _choose_matrix(file: Any, path: Path, wanted: str) -> tuple[str, str, list[str]]:
    """Return the places of the matrix and of its table of genes, and what is said on the choice."""
    if "obs" not in file or "var" not in file:
        raise BadInput(
            f"{path.name}: expected {KIND}, got HDF5 without obs or var; check --format."
        )
    there = {name: (f"layers/{name}", "var") for name in file.get("layers", ())}
    if "raw/X" in file:
        there["raw"] = ("raw/X", "raw/var")
    if "X" in file and _encoding(file["X"]) != "null":
        there = {"X": ("X", "var"), **there}
    others = [name for name in there if name != (wanted or "X")]
    if len(others) == len(there):
        raise BadInput(
            f"{path.name} has no matrix '{plain(wanted or 'X', 40)}', but "
            f"{say_names(others) or 'none at all'}; name one by --sheet, or write the file again."
        )
    said = f"{path.name}: X is read; --sheet names another matrix ({say_names(others)})."
    return *there[wanted or "X"], [said] if others and not wanted else []


def _find(group: Any, name: str, path: Path) -> Any:
    """Return a part of the file. Raises BadInput if its encoding is not known, or for the reasons
    of `check_stored`."""
    part = group[name]
    encoding = _encoding(part)
    version = _text(part.attrs.get("encoding-version", ""))
    if version not in VERSIONS.get(encoding, ()):
        raise BadInput(
            f"{path.name}: '{plain(part.name, 60)}' has the encoding '{plain(encoding, 40)}' "
            f"{plain(version, 20)}, which is not known here; write the file by anndata 0.12."
        )
    return check_stored(part, path)


def check_stored(part: Any, path: Path) -> Any:
    """Return a part of an HDF5 file. Raises BadInput if its data lie in another file, or if it
    claims far more data than the file has, before any of them is read."""
    import h5py

    is_data = isinstance(part, h5py.Dataset)
    if part.file.filename != str(path) or (is_data and (part.is_virtual or part.external)):
        raise BadInput(
            f"{path.name}: the data of '{plain(part.name, 60)}' lie in another file; write all "
            "into one."
        )
    if is_data and part.size is None:
        raise damaged(path, KIND)
    if is_data and part.nbytes > max(SMALL, MOST_PACKED * part.id.get_storage_size()):
        raise BadInput(
            f"{path.name}: '{plain(part.name, 60)}' claims more data than the file has; copy it "
            "again."
        )
    return part


def _encoding(part: Any) -> str:
    return _text(part.attrs.get("encoding-type", ""))


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


# the matrix


def _read_matrix(part: Any, shape: tuple[int, int], path: Path) -> Any:
    """Return x (n, p): float64 with NaN, or CSR with each place at most once."""
    by_column = BY_COLUMN.get(_encoding(part))
    given = part.shape if by_column is None else part.attrs["shape"]
    if tuple(given) != shape or 0 in shape:
        raise BadInput(
            f"{path.name}: expected {shape[0]} x {shape[1]} values in '{part.name}', as obs and "
            f"var have rows, and one at least, got {' x '.join(map(str, given))}; write it again."
        )
    if by_column is None:
        return _read_dense(part, shape, path)
    stored = max(_find(part, name, path).size for name in ("data", "indices", "indptr"))
    if stored > MAX_STORED:
        raise BadInput(
            f"{path.name} stores {stored} values, more than the {MAX_STORED} that are read; write "
            "a file with fewer genes."
        )
    x = read_sparse(part, shape, path.name, by_column)
    x.sum_duplicates()
    return x


def _read_dense(data: Any, shape: tuple[int, int], path: Path) -> Array:
    need_room(*shape, path.name, "choose genes, or write the matrix as a sparse one")
    if data.dtype.kind == "b":
        return np.asarray(data[...], dtype=np.float64)
    if data.dtype.kind not in "fiu":
        raise BadInput(f"{path.name}: expected numbers in '{data.name}', got {data.dtype}.")
    x = np.empty(shape)
    data.read_direct(x)  # HDF5 makes doubles of the numbers, without a second copy
    return x


# tables


def _read_table(part: Any, path: Path) -> tuple[Words, Columns]:
    """Return the index of obs or var, and its columns, of which each is read when it is called."""
    if _encoding(part) != "dataframe":
        raise BadInput(
            f"{path.name}: '{part.name}' is no table as anndata 0.7 and later write it; read the "
            "file with a newer anndata, and write it again."
        )
    index = _read_column(part, _text(part.attrs["_index"]), path)
    if index is None:
        raise damaged(path, KIND)

    def reader(name: str) -> Callable[[], Words | None]:
        return lambda: _read_column(part, name, path, len(index))

    return index, {name: reader(name) for name in map(_text, part.attrs["column-order"])}


def _read_column(table: Any, name: str, path: Path, rows: int | None = None) -> Words | None:
    """Return a column as words, None if it is of a kind that has none. Raises BadInput if it has
    not as many rows."""
    part = table[name]
    kind = _encoding(part)
    if kind == "categorical":
        found = _read_codes(part["codes"], part["categories"], path)
    elif "categories" in part.attrs:  # before version 0.8
        found = _read_codes(part, part.file[part.attrs["categories"]], path)
    elif kind in NULLABLE:
        found = _read_masked(part, path)
    else:
        found = None if hasattr(part, "keys") else _read_array(part, path)
    if found is not None and rows is not None and len(found) != rows:
        raise BadInput(
            f"{path.name}, column '{plain(name, 60)}': expected {rows} rows as the index has, got "
            f"{len(found)}; write the file again."
        )
    return None if found is None else _used(found)


def _read_codes(codes: Any, categories: Any, path: Path) -> Words | None:
    """Return a categorical column; code -1 is missing."""
    is_masked = hasattr(categories, "keys")
    words = _read_masked(categories, path) if is_masked else _read_array(categories, path)
    at = check_stored(codes, path)[...]
    if words is None or at.ndim != 1 or at.dtype.kind not in "iu":
        return None
    if len(at) and not -1 <= at.min() <= at.max() < len(words):
        raise BadInput(
            f"{path.name}: a column of categories has codes of none of them; write the file again."
        )
    return Words(np.append(words.codes, np.int32(-1))[at], words.words)


def _read_masked(part: Any, path: Path) -> Words | None:
    values = _read_array(part["values"], path)
    mask = check_stored(part["mask"], path)[...]
    if values is None or mask.dtype != bool or mask.shape != values.codes.shape:
        return None
    return Words(np.where(mask, np.int32(-1), values.codes), values.words)


def _read_array(data: Any, path: Path) -> Words | None:
    """Return an array (n,) of text, numbers or logical values as words."""
    check_stored(data, path)
    if data.ndim != 1 or data.dtype.kind not in "OSfiub":
        return None
    if data.dtype.kind in "OS":
        return Words.of(read_strings(data, path.name))
    return words_of_numbers(data[...])


def _used(words: Words) -> Words:
    """Return the column without words that no row has, such as those under a mask."""
    there = words.counts()
    return words.mapped(lambda word: word if word in there else None)
