"""`swarmhub train ...`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from swarmhub.cli.shared import CONTEXT, DEFAULT_HOME, HomeOption

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
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Take part in a study over tables with one CSV, until it is over."""
    from swarmhub.recipes.trainer import train_table

    said: list[str] = []

    def say(sentence: str) -> None:
        if not said or said[-1] != sentence:
            said.append(sentence)
            print(sentence, flush=True)

    train_table(study, home, data, label, test, say)
