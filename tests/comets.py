"""Nodes with engines on this machine: founders of a ledger of many machines, each on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path

from swarmhub.contract.consortium.misbehaviour import compute_address
from swarmhub.contract.records import get_members
from swarmhub.demo.processes import Processes, free_address
from swarmhub.home.card import make_card
from swarmhub.home.config import COMETBFT
from swarmhub.home.home import Home
from swarmhub.home.ledgers import found_ledger, open_for_desk
from swarmhub.home.rotation import ROTATABLE, begin_rotation, is_rotating
from swarmhub.ledger.cometbft.settings import STATE_FILE
from swarmhub.ledger.cometbft.store import Store
from swarmhub.operations.ledger_client import LedgerClient, make_genesis, make_rotation


class Comets:
    """n hospitals and their nodes; use it in a `with` block."""

    def __init__(self, root, n):
        self.children = Processes()
        self.homes = [
            Home.create(
                root / f"h{i}", f"Hospital {i}", free_address(), ledger=COMETBFT,
                ledger_address=free_address(),
            )
            for i in range(1, n + 1)
        ]  # fmt: skip
        genesis = make_genesis("test", [make_card(h) for h in self.homes])
        for home in self.homes:
            found_ledger(home, genesis)

    def __enter__(self):
        for i in range(1, len(self.homes) + 1):
            self.up(i)
        self.wait_until(lambda: all("is up" in self.log(i) for i in self.everybody))
        return self

    def __exit__(self, *_):
        self.children.__exit__()

    @property
    def everybody(self):
        return range(1, len(self.homes) + 1)

    def up(self, i, home=None):
        """Start node i, or one on a copy of its home."""
        root = (home or self.homes[i - 1]).root
        name = f"node {i}" + (" copy" if home else "")
        self.children.start(name, ["up", "--home", str(root)], root / "logs" / "node.log")

    def freeze(self, i):
        self.children.signal(f"node {i}", signal.SIGSTOP)

    def thaw(self, i):
        self.children.signal(f"node {i}", signal.SIGCONT)

    def type(self, i, *words, code=0):
        """A command at hospital i, which must end with this code; returns what it prints."""
        home = str(self.homes[i - 1].root)
        command = [sys.executable, "-m", "swarmhub", *words, "--home", home]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code != 2 else done.stderr

    def log(self, i):
        path = self.homes[i - 1].root / "logs" / "node.log"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def at_desk(self, i, act, account_of=None):
        """`await act(client)` over node i, for another member's account if one is given."""

        async def run():
            account = self.homes[(account_of or i) - 1].key("account")
            ledger = await open_for_desk(self.homes[i - 1], account, patience_s=60)
            try:
                return await act(LedgerClient(ledger, account))
            finally:
                await ledger.close()

        return asyncio.run(run())

    def rotate_all(self, i, over):
        """Rotate all keys of hospital i over the node of another one."""
        home = self.homes[i - 1]
        new = begin_rotation(home, ROTATABLE)
        card = make_card(home, rotated=ROTATABLE)
        self.at_desk(over, lambda client: client.submit(make_rotation(card, new)), account_of=i)

    def look(self, i):
        """Height and state as hospital i has them on disk."""
        store = Store.open(self.homes[i - 1].engine_path / STATE_FILE)
        try:
            tip, state = store.load()
            return tip.height, state
        finally:
            store.close()

    def signed(self, i):
        """Height of hospital i's newest signature in the chain that it has; 0 for none."""
        key = self.homes[i - 1].key("consensus").public
        store = Store.open(self.homes[i - 1].engine_path / STATE_FILE)
        try:
            return store.signed(compute_address(key))
        finally:
            store.close()

    def member(self, i, seen_by):
        """Hospital i's record as another hospital has it."""
        name = self.homes[i - 1].config.name
        return next(m for m in get_members(self.look(seen_by)[1]) if m.name == name)

    def is_back(self, i):
        """Whether hospital i has its new keys in use, and its vote counts, as it sees it itself."""
        home = self.homes[i - 1]
        me = self.member(i, seen_by=i)
        return not is_rotating(home) and me.consensus == home.key("consensus").public and me.power

    def engine(self, i):
        """Process id of node i's engine; 0 if it does not run."""
        node = dict(self.children.named_pids())[f"node {i}"]
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                number, _, rest = stat.read_text().partition(" (")
                name, _, words = rest.rpartition(") ")
                if name == "cometbft" and words.split()[1] == str(node):
                    return int(number)
        return 0

    def wait_until(self, true, timeout_s=120.0):
        """Look until it holds; fails with the logs when it does not in time."""
        end = time.monotonic() + timeout_s
        while not true():
            if time.monotonic() > end:
                raise AssertionError("\n".join(self.log(i)[-2000:] for i in self.everybody))
            time.sleep(0.1)
