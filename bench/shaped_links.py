"""A round between hosts whose links are like hospitals': 100 Mbit/s, 40 ms there and back.

    python bench/shaped_links.py --mb 1 [--nodes 4 --mbit 100 --rtt-ms 40 --wire int8 --shards 1]

Hosts are network namespaces (needs root): bandwidth by tbf on both ends of each cable, delay by
proxies in front of the ports. Real CometBFT, real nodes, a trainer that trains nothing. Prints one
JSON line; `bytes_per_node` are those that a host's interface sent and received in a round.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1] / "tests" / folder) for folder in ("", "hosts")]

from bed import Bed  # noqa: E402

from swarmhub.contract.events import Event, Settled  # noqa: E402
from swarmhub.contract.records import Spec  # noqa: E402
from swarmhub.contract.transactions import Start  # noqa: E402
from swarmhub.home.ledgers import open_for_desk  # noqa: E402
from swarmhub.ledger import Committed  # noqa: E402
from swarmhub.operations.ledger_client import LedgerClient  # noqa: E402

TRAINER = Path(__file__).with_name("trivial_trainer.py")


def moved(bed: Bed) -> list[int]:
    """Bytes through each host's interface so far, both directions."""
    found = []
    for i in range(1, len(bed.homes) + 1):
        command = ["ip", "netns", "exec", bed.space(i), "cat", "/proc/net/dev"]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        line = next(x for x in text.splitlines() if x.strip().startswith("eth0"))
        fields = line.partition(":")[2].split()
        found.append(int(fields[0]) + int(fields[8]))
    return found


async def measure(bed: Bed, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds and bytes of each round after the first."""
    spec = Spec(
        name="bench", rounds=options.rounds + 1, min_peers=options.nodes,
        quorum_grace_ms=120_000, leader_timeout_ms=120_000, wire=options.wire,
        shards=options.shards,
    )  # fmt: skip
    homes = bed.homes
    ledger = await open_for_desk(homes[0], homes[0].key("account"), patience_s=60)
    events: asyncio.Queue[tuple[float, Event]] = asyncio.Queue()

    def note(committed: Committed) -> None:
        for event in committed.events:
            events.put_nowait((time.monotonic(), event))

    ledger.subscribe(note)
    desks = [LedgerClient(ledger, home.key("account")) for home in homes]
    await desks[0].propose(spec)
    for client in desks[1:]:
        await client.approve(spec.name)
    for client in desks:
        await client.enrol(spec.name, 1000)
    await desks[0].submit(Start(spec.name))
    for i, home in enumerate(homes, 1):
        command = ["ip", "netns", "exec", bed.space(i), sys.executable, str(TRAINER),
                   "--mb", str(options.mb), "--home", str(home.root)]  # fmt: skip
        bed.children.start_command(f"trainer {i}", command, home.root / "logs" / "trainer.log")
    settled: list[float] = []
    counted: list[list[int]] = []
    while len(settled) < options.rounds + 1:
        at, event = await asyncio.wait_for(events.get(), 300)
        if isinstance(event, Settled) and event.model.kind == "train":
            settled.append(at)
            counted.append(moved(bed))
    await ledger.close()
    rounds = [b - a for a, b in itertools.pairwise(settled)]
    per_node = [(b - a) / len(rounds) for a, b in zip(counted[0], counted[-1], strict=True)]
    return {
        "nodes": options.nodes,
        "mb": options.mb,
        "wire": options.wire,
        "shards": options.shards,
        "mbit_per_s": options.mbit,
        "rtt_ms": options.rtt_ms,
        "loss": options.loss,
        "rounds": len(rounds),
        "round_s_median": round(statistics.median(rounds), 3),
        "round_s_all": [round(x, 3) for x in rounds],
        "bytes_per_node": [round(x) for x in per_node],
    }


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--mb", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--mbit", type=int, default=100)
    parser.add_argument("--loss", type=float, default=0.0, help="share of pieces sent again")
    parser.add_argument("--rtt-ms", type=float, default=40.0)
    parser.add_argument("--wire", choices=["float32", "bf16", "int8"], default="float32")
    parser.add_argument("--shards", type=int, default=0, help="1: one leader")
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="swarmhub-shaped-"))
    try:
        shape = {
            "delay_ms": options.rtt_ms / 2, "mbit_per_s": options.mbit, "loss": options.loss,
        }  # fmt: skip
        with Bed(root, options.nodes, **shape) as bed:
            bed.found()
            print(json.dumps(asyncio.run(measure(bed, options))))
    finally:
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
