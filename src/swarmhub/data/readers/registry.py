"""The formats of files, and the reader of each.

A format is found by `Request.format`; else by its columns, by a look at the file or the folder, or
by the file's name; text that no other format claims is read as delimited. A reader is imported when
it is needed, since some need a library of an extra.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from swarmhub.data.frames import Frame, Reader, Request
from swarmhub.data.readers import sniff
from swarmhub.errors import BadInput, plain


@dataclass(frozen=True)
class Format:
    """A format: its name, the ends of its files' names, the function that reads it (`module:name`),
    and the extra that has the reader's library ("" if none is needed). A table with all of
    `columns` is of this format, and so is a path that `claims` it. `options` are those that its
    reader takes."""

    name: str
    suffixes: tuple[str, ...]
    reader: str
    extra: str = ""
    columns: frozenset[str] = frozenset()
    claims: Callable[[Path], bool] | None = None
    options: tuple[str, ...] = ()

    def load(self) -> Reader:
        """Return the reader."""
        module, name = self.reader.split(":")
        found: Reader = getattr(importlib.import_module(module), name)
        return found

    def is_of(self, path: Path, columns: frozenset[str]) -> bool:
        """Return whether a path with these columns, if it is a table, is of this format."""
        if self.columns:
            return self.columns <= columns
        return self.claims is not None and self.claims(path)

    def says_name(self, path: Path) -> bool:
        """Return whether the end of a path's name says this format."""
        return path.name.lower().removesuffix(".gz").endswith(self.suffixes or ("\0",))


ROOM = "swarmhub.data.readers"
TENX = ("names", "features")
DELIMITED = Format(
    "delimited", (".csv", ".tsv", ".tab", ".txt"), f"{ROOM}.delimited:read_delimited"
)
FORMATS = (
    DELIMITED,
    Format("excel", (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"), f"{ROOM}.excel:read_excel"),
    Format("parquet", (".parquet", ".pq"), f"{ROOM}.parquet:read_parquet", "omics"),
    Format("h5ad", (".h5ad",), f"{ROOM}.anndata:read_anndata", "omics", options=("names",)),
    Format("10x", (), f"{ROOM}.tenx:read_tenx", "omics", claims=sniff.is_tenx_folder,
           options=TENX),
    Format("10x-h5", (".h5",), f"{ROOM}.tenx:read_tenx_h5", "omics", options=TENX),
    Format("npx", (), f"{ROOM}.npx:read_npx", "omics",
           frozenset(["SampleID", "OlinkID", "NPX"]), options=("names", "qc")),
    Format("maxquant", (), f"{ROOM}.proteins:read_maxquant", "",
           frozenset(["Protein IDs", "Majority protein IDs"])),
    Format("diann-report", (), f"{ROOM}.proteins:read_diann_report", "omics",
           frozenset(["Run", "Protein.Group", "Precursor.Id", "Q.Value"])),
    Format("diann", (), f"{ROOM}.proteins:read_diann_matrix", "",
           frozenset(["Protein.Group", "Protein.Names", "Genes"])),
    Format("plink", (), f"{ROOM}.plink:read_plink", "genetics", claims=sniff.is_plink,
           options=("allele", "alleles")),
    Format("npz", (".npz",), f"{ROOM}.images:read_npz", "images", options=("size",)),
    Format("images", (), f"{ROOM}.images:read_folder", "images", claims=sniff.is_image_folder,
           options=("size",)),
)  # fmt: skip
READ = (
    "tables (.csv, .tsv, .xlsx, .ods, .parquet), AnnData (.h5ad), 10x (a folder with matrix.mtx, "
    "or .h5), Olink NPX, MaxQuant's proteinGroups.txt, DIA-NN's pg_matrix and report, PLINK "
    "(.bed), images (.npz, or a folder of .png, .jpg, .tif)"
)


def check_options(paths: Iterable[Path], request: Request) -> None:
    """Raise BadInput for an option that no reader of these files takes."""
    formats = [find_format(path, request) for path in paths]
    known = sorted({option for found in formats for option in found.options})
    unknown = [key for key in request.options if key not in known]
    if unknown:
        said = f"these files take {', '.join(known)}" if known else "these files take none"
        raise BadInput(f"The option '{plain(unknown[0], 40)}' is not known; {said}.")


def read_file(path: Path, request: Request) -> Frame:
    """Read a file in its format. Raises BadInput, in one sentence, if it cannot be read."""
    found = find_format(path, request)
    try:
        return found.load()(path, request)
    except ModuleNotFoundError as error:
        if not found.extra:
            raise
        raise BadInput(
            f"{path.name}: the format {found.name} needs {error.name}; type "
            f"pip install 'swarmhub[{found.extra}]'."
        ) from None


def find_format(path: Path, request: Request) -> Format:
    """Return the format of a file or folder: the one that is asked for, or the one that it shows.
    Raises BadInput for a format that is not known, and for a path that no reader takes."""
    if request.format:
        names = {f.name: f for f in FORMATS}
        if request.format in names:
            return names[request.format]
        near = difflib.get_close_matches(request.format, names, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"choose one of {', '.join(names)}."
        raise BadInput(f"The format '{plain(request.format, 40)}' is not known; {hint}")
    columns = sniff.names_of(path)
    shown = next((f for f in FORMATS if f.is_of(path, columns)), None)
    shown = shown or next((f for f in FORMATS if not path.is_dir() and f.says_name(path)), None)
    if shown is not None:
        return shown
    if path.is_dir():
        raise BadInput(
            f"Expected a file, got the folder {path}, which is of no format that is read; name the "
            f"file in it, one of these: {READ}."
        )
    if sniff.is_unknown(path):
        raise BadInput(f"{path.name} is of no format that is read; these are: {READ}.")
    return DELIMITED
