"""Many rounds with random drop-outs: it finishes, and no node grows.

    python bench/soak.py --nodes 8 --rounds 100 [--seed 1] [--mb 1] [--json]

From the tenth round on all nodes drop out by turns, f of them at a time, as the seed says: killed,
stopped for a while, or their trainer killed; they come back some rounds later. Each is measured
after every round, and compared with itself: the second half of the rounds against the first,
without the first ten.

- Memory (VmRSS) and descriptors are a process': the most of each half. One that is started again
  begins anew, and would hide what leaks. So nodes are killed in the first half of the run only
  (each at its first turn), and then stopped or robbed of their trainers; what counts is the process
  that is there at the end, from its start on. `rss_ratio_from_tenth` is a node after the last round
  against the same after the study's tenth (it may have been started again since), `..._all` that of
  all nodes together; what it has after a round is the median of LOOKS looks, since some find models
  of a round in progress. `rss_ratio` says of each whether the most that it has needed goes on
  rising. VmRSS counts pages of files, too (the interpreter, libraries, the ledger), which the
  kernel takes away and gives back as it likes; `anon_ratio_from_tenth` is without them.
- Files are a home's, and outlive their process: the bytes in it without its logs, a mean of each
  half of the run, since a round comes and goes.
- Logs (of node and trainer) and the shared ledger grow with every round; how much is said. Nobody
  cuts a log but whoever has started the node.

The exit code is 1 where the study did not finish, where a node after the last round needs more
memory than after the tenth by RSS_RATIO, where a half has more than the one before by RSS_RATIO,
DISK_RATIO or SPARE descriptors, or where a node's logs grow by more than LOG_KB a round.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_swarm import LocalSwarm

from swarmhub.contract.consortium.thresholds import compute_faults
from swarmhub.contract.events import Settled
from swarmhub.contract.records import ROUND, STUDY, Spec
from swarmhub.demo.processes import Processes

FIRST = 10
LOOKS = 5
EVERY = 4  # a drop-out in every so many rounds, on average
QUIET_S = 120.0
WAYS = ["stopped", "trainer killed", "killed"]
RSS_RATIO, DISK_RATIO, SPARE, LOG_KB = 1.1, 1.5, 8, 4.0


@dataclass
class Measured:
    """One node after each round: resident kB (of these what it has allocated itself) and
    descriptors of its process, from its last start on; bytes of its home and of its logs, from the
    first round on."""

    pid: int = 0
    rss_kb: list[int] = field(default_factory=list)
    anon_kb: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    disk: list[int] = field(default_factory=list)
    logs: list[int] = field(default_factory=list)

    def look(self, pid: int | None, home: Path) -> None:
        """Add what is now; `pid` is None while the node is dead."""
        self.disk.append(size_of(home, but="logs"))
        self.logs.append(size_of(home / "logs"))
        if pid is None:
            return
        if pid != self.pid:
            self.pid, self.rss_kb, self.anon_kb, self.descriptors = pid, [], [], []
        status = Path(f"/proc/{pid}/status").read_text()
        self.rss_kb.append(int(status.partition("VmRSS:")[2].split()[0]))
        self.anon_kb.append(int(status.partition("RssAnon:")[2].split()[0]))
        self.descriptors.append(len(os.listdir(f"/proc/{pid}/fd")))


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
    """Who is away, why, and until which round. All take turns."""

    def __init__(self, swarm: LocalSwarm, seed: int, rounds: int) -> None:
        self._swarm = swarm
        self._chance = random.Random(seed)
        self._killing_ends = rounds // 2
        self._most = compute_faults(swarm.nodes)
        self._turns: list[int] = []
        self._away: dict[int, tuple[str, int]] = {}
        self.told: dict[int, list[str]] = {i: [] for i in range(1, swarm.nodes + 1)}

    def turn(self, number: int) -> None:
        """A round is over: some come back, some may go."""
        for i in [i for i, (_, until) in self._away.items() if until <= number]:
            self._come_back(i)
        for _ in range(self._most - len(self._away)):
            if self._chance.random() < 1 / EVERY:
                self._go(self._next(), number)

    def _next(self) -> int:
        """Whose turn it is: all of them, in an order by chance, before anybody is again."""
        self._turns = [i for i in self._turns if i not in self._away]
        if not self._turns:
            self._turns = [i for i in self.told if i not in self._away]
            self._chance.shuffle(self._turns)
        return self._turns.pop()

    def all_back(self) -> None:
        """Everyone comes back."""
        for i in list(self._away):
            self._come_back(i)

    def _go(self, i: int, number: int) -> None:
        why = self._chance.choice(WAYS if number < self._killing_ends else WAYS[:2])
        if number < self._killing_ends and not self.told[i]:
            why = "killed"
        children = self._swarm.children
        if why == "stopped":
            self._swarm.stop_node(i)
        else:
            children.kill(f"node {i}" if why == "killed" else f"trainer {i}")
        self._away[i] = (why, number + self._chance.randint(1, 6))
        self.told[i].append(why)

    def _come_back(self, i: int) -> None:
        why, _ = self._away.pop(i)
        if why == "stopped":
            self._swarm.children.signal(f"node {i}", signal.SIGCONT)
        elif why == "killed":
            self._swarm.start_node(i)
        else:
            self._swarm.start_trainer(i)


async def soak(options: argparse.Namespace, root: Path, children: Processes) -> dict[str, Any]:
    """Run the study, let hospitals drop out, measure them."""
    stay = options.nodes - compute_faults(options.nodes)
    spec = Spec(
        name="bench", rounds=options.rounds, min_peers=stay,
        quorum_grace_ms=500, leader_timeout_ms=5_000,
    )  # fmt: skip
    script = [str(Path(__file__).with_name("trivial_trainer.py")), "--mb", str(options.mb)]
    swarm = LocalSwarm(root, options.nodes, children)
    await swarm.start(spec, script)
    drops = DropOuts(swarm, options.seed, options.rounds)
    found = {i: Measured() for i in drops.told}
    tenth: dict[int, tuple[float, float]] = {}
    ledger: list[int] = []
    started = time.monotonic()
    while STUDY.need(swarm.ledger.state, "bench").status == "running":
        _, event = await swarm.next_event(QUIET_S)
        if not isinstance(event, Settled) or event.model.kind != "train":
            continue
        number = event.model.turn
        pids = dict(children.named_pids())
        for i, measured in found.items():
            measured.look(pids.get(f"node {i}"), swarm.homes[i - 1].root)
        ledger.append(size_of_ledger(root))
        if number == min(FIRST, options.rounds):
            tenth = {i: (resting(m.rss_kb), resting(m.anon_kb)) for i, m in found.items()}
        if number % 10 == 0:
            show(number, found, time.monotonic() - started)
        if number >= options.rounds - 1:
            drops.all_back()
        elif number >= min(FIRST, options.rounds):
            drops.turn(number)
    status = STUDY.need(swarm.ledger.state, "bench").status
    over = ROUND.get(swarm.ledger.state, "bench") is None
    await swarm.ledger.close()
    return {
        "nodes": options.nodes,
        "rounds": len(ledger),
        "seed": options.seed,
        "finished": status == "finished" and over,
        "drop_outs": sum(len(ways) for ways in drops.told.values()),
        "drop_outs_of": {i: dict(Counter(ways)) for i, ways in drops.told.items()},
        **compare(found, tenth),
        "log_kb_per_round": max(per_round(m.logs) for m in found.values()),
        "log_kb_last": {i: round(m.logs[-1] / 1000, 1) for i, m in found.items()},
        "ledger_kb_per_round": per_round(ledger),
        "s_per_round": round((time.monotonic() - started) / max(1, len(ledger)), 3),
    }


def size_of_ledger(root: Path) -> int:
    """Bytes of the shared ledger's file and its write-ahead log."""
    return sum(p.stat().st_size for p in root.glob("ledger.sqlite*") if p.is_file())


def compare(found: dict[int, Measured], tenth: dict[int, tuple[float, float]]) -> dict[str, Any]:
    """The second half against the first, for each process and each home; the last round against
    the study's tenth, of which `tenth` has resident and anonymous kB."""
    rss = {i: halves(m.rss_kb, max) for i, m in found.items()}
    ratio = {i: round(after / before, 3) for i, (before, after) in rss.items()}
    last = {i: (resting(m.rss_kb), resting(m.anon_kb)) for i, m in found.items()}
    from_tenth = {i: round(last[i][0] / tenth[i][0], 3) for i in found}
    disk = {i: halves(m.disk, statistics.fmean) for i, m in found.items()}
    disk_ratio = {i: round(after / before, 3) for i, (before, after) in disk.items()}
    return {
        "rounds_compared": {i: len(m.rss_kb) - begin(m.rss_kb) for i, m in found.items()},
        "rss_ratio": ratio,
        "rss_ratio_max": max(ratio.values()),
        "rss_ratio_from_tenth_all": round(
            sum(kb for kb, _ in last.values()) / sum(kb for kb, _ in tenth.values()), 3
        ),
        "rss_ratio_from_tenth": from_tenth,
        "rss_ratio_from_tenth_max": max(from_tenth.values()),
        "anon_ratio_from_tenth": {i: round(last[i][1] / tenth[i][1], 3) for i in found},
        "anon_mb_last": {i: round(kb / 1000, 1) for i, (_, kb) in last.items()},
        "rss_mb_tenth": {i: round(kb / 1000, 1) for i, (kb, _) in tenth.items()},
        "rss_mb_last": {i: round(kb / 1000, 1) for i, (kb, _) in last.items()},
        "descriptors": {i: halves(m.descriptors, max) for i, m in found.items()},
        "disk_ratio": disk_ratio,
        "disk_ratio_max": max(disk_ratio.values()),
        "disk_mb_max": {i: round(max(m.disk) / 1e6, 1) for i, m in found.items()},
    }


def resting(values: list[int]) -> float:
    """What a node has after its last round so far."""
    return statistics.median(values[-LOOKS:])


def begin(values: list[int]) -> int:
    """From where on to compare: the tenth round, or the middle of fewer than twenty."""
    return max(0, min(FIRST, len(values) // 2) - 1)


def halves(values: list[int], by: Callable[[list[int]], Any]) -> tuple[Any, Any]:
    """A figure of the first half of what is compared, and of the second."""
    rest = values[begin(values) :]
    middle = len(rest) // 2
    return by(rest[:middle] or rest), by(rest[middle:])


def per_round(sizes: list[int]) -> float:
    """kB a round, after the first ten."""
    sizes = sizes[FIRST - 1 :] if len(sizes) > FIRST else sizes
    return round((sizes[-1] - sizes[0]) / 1000 / max(1, len(sizes) - 1), 1)


def judge(found: dict[str, Any]) -> list[str]:
    """What is wrong, in sentences."""
    wrong = [] if found["finished"] else ["the study did not finish"]
    wrong += [
        f"{name} is {found[name]}, more than {limit}"
        for name, limit in (
            ("rss_ratio_max", RSS_RATIO),
            ("rss_ratio_from_tenth_max", RSS_RATIO),
            ("disk_ratio_max", DISK_RATIO),
        )
        if found[name] > limit
    ]
    wrong += [
        f"node {i} has up to {after} descriptors, before it had {before}"
        for i, (before, after) in found["descriptors"].items()
        if after > before + SPARE
    ]
    if found["log_kb_per_round"] > LOG_KB:
        wrong.append(f"logs grow by {found['log_kb_per_round']} kB a round, more than {LOG_KB}")
    return wrong


def show(number: int, found: dict[int, Measured], seconds: float) -> None:
    """A line for people."""
    rss = " ".join(f"{m.rss_kb[-1] / 1000:.1f}" for m in found.values() if m.rss_kb)
    fds = " ".join(str(m.descriptors[-1]) for m in found.values() if m.descriptors)
    disk = " ".join(f"{m.disk[-1] / 1e6:.1f}" for m in found.values())
    print(f"round {number:4d} {seconds:6.1f} s  MB: {rss}  descriptors: {fds}  disk MB: {disk}",
          file=sys.stderr, flush=True)  # fmt: skip


def main() -> int:
    """Parse, run, print; exit code 1 where something is wrong."""
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
    wrong = judge(found)
    for sentence in wrong:
        print(f"WRONG: {sentence}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
