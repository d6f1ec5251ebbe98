"""`swarmhub predict`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def predict(
    model: Annotated[Path, typer.Argument(help="A file of 'swarmhub node export'.")],
    data: Annotated[Path, typer.Option(help="CSV with a row per patient.")],
    out: Annotated[Path, typer.Option(help="The CSV file for the scores.")],
    id_: Annotated[
        str | None, typer.Option("--id", help="Column with a name for each row of the scores.")
    ] = None,
) -> None:
    """Score patients with the exported model of a study over tables; needs no node."""
    from swarmhub.recipes.scoring import predict_table

    rows, notes = predict_table(model, data, out, id_)
    for note in notes:
        print(note)
    print(f"Wrote the scores of {rows} rows to {out}.")
