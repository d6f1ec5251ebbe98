"""Options of commands that read a hospital's files."""

from __future__ import annotations

from typing import Annotated

import typer

from swarmhub.errors import BadInput, plain

SeparatorOption = Annotated[
    str, typer.Option(help="Between cells of text tables; default: found out.")
]
DecimalOption = Annotated[
    str,
    typer.Option(
        help="Decimal mark of text tables, . or ,; default: a point, and a sentence if the numbers "
        "look to have commas."
    ),
]
SheetOption = Annotated[str, typer.Option(help="Sheet of a workbook, layer of an .h5ad file.")]
FormatOption = Annotated[str, typer.Option("--format", help="Format; default: by the file.")]
ReadOption = Annotated[
    list[str] | None,
    typer.Option("--read", metavar="KEY=VALUE", help="Option of a format; may be given again."),
]


def read_options(given: list[str] | None) -> dict[str, str]:
    """Return the options of a format. Raises BadInput for one without '='."""
    found = {}
    for text in given or []:
        key, mark, value = text.partition("=")
        if not mark or not key:
            raise BadInput(f"Expected --read KEY=VALUE, got '{plain(text, 60)}'.")
        found[key] = value
    return found
