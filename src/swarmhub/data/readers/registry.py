"""The formats of files, and the reader of each.

A format is found by `Request.format`, or by the file's name; text that no other format claims is
read as delimited. A reader is imported when it is needed, since some need a library of an extra.
"""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass
from pathlib import Path

from swarmhub.data.frames import Frame, Reader, Request
from swarmhub.errors import BadInput, plain


@dataclass(frozen=True)
class Format:
    """A format: its name, the ends of its files' names, the function that reads it (`module:name`),
    and the extra that has the reader's library ("" if none is needed)."""

    name: str
    suffixes: tuple[str, ...]
    reader: str
    extra: str = ""

    def load(self) -> Reader:
        """Return the reader."""
        module, name = self.reader.split(":")
        found: Reader = getattr(importlib.import_module(module), name)
        return found


ROOM = "swarmhub.data.readers"
DELIMITED = Format(
    "delimited", (".csv", ".tsv", ".tab", ".txt"), f"{ROOM}.delimited:read_delimited"
)
FORMATS = (
    DELIMITED,
    Format("excel", (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"), f"{ROOM}.excel:read_excel"),
    Format("parquet", (".parquet", ".pq"), f"{ROOM}.parquet:read_parquet", "omics"),
)


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
    """Return the format of a file: the one that is asked for, or that of its name, or delimited
    text. Raises BadInput for a format that is not known."""
    if request.format:
        names = {f.name: f for f in FORMATS}
        if request.format in names:
            return names[request.format]
        near = difflib.get_close_matches(request.format, names, 1)
        hint = f"did you mean '{near[0]}'?" if near else f"choose one of {', '.join(names)}."
        raise BadInput(f"The format '{plain(request.format, 40)}' is not known; {hint}")
    name = path.name.lower().removesuffix(".gz")
    return next((f for f in FORMATS if name.endswith(f.suffixes)), DELIMITED)
