"""Rotations of all keys under CometBFT: does every hospital come back as a validator?

    python bench/rotate.py --rotations 30 --load 2 --hosts 4

Real nodes and engines on loopback. One hospital after the other types `rotate-key --all`; it has
come back when its node runs with the new keys and its vote counts again. `--load K` keeps K
processes busy meanwhile, `--delay` freezes every second rotating node with the block of its
rotation until the others have the next one. One that is not back after --timeouts seconds is
stranded. Prints JSON; exit code 1 where one is stranded.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from swarmhub.contract.records import Member, get_members
from swarmhub.demo.processes import Processes, free_address
from swarmhub.home.card import make_card
from swarmhub.home.config import COMETBFT
from swarmhub.home.home import Home
from swarmhub.home.ledgers import found_ledger
from swarmhub.home.rotation import is_rotating
from swarmhub.ledger.cometbft.settings import STATE_FILE
from swarmhub.ledger.cometbft.store import Store
from swarmhub.operations.ledger_client import make_genesis

LOOK_S = 0.1
START_S = 120.0
BUSY = "while True: pass"


class Swarm:
    """Founders' nodes, running."""

    def __init__(self, root: Path, hosts: int, children: Processes) -> None:
        self.children = children
        self.homes = [
            Home.create(
                root / f"h{i}", f"Hospital {i}", free_address(), ledger=COMETBFT,
                ledger_address=free_address(),
            )
            for i in range(1, hosts + 1)
        ]  # fmt: skip
        genesis = make_genesis("bench", [make_card(home) for home in self.homes])
        for i, home in enumerate(self.homes, 1):
            found_ledger(home, genesis)
            children.start(
                f"node {i}", ["up", "--home", str(home.root)], home.root / "logs" / "node.log"
            )

    def look(self, i: int) -> tuple[int, list[Member]]:
        """Height and members as hospital i has them on disk."""
        store = Store.open(self.homes[i - 1].engine_path / STATE_FILE)
        try:
            tip, state = store.load()
            return tip.height, get_members(state)
        finally:
            store.close()

    def is_up(self, i: int) -> bool:
        """Whether hospital i's node has come up."""
        log = self.homes[i - 1].root / "logs" / "node.log"
        return log.exists() and "is up" in log.read_text("utf-8", "replace")

    def is_back(self, i: int) -> bool:
        """Whether hospital i's node has its new keys, and its vote counts, as it sees it itself."""
        home = self.homes[i - 1]
        mine = home.key("consensus").public
        _, members = self.look(i)
        return not is_rotating(home) and any(m.consensus == mine and m.power for m in members)


def wait_for(true: object, patience_s: float) -> float | None:
    """Look until it holds; the seconds that took, None if it does not in time."""
    assert callable(true)
    started = time.monotonic()
    while time.monotonic() - started < patience_s:
        if true():
            return time.monotonic() - started
        time.sleep(LOOK_S)
    return None


def rotate_once(swarm: Swarm, i: int, options: argparse.Namespace, frozen: bool) -> float | None:
    """One rotation of hospital i; the seconds until it is back, None if it is stranded."""
    started = time.monotonic()
    height = swarm.look(i)[0]
    typed = subprocess.Popen(
        [sys.executable, "-m", "swarmhub", "consortium", "rotate-key", "--all", "--home",
         str(swarm.homes[i - 1].root)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    if frozen:  # between the block of its rotation, or just before, and the next one
        other = i % len(swarm.homes) + 1
        wait_for(lambda: swarm.look(other)[0] > height, options.timeouts)
        swarm.children.signal(f"node {i}", signal.SIGSTOP)
        wait_for(lambda: swarm.look(other)[0] > height + 1, 10.0)
        swarm.children.signal(f"node {i}", signal.SIGCONT)
    said = typed.communicate()[1]
    if typed.returncode:
        print(f"rotate-key at hospital {i}: {said.strip()}", file=sys.stderr)
    back = wait_for(lambda: swarm.is_back(i), options.timeouts)
    return None if back is None else time.monotonic() - started


def main() -> int:
    """Parse, run, print; exit code 1 where a hospital is stranded."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rotations", type=int, default=30)
    parser.add_argument("--hosts", type=int, default=4)
    parser.add_argument("--load", type=int, default=0, help="so many busy processes")
    parser.add_argument("--delay", action="store_true", help="freeze every second rotating node")
    parser.add_argument("--timeouts", type=float, default=180.0, help="seconds")
    parser.add_argument("--keep", type=Path, help="keep everything in this directory")
    options = parser.parse_args()
    root = options.keep or Path(tempfile.mkdtemp(prefix="swarmhub-rotate-"))
    times: list[float] = []
    stranded = []
    with Processes() as children:
        for k in range(options.load):
            children.start_command(f"load {k}", [sys.executable, "-c", BUSY], root / "load.log")
        swarm = Swarm(root, options.hosts, children)
        everybody = range(1, options.hosts + 1)
        if wait_for(lambda: all(map(swarm.is_up, everybody)), START_S) is None:
            raise SystemExit(f"the nodes did not start; logs: {root}")
        for n in range(options.rotations):
            i = n % options.hosts + 1
            took = rotate_once(swarm, i, options, frozen=options.delay and n % 2 == 1)
            if took is None:
                stranded.append(i)
                print(f"rotation {n + 1}: hospital {i} is stranded; {root}", file=sys.stderr)
                break  # the others may lack a quorum from here on
            times.append(took)
    found = {
        "rotations": len(times) + len(stranded), "stranded": len(stranded),
        "hosts": options.hosts, "load": options.load, "delayed": options.delay,
        "back_s_median": round(statistics.median(times), 2) if times else None,
        "back_s_max": round(max(times), 2) if times else None,
    }  # fmt: skip
    print(json.dumps(found))
    if not stranded and not options.keep:
        shutil.rmtree(root, ignore_errors=True)
    return 1 if stranded else 0


if __name__ == "__main__":
    sys.exit(main())
