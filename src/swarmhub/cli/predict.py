"""`swarmhub predict`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from swarmhub.cli.shared import CONTEXT
from swarmhub.errors import plain

ModelArgument = Annotated[Path, typer.Argument(help="A folder of 'swarmhub model export'.")]
SeparatorOption = Annotated[
    str, typer.Option(help="Between cells of text tables; default: found out.")
]
DecimalOption = Annotated[str, typer.Option(help="Decimal mark of text tables: . or ,")]
SheetOption = Annotated[str, typer.Option(help="Sheet of a workbook.")]
FormatOption = Annotated[str, typer.Option("--format", help="Format; default: by the file.")]
MissingOption = Annotated[
    bool, typer.Option("--allow-missing", help="Score also if columns of the model are absent.")
]
NOTE = 1000  # characters of a sentence


def predict(
    model: ModelArgument,
    data: Annotated[
        list[Path], typer.Option(help="File with new patients; repeat for files that are joined.")
    ],
    out: Annotated[Path, typer.Option(help="The CSV file for the scores.")],
    separator: SeparatorOption = "",
    decimal: DecimalOption = ".",
    sheet: SheetOption = "",
    format_: FormatOption = "",
    allow_missing: MissingOption = False,
) -> None:
    """Score new patients with an exported model; needs no node. For research only."""
    from swarmhub.data.reading import Files
    from swarmhub.models.predict import load_model, predict_files

    files = Files(tuple(data), separator, decimal, sheet, format_)
    scores = predict_files(load_model(model), files, out, allow_missing)
    for note in scores.notes:
        print(plain(note, NOTE))
    print(f"Wrote the scores of {len(scores.names)} rows to {out}.")


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, context_settings=CONTEXT)
app.command()(predict)
