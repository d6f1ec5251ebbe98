"""A lying leader, tried many times: how often is it caught before its model is settled?

    python bench/false_merges.py --simulated 1000 --real 50 --large 5 [--mb 1 --share 0.02]

Simulated: one of five members lies as leader, under every merge rule. Real: four node processes,
one of which merges falsely (bench/lying_node.py); with models above 64 KiB auditors draw, and the
chance to escape is (1 - share)^stretches. Large: the same with a model of several chunks (1 MiB
each), of which one bit is false, in a study with `audit = "full"`. Prints one JSON line.

tried        lies told: the liar has led the round, and the round is over
caught       lies that the ledger has recorded in the same round
uncaught     rounds whose lie was not caught, whether it was settled or not
framed       rounds in which the ledger blames somebody else for a lie

The exit code is 1 where a lie was not caught in its round or somebody was framed. Where auditors
draw from a model that is partly false, as many may escape as the stated chance explains.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

from local_swarm import LocalSwarm

from swarmhub.contract.events import FalseMerge, MergeStarted, Settled, TookOver
from swarmhub.contract.records import Spec
from swarmhub.demo.processes import Processes
from swarmhub.merge.audit import count_stretches
from swarmhub.params import CHUNK_BYTES
from swarmhub.protocol.audit import AUDIT_ALL_BYTES
from swarmhub.sim import Fault, Schedule, World
from swarmhub.sim.adversaries import ByzantineNode
from swarmhub.sim.schedule import RULES

LIAR = 2
ONE_BIT = 0.0  # the share of a model in which one bit is false
LARGE_MB = 2.5
TOO_RARE = 1e-4  # what a run comes to less often than that is not chance


def simulate(wanted: int) -> dict[str, Any]:
    """Calm swarms of five with one liar, until it has lied so often."""
    tried = caught = settled = seed = 0
    broken: list[str] = []
    while tried < wanted:
        plan = Schedule(
            rounds=20, merge=RULES[seed % len(RULES)], seed=seed, delay_ms=(1, 20),
            faults=(Fault("lie", (1 + seed % 5,), lie="false_merge"),),
        )  # fmt: skip
        world = World(plan)
        report = world.run()
        tried += sum(n.false_merges for n in world.nodes.values() if isinstance(n, ByzantineNode))
        caught += sum("is false (recomputed by" in line for line in report.story)
        settled += sum("TRUE_MERGE" in line for line in report.broken)
        broken += [f"seed {seed}: {line}" for line in report.broken]
        seed += 1
    return {"tried": tried, "caught": caught, "settled_false": settled, "broken": broken}


async def run_real(
    root: Path, children: Processes, wanted: int, mb: float, share: float,
    audit: Literal["drawn", "full"],
) -> dict[str, Any]:  # fmt: skip
    """Real nodes, until so many rounds are over in which the liar has led."""
    os.environ["SHARE"] = str(share)  # of the children
    spec = Spec(name="bench", rounds=100_000, min_peers=4, leader_timeout_ms=20_000, audit=audit)
    lying = Path(__file__).with_name("lying_node.py")
    swarm = LocalSwarm(root, 4, children, scripts={LIAR: lying})
    trainer = str(Path(__file__).with_name("trivial_trainer.py"))
    await swarm.start(spec, [trainer, "--mb", str(mb)])
    led: set[int] = set()
    caught: set[int] = set()
    framed: set[int] = set()
    escaped: set[int] = set()
    over: set[int] = set()
    nbytes = 0
    while len(led & over) < wanted:
        _, event = await swarm.next_event(300)
        match event:
            case MergeStarted() | TookOver() if event.leader == LIAR and event.number > 1:
                led.add(event.number)
            case FalseMerge():
                (caught if event.leader == LIAR else framed).add(event.number)
            case Settled(model=model) if model.kind == "train":
                over.add(model.number)
                nbytes = model.nbytes
                if model.leader == LIAR:
                    escaped.add(model.number)
    await swarm.ledger.close()
    told = led & over
    return {
        "tried": len(told),
        "caught": len(told & caught),
        "uncaught": sorted(told - caught),
        "settled_false": len(escaped),
        "framed": sorted(framed),
        "nbytes": nbytes,
        "chunks": -(-nbytes // CHUNK_BYTES),
        "audit": audit,
        "share": share,
        "stated_chance": round(chance_to_escape(nbytes, share, audit), 4),
    }


def chance_to_escape(nbytes: int, share: float, audit: str) -> float:
    """For a lie in this share of a model, at most; 0 where all of it is recomputed."""
    if audit == "full" or nbytes <= AUDIT_ALL_BYTES:
        return 0.0
    return (1 - share) ** count_stretches(nbytes)


def chance_of(least: int, tries: int, chance: float) -> float:
    """That at least so many of the tries come out, each with this chance."""
    several = range(least, tries + 1)
    return sum(math.comb(tries, n) * chance**n * (1 - chance) ** (tries - n) for n in several)


def judge(answer: dict[str, Any]) -> list[str]:
    """What is wrong, in sentences."""
    wrong: list[str] = []
    for name, found in answer.items():
        missed = found["tried"] - found["caught"]
        vanished = missed - found["settled_false"]
        if vanished:
            wrong.append(f"{name}: {missed} lies of {found['tried']} were not caught, "
                         f"{found['settled_false']} of them settled")  # fmt: skip
        elif chance_of(missed, found["tried"], found.get("stated_chance", 0.0)) < TOO_RARE:
            wrong.append(f"{name}: {missed} of {found['tried']} false models were settled")
        if found.get("framed"):
            wrong.append(f"{name}: somebody else was blamed in rounds {found['framed']}")
        wrong += [f"{name}: {line}" for line in found.get("broken", ())]
    return wrong


def measure(options: argparse.Namespace, large: bool) -> dict[str, Any]:
    """One swarm of real nodes."""
    root = Path(tempfile.mkdtemp(prefix="swarmhub-lies-"))
    try:
        with Processes() as children:
            if large:
                run = run_real(root, children, options.large, LARGE_MB, ONE_BIT, "full")
            else:
                run = run_real(root, children, options.real, options.mb, options.share, "drawn")
            return asyncio.run(run)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def main() -> int:
    """Parse, run, print; exit code 1 where a lie was not caught in its round."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulated", type=int, default=1000)
    parser.add_argument("--real", type=int, default=50)
    parser.add_argument("--mb", type=float, default=0.001)
    parser.add_argument("--share", type=float, default=1.0, help="how much of a model is false")
    parser.add_argument("--large", type=int, default=5, help="with several chunks, fully audited")
    options = parser.parse_args()
    answer: dict[str, Any] = {}
    if options.simulated:
        answer["simulated"] = simulate(options.simulated)
    if options.real:
        answer["real"] = measure(options, large=False)
    if options.large:
        answer["large"] = measure(options, large=True)
    print(json.dumps(answer))
    wrong = judge(answer)
    for sentence in wrong:
        print(f"WRONG: {sentence}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
