"""`swarmhub init | up | doctor | relay | node ...`"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

from swarmhub import codec
from swarmhub.cli.shared import (
    DEFAULT_HOME,
    HomeOption,
    JsonOption,
    YesOption,
    ask,
    need_answer,
    run,
    show,
    table,
    whole,
)
from swarmhub.errors import BadInput
from swarmhub.home.card import make_card
from swarmhub.home.home import Home

ADDRESS = "127.0.0.1:7400"

app = typer.Typer(help="This hospital's node: its card, keys and models.", no_args_is_help=True)


def init(
    name: Annotated[str, typer.Option(help="The hospital's name, as the others will see it.")],
    home: HomeOption = DEFAULT_HOME,
    address: Annotated[
        str | None,
        typer.Option(
            help="host:port under which the other members reach this node; default: "
            f"{ADDRESS}, for a network on one machine."
        ),
    ] = None,
    behind: Annotated[
        list[str] | None,
        typer.Option(
            help="host:port of a member's relay, if this host cannot be connected to; "
            "repeat for each."
        ),
    ] = None,
    listen: Annotated[
        str, typer.Option(help="host:port to listen on, if it differs from the address.")
    ] = "",
    ledger: Annotated[
        str,
        typer.Option(
            help="'cometbft' for a networked ledger (an invitation names it), or "
            "the file (relative to the home) of one that this machine's nodes share."
        ),
    ] = "ledger.sqlite",
    ledger_address: Annotated[
        str, typer.Option(help="host:port of the networked ledger; default: the next port.")
    ] = "",
) -> None:
    """Create a home: configuration and fresh keys that never leave it."""
    if behind and address is not None:
        raise BadInput(
            "Expected --address (others connect to this host) or --behind (nobody can), got both; "
            "leave one out."
        )
    place = "@" + ",".join(behind) if behind else ADDRESS if address is None else address
    made = Home.create(home, name, place, listen, ledger, ledger_address)
    print(
        f"Made the home of '{name}' at {made.root}.\n"
        f"Fingerprint (read it out over the telephone): {made.key('account').public[:32]}\n"
        "Next: 'swarmhub consortium join INVITATION', or 'swarmhub consortium found NAME' for a "
        "new consortium; then 'swarmhub up'."
    )


def up(
    home: HomeOption = DEFAULT_HOME,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log every step.")] = False,
) -> None:
    """Run this hospital's node until Ctrl-C."""
    from swarmhub.cli.up import main

    arguments = ["--home", str(home), *(["--verbose"] if verbose else [])]
    raise typer.Exit(main(arguments))


def relay(
    home: HomeOption = DEFAULT_HOME,
    listen: Annotated[
        str, typer.Option(help="host:port to listen on; members outside connect to it.")
    ] = "0.0.0.0:7402",
) -> None:
    """Relay the traffic of members that cannot be connected to, until Ctrl-C. It is encrypted from
    end to end."""
    import signal

    from swarmhub.operations.relay import relay as carry

    opened = Home.open(home)

    async def work() -> None:
        stopping = asyncio.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, stopping.set)
        await carry(opened, listen, stopping, lambda words: print(words, flush=True))

    run(work())


def doctor(home: HomeOption = DEFAULT_HOME, json_: JsonOption = False) -> None:
    """Check this host, its ports and the connections to and from every member; exit code 1 if
    something is wrong (✗). A line with ! works, and could be better."""
    from dataclasses import asdict

    from swarmhub.operations.doctor import Finding, examine

    opened = Home.open(home)

    async def look() -> list[Finding]:
        found = []
        async for finding in examine(opened):
            found.append(finding)
            if not json_:
                sign = "✗" if not finding.well else "!" if finding.warns else "✓"
                print(f"{sign} {finding.what}: {finding.said}", flush=True)
        return found

    found = run(look())
    if json_:
        print(json.dumps([asdict(f) for f in found], indent=2))
    if not all(f.well for f in found):
        raise typer.Exit(1)


@app.command("card")
def card(home: HomeOption = DEFAULT_HOME) -> None:
    """Print this hospital's card (public keys and address, signed) as JSON."""
    print(json.dumps(codec.to_sparse_json(make_card(Home.open(home))), indent=2))


@app.command("backup")
def backup(
    file: Annotated[Path, typer.Argument(help="The tar file to write; it holds private keys.")],
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Write configuration, keys (without the consensus key) and trainers' private state to a
    file."""
    from swarmhub.operations.backup import back_up

    names = back_up(Home.open(home), file)
    print(f"Wrote {len(names)} entries to {file}. It holds private keys: keep it like them.")


@app.command("restore")
def restore(
    file: Annotated[Path, typer.Argument(help="A file of 'swarmhub node backup'.")],
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Create a home from a backup, on a new machine. The old one must not run any more."""
    from swarmhub.operations.backup import restore as bring_back

    made = bring_back(home, file)
    print(f"Restored the home of '{made.config.name}' at {made.root}.")
    if made.is_networked:
        print("Next: 'swarmhub up', and beside it 'swarmhub consortium rotate-key consensus'.")


@app.command("reset-signing")
def reset_signing(
    seen: Annotated[
        int,
        typer.Option(
            parser=whole(), help="The newest block of silent validators, as their operators report."
        ),
    ] = 0,
    home: HomeOption = DEFAULT_HOME,
    yes: YesOption = False,
) -> None:
    """Let this validator sign blocks again if its signing state is lost or old and cannot be
    restored. Its node must be stopped."""
    from swarmhub.operations.reset_signing import look_ahead, reset, say_danger
    from swarmhub.operations.running_node import need_stopped

    opened = Home.open(home)
    with need_stopped(opened.root):
        need_answer(yes)
        found = run(look_ahead(opened, seen))
        if not found.is_needed:
            print(f"The file knows of block {found.known}, the newest there is; nothing was done.")
            return
        for sentence in say_danger(found):
            print(sentence)
        ask("Is every other process with this key off for good?", yes)
        reset(opened, found)
    print(f"This node signs from block {found.height} on. Next: 'swarmhub up'.")


@app.command("export")
def export(
    study: Annotated[str, typer.Argument(help="The study's name.")],
    out: Annotated[Path, typer.Option(help="The safetensors file to write.")],
    home: HomeOption = DEFAULT_HOME,
    best: Annotated[bool, typer.Option("--best", help="The best model, not the newest.")] = False,
    json_: JsonOption = False,
) -> None:
    """Write the arrays of the settled model that this node holds as a safetensors file; 'model
    export' writes a model over tables with its features."""
    from swarmhub.operations.models import export as write

    made = run(write(Home.open(home), study, out, best))
    show(made, json_, f"Wrote the model after training round {made.round} to {out}.")


@app.command("acts")
def acts(
    study: Annotated[str, typer.Option(help="Of this study alone.")] = "",
    home: HomeOption = DEFAULT_HOME,
    json_: JsonOption = False,
) -> None:
    """List what this hospital's persons have had signed, the newest last."""
    from swarmhub.operations.acting import read_acts
    from swarmhub.words import say_time

    found = read_acts(Home.open(home), study)
    if json_:
        show(found, True, "")
        return
    rows = [[say_time(a.time_ms), a.person, a.kind, a.study, a.refused or "done"] for a in found]
    table("Acts", ["time", "person", "act", "study", "outcome"], rows)
