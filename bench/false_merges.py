"""A lying leader, tried many times: how often is it caught before its model is settled?

    python bench/false_merges.py --simulated 1000 --real 50 [--mb 1 --share 0.02]

Simulated: one of five members lies as leader, under every merge rule. Real: four node processes,
one of which merges falsely (bench/lying_node.py); with models above 64 KiB auditors draw, and the
chance to escape is (1 - share)^stretches. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from local_swarm import LocalSwarm

from swarmhub.contract.records import Spec
from swarmhub.demo.processes import Processes
from swarmhub.merge.audit import count_stretches
from swarmhub.sim import Act, Plan, World
from swarmhub.sim.liars import Liar
from swarmhub.sim.plan import RULES

LIAR = 2


def simulate(wanted: int) -> dict[str, int]:
    """Calm swarms of five with one liar, until it has lied so often."""
    tried = caught = settled = seed = 0
    while tried < wanted:
        plan = Plan(
            rounds=20, merge=RULES[seed % len(RULES)], seed=seed, delay_ms=(1, 20),
            acts=(Act("lie", (1 + seed % 5,), lie="false_merge"),),
        )  # fmt: skip
        world = World(plan)
        report = world.run()
        tried += sum(n.false_merges for n in world.nodes.values() if isinstance(n, Liar))
        caught += sum("made a false merge" in line for line in report.story)
        settled += sum("TRUE_MERGE" in line for line in report.broken)
        seed += 1
    return {"tried": tried, "caught": caught, "settled_false": settled}


async def run_real(root: Path, children: Processes, options: argparse.Namespace) -> dict[str, Any]:
    """Real nodes, until the liar has led so often."""
    spec = Spec(name="bench", rounds=100_000, min_peers=4, leader_timeout_ms=20_000)
    lying = Path(__file__).with_name("lying_node.py")
    swarm = LocalSwarm(root, 4, children, scripts={LIAR: lying})
    trainer = str(Path(__file__).with_name("trivial_trainer.py"))
    await swarm.start(spec, [trainer, "--mb", str(options.mb)])
    led: set[int] = set()
    caught: set[int] = set()
    escaped: set[int] = set()
    nbytes = 0
    while len(caught | escaped) < options.real:
        _, name, fields = await swarm.next_event(300)
        number = fields.get("number", 0)
        if name in ("merging", "took_over") and fields["leader"] == LIAR and number > 1:
            led.add(number)
        elif name == "false_merge":
            caught.add(number)
        elif name == "settled":
            nbytes = fields["nbytes"]
            if fields["leader"] == LIAR and fields["kind"] == "parameters":
                escaped.add(number)
    await swarm.ledger.close()
    share = float(os.environ.get("SHARE", "1"))
    drawn = nbytes > 64 * 1024
    return {
        "tried": len(caught | escaped),
        "caught": len(caught),
        "settled_false": len(escaped),
        "nbytes": nbytes,
        "share": share,
        "stated_chance": round((1 - share) ** count_stretches(nbytes), 4) if drawn else 0,
    }


def main() -> None:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulated", type=int, default=1000)
    parser.add_argument("--real", type=int, default=50)
    parser.add_argument("--mb", type=float, default=0.001)
    parser.add_argument("--share", type=float, default=1.0, help="how much of a model is false")
    options = parser.parse_args()
    os.environ["SHARE"] = str(options.share)
    answer: dict[str, Any] = {}
    if options.simulated:
        answer["simulated"] = simulate(options.simulated)
    if options.real:
        root = Path(tempfile.mkdtemp(prefix="swarmhub-lies-"))
        try:
            with Processes() as children:
                answer["real"] = asyncio.run(run_real(root, children, options))
        finally:
            shutil.rmtree(root, ignore_errors=True)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
