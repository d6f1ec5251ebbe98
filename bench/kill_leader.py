"""Kill the leader -9 in the middle of a round, again and again, in a swarm of real processes.

    python bench/kill_leader.py --times 20 [--nodes 4]

One study of enough rounds: as soon as a round's set is fixed its leader is stopped, and killed
unless the round is settled by then; it is started again once the round is settled. Takeover is
the time from the kill to the settlement by another leader. At the end every node's settled model
is compared bit for bit. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

from local_swarm import LocalSwarm

from swarmhub.contract.records import ROUND, STUDY, Spec
from swarmhub.demo.processes import Processes


async def campaign(options: argparse.Namespace, root: Path, children: Processes) -> dict:
    """Kill `options.times` leaders in a study that has to finish."""
    rounds = options.times * 40 + 10  # a restarted node needs some rounds to be back
    spec = Spec(
        name="bench", rounds=rounds, min_peers=options.nodes - (options.nodes - 1) // 3,
        quorum_grace_ms=1_500, leader_timeout_ms=5_000,
    )  # fmt: skip
    swarm = LocalSwarm(root, options.nodes, children)
    trainer = [str(Path(__file__).with_name("trivial_trainer.py")), "--mb", str(options.mb)]
    await swarm.start(spec, trainer)
    takeovers: list[float] = []
    killed: tuple[int, int, float] | None = None
    missed = 0
    while STUDY.need(swarm.ledger.state, "bench").status == "running":
        at, name, fields = await swarm.next_event(120)
        if name == "merging" and fields["number"] > 2 and not killed:
            if len(takeovers) >= options.times or len(fields["members"]) < options.nodes:
                continue
            leader = fields["leader"]
            children.signal(f"node {leader}", signal.SIGSTOP)
            await asyncio.sleep(0.03)
            r = ROUND.get(swarm.ledger.state, "bench")
            if r is None or (r.number, r.phase) != (fields["number"], "MERGING"):
                children.signal(f"node {leader}", signal.SIGCONT)
                missed += 1
                continue
            children.kill(f"node {leader}")
            killed = (fields["number"], leader, time.monotonic())
        elif name == "settled" and killed and fields["number"] == killed[0]:
            takeovers.append(at - killed[2])
            swarm.start_node(killed[1])
            killed = None
    study = STUDY.need(swarm.ledger.state, "bench")
    assert study.current is not None
    await swarm.ledger.close()
    wanted = f"{study.current.digest}.bin"
    end = time.monotonic() + 20
    while time.monotonic() < end:
        held = [h.blobs_path / wanted for h in swarm.homes if (h.blobs_path / wanted).exists()]
        if len(held) == options.nodes:
            break
        await asyncio.sleep(0.1)
    return {
        "kills": len(takeovers),
        "missed": missed,
        "finished": study.status == "finished",
        "holders": len(held),
        "differing": len({p.read_bytes() for p in held}) - 1,
        "takeover_s_median": round(statistics.median(takeovers), 3),
        "takeover_s_max": round(max(takeovers), 3),
        "takeover_s_all": [round(t, 2) for t in takeovers],
    }


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--mb", type=float, default=1.0)
    parser.add_argument("--keep", type=Path, help="keep everything in this directory")
    options = parser.parse_args()
    root = options.keep or Path(tempfile.mkdtemp(prefix="swarmhub-kill-"))
    root.mkdir(parents=True, exist_ok=True)
    try:
        with Processes() as children:
            print(json.dumps(asyncio.run(campaign(options, root, children))))
    finally:
        if not options.keep:
            shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
