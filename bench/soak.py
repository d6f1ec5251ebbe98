"""Many rounds with random drop-outs: it finishes, and no node grows.

    python bench/soak.py --nodes 8 --rounds 100 [--seed 1] [--mb 1] [--json]

f of the nodes drop out again and again, as the seed says: killed, stopped for a while, or their
trainer killed; they come back some rounds later. The others stay up, and are measured after
rounds 10 and 100 (first and last, with another number of rounds): resident memory (VmRSS),
descriptors, and the bytes in the node's home without its log (mean of twenty rounds, since a round
comes and goes). The log and the shared ledger grow with every round; how much is said apart.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_swarm import LocalSwarm

from swarmhub.contract.phases import compute_training_round
from swarmhub.contract.records import ROUND, STUDY, Spec
from swarmhub.contract.thresholds import compute_faults
from swarmhub.demo.processes import Processes

FIRST = 10
WINDOW = 20  # rounds: a home's bytes rise and fall with who leads
EVERY = 4  # a drop-out in every so many rounds, on average
QUIET_S = 120.0


@dataclass
class Measured:
    """One node after each round: resident kB, descriptors, bytes of its home."""

    rss_kb: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    disk: list[int] = field(default_factory=list)

    def look(self, pid: int, home: Path) -> None:
        """Add what is now."""
        status = Path(f"/proc/{pid}/status").read_text()
        self.rss_kb.append(int(status.partition("VmRSS:")[2].split()[0]))
        self.descriptors.append(len(os.listdir(f"/proc/{pid}/fd")))
        self.disk.append(size_of(home, but="logs"))


def size_of(folder: Path, but: str = "") -> int:
    """Bytes of all files below a folder, which may go while we look."""
    total = 0
    for root, folders, files in os.walk(folder):
        if but in folders:
            folders.remove(but)
        for name in files:
            try:
                total += os.stat(os.path.join(root, name)).st_blocks * 512
            except OSError:
                continue
    return total


class DropOuts:
    """Who is away, why, and until which round."""

    def __init__(self, swarm: LocalSwarm, seed: int) -> None:
        self._swarm = swarm
        self._chance = random.Random(seed)
        f = compute_faults(swarm.nodes)
        self._mobile = range(swarm.nodes - f + 1, swarm.nodes + 1)
        self._away: dict[int, tuple[str, int]] = {}
        self.count = 0

    @property
    def stable(self) -> range:
        """Nodes that never drop out."""
        return range(1, self._mobile[0] if self._mobile else self._swarm.nodes + 1)

    def turn(self, number: int) -> None:
        """A round is over: some come back, some may go."""
        for i in [i for i, (_, until) in self._away.items() if until <= number]:
            self._come_back(i)
        for i in self._mobile:
            if i not in self._away and self._chance.random() < 1 / EVERY:
                self._go(i, number + self._chance.randint(1, 6))

    def all_back(self) -> None:
        """Everyone comes back."""
        for i in list(self._away):
            self._come_back(i)

    def _go(self, i: int, until: int) -> None:
        why = self._chance.choice(["killed", "stopped", "trainer killed"])
        children = self._swarm.children
        if why == "stopped":
            self._swarm.stop_node(i)
        else:
            children.kill(f"node {i}" if why == "killed" else f"trainer {i}")
        self._away[i] = (why, until)
        self.count += 1

    def _come_back(self, i: int) -> None:
        why, _ = self._away.pop(i)
        if why == "stopped":
            self._swarm.children.signal(f"node {i}", signal.SIGCONT)
        elif why == "killed":
            self._swarm.start_node(i)
        else:
            self._swarm.start_trainer(i)


async def soak(options: argparse.Namespace, root: Path, children: Processes) -> dict[str, Any]:
    """Run the study, let hospitals drop out, measure those that stay."""
    stay = options.nodes - compute_faults(options.nodes)
    spec = Spec(
        name="bench", rounds=options.rounds, min_peers=stay,
        quorum_grace_ms=500, leader_timeout_ms=5_000,
    )  # fmt: skip
    script = [str(Path(__file__).with_name("trivial_trainer.py")), "--mb", str(options.mb)]
    swarm = LocalSwarm(root, options.nodes, children)
    await swarm.start(spec, script)
    drops = DropOuts(swarm, options.seed)
    found = {i: Measured() for i in drops.stable}
    grown: list[tuple[int, int]] = []
    started = time.monotonic()
    while STUDY.need(swarm.ledger.state, "bench").status == "running":
        _, name, fields = await swarm.next_event(QUIET_S)
        if name != "settled" or fields["kind"] != "parameters":
            continue
        number = compute_training_round(spec, fields["number"])
        pids = dict(children.named_pids())
        for i, measured in found.items():
            measured.look(pids[f"node {i}"], swarm.homes[i - 1].root)
        grown.append((size_of(root / "h1" / "logs"), size_of_ledger(root)))
        if number % 10 == 0:
            show(number, found, time.monotonic() - started)
        if number < options.rounds - 1:
            drops.turn(number)
        else:
            drops.all_back()
    status = STUDY.need(swarm.ledger.state, "bench").status
    over = ROUND.get(swarm.ledger.state, "bench") is None
    await swarm.ledger.close()
    return {
        "nodes": options.nodes,
        "rounds": len(grown),
        "seed": options.seed,
        "finished": status == "finished" and over,
        "drop_outs": drops.count,
        **compare(found),
        "log_kb_per_round": per_round([g[0] for g in grown]),
        "ledger_kb_per_round": per_round([g[1] for g in grown]),
        "s_per_round": round((time.monotonic() - started) / max(1, len(grown)), 3),
    }


def size_of_ledger(root: Path) -> int:
    """Bytes of the shared ledger's file and its write-ahead log."""
    return sum(p.stat().st_size for p in root.glob("ledger.sqlite*") if p.is_file())


def compare(found: dict[int, Measured]) -> dict[str, Any]:
    """The last round against the tenth, for each node that stayed up."""
    first = min(FIRST, len(found[1].rss_kb)) - 1
    rss = {i: round(m.rss_kb[-1] / m.rss_kb[first], 3) for i, m in found.items()}
    disk = {
        i: round(sum(m.disk[-WINDOW:]) / sum(m.disk[first : first + WINDOW]), 3)
        for i, m in found.items()
    }
    descriptors = {i: [max(m.descriptors[: first + 1]), max(m.descriptors[-WINDOW:])]
                   for i, m in found.items()}  # fmt: skip
    return {
        "rss_ratio": rss,
        "rss_ratio_max": max(rss.values()),
        "rss_mb_last": {i: round(m.rss_kb[-1] / 1000, 1) for i, m in found.items()},
        "descriptors": descriptors,
        "disk_ratio": disk,
        "disk_ratio_max": max(disk.values()),
    }


def per_round(sizes: list[int]) -> float:
    """kB a round, after the first ten."""
    sizes = sizes[FIRST - 1 :] if len(sizes) > FIRST else sizes
    return round((sizes[-1] - sizes[0]) / 1000 / max(1, len(sizes) - 1), 1)


def show(number: int, found: dict[int, Measured], seconds: float) -> None:
    """A line for people."""
    rss = " ".join(f"{m.rss_kb[-1] / 1000:.1f}" for m in found.values())
    fds = " ".join(str(m.descriptors[-1]) for m in found.values())
    disk = " ".join(f"{m.disk[-1] / 1e6:.1f}" for m in found.values())
    print(f"round {number:4d} {seconds:6.1f} s  MB: {rss}  descriptors: {fds}  disk MB: {disk}",
          file=sys.stderr, flush=True)  # fmt: skip


def main() -> int:
    """Parse, run, print; exit code 1 where the study did not finish or a node grew."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mb", type=float, default=1.0)
    parser.add_argument("--keep", type=Path, help="keep everything in this directory")
    parser.add_argument("--json", action="store_true", help="print one JSON line")
    options = parser.parse_args()
    root = options.keep or Path(tempfile.mkdtemp(prefix="swarmhub-soak-"))
    root.mkdir(parents=True, exist_ok=True)
    try:
        with Processes() as children:
            found = asyncio.run(soak(options, root, children))
    finally:
        if not options.keep:
            shutil.rmtree(root, ignore_errors=True)
    print(json.dumps(found) if options.json else json.dumps(found, indent=2))
    return 0 if found["finished"] and found["rss_ratio_max"] <= 1.1 else 1


if __name__ == "__main__":
    sys.exit(main())
