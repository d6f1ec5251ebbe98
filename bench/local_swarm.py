"""A swarm of N real node processes on this machine, for benchmarks: all founders, one study."""

from __future__ import annotations

import asyncio
import fcntl
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from swarmhub.contract.events import Event
from swarmhub.contract.records import Spec
from swarmhub.contract.transactions import Start
from swarmhub.demo.processes import Processes, free_address
from swarmhub.home.card import make_card
from swarmhub.home.config import COMETBFT
from swarmhub.home.home import Home
from swarmhub.home.ledgers import found_ledger, open_for_desk
from swarmhub.ledger import Committed
from swarmhub.operations.ledger_client import LedgerClient, make_genesis


@dataclass
class LocalSwarm:
    """Homes, desks and an open ledger; `events` are (time, event) as blocks come."""

    root: Path
    nodes: int
    children: Processes
    homes: list[Home] = field(default_factory=list, init=False)
    trainer: list[str] = field(default_factory=list, init=False)
    driver: str = "sqlite"  # or "cometbft"
    scripts: dict[int, Path] = field(default_factory=dict)  # what node i runs instead of `swarmhub`
    events: asyncio.Queue[tuple[float, Event]] = field(default_factory=asyncio.Queue)

    async def start(self, spec: Spec, trainer: list[str]) -> None:
        """Found, start nodes and trainers (`trainer` is a Python command that gets --home), and
        open the study."""
        networked = self.driver == COMETBFT
        self.homes = [
            Home.create(
                self.root / f"h{i}", f"Hospital {i}", free_address(),
                ledger=COMETBFT if networked else str(self.root / "ledger.sqlite"),
                ledger_address=free_address() if networked else "",
            )
            for i in range(1, self.nodes + 1)
        ]  # fmt: skip
        genesis = make_genesis("bench", [make_card(h) for h in self.homes])
        for home in self.homes if networked else self.homes[:1]:
            found_ledger(home, genesis)
        self.trainer = trainer
        for i in range(1, self.nodes + 1):
            self.start_node(i)
        account = self.homes[0].key("account")
        self.ledger = await open_for_desk(self.homes[0], account, patience_s=60)
        self.ledger.subscribe(self._hear)
        self.desks = [LedgerClient(self.ledger, h.key("account")) for h in self.homes]
        await self.desks[0].propose(spec)
        for client in self.desks[1:]:
            await client.approve(spec.name)
        for client in self.desks:
            await client.enrol(spec.name, 1000)
        await self.desks[0].submit(Start(spec.name))
        for i in range(1, self.nodes + 1):  # a trainer of a study that nobody has proposed ends
            self.start_trainer(i)

    def start_node(self, i: int, **variables: str) -> int:
        """Start (or restart) node i (from 1), with these variables in its environment."""
        home = self.homes[i - 1]
        log = home.root / "logs" / "node.log"
        name, arguments = f"node {i}", ["up", "--home", str(home.root)]
        if i not in self.scripts:
            return self.children.start(name, arguments, log, **variables)
        command = [sys.executable, str(self.scripts[i]), *arguments]
        return self.children.start_command(name, command, log, **variables)

    @property
    def _turns(self) -> Path:
        return self.root / "ledger.sqlite.turns"

    def has_turn(self, pid: int) -> bool:
        """Whether it is this process's turn to write into the ledger."""
        inode = self._turns.stat().st_ino
        locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
        return any(
            kind == "FLOCK" and (int(owner), int(where.split(":")[2])) == (pid, inode)
            for _, kind, _, _, owner, where, *_ in locks
        )

    def stop_node(self, i: int) -> None:
        """SIGSTOP, but not while it is its turn to write: it would hold up everybody."""
        with self._turns.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self.children.signal(f"node {i}", signal.SIGSTOP)
            time.sleep(0.05)

    def start_trainer(self, i: int, **variables: str) -> int:
        """Start (or restart) trainer i."""
        home = self.homes[i - 1]
        command = [sys.executable, *self.trainer, "--home", str(home.root)]
        log = home.root / "logs" / "trainer.log"
        return self.children.start_command(f"trainer {i}", command, log, **variables)

    def _hear(self, committed: Committed) -> None:
        for event in committed.events:
            self.events.put_nowait((time.monotonic(), event))

    async def next_event(self, timeout_s: float) -> tuple[float, Event]:
        """The next event; raises where a child has failed or nothing comes."""
        end = time.monotonic() + timeout_s
        while True:
            try:
                async with asyncio.timeout(0.5):
                    return await self.events.get()
            except TimeoutError:
                self.children.check()
                if time.monotonic() > end:
                    raise SystemExit(
                        f"nothing happened for {timeout_s} s; logs: {self.root}"
                    ) from None
