"""A hospital's files, and reading them as a study declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from swarmhub.data.assemble import assemble
from swarmhub.data.dataset import Dataset
from swarmhub.data.findings import Findings
from swarmhub.data.frames import Frame
from swarmhub.data.pseudobulk import pool_cells
from swarmhub.data.readers.registry import check_options, read_file
from swarmhub.data.schema import Schema
from swarmhub.errors import BadInput


@dataclass(frozen=True)
class Files:
    """A hospital's files, and what only the hospital knows of them: `separator` ("" finds out) and
    `decimal` mark of text tables, `sheet` of a workbook (or layer of an .h5ad file), `format` (""
    goes by the file), `options` of a format."""

    paths: tuple[Path, ...]
    separator: str = ""
    decimal: str = "."
    sheet: str = ""
    format: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> str:
        """The files' names, for sentences."""
        return ", ".join(path.name for path in self.paths)


def read_frames(files: Files, schema: Schema) -> list[Frame]:
    """Read each file; cells are added up for each patient if the study says so. Raises BadInput for
    a file that cannot be read."""
    if not files.paths:
        raise BadInput("Expected a file with this hospital's data, got none.")
    if files.decimal not in (".", ","):
        raise BadInput(f"Expected '.' or ',' as the decimal mark, got '{files.decimal[:10]}'.")
    if files.separator == files.decimal == ",":
        raise BadInput("Separator and decimal mark cannot both be a comma.")
    request = schema.request(
        separator=files.separator, decimal=files.decimal, sheet=files.sheet, format=files.format,
        allele=files.options.get("allele", ""), options=files.options,
    )  # fmt: skip
    check_options(files.paths, request)
    return pool_cells([read_file(path, request) for path in files.paths], schema)


def read_dataset(
    files: Files, schema: Schema, found: Findings | None = None, needs_outcome: bool = True
) -> Dataset:
    """Read a hospital's files as the study declares. What a person should know goes to `found`.
    Raises BadInput, with file, line and column, for what cannot be used."""
    found = found if found is not None else Findings()
    return assemble(read_frames(files, schema), schema, found, needs_outcome)
