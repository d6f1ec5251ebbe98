"""A fifth hospital joins four with CometBFT: seconds from the last vote to its first contribution.

    python bench/join.py [--nodes 4 --mb 1]

The newcomer has applied with an invitation's token, and its node runs and waits to be let in. As
soon as it is a member it approves the study, enrols, and starts a trainer, as its operator would.
Prints one JSON line, with the seconds until its vote counts as well.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from local_swarm import LocalSwarm

from swarmhub.contract.events import Admitted, BecameValidator, Contributed, Event, Settled
from swarmhub.contract.records import Spec
from swarmhub.demo.processes import Processes, free_address
from swarmhub.home.config import COMETBFT
from swarmhub.home.home import Home
from swarmhub.home.ledgers import open_for_desk
from swarmhub.operations.join import join
from swarmhub.operations.ledger_client import LedgerClient

WAIT_S = 90.0


async def measure(options: argparse.Namespace, root: Path, children: Processes) -> dict[str, Any]:
    """Join while the others train."""
    spec = Spec(
        name="bench", rounds=100_000, min_peers=2, quorum_grace_ms=1_000, leader_timeout_ms=4_000
    )
    swarm = LocalSwarm(root, options.nodes, children, driver=COMETBFT)
    trainer = [str(Path(__file__).with_name("trivial_trainer.py")), "--mb", str(options.mb)]
    await swarm.start(spec, [*trainer, "--pause", "0.05"])
    _, event = await swarm.next_event(WAIT_S)
    while not (isinstance(event, Settled) and event.model.number > 5):
        _, event = await swarm.next_event(WAIT_S)
    home = Home.create(root / "new", "Newcomer", free_address(), ledger_address=free_address())
    token = await swarm.desks[0].invite(swarm.homes[0], 3_600_000)
    joined = await join(home, token)
    home = Home.open(home.root)
    swarm.homes.append(home)
    new = len(swarm.homes)
    swarm.start_node(new)
    await asyncio.sleep(3.0)  # it runs, and waits
    for client in swarm.desks[1:]:
        result = await client.vote(joined.motion, True)
        voted = time.monotonic()
        if any(isinstance(event, Admitted) for event in result.events):
            break
    account = home.key("account")
    ledger = await open_for_desk(home, account, patience_s=WAIT_S)
    while not any(m.account == account.public for m in LedgerClient(ledger, account).members()):
        await asyncio.sleep(0.05)
    member = time.monotonic()
    client = LedgerClient(ledger, account)
    await client.approve(spec.name)
    await client.enrol(spec.name, 1000)
    swarm.start_trainer(new)
    seen: dict[type[Event], float] = {}
    while {Contributed, BecameValidator} - set(seen):
        at, event = await swarm.next_event(WAIT_S)
        if isinstance(event, Contributed | BecameValidator) and event.member == client.me.id:
            seen.setdefault(type(event), at)
    await ledger.close()
    await swarm.ledger.close()
    return {
        "nodes": options.nodes,
        "mb": options.mb,
        "caught_up_s": round(member - voted, 2),
        "contributed_s": round(seen[Contributed] - voted, 2),
        "validates_s": round(seen[BecameValidator] - voted, 2),
    }


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--mb", type=float, default=1.0)
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="swarmhub-bench-"))
    with Processes() as children:
        print(json.dumps(asyncio.run(measure(options, root, children))))
    shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
