"""`swarmhub ledger ...`: for an auditor; needs the file only, no home and no keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from swarmhub import codec
from swarmhub.cli.shared import DEFAULT_HOME, HomeOption, JsonOption, whole
from swarmhub.clock import wall_clock_ms
from swarmhub.errors import plain
from swarmhub.operations.log import say_event, show_event
from swarmhub.operations.record import read_block, read_log
from swarmhub.operations.record import verify as verify_record
from swarmhub.words import read_since, say_time

MOST = 2000  # characters of a line

app = typer.Typer(help="Verify and read the ledger.", no_args_is_help=True)
FileOption = Annotated[
    Path | None,
    typer.Option("--file", help="The ledger's file or folder; default: the home's."),
]


@app.command("install")
def install() -> None:
    """Build CometBFT, the engine of a networked ledger, with Go."""
    from swarmhub.operations.engine import install as build

    made = build()
    print(f"Installed CometBFT v{made.version} as {made.path}.")


@app.command("verify")
def verify(
    file: FileOption = None, home: HomeOption = DEFAULT_HOME, json_: JsonOption = False
) -> None:
    """Check every block: chain, signatures, and each result by executing the contract."""
    found = verify_record(file, home)
    if json_:
        print(json.dumps(codec.to_json(found), indent=2))
        return
    print(
        f"{found.chain}: {found.blocks} blocks and {found.transactions} transactions "
        f"({found.refused} refused) verified.\nGenesis {found.genesis}\nHead {found.head}\n"
        f"State {found.app_hash}"
    )


@app.command("log")
def log(
    file: FileOption = None,
    home: HomeOption = DEFAULT_HOME,
    last: Annotated[
        int, typer.Option(parser=whole(), help="Number of newest events; 0 for all.")
    ] = 0,
    study: Annotated[str, typer.Option(help="Only events of this study.")] = "",
    member: Annotated[
        str, typer.Option(help="Only events that name this member (name or number).")
    ] = "",
    since: Annotated[
        str, typer.Option(help="Only since then (block time): 30min, 2h, 7d, or a date or time.")
    ] = "",
    json_: JsonOption = False,
) -> None:
    """List the ledger's events, in order."""
    since_ms = read_since(since, wall_clock_ms()) if since else 0
    events, names = read_log(file, home, study, member, since_ms, last)
    if json_:
        found = [{"block": e.height, "time_ms": e.time_ms, **show_event(e.event)} for e in events]
        print(json.dumps(found, indent=1))
        return
    for e in events:
        print(f"{say_time(e.time_ms)}  block {e.height}: {plain(say_event(e.event, names), MOST)}")


@app.command("show")
def show(
    height: Annotated[int, typer.Argument(parser=whole(), help="The block's height.")],
    file: FileOption = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Print a block as JSON: header, transactions, results, events."""
    print(json.dumps(read_block(file, home, height), indent=1))
