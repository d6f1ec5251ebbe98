"""`swarmhub train ...`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
    data: Annotated[Path, typer.Option(help="CSV with this hospital's training rows.")],
    label: Annotated[str, typer.Option(help="Column with the label (0 or 1).")],
    test: Annotated[Path | None, typer.Option(help="CSV with held-out rows.")] = None,
    hold_out: Annotated[
        float | None,
        typer.Option(
            help="Share of the patients in --data to hold out if there is no --test, 0 to 0.5 "
            "(default 0.2)."
        ),
    ] = None,
    id_: Annotated[
        str | None,
        typer.Option("--id", help="Column that says which rows are of the same patient."),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Take part in a study over tables with one CSV, until it is over."""
    from swarmhub.recipes.trainer import HOLD_OUT, Source, train_table

    if test is not None and hold_out:
        raise BadInput("--test has the held-out patients already; give it or --hold-out, not both.")

    def say(sentence: str) -> None:
        print(sentence, flush=True)

    share = HOLD_OUT if hold_out is None else hold_out
    train_table(study, home, Source(data, label, test, id_, share), say)
