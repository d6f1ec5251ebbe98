"""`swarmhub report`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from swarmhub.cli.shared import DEFAULT_HOME, HomeOption, JsonOption, run, show
from swarmhub.home.home import Home


def report(
    study: Annotated[str, typer.Argument(help="The study's name.")],
    out: Annotated[
        Path | None, typer.Option(help="The HTML file; default: STUDY.html. JSON goes beside it.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    json_: JsonOption = False,
) -> None:
    """Write a study's report: how good its model is, at each hospital, and how it was made."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from swarmhub.operations.report.write import STEPS, write_report

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
               TextColumn("{task.description}"))  # fmt: skip
    screen = Console(stderr=True)
    with Progress(
        *columns, console=screen, transient=True, disable=not screen.is_terminal
    ) as progress:
        bar = progress.add_task("", total=len(STEPS))

        def tell(step: str) -> None:
            progress.update(bar, completed=STEPS.index(step), description=step)

        made = run(write_report(Home.open(home), study, out or Path(f"{study}.html"), tell))
    show(made, json_, f"Wrote the report to {made.page}, and its numbers to {made.data}.")
