"""`swarmhub evaluate`"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swarmhub.cli.files import (
    DecimalOption,
    FormatOption,
    ReadOption,
    SeparatorOption,
    SheetOption,
    read_options,
)
from swarmhub.cli.predict import NOTE, MissingOption, ModelArgument
from swarmhub.cli.shared import JsonOption, table
from swarmhub.errors import plain

if TYPE_CHECKING:
    from swarmhub.models.evaluate import Validated


def evaluate(
    model: ModelArgument,
    data: Annotated[
        list[Path],
        typer.Option(help="File with patients and outcomes; repeat for files that are joined."),
    ],
    counts: Annotated[
        Path | None,
        typer.Option(help="JSON file to write with the counts that may be shared."),
    ] = None,
    separator: SeparatorOption = "",
    decimal: DecimalOption = ".",
    sheet: SheetOption = "",
    format_: FormatOption = "",
    read: ReadOption = None,
    allow_missing: MissingOption = False,
    json_: JsonOption = False,
) -> None:
    """Compare an exported model's scores with the known outcome of patients that it was not trained
    on; needs no node. Nothing is written but what --counts asks for."""
    from swarmhub.data.reading import Files
    from swarmhub.models.evaluate import evaluate_files, write_counts
    from swarmhub.models.predict import load_model

    files = Files(tuple(data), separator, decimal, sheet, format_, read_options(read))
    found = evaluate_files(load_model(model), files, allow_missing)
    if counts is not None:
        write_counts(found, counts, data)
    if json_:
        print(json.dumps(found.to_json(), indent=2, ensure_ascii=False))
        return
    show(found)
    if counts is not None:
        print(
            f"Wrote counts that may be shared to {counts}: scores of each class in groups of "
            "patients, and the four counts at the threshold as they are; look at them first."
        )


def show(found: Validated) -> None:
    """Print figures, their conditions and notes."""
    evaluation = found.evaluation
    rows = [
        [name, say(f.value), say(f.low) if f.low is None else f"{say(f.low)} to {say(f.high)}",
         str(f.support)]
        for name, f in evaluation.figures.items()
    ]  # fmt: skip
    table("Figures on these patients", ["figure", "value", "95% interval", "rows"], rows)
    print(
        f"{evaluation.positives} rows with the outcome, {evaluation.negatives} without; threshold "
        f"{evaluation.threshold:g}."
    )
    if evaluation.is_descriptive:
        print("These are few patients: the figures describe them, and prove nothing.")
    for note in found.notes:
        print(plain(note, NOTE))
    print(plain(found.protocol, NOTE))
    print(f"Model {found.model_digest[:16]}…, architecture {found.architecture[:16]}…")


def say(value: float | None) -> str:
    """Return a figure to three places; a dash if there is none."""
    return "–" if value is None else f"{value:.3f}"
