"""`swarmhub predict`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from swarmhub.cli.files import (
    DecimalOption,
    FormatOption,
    ReadOption,
    SeparatorOption,
    SheetOption,
    read_options,
)
from swarmhub.cli.shared import CONTEXT
from swarmhub.errors import plain

ModelArgument = Annotated[Path, typer.Argument(help="A folder of 'swarmhub model export'.")]
MissingOption = Annotated[
    bool, typer.Option("--allow-missing", help="Score also if columns of the model are absent.")
]
NOTE = 1000  # characters of a sentence
WRITTEN = {
    "binary": "scores", "classes": "scores", "continuous": "predicted values",
    "time_to_event": "risks",
}  # fmt: skip


def predict(
    model: ModelArgument,
    data: Annotated[
        list[Path], typer.Option(help="File with new patients; repeat for files that are joined.")
    ],
    out: Annotated[Path, typer.Option(help="The CSV file for the scores.")],
    separator: SeparatorOption = "",
    decimal: DecimalOption = "",
    sheet: SheetOption = "",
    format_: FormatOption = "",
    read: ReadOption = None,
    allow_missing: MissingOption = False,
) -> None:
    """Score new patients with an exported model; needs no node. For research only."""
    from swarmhub.data.reading import Files
    from swarmhub.models.predict import load_model, predict_files

    files = Files(tuple(data), separator, decimal, sheet, format_, read_options(read))
    scores = predict_files(load_model(model), files, out, allow_missing)
    for note in scores.notes:
        print(plain(note, NOTE))
    print(f"Wrote the {WRITTEN[scores.response.kind]} of {len(scores.names)} rows to {out}.")


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, context_settings=CONTEXT)
app.command()(predict)
