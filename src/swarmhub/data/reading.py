"""A hospital's files, and reading them as a study declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from swarmhub.data.assemble import assemble
from swarmhub.data.dataset import Dataset
from swarmhub.data.findings import Findings
from swarmhub.data.frames import Frame, Request
from swarmhub.data.pseudobulk import pool_cells
from swarmhub.data.readers.commas import find_marks
from swarmhub.data.readers.registry import check_options, find_format, read_file
from swarmhub.data.schema import Schema
from swarmhub.errors import BadInput, plain

WITH_MARKS = ("delimited", "npx")  # formats that can have decimal commas


@dataclass(frozen=True)
class Files:
    """A hospital's files, and what only the hospital knows of them: `separator` ("" finds out) and
    `decimal` mark of text tables ("" is not stated: a point, unless the files look otherwise),
    `sheet` of a workbook (or layer of an .h5ad file), `format` ("" goes by the file), `options` of
    a format."""

    paths: tuple[Path, ...]
    separator: str = ""
    decimal: str = ""
    sheet: str = ""
    format: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> str:
        """The files' names, for sentences."""
        return ", ".join(path.name for path in self.paths)


@dataclass(frozen=True)
class Commas:
    """The files that have decimal commas, and a column of the first one."""

    names: tuple[str, ...]
    column: str


def find_commas(files: Files) -> Commas | None:
    """Return where text tables have decimal commas, if no decimal mark is stated; None if they have
    none, or points as well."""
    if files.decimal:
        return None
    request = Request(separator=files.separator, format=files.format)
    marks = {}
    for path in files.paths:
        if path.is_file() and find_format(path, request).name in WITH_MARKS:
            marks[path.name] = find_marks(path, files.separator)
    found = {name: m.commas[0] for name, m in marks.items() if m.commas}
    if not found or any(m.has_points for m in marks.values()):
        return None
    return Commas(tuple(found), next(iter(found.values())))


def say_commas(commas: Commas) -> str:
    """Return which files have decimal commas."""
    return (
        f"The numbers of {', '.join(commas.names)} have decimal commas (column "
        f"'{plain(commas.column, 60)}')"
    )


def propose_decimal(files: Files) -> tuple[Files, str]:
    """Return the files with the decimal mark that they look to have, and a sentence if it is the
    comma; as they are if it is stated."""
    commas = find_commas(files)
    if commas is None:
        return files, ""
    return replace(files, decimal=","), (
        f"{say_commas(commas)}: they are read so here; give --decimal , with every command that "
        "reads them ('train table', 'predict', 'evaluate')."
    )


def read_frames(files: Files, schema: Schema) -> list[Frame]:
    """Read each file; cells are added up for each patient if the study says so. Raises BadInput for
    a file that cannot be read."""
    if not files.paths:
        raise BadInput("Expected a file with this hospital's data, got none.")
    if files.decimal not in ("", ".", ","):
        raise BadInput(f"Expected '.' or ',' as the decimal mark, got '{files.decimal[:10]}'.")
    if files.separator == files.decimal == ",":
        raise BadInput("Separator and decimal mark cannot both be a comma.")
    if commas := find_commas(files):
        raise BadInput(
            f"{say_commas(commas)}: give --decimal , with every command that reads it, or write "
            "decimal points; --decimal . if these are no numbers."
        )
    request = schema.request(
        separator=files.separator, decimal=files.decimal or ".", sheet=files.sheet,
        format=files.format, allele=files.options.get("allele", ""), options=files.options,
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
