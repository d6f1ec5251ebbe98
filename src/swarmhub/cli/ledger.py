"""`swarmhub ledger ...`: for an auditor; needs the file only, no home and no keys."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from swarmhub import codec
from swarmhub.cli.shared import DEFAULT_HOME, HomeOption, JsonOption, table, whole
from swarmhub.contract import State
from swarmhub.contract.records import get_chain, get_members
from swarmhub.errors import BadInput
from swarmhub.ledger import Committed, SqliteLedger, Tip
from swarmhub.ledger.cometbft import verify_comet_ledger
from swarmhub.ledger.cometbft.engine import VERSION
from swarmhub.ledger.cometbft.engine import install as install_engine
from swarmhub.node.home import Home

app = typer.Typer(help="Verify and read the ledger.", no_args_is_help=True)
FileOption = Annotated[
    Path | None,
    typer.Option("--file", help="The ledger's file or folder; default: the home's."),
]


@dataclass
class Record:
    """A ledger that has been checked: where it stands, its state, all of its blocks."""

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
    """Build CometBFT, the engine of a ledger of many machines, with Go."""
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
        int, typer.Option(parser=whole(), help="Only so many newest events; 0 for all.")
    ] = 0,
    json_: JsonOption = False,
) -> None:
    """What happened, in order."""
    ledger = _read(file, home)
    names = {m.id: m.name for m in get_members(ledger.state)}
    events = [
        {"block": b.height, "time_ms": b.block.header.time_ms, "event": name, **fields}
        for b in ledger.blocks
        for name, fields in b.events
    ]
    events = events[-last:] if last else events
    if json_:
        print(json.dumps(events, indent=1))
        return
    rows = [[str(e["block"]), e["event"], _details(e, names)] for e in events]
    table(f"{get_chain(ledger.state).chain_id}", ["block", "event", "details"], rows)


def _details(event: dict[str, Any], names: dict[int, str]) -> str:
    words = []
    for key, value in event.items():
        if key in ("block", "time_ms", "event"):
            continue
        if key in ("member", "by", "leader", "before") and value in names:
            value = names[value]
        if key == "shares":
            value = ", ".join(f"{names.get(s['member'], s['member'])}:{s['weight']}" for s in value)
        text = str(value)
        words.append(f"{key}={text[:16] + '…' if codec.is_digest(text) else text}")
    return " ".join(words)


@app.command("show")
def show(
    height: Annotated[int, typer.Argument(parser=whole(), help="The block's height.")],
    file: FileOption = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """One block, whole, as JSON: header, transactions, results, events."""
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
