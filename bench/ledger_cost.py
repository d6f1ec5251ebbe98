"""What the ledger of many machines costs: when nothing happens, after an absence, as it grows.

    python bench/ledger_cost.py --idle-s 60          CPU of each host at rest, growth of the chain
    python bench/ledger_cost.py --missed 1000        seconds until a host has the blocks it missed
    python bench/ledger_cost.py --history 100000     cost of a block with a short and a long history

Four nodes with real engines on this machine (one for --history, so that 100,000 transactions do
not take an hour). Prints one JSON line with what was asked for.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from swarmhub.contract.transactions import Poke
from swarmhub.demo.processes import Processes, free_address
from swarmhub.home.card import make_card
from swarmhub.home.config import COMETBFT
from swarmhub.home.home import Home
from swarmhub.home.ledgers import DeskLedger, found_ledger, open_for_desk
from swarmhub.ledger import sign_transaction
from swarmhub.ledger.cometbft.settings import STATE_FILE
from swarmhub.ledger.cometbft.store import Store
from swarmhub.operations.ledger_client import make_genesis

BATCH = 60  # transactions of one member in a block: below its share


class Hosts:
    """n founders' nodes."""

    def __init__(self, root: Path, n: int, children: Processes) -> None:
        self.children = children
        self.homes = [
            Home.create(
                root / f"h{i}", f"Hospital {i}", free_address(),
                ledger=COMETBFT, ledger_address=free_address(),
            )
            for i in range(1, n + 1)
        ]  # fmt: skip
        genesis = make_genesis("bench", [make_card(h) for h in self.homes])
        for i, home in enumerate(self.homes, 1):
            found_ledger(home, genesis)
            self.up(i)

    def up(self, i: int) -> int:
        """Start node i."""
        root = self.homes[i - 1].root
        return self.children.start(f"node {i}", ["up", "--home", str(root)], root / "node.log")

    def height(self, i: int) -> int:
        """The newest block on host i's disk."""
        store = Store.open(self.homes[i - 1].engine_path / STATE_FILE)
        try:
            return store.load()[0].height
        finally:
            store.close()


async def fill(ledger: DeskLedger, home: Home, count: int, start: int) -> list[float]:
    """So many transactions in full blocks; seconds of each batch."""
    account, took = home.key("account"), []
    for first in range(start, start + count, BATCH):
        now_ms, chain = ledger.estimate_ms(), ledger.tip.chain_id
        numbers = range(first, min(first + BATCH, start + count))
        txs = [sign_transaction(Poke(f"s{i}"), chain, now_ms, account) for i in numbers]
        began = time.perf_counter()
        waiting = [await ledger.submit(tx) for tx in txs]
        for submission in waiting:
            await submission.result(60)
        took.append(time.perf_counter() - began)
    return took


def cpu_s(pid: int) -> float:
    """CPU seconds of a process and its children."""
    process = psutil.Process(pid)
    return sum(sum(p.cpu_times()[:2]) for p in (process, *process.children(recursive=True)))


async def idle(hosts: Hosts, ledger: DeskLedger, seconds: float) -> dict[str, Any]:
    """At rest after some blocks."""
    await fill(ledger, hosts.homes[0], 10, 0)
    await asyncio.sleep(5)
    before = {i: cpu_s(p) for i, (_, p) in enumerate(hosts.children.named_pids(), 1)}
    height = hosts.height(1)
    await asyncio.sleep(seconds)
    after = {i: cpu_s(p) for i, (_, p) in enumerate(hosts.children.named_pids(), 1)}
    share = [round((after[i] - before[i]) / seconds, 4) for i in before]
    return {"idle_cores_per_host": share, "idle_blocks": hosts.height(1) - height}


async def catch_up(hosts: Hosts, ledger: DeskLedger, missed: int) -> dict[str, Any]:
    """Kill the last host, make blocks without it, start it again."""
    await fill(ledger, hosts.homes[0], 10, 0)
    last = len(hosts.homes)
    hosts.children.kill(f"node {last}")
    behind, number = hosts.height(last), 10
    while ledger.tip.height < behind + missed:
        await fill(ledger, hosts.homes[0], 5, number)
        number += 5
    target = ledger.tip.height
    began = time.perf_counter()
    hosts.up(last)
    while hosts.height(last) < target:
        await asyncio.sleep(0.05)
    return {"missed_blocks": target - behind, "catch_up_s": round(time.perf_counter() - began, 2)}


async def grow(hosts: Hosts, ledger: DeskLedger, history: int) -> dict[str, Any]:
    """Seconds for a full block at the beginning, and after so many transactions."""
    await fill(ledger, hosts.homes[0], 100, 0)
    early = await fill(ledger, hosts.homes[0], 50 * BATCH, 100)
    middle = await fill(ledger, hosts.homes[0], history - 100 - 100 * BATCH, 100 + 50 * BATCH)
    late = await fill(ledger, hosts.homes[0], 50 * BATCH, history - 50 * BATCH)
    found = {"early_s": statistics.median(early), "late_s": statistics.median(late)}
    return {
        "history": history,
        **{k: round(v, 4) for k, v in found.items()},
        "ratio": round(found["late_s"] / found["early_s"], 3),
        "middle_s": round(statistics.median(middle), 4),
    }


async def measure(options: argparse.Namespace, root: Path, children: Processes) -> dict[str, Any]:
    """One of the three."""
    hosts = Hosts(root, 1 if options.history else options.nodes, children)
    home = hosts.homes[0]
    ledger = await open_for_desk(home, home.key("account"), patience_s=60)
    try:
        if options.history:
            return await grow(hosts, ledger, options.history)
        if options.missed:
            return await catch_up(hosts, ledger, options.missed)
        return await idle(hosts, ledger, options.idle_s)
    finally:
        await ledger.close()


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--idle-s", type=float, default=60.0)
    parser.add_argument("--missed", type=int, default=0)
    parser.add_argument("--history", type=int, default=0)
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="swarmhub-ledger-"))
    try:
        with Processes() as children:
            print(json.dumps(asyncio.run(measure(options, root, children))))
    finally:
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
