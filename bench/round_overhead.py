"""What a round costs apart from training: N real nodes and trainers, mutual TLS, real ledger.

    python bench/round_overhead.py --mb 25 [--nodes 4 --rounds 10 --wire int8 --shards 1]
    python bench/round_overhead.py --nodes 4 --mb 25 --privacy masked [--drop 1] [--pairs 2]

Prints one JSON line. A round is timed from one settlement to the next, so it holds everything:
handing the merged model to the trainers, their answers, the ledger, moving and merging. The
initial round and the first training round are warm-up. Bytes on the loopback are the kernel's
count for `lo` over the timed rounds, memory is each process' high-water mark (VmHWM).

With `--privacy masked`, swarms with masked and plain rounds take turns, and the line has ratios
(see `masked_overhead`); the exit code is 1 if one is beyond its limit.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import masked_overhead
from local_swarm import LocalSwarm
from meters import cpu_s, high_water_mb, lo_bytes

from swarmhub.contract.events import RoundOpened, Settled
from swarmhub.contract.records import Spec
from swarmhub.demo.processes import Processes


async def measure(
    options: argparse.Namespace, root: Path, children: Processes, script: Path | None = None
) -> dict:
    """Run the swarm and measure the rounds after the first; nodes run `script` where given."""
    started = time.monotonic()
    spec = Spec(
        name="bench", rounds=options.rounds + 1, min_peers=options.nodes,
        quorum_grace_ms=120_000, leader_timeout_ms=120_000, wire=options.wire,
        shards=options.shards,
    )  # fmt: skip
    scripts = dict.fromkeys(range(1, options.nodes + 1), script) if script else {}
    swarm = LocalSwarm(root, options.nodes, children, driver=options.ledger, scripts=scripts)
    trainer = [str(Path(__file__).with_name("trivial_trainer.py")), "--mb", str(options.mb)]
    await swarm.start(spec, trainer)
    startup_s = 0.0
    settled: list[float] = []
    lo: list[int] = []
    cpu: list[float] = []
    nbytes = 0
    while len(settled) < options.rounds + 1:
        at, event = await swarm.next_event(300)
        if isinstance(event, RoundOpened) and event.kind == "train" and not startup_s:
            startup_s = at - started
        if isinstance(event, Settled) and event.model.kind == "train":
            settled.append(at)
            nbytes = event.model.nbytes
            lo.append(lo_bytes())
            cpu.append(sum(cpu_s(p) for p in children.pids()))
    peaks = {n: high_water_mb(p) for n, p in children.named_pids()}
    await swarm.ledger.close()
    rounds = [b - a for a, b in itertools.pairwise(settled)]
    moved = (lo[-1] - lo[0]) / len(rounds)
    return {
        "nodes": options.nodes,
        "mb": options.mb,
        "rounds": len(rounds),
        "ledger": options.ledger,
        "wire": options.wire,
        "shards": options.shards,
        "startup_s": round(startup_s, 3),
        "round_s_median": round(statistics.median(rounds), 4),
        "round_s_all": [round(x, 4) for x in rounds],
        "lo_mb_per_round": round(moved / 1e6, 3),
        "lo_x_model": round(moved / nbytes, 3),
        "cpu_s_per_round": round((cpu[-1] - cpu[0]) / len(rounds), 3),
        "peak_rss_total_mb": round(sum(peaks.values()), 1),
        "peak_rss_one_mb": round(max(peaks.values()), 1),
        "peak_rss_node_mb": round(max(v for n, v in peaks.items() if "node" in n), 1),
        "peak_rss_trainer_mb": round(max(v for n, v in peaks.items() if "trainer" in n), 1),
    }


def main() -> int:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--mb", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--ledger", choices=["sqlite", "cometbft"], default="sqlite")
    parser.add_argument("--wire", choices=["float32", "bf16", "int8"], default="float32")
    parser.add_argument("--shards", type=int, default=0, help="1: one leader")
    parser.add_argument("--keep", type=Path, help="keep everything in this directory")
    parser.add_argument("--privacy", choices=["plain", "masked"], default="plain")
    parser.add_argument("--drop", type=int, default=0, help="members killed in a masked round")
    parser.add_argument("--drop-at", choices=["contribution", "sum"], default="contribution")
    parser.add_argument("--pairs", type=int, default=2, help="swarms of each kind, by turns")
    options = parser.parse_args()
    if options.privacy == "masked":
        answer = masked_overhead.compare(options)
        print(json.dumps(answer))
        wrong = masked_overhead.judge(answer)
        for sentence in wrong:
            print(f"WRONG: {sentence}", file=sys.stderr)
        return 1 if wrong else 0
    root = options.keep or Path(tempfile.mkdtemp(prefix="swarmhub-bench-"))
    root.mkdir(parents=True, exist_ok=True)
    try:
        with Processes() as children:
            print(json.dumps(asyncio.run(measure(options, root, children))))
    finally:
        if not options.keep:
            shutil.rmtree(root, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
