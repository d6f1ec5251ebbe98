"""`swarmhub ledger ...`: for an auditor; needs the file only, no home and no keys."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from swarmhub import codec
from swarmhub.cli.shared import DEFAULT_HOME, HomeOption, JsonOption, whole
from swarmhub.clock import wall_clock_ms
from swarmhub.contract import State
from swarmhub.contract.records import STUDY, get_members, get_names
from swarmhub.errors import BadInput, plain
from swarmhub.home.home import Home
from swarmhub.ledger import Committed, SqliteLedger, Tip
from swarmhub.ledger.cometbft import verify_comet_ledger
from swarmhub.ledger.cometbft.binary import VERSION
from swarmhub.ledger.cometbft.binary import install as install_engine
from swarmhub.operations.log import Wanted, find_member, say_event, select_events
from swarmhub.words import read_since, say_time

MOST = 2000  # characters of a line

app = typer.Typer(help="Verify and read the ledger.", no_args_is_help=True)
FileOption = Annotated[
    Path | None,
    typer.Option("--file", help="The ledger's file or folder; default: the home's."),
]


@dataclass
class Record:
    """A verified ledger: its tip, its state, all of its blocks."""

    tip: Tip
    state: State
    blocks: list[Committed]


def _read(file: Path | None, home: Path) -> Record:
    seen = None
    if file is None:
        opened = Home.open(home)
        file, seen = opened.ledger_path, opened.last_head_if_whole()
    if file.is_dir():
        return Record(*verify_comet_ledger(file))
    blocks: list[Committed] = []

    async def run() -> Record:
        ledger = await SqliteLedger.open(file, seen=seen, listener=blocks.append)
        await ledger.close()
        return Record(ledger.tip, ledger.state, blocks)

    return asyncio.run(run())


@app.command("install")
def install() -> None:
    """Build CometBFT, the engine of a networked ledger, with Go."""
    path = install_engine()
    print(f"Installed CometBFT v{VERSION} as {path}.")


@app.command("verify")
def verify(
    file: FileOption = None, home: HomeOption = DEFAULT_HOME, json_: JsonOption = False
) -> None:
    """Check every block: chain, signatures, and each result by executing the contract."""
    ledger = _read(file, home)
    blocks = ledger.blocks
    found = {
        "chain": ledger.tip.chain_id,
        "blocks": len(blocks),
        "transactions": sum(len(b.results) for b in blocks),
        "refused": sum(not r.ok for b in blocks for r in b.results),
        "head": ledger.tip.head,
        "app_hash": ledger.state.app_hash.hex(),
        "members": [m.name for m in get_members(ledger.state)],
    }
    if json_:
        print(json.dumps(found, indent=2))
        return
    print(
        f"{found['chain']}: {found['blocks']} blocks and {found['transactions']} transactions "
        f"({found['refused']} refused) verified.\nHead {found['head']}\nState {found['app_hash']}"
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
    ledger = _read(file, home)
    names = get_names(ledger.state)
    if study and STUDY.get(ledger.state, study) is None:
        raise BadInput(
            f"There is no study {study[:60]!r} on the ledger; see 'swarmhub study list'."
        )
    wanted = Wanted(study, find_member(names, member) if member else None, since_ms, last)
    events = select_events(ledger.blocks, wanted)
    if json_:
        found = [
            {"block": e.height, "time_ms": e.time_ms, "event": e.name, **e.fields} for e in events
        ]
        print(json.dumps(found, indent=1))
        return
    for e in events:
        print(f"{say_time(e.time_ms)}  block {e.height}: {plain(say_event(e, names), MOST)}")


@app.command("show")
def show(
    height: Annotated[int, typer.Argument(parser=whole(), help="The block's height.")],
    file: FileOption = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Print a block as JSON: header, transactions, results, events."""
    found_ledger = _read(file, home)
    blocks = {b.height: b for b in found_ledger.blocks}
    if height not in blocks:
        newest = found_ledger.tip.height
        why = f"Expected a height of 0 to {newest}, got {height}."
        if 0 <= height <= newest:
            why = f"Block {height} is not kept here: it is older than 'keep_blocks' says."
        raise BadInput(why)
    b = blocks[height]
    found = {
        "header": codec.to_json(b.block.header),
        "id": b.block.id,
        "signature": b.block.signature,
        "transactions": [json.loads(t) for t in b.block.txs],
        "results": [{"id": r.id, "code": r.code, "message": r.message} for r in b.results],
        "events": [{"event": n, **f} for n, f in b.events],
    }
    print(json.dumps(found, indent=2))
