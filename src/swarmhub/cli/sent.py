"""`swarmhub sent`"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from swarmhub import codec
from swarmhub.cli.shared import DEFAULT_HOME, HomeOption, JsonOption, table, whole
from swarmhub.clock import wall_clock_ms
from swarmhub.errors import plain
from swarmhub.home.home import Home
from swarmhub.operations.sent import add_up, read_sent
from swarmhub.words import read_since, say_bytes, say_time


def sent(
    home: HomeOption = DEFAULT_HOME,
    study: Annotated[str, typer.Option(help="Only of this study.")] = "",
    since: Annotated[
        str, typer.Option(help="Only since then: 30min, 2h, 7d, or a date or time.")
    ] = "",
    last: Annotated[
        int,
        typer.Option(parser=whole(), help="Number of newest entries below the totals; 0 for all."),
    ] = 20,
    json_: JsonOption = False,
) -> None:
    """List the data that left this hospital: time, receiver, bytes and kind."""
    since_ms = read_since(since, wall_clock_ms()) if since else 0
    entries = read_sent(Home.open(home), study, since_ms)
    if json_:
        print(json.dumps([codec.to_json(e) for e in entries], indent=1))
        return
    if not entries:
        print("Nothing is recorded that left this hospital then.")
        return
    totals = [[t.kind, t.to, t.study, str(t.times), say_bytes(t.nbytes)] for t in add_up(entries)]
    table("In all", ["kind", "to", "study", "times", "size"], totals)
    for e in entries[-last:] if last else entries:
        of = f" of '{e.study}'" if e.study else ""
        line = f"{say_time(e.time_ms)}  {say_bytes(e.nbytes):>10}  {e.kind}{of} to {e.to}: {e.what}"
        print(plain(line))
