"""`swarmhub ledger ...`: for an auditor; needs the file only, no home and no keys."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from swarmhub import codec
from swarmhub.cli.shared import DEFAULT_HOME, HomeOption, JsonOption, whole
from swarmhub.cli.shared import show as show_value
from swarmhub.clock import wall_clock_ms
from swarmhub.errors import plain
from swarmhub.files import write_new
from swarmhub.home.home import Home
from swarmhub.operations.log import say_event, show_event
from swarmhub.operations.record import read_block, read_log
from swarmhub.operations.record import verify as verify_record
from swarmhub.operations.verifying import verify_home
from swarmhub.words import read_since, say_bytes, say_time

MOST = 2000  # characters of a line
FAILS, NO_ORIGIN = 1, 3  # exit codes

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
    """Check every block: chain, signatures, and each result by executing the contract. Of a home's
    own ledger, the hub's pages show the newest result."""
    found = verify_home(Home.open(home)) if file is None else verify_record(file, home)
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


@app.command("export")
def export(
    out: Annotated[Path, typer.Option(help="The file to write; it must not exist.")],
    form: Annotated[
        str, typer.Option("--format", help="jsonl (JSON lines) or csv (for spreadsheets).")
    ] = "jsonl",
    text: Annotated[str, typer.Option(help="Only entries with these words.")] = "",
    study: Annotated[str, typer.Option(help="Only entries of this study.")] = "",
    member: Annotated[
        str, typer.Option(help="Only entries that name this member (name or number).")
    ] = "",
    since: Annotated[
        str, typer.Option(help="Only since then (block time): 30min, 2h, 7d, or a date or time.")
    ] = "",
    file: FileOption = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Write what happened, refused transactions included, in words into a file."""
    from swarmhub.hub.ledger_export import Asked, export_ledger, read_form

    wanted = Asked(text, study, member, since)
    nbytes = write_new(out, export_ledger(file, home, wanted, read_form(form)))
    print(f"Wrote {out} ({say_bytes(nbytes)}).")


@app.command("prove")
def prove(
    tx: Annotated[
        str, typer.Argument(help="The transaction's id, or the first 8 digits of it or more.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="The file to write; default: standard output.")
    ] = None,
    file: FileOption = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Prove that the ledger has a transaction, at which height, with which result: one file, which
    'ledger check-proof' checks without a node or a network."""
    from swarmhub.operations.proofs.prove import prove_transaction

    data = prove_transaction(file, home, tx)
    if out is None:
        sys.stdout.buffer.write(data)
        return
    nbytes = write_new(out, [data])
    print(
        f"Wrote {out} ({say_bytes(nbytes)}).\nNext: 'swarmhub ledger check-proof {out} "
        "--genesis DIGEST', with the digest as another member knows it."
    )


@app.command("check-proof")
def check_proof(
    proof: Annotated[Path, typer.Argument(help="The file.", metavar="FILE")],
    genesis: Annotated[
        str, typer.Option(help="The digest of the consortium's block 0, as known from elsewhere.")
    ] = "",
    json_: JsonOption = False,
) -> None:
    """Check a proof, without a network or a node. Exit code: 0 it holds and its origin is proven, 3
    it holds and its origin is not proven, 1 a part does not hold, 2 no proof."""
    from swarmhub.operations.proofs.faults import ProofFails
    from swarmhub.operations.proofs.prove import check_proof_file, say_checked

    try:
        found = check_proof_file(proof, genesis)
    except ProofFails as error:
        told = {"fails": {"part": error.part, "why": error.why}}
        print(json.dumps(told, indent=2) if json_ else f"Does not hold: {error}")
        raise typer.Exit(FAILS) from None
    show_value(found, json_, say_checked(found))
    if found.origin != "proven":
        raise typer.Exit(NO_ORIGIN)
