"""`swarmhub train ...`"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from swarmhub import logs
from swarmhub.cli.files import (
    DecimalOption,
    FormatOption,
    ReadOption,
    SeparatorOption,
    SheetOption,
    read_options,
)
from swarmhub.cli.shared import CONTEXT, DEFAULT_HOME, HomeOption
from swarmhub.errors import BadInput

app = typer.Typer(
    help="Ready-made trainers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings=CONTEXT,
)


@app.callback()
def trainers() -> None:
    """Ready-made trainers."""


@app.command("table")
def table(
    study: Annotated[str, typer.Argument(help="The study's name.")],
    data: Annotated[
        list[Path],
        typer.Option(help="A file of this hospital; again for a matrix and its sample sheet."),
    ],
    test: Annotated[
        list[Path] | None, typer.Option(help="A file with test patients of their own.")
    ] = None,
    label: Annotated[
        str, typer.Option(help="The outcome's column (0 or 1), if the study declares no data.")
    ] = "",
    id_: Annotated[
        str, typer.Option("--id", help="The patient's column, if the study declares no data.")
    ] = "",
    hold_out: Annotated[
        float | None,
        typer.Option(help="Share of test patients, 0 to 0.9, if the study declares no data."),
    ] = None,
    separator: SeparatorOption = "",
    decimal: DecimalOption = "",
    sheet: SheetOption = "",
    format_: FormatOption = "",
    read: ReadOption = None,
    accept_utility_loss: Annotated[
        bool,
        typer.Option(
            "--accept-utility-loss",
            help="Take part though the study's noise will spoil the model: it has more features "
            "than this hospital has patients.",
        ),
    ] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Take part in a study over tables with this hospital's files, until it is over."""
    from swarmhub.data.reading import Files
    from swarmhub.recipes.preparing import Sources
    from swarmhub.recipes.trainer import train_table

    if test and hold_out:
        raise BadInput("--test has the test patients already; give it or --hold-out, not both.")
    if hold_out is not None and not 0.0 <= hold_out <= 0.9:
        raise BadInput(f"Expected --hold-out from 0 to 0.9, got {hold_out:g}.")

    def say(sentence: str) -> None:
        if logs.is_json():
            logs.say(sentence, "swarmhub.trainer", logging.INFO)
        else:
            print(sentence, flush=True)

    def of(paths: list[Path]) -> Files:
        return Files(tuple(paths), separator, decimal, sheet, format_, read_options(read))

    share = 0.0 if test else hold_out
    sources = Sources(
        of(data), of(test) if test else None, label, id_, share if label else None,
        accept_utility_loss,
    )  # fmt: skip
    train_table(study, home, sources, say)
