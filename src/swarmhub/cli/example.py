"""`swarmhub example`"""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swarmhub.cli.demo import new_root
from swarmhub.cli.shared import DEFAULT_HOME, JsonOption, show, table

if TYPE_CHECKING:
    from swarmhub.examples.run import Ran

COLUMNS = ["name", "disease", "hospitals", "outcome", "data", "licence", "there"]


def example(
    name: Annotated[
        str | None, typer.Argument(help="The example; without it, all of them are listed.")
    ] = None,
    data: Annotated[
        Path,
        typer.Option(
            envvar="SWARMHUB_DATA", help="Folder with the data sets, as their authors publish them."
        ),
    ] = DEFAULT_HOME / "data",
    home: Annotated[
        Path | None, typer.Option(help="Where everything is kept; default: a new directory.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """A study over open data on this machine, from the raw files to a report, as real processes."""
    started = time.monotonic()
    if name is None:
        return list_examples(data, json_)
    from swarmhub.demo.screen import RichScreen, quiet
    from swarmhub.examples import find_example
    from swarmhub.examples.raw import find_files
    from swarmhub.examples.run import describe, run_example

    chosen = find_example(name)
    files = find_files(chosen, data.absolute())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    screen: Any = quiet() if json_ else RichScreen(*describe(chosen))
    with screen:
        ran = run_example(chosen, files, (home or new_root()).absolute(), screen.listener, started)
    if json_:
        print(json.dumps(ran.to_json()))
    else:
        show_ran(ran)
    return None


def list_examples(data: Path, as_json: bool) -> None:
    """Print all examples, and whether their data are there."""
    from swarmhub.examples import NAMES, find_example
    from swarmhub.examples.raw import has_files

    every = [(e, has_files(e, data.absolute())) for e in map(find_example, NAMES)]
    rows = [
        [e.name, e.disease, e.hospitals, e.outcome, e.origin.url, e.origin.licence, is_there]
        for e, is_there in every
    ]
    if as_json:
        return show([dict(zip(COLUMNS, row, strict=True)) for row in rows], True, "")
    said = [[*map(str, row[:-1]), "yes" if row[-1] else "no"] for row in rows]
    shown = [k for k, name in enumerate(COLUMNS) if name != "data"]  # long addresses
    table(f"Examples; data are looked for in {data}", [COLUMNS[k] for k in shown],
          [[row[k] for k in shown] for row in said])  # fmt: skip
    for e, is_there in every:
        if not is_there:
            print(f"{e.name}: {e.origin.get}.")
    return None


def show_ran(ran: Ran) -> None:
    """Print the question, the comparison, and the next command."""
    from rich.console import Console

    from swarmhub.demo.screen import make_table, say_own

    console, outcome = Console(), ran.outcome
    console.print(ran.example.question, style="bold")
    console.print(make_table(outcome))
    for name, figure in outcome.scores.own.items():
        if figure.value is not None:
            console.print(f"  {say_own(name, figure)}", highlight=False)
    for note in ran.notes:
        console.print(note, highlight=False)
    console.print("For research only: these models are no medical devices.", highlight=False)
    console.print(
        f"The report is {outcome.report}; next: swarmhub predict {outcome.model_folder} "
        "--data NEW.csv --out scores.csv",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
