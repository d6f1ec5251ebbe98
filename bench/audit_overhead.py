"""What audits add to a round: swarms with and without them, by turns, in one run.

    python bench/audit_overhead.py --nodes 4 --mb 25 [--rounds 10] [--pairs 4] [--limit-percent 10]

Each pair runs one swarm of ordinary nodes and one whose members sign for every merge unseen
(bench/trusting_node.py), in changing order. Prints one JSON line: the median round of each kind
over all pairs, and their ratio. The exit code is 1 where audits add more than the limit.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from round_overhead import measure

from swarmhub.demo.processes import Processes

TRUSTING = Path(__file__).with_name("trusting_node.py")


def run(options: argparse.Namespace, script: Path | None) -> list[float]:
    """Seconds of each round of a new swarm."""
    root = Path(tempfile.mkdtemp(prefix="swarmhub-bench-"))
    try:
        with Processes() as children:
            return asyncio.run(measure(options, root, children, script))["round_s_all"]
    finally:
        shutil.rmtree(root, ignore_errors=True)


def judge(answer: dict[str, Any]) -> list[str]:
    """What is wrong, in sentences."""
    percent, limit = 100 * answer["overhead"], answer["limit_percent"]
    return [f"audits add {percent:.1f}% to a round, more than {limit}%"] if percent > limit else []


def main() -> int:
    """Parse, measure, print; exit code 1 above the limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--mb", type=float, default=25.0)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--limit-percent", type=float, default=10.0, help="that audits may add")
    parser.set_defaults(ledger="sqlite")
    options = parser.parse_args(namespace=argparse.Namespace(wire="float32"))
    rounds: dict[Path | None, list[float]] = {None: [], TRUSTING: []}
    for pair in range(options.pairs):
        for script in (None, TRUSTING) if pair % 2 else (TRUSTING, None):
            rounds[script] += run(options, script)
    audited, unaudited = (statistics.median(rounds[script]) for script in (None, TRUSTING))
    answer = {
        "nodes": options.nodes,
        "mb": options.mb,
        "rounds": len(rounds[None]),
        "audited_s_median": round(audited, 4),
        "unaudited_s_median": round(unaudited, 4),
        "overhead": round(audited / unaudited - 1, 4),
        "limit_percent": options.limit_percent,
    }
    print(json.dumps(answer))
    wrong = judge(answer)
    for sentence in wrong:
        print(f"WRONG: {sentence}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
