"""Real nodes for tests: homes, `swarmhub` processes, a founded consortium, an open study."""

import asyncio
import contextlib
import fcntl
import signal
import subprocess
import sys
import time
from pathlib import Path

from swarmhub.contract import State
from swarmhub.contract.records import ROUND, STUDY, Spec
from swarmhub.contract.state import Overlay
from swarmhub.contract.transactions import Start
from swarmhub.demo.processes import Processes, free_address
from swarmhub.home.card import make_card
from swarmhub.home.home import Home
from swarmhub.ledger import SqliteLedger
from swarmhub.ledger.blocks import replay, replay_genesis
from swarmhub.ledger.sqlite.block_file import open_blocks, read_blocks
from swarmhub.operations.ledger_client import LedgerClient, found_consortium

PROGRAMS = Path(__file__).with_name("programs")
COMMAND = [sys.executable, "-m", "swarmhub"]


def swarmhub(*arguments, timeout=60):
    """Run a command as a user would."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=timeout
    )


class Chain:
    """The state of a ledger's file. A look executes the blocks that are new: who waits looks often,
    and all blocks would take the processor from the nodes that are waited for."""

    def __init__(self, path):
        self.path, self.state, self.tip = path, State(), None

    def catch_up(self):
        """Execute what others have written since the last look."""
        with contextlib.closing(open_blocks(self.path)) as db:
            for block in read_blocks(db, self.tip.height + 1 if self.tip else 0):
                overlay = Overlay(self.state)
                if self.tip is None:
                    self.tip, _ = replay_genesis(block, overlay)
                else:
                    self.tip, _ = replay(self.tip, overlay, block)
                self.state.commit(overlay.writes, self.tip.tree)


class Network:
    """n hospitals on this machine, all founders; use it in a `with` block."""

    def __init__(self, root, n):
        self.root, self.children = root, Processes()
        ledger = root / "ledger.sqlite"
        self.homes = [
            Home.create(root / f"h{i}", f"Hospital {i}", free_address(), ledger=str(ledger))
            for i in range(1, n + 1)
        ]
        found_consortium("test", [make_card(h) for h in self.homes], self.homes[0])
        self.chain = Chain(ledger)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.children.__exit__()

    def up(self, i, **variables):
        """Start node i (from 1), with more variables in its environment."""
        home = self.homes[i - 1]
        self.children.start(f"node {i}", ["up", "--home", str(home.root)], self.log(i), **variables)

    def stop(self, i):
        """SIGSTOP node i, but not while it is its turn to write: it would hold up everybody."""
        turns = self.homes[0].ledger_path.with_name("ledger.sqlite.turns")
        with turns.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self.children.signal(f"node {i}", signal.SIGSTOP)
            time.sleep(0.05)

    def log(self, i):
        return self.homes[i - 1].root / "logs" / "node.log"

    def open_study(self, spec, members=None, samples=1000):
        """Propose, approve, enrol, start."""

        async def run():
            ledger = await SqliteLedger.open(
                self.homes[0].ledger_path, self.homes[0].key("account")
            )
            desks = [LedgerClient(ledger, h.key("account")) for h in self.homes]
            desks = [d for i, d in enumerate(desks, 1) if members is None or i in members]
            await desks[0].propose(spec)
            for client in desks[1:]:
                await client.approve(spec.name)
            for client in desks:
                await client.enrol(spec.name, samples)
            await desks[0].submit(Start(spec.name))
            await ledger.close()

        asyncio.run(run())

    def read(self, look):
        """`look(state)` on the ledger as it is now."""

        self.chain.catch_up()
        return look(self.chain.state)

    def study(self, name):
        return self.read(lambda s: STUDY.need(s, name))

    def round(self, name):
        return self.read(lambda s: ROUND.get(s, name))

    def wait_until(self, true, timeout_s=60.0):
        """Look until it holds; fails with the nodes' logs when it does not in time."""
        end = time.monotonic() + timeout_s
        while not true():
            if time.monotonic() > end:
                raise AssertionError(self.logs())
            time.sleep(0.05)

    def logs(self):
        found = []
        for path in sorted(self.root.glob("h*/logs/*.log")):
            with contextlib.suppress(OSError):
                found.append(f"== {path}\n" + path.read_text()[-1500:])
        return "\n".join(found)

    def train(self, i, script, name="trainer"):
        """Run a Python script (or one with arguments) as the trainer of hospital i; it gets
        --home."""
        words = script if isinstance(script, list) else [script]
        home = self.homes[i - 1].root
        self.children.start_command(
            f"{name} {i}", [sys.executable, *map(str, words), "--home", str(home)],
            home / "logs" / f"{name}.log",
        )  # fmt: skip


def make_spec(name="s", **options):
    """A quick study."""
    known = {"rounds": 3, "min_peers": 2, "quorum_grace_ms": 20_000, "leader_timeout_ms": 5_000}
    return Spec(name=name, **{**known, **options})
