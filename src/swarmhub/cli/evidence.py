"""`swarmhub evidence ...`"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from swarmhub.cli.shared import CONTEXT, DEFAULT_HOME, HomeOption, JsonOption, show
from swarmhub.errors import plain
from swarmhub.words import say_bytes, say_time

ALTERED, NO_ORIGIN = 1, 3  # exit codes

app = typer.Typer(
    help="A study's record as a folder that proves itself.",
    no_args_is_help=True,
    context_settings=CONTEXT,
)


@app.command("export")
def export(
    study: Annotated[str, typer.Argument(help="The study's name.")],
    out: Annotated[Path, typer.Option(help="The folder to write; it must not exist.")],
    whole: Annotated[
        bool,
        typer.Option(
            "--whole-ledger",
            help="Blocks of other studies in full, too: the contract can then be executed again.",
        ),
    ] = False,
    home: HomeOption = DEFAULT_HOME,
    json_: JsonOption = False,
) -> None:
    """Write a study's record as a folder: blocks with proofs, terms, approvals, participation,
    metrics, report, model card, signed with this hospital's release key."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from swarmhub.home.home import Home
    from swarmhub.operations.evidence.export import STEPS, Wanted, export_evidence

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
               TextColumn("{task.description}"))  # fmt: skip
    screen = Console(stderr=True)
    with Progress(
        *columns, console=screen, transient=True, disable=not screen.is_terminal
    ) as progress:
        bar = progress.add_task("", total=len(STEPS))

        def tell(step: str) -> None:
            progress.update(bar, completed=STEPS.index(step), description=step)

        made = export_evidence(Home.open(home), Wanted(study, out, whole), tell)
    hidden = made.parts + made.headers
    shown = "all in full" if not hidden else f"{hidden} without what is of other studies"
    show(
        made,
        json_,
        f"Wrote {made.files} files ({say_bytes(made.nbytes)}) to {out}: {made.blocks} blocks, "
        f"{shown}.\nGenesis {made.genesis}\nNext: 'swarmhub evidence verify {out} --genesis "
        "DIGEST', with the digest as another member knows it.",
    )


@app.command("verify")
def verify(
    folder: Annotated[Path, typer.Argument(help="The folder.")],
    genesis: Annotated[
        str, typer.Option(help="The digest of the consortium's block 0, as known from elsewhere.")
    ] = "",
    json_: JsonOption = False,
) -> None:
    """Check a folder of evidence, without a network or a node. Exit code: 0 it holds and its origin
    is proven, 3 it holds and its origin is not proven, 1 a record was altered, 2 no evidence."""
    from swarmhub.operations.evidence.faults import Altered
    from swarmhub.operations.evidence.verify import verify_evidence

    try:
        found = verify_evidence(folder, genesis)
    except Altered as error:
        told = {"altered": {"file": error.file, "record": error.record, "why": error.why}}
        print(json.dumps(told, indent=2) if json_ else f"Altered: {error}")
        raise typer.Exit(ALTERED) from None
    how = (
        "executed again by the contract"
        if found.executed
        else (f"{found.parts} of them in part and {found.headers} as headers, for other studies")
    )
    origin = (
        "origin proven" if found.origin == "proven"
        else "origin not proven: give --genesis, as another member knows it"
    )  # fmt: skip
    show(
        found,
        json_,
        f"Consistent, {origin}.\nStudy '{plain(found.study, 60)}' on {plain(found.chain, 60)}, "
        f"exported by {plain(found.signed_by, 100)} at {say_time(found.made_ms)}: {found.files} "
        f"files, {found.blocks} blocks signed by their {found.signers}, {how}.\n"
        f"Genesis {found.genesis}"
        + ("" if found.recomputed else
           "\nThe documents in study/ are of another version of swarmhub: they were not computed "
           "again."),
    )  # fmt: skip
    if found.origin != "proven":
        raise typer.Exit(NO_ORIGIN)
