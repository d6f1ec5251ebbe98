"""Counts of Cell Ranger (10x Genomics): the folder with matrix.mtx, barcodes.tsv and features.tsv
(genes.tsv before version 3), packed or not, and the .h5 file.

Both are written as genes x cells and become cells x genes. Columns are named by the genes' ids,
which are the same in all releases of one annotation; `options["names"] = "symbol"` takes symbols.
Features that are no genes (antibodies, guides) are left out; `options["features"]` names another
type, or "all".
"""

from __future__ import annotations

import collections
import gzip
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from swarmhub.data.frames import Array, Request, explain_unreadable
from swarmhub.data.readers.common import (
    Described,
    check_names,
    choose,
    damaged,
    find_namespace,
    say_names,
    words_of,
)  # fmt: skip
from swarmhub.data.readers.hdf import open_hdf, read_sparse, read_strings
from swarmhub.errors import BadInput, plain

GENES = "Gene Expression"
LEAST_ENTRY = 6  # bytes of "1 1 1\n"
MOST_PACKED = 1100  # times that gzip makes a file smaller, at most
SMALL = 64 << 20  # bytes that are unpacked, however well they are packed
MAX_TEXT = 1 << 30  # bytes of names
HEADER = re.compile(rb"%%MatrixMarket\s+matrix\s+coordinate\s+(integer|real)\s+general\s*", re.I)
AS_REAL = b"%%MatrixMarket matrix coordinate real general\n"
KIND = "a matrix of Cell Ranger"


@dataclass(frozen=True)
class Features:
    """The features of a matrix: ids, symbols and types."""

    ids: list[str]
    symbols: list[str]
    types: list[str]

    def choose(self, request: Request, source: str) -> tuple[list[str], list[str], Array]:
        """Return names and labels of the features that are asked for, and which these are. Raises
        BadInput if there are none."""
        wanted = request.options.get("features", GENES)
        kept = np.flatnonzero([wanted in (kind, "all") for kind in self.types])
        if not len(kept):
            raise BadInput(
                f"{source}: expected features of the type '{plain(wanted, 40)}', got "
                f"{say_names(sorted({*self.types})) or 'none'}; name a type by the option features."
            )
        ids, symbols = ([texts[k] for k in kept] for texts in (self.ids, self.symbols))
        is_id = choose(request, "names", ("id", "symbol")) == "id"
        return (ids, symbols, kept) if is_id else (symbols, ids, kept)

    def say_left(self, kept: Array, source: str) -> list[str]:
        """Return a sentence on the features that are left out, if there are some."""
        left = collections.Counter(np.delete(np.array(self.types, dtype=object), kept))
        listed = ", ".join(f"{n} of '{plain(kind, 40)}'" for kind, n in sorted(left.items())[:4])
        said = f"{source}: {left.total()} features of other types are left out ({listed}); the "
        return [f"{said}option features names another type, or all."] if left else []


def read_tenx(path: Path, request: Request) -> Described:
    """Return the counts in a folder, (cells, genes), sparse."""
    prefix, files = _find_files(path)
    features = _read_features(files["features"])
    barcodes = [line.split("\t")[0] for line in _read_lines(files["barcodes"])]
    counts = _read_matrix(files["matrix"], (len(features.ids), len(barcodes)))
    return _frame(prefix + path.name, counts.T.tocsr(), features, barcodes, request)


def read_tenx_h5(path: Path, request: Request) -> Described:
    """Return the counts in an .h5 file of Cell Ranger, (cells, genes), sparse."""
    try:
        with open_hdf(path, KIND) as file:
            group, names = _find_group(file, path)
            parts = [group[name] for name in (*names, "barcodes", "data", "indices", "indptr")]
            if any(p.nbytes > max(SMALL, MOST_PACKED * p.id.get_storage_size()) for p in parts):
                raise damaged(path, KIND)
            lists = [read_strings(group[name], path.name) for name in names]
            types = lists[2] if len(lists) > 2 else [GENES] * len(lists[0])
            features = Features(lists[0], lists[1], types)
            barcodes = read_strings(group["barcodes"], path.name)
            shape = (len(barcodes), len(features.ids))
            is_even = len({*map(len, lists)}) == 1
            if not is_even or tuple(group["shape"][...].tolist()) != shape[::-1]:
                raise damaged(path, KIND)
            counts = read_sparse(group, shape, path.name)
    except (AttributeError, TypeError, ValueError):  # a group in place of an array, and the like
        raise damaged(path, KIND) from None
    _check_counts(counts.data, path.name)
    counts.sum_duplicates()
    return _frame(path.name, counts, features, barcodes, request)


def _find_group(file: Any, path: Path) -> tuple[Any, tuple[str, ...]]:
    """Return the group with the counts, and where it has ids, symbols and types of features. Before
    Cell Ranger 3 each genome has a group of its own, and there are no types."""
    if "matrix" in file and "features" in file["matrix"]:
        return file["matrix"], ("features/id", "features/name", "features/feature_type")
    genomes = [name for name in file if hasattr(file[name], "keys") and "genes" in file[name]]
    if len(genomes) != 1:
        raise BadInput(
            f"{path.name}: expected a matrix of Cell Ranger of one genome, got HDF5 with "
            f"{len(genomes)}; an AnnData file has to end in .h5ad, several genomes are read as "
            "folders."
        )
    return file[genomes[0]], ("genes", "gene_names")


def _frame(
    source: str, counts: Any, features: Features, barcodes: Sequence[str], request: Request
) -> Described:
    names, labels, kept = features.choose(request, source)
    notes = features.say_left(kept, source)
    counts = counts if len(kept) == len(features.ids) else counts[:, kept]
    empty = int(np.sum(np.diff(counts.indptr) == 0))
    if empty:
        notes.append(
            f"{source}: {empty} of {len(barcodes)} barcodes have no count; use the filtered matrix "
            "(filtered_feature_bc_matrix) if this is the raw one."
        )
    by_symbol = request.options.get("names") == "symbol"
    advice = "name the columns by ids, not by symbols" if by_symbol else "rename one"
    found = check_names(names, source, advice)
    return Described(
        source, counts, found, samples=words_of(barcodes, request.missing),
        namespace=find_namespace(found), unit="count", notes=tuple(notes), labels=tuple(labels),
    )  # fmt: skip


def _find_files(path: Path) -> tuple[str, dict[str, Path]]:
    """Return the prefix of the files' names, and the files. Raises BadInput if one is missing."""
    try:
        names = sorted(file.name for file in path.iterdir() if file.is_file())
    except NotADirectoryError:
        raise BadInput(f"{path.name}: expected the folder of a matrix, got a file.") from None
    except OSError as error:
        raise explain_unreadable(path, error) from None
    matrices = [name for name in names if re.search(r"matrix\.mtx(\.gz)?$", name)]
    if len(matrices) != 1:
        raise BadInput(
            f"The folder {path.name} has {len(matrices)} files that end in matrix.mtx[.gz], "
            "expected one; give each matrix a folder of its own."
        )
    prefix = re.sub(r"matrix\.mtx(\.gz)?$", "", matrices[0])
    found = {"matrix": path / matrices[0]}
    for part, stems in (("barcodes", ["barcodes"]), ("features", ["features", "genes"])):
        wanted = [f"{prefix}{stem}.tsv{end}" for stem in stems for end in ("", ".gz")]
        there = [name for name in wanted if name in names]
        if not there:
            raise BadInput(
                f"The folder {path.name} has no {part}.tsv or {part}.tsv.gz beside the matrix; "
                "copy the whole folder of Cell Ranger."
            )
        found[part] = path / there[0]
    return prefix, found


def _read_features(path: Path) -> Features:
    rows = [line.split("\t") for line in _read_lines(path)]
    short = next((k for k, row in enumerate(rows, start=1) if len(row) < 2), 0)
    if short:
        raise BadInput(f"{path.name}, line {short}: expected an id and a symbol between tabs.")
    kinds = [row[2] if len(row) > 2 else GENES for row in rows]
    return Features([row[0] for row in rows], [row[1] for row in rows], kinds)


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path) if path.name.endswith(".gz") else path.open("rb"))


def _read_lines(path: Path) -> list[str]:
    """Return the lines of a text file without a header."""
    try:
        with _open(path) as file:
            data = file.read(MAX_TEXT + 1)
        lines = data.decode("utf-8-sig").removesuffix("\n").split("\n")
    except (gzip.BadGzipFile, EOFError, zlib.error, UnicodeDecodeError):
        raise damaged(path, "text") from None
    except OSError as error:
        raise explain_unreadable(path, error) from None
    if len(data) > MAX_TEXT:
        raise BadInput(f"{path.name} has more than {MAX_TEXT} bytes; expected a list of names.")
    return [line.removesuffix("\r") for line in lines]


@dataclass
class _AsReal:
    """A matrix as a stream, with another header: SciPy cuts 5.5 to 5 if the header says integer."""

    file: BinaryIO
    start: bytes = AS_REAL

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        start, self.start = self.start, b""
        return start or self.file.read(size)


def _read_matrix(path: Path, shape: tuple[int, int]) -> Any:
    """Return the counts, genes x cells. The header is checked before SciPy makes room for it."""
    from scipy.io import mmread

    try:
        with _open(path) as file:
            _check_header(file, path, shape)
        with _open(path) as file:
            file.readline(1000)
            found = mmread(_AsReal(file))
    except (gzip.BadGzipFile, EOFError, zlib.error, ValueError, OverflowError):
        raise damaged(path, KIND) from None
    except OSError as error:
        raise explain_unreadable(path, error) from None
    _check_counts(found.data, path.name)
    return found


def _check_counts(counts: Array, source: str) -> None:
    """Raise BadInput if a stored value is no whole number of 0 or more."""
    wrong = ~((counts >= 0) & (counts < np.inf))
    wrong |= counts != np.floor(counts)
    if wrong.any():
        raise BadInput(
            f"{source}: expected counts, whole numbers of 0 or more, got another number in entry "
            f"{int(np.argmax(wrong)) + 1} of the matrix; read the matrix as Cell Ranger wrote it, "
            "or write adjusted values as AnnData."
        )


def _check_header(file: BinaryIO, path: Path, shape: tuple[int, int]) -> None:
    header = file.readline(1000)
    if not HEADER.fullmatch(header):
        raise BadInput(
            f"{path.name}: expected a sparse matrix of numbers ('%%MatrixMarket matrix coordinate "
            f"integer general'), got '{plain(header.decode('utf-8', 'replace').strip(), 60)}'; "
            "write it in this form."
        )
    line = file.readline(10_000)
    while line.startswith(b"%"):
        line = file.readline(10_000)
    sizes = [int(cell) for cell in line.split()]  # ValueError: damaged
    if tuple(sizes[:2]) != shape or len(sizes) != 3:
        raise BadInput(
            f"{path.name}: expected {shape[0]} features and {shape[1]} barcodes as in the files "
            "beside it, got another size; the files do not belong together."
        )
    room = path.stat().st_size * (MOST_PACKED if path.name.endswith(".gz") else 1)
    if not 0 <= sizes[2] <= min(room // LEAST_ENTRY + 1, shape[0] * shape[1]):
        raise damaged(path, KIND)
