"""Signs by which a format is known if its files' names do not tell: first bytes, names of columns,
names of files in a folder. No library of an extra is needed to look, except for Parquet."""

from __future__ import annotations

import gzip
import re
import zlib
from pathlib import Path

from swarmhub.data.readers.text import KINDS

FIRST_BYTES = 1 << 20  # the header line of a table with 10,000 runs has less
IMAGES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dcm")
BED = b"\x6c\x1b"  # PLINK


def read_start(path: Path, count: int = FIRST_BYTES) -> bytes:
    """Return the first bytes of a file, unpacked if its name ends in .gz; b"" if there are none."""
    try:
        with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as file:
            return bytes(file.read(count))
    except (OSError, EOFError, zlib.error):
        return b""


def names_of(path: Path) -> frozenset[str]:
    """Return the names of the columns of a text table or a Parquet file; none if it is neither."""
    if path.is_dir():
        return frozenset()
    if path.suffix in (".parquet", ".pq"):
        return _names_in_parquet(path)
    start = read_start(path)
    if b"\0" in start[:1000]:
        return frozenset()
    line = start.decode("utf-8-sig", "replace").lstrip().splitlines()[:1]
    cells = re.split(r"[,;\t]", line[0]) if line else []
    return frozenset(cell.strip().strip('"') for cell in cells)


def _names_in_parquet(path: Path) -> frozenset[str]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        return frozenset()  # the reader of Parquet says what is missing
    try:
        return frozenset(pq.read_schema(path).names)
    except (pa.ArrowException, OSError):
        return frozenset()


def is_plink(path: Path) -> bool:
    """Return whether a .bed file has genotypes (others of that name have regions of a genome)."""
    return path.suffix == ".bed" and read_start(path, 2) == BED


def is_unknown(path: Path) -> bool:
    """Return whether a file is no text, and none of those of which the reader of text knows a
    better sentence."""
    start = read_start(path, 4096)
    return b"\0" in start and not start.startswith(tuple(KINDS))


def is_tenx_folder(path: Path) -> bool:
    """Return whether a folder has a matrix of Cell Ranger."""
    return path.is_dir() and any(
        name.endswith(("matrix.mtx", "matrix.mtx.gz")) for name in _files(path)
    )


def is_image_folder(path: Path) -> bool:
    """Return whether a folder has images, or folders with them (DICOM too, which its reader
    refuses with a sentence)."""
    if not path.is_dir():
        return False
    return any(name.endswith(IMAGES) for name in _files(path)) or any(
        file.name.lower().endswith(IMAGES) for file in path.glob("*/*")
    )


def _files(path: Path) -> list[str]:
    return [file.name.lower() for file in path.iterdir() if file.is_file()]
