"""The elected leader is killed -9 as soon as it is elected; how long until another has settled?

    python bench/takeover.py --kills 20 [--ledger cometbft] [--nodes 4 --mb 1]

Real nodes and trainers that train nothing. The ledger is read at node 1, so the others are killed
when it is their turn to lead. Prints one JSON line: seconds from the kill to the settlement, rounds
that were lost, and nodes whose last model differs from the others'.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from local_swarm import LocalSwarm

from swarmhub.contract.events import MergeStarted, RoundOpened, Settled
from swarmhub.contract.records import STUDY, Spec
from swarmhub.contract.transactions import Finish
from swarmhub.demo.processes import Processes

WAIT_S = 60.0
BACK_S = 30.0


async def measure(options: argparse.Namespace, root: Path, children: Processes) -> dict[str, Any]:
    """Kill, wait, revive, again."""
    spec = Spec(
        name="bench", rounds=100_000, min_peers=2, quorum_grace_ms=1_000,
        leader_timeout_ms=4_000,
    )  # fmt: skip
    swarm = LocalSwarm(root, options.nodes, children, driver=options.ledger)
    trainer = [str(Path(__file__).with_name("trivial_trainer.py")), "--mb", str(options.mb)]
    await swarm.start(spec, [*trainer, "--pause", "0.05"])
    took: list[float] = []
    calm: list[float] = []  # from the same moment to the settlement, in rounds without a kill
    began: dict[int, float] = {}
    opened: set[int] = set()
    settled: set[int] = set()
    dead, since, number, back = 0, 0.0, 0, 0.0
    while len(took) < options.kills or dead:
        at, event = await swarm.next_event(WAIT_S)
        if isinstance(event, RoundOpened):
            opened.add(event.number)
        whole = isinstance(event, MergeStarted) and len(event.members) == options.nodes
        if isinstance(event, MergeStarted) and whole:
            began.setdefault(event.number, at)
        wants = not dead and len(took) < options.kills and len(calm) > len(took)  # by turns
        if isinstance(event, MergeStarted) and whole and wants and event.leader not in (1, None):
            dead, number = event.leader, event.number
            children.kill(f"node {dead}")
            since = time.monotonic()
        elif isinstance(event, Settled):
            settled.add(event.model.number)
            if not dead and event.model.kind == "train" and event.model.number in began:
                calm.append(at - began[event.model.number])
            if dead and event.model.number == number:
                took.append(at - since)
                swarm.start_node(dead)
                back, number = at, -1
        if dead and number == -1 and whole:
            dead = 0  # it contributes again
        if dead and number == -1 and time.monotonic() > back + BACK_S:
            raise SystemExit(f"node {dead} did not come back; logs: {root}")
    await swarm.desks[0].submit(Finish(spec.name))
    last = STUDY.need(swarm.ledger.state, spec.name).current
    assert last is not None
    paths = [home.blobs_path / f"{last.digest}.bin" for home in swarm.homes]
    end = time.monotonic() + WAIT_S
    while not all(p.exists() for p in paths) and time.monotonic() < end:
        await asyncio.sleep(0.1)
    await swarm.ledger.close()
    took.sort()
    return {
        "ledger": options.ledger,
        "nodes": options.nodes,
        "mb": options.mb,
        "kills": len(took),
        "undisturbed_s": round(statistics.median(calm), 3) if calm else None,
        "takeover_s_median": round(statistics.median(took), 3),
        "takeover_s_p99": round(took[math.ceil(0.99 * len(took)) - 1], 3),
        "lost_rounds": len({n for n in opened if n < max(settled)} - settled),
        "differing": sum(not p.exists() for p in paths),
    }


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--mb", type=float, default=1.0)
    parser.add_argument("--ledger", choices=["sqlite", "cometbft"], default="sqlite")
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="swarmhub-bench-"))
    with Processes() as children:
        print(json.dumps(asyncio.run(measure(options, root, children))))
    shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
