"""`swarmhub demo`"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from swarmhub.cli.shared import DEFAULT_HOME, whole
from swarmhub.errors import BadInput

LEDGERS = ("sqlite", "cometbft")


def demo(
    site: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FILE.csv: one hospital's own table; 2 to 24 of them."),
    ] = None,
    label: Annotated[str, typer.Option(help="The label column of the tables (0 or 1).")] = "label",
    test: Annotated[
        Path | None, typer.Option(help="CSV of held-out patients; default: 30% of each site.")
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(
            parser=whole(1, 1000), help="Rounds of training; default: 10, with --kill-leader 30."
        ),
    ] = None,
    model: Annotated[str, typer.Option(help="logistic or mlp.")] = "logistic",
    kill_leader: Annotated[
        bool, typer.Option("--kill-leader", help="kill -9 the leader in the middle of a round.")
    ] = False,
    ledger: Annotated[
        str, typer.Option(help="sqlite (one file for all) or cometbft (a networked ledger).")
    ] = "sqlite",
    home: Annotated[
        Path | None, typer.Option(help="Where everything is kept; default: a new directory.")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object, no more.")] = False,
) -> None:
    """Four hospitals (or your own tables) train one model on this machine, as real processes."""
    started = time.monotonic()
    from swarmhub.demo.outcome import Options
    from swarmhub.demo.run import run_demo
    from swarmhub.demo.screen import RichScreen, quiet, show_outcome
    from swarmhub.demo.sites import heart_files, parse_sites, prepare_sites
    from swarmhub.ledger.cometbft.binary import find_binary
    from swarmhub.recipes.tabular import KINDS

    if model not in KINDS:
        raise BadInput(f"Expected --model {' or '.join(KINDS)}, got {model!r}.")
    if ledger not in LEDGERS:
        raise BadInput(f"Expected --ledger {' or '.join(LEDGERS)}, got {ledger!r}.")
    if ledger == "cometbft":
        find_binary()
    if site is None and (test is not None or label != "label"):
        raise BadInput("--label and --test go with --site NAME=FILE.csv; give your tables.")
    files = parse_sites(site) if site else None
    root = (home or new_root()).absolute()
    rounds = rounds or (30 if kill_leader else 10)  # enough to see the killed node return
    options = Options(root, label, rounds, model, kill_leader, test, ledger)

    def sites() -> list[Any]:
        tables = files or heart_files(root / "tables")
        return prepare_sites(tables, label, root / "sites", test)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    screen = quiet() if json_ else RichScreen(rounds)
    with screen:
        outcome = run_demo(options, sites, screen.listener, started)
    if json_:
        print(json.dumps(outcome.to_json()))
    else:
        show_outcome(outcome)


def new_root() -> Path:
    """Return a directory that no other demo uses."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    return DEFAULT_HOME / "demos" / f"{stamp}-{os.getpid()}"
