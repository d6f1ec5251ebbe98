"""A test bed of hosts: network namespaces on this machine, each with an address of its own.

Every host runs what a hospital's machine runs: `swarmhub up` with its engine, and a trainer. They
see each other over a bridge only; `cut` takes a host's cable out, `heal` puts it back.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection
from pathlib import Path
from typing import Self

import pytest
from swarm import PROGRAMS

from swarmhub.contract.events import Settled
from swarmhub.contract.records import ROUND, STUDY, Spec, get_members
from swarmhub.contract.transactions import Start
from swarmhub.data.heart import write_heart
from swarmhub.demo.processes import Processes
from swarmhub.home.card import make_card
from swarmhub.home.home import Home
from swarmhub.home.invitations import write_token
from swarmhub.home.ledgers import open_for_desk
from swarmhub.ledger.cometbft.settings import STATE_FILE
from swarmhub.ledger.cometbft.store import Store
from swarmhub.operations.ledger_client import (
    LedgerClient,
    accept_genesis,
    found_consortium,
    read_genesis_file,
)

STUDY_NAME = "heart"
RELAY_PORT = 7402
_numbers = itertools.count(os.getpid() % 200)


def sh(*words: str) -> None:
    """Run a command as root does."""
    subprocess.run(words, check=True, capture_output=True, text=True)


def why_not() -> str:
    """Why namespaces cannot be used here; empty where they can."""
    name = f"swh-probe-{os.getpid()}"
    try:
        sh("ip", "netns", "add", name)
        sh("ip", "netns", "del", name)
    except FileNotFoundError:
        return "needs the command 'ip' (iproute2)"
    except subprocess.CalledProcessError as error:
        return f"network namespaces are not permitted here ({error.stderr.strip()})"
    return ""


needs_namespaces = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")


class Bed:
    """Hosts 1 to n; use it in a `with` block. Nobody can connect to the hidden ones: they stand
    behind the relay of host 1 (`relay`). `delay_ms` is added to each way between two hosts,
    a share `loss` of pieces comes later as if sent again,
    `mbit_per_s` bounds each host's link in each direction."""

    def __init__(
        self,
        root: Path,
        n: int,
        hidden: Collection[int] = (),
        delay_ms: float = 0.0,
        loss: float = 0.0,
        mbit_per_s: int = 0,
    ) -> None:
        self.root, self.children = root, Processes()
        self.delay_ms, self.loss, self.mbit_per_s = delay_ms, loss, mbit_per_s
        self.net = next(_numbers) % 200
        self.bridge = f"swh{self.net}b"
        self.homes: list[Home] = []
        sh("ip", "link", "add", self.bridge, "type", "bridge")
        sh("ip", "link", "set", self.bridge, "up")
        for i in range(1, n + 1):
            self.add_host(is_hidden=i in hidden)
        self.tables = write_heart(root / "tables")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.children.__exit__()
        for i in range(1, len(self.homes) + 1):
            with contextlib.suppress(subprocess.CalledProcessError):
                sh("ip", "netns", "del", self.space(i))
        with contextlib.suppress(subprocess.CalledProcessError):
            sh("ip", "link", "del", self.bridge)

    # hosts

    def space(self, i: int) -> str:
        """Name of host i's namespace."""
        return f"swh{self.net}h{i}"

    def address(self, i: int) -> str:
        """Host i's own."""
        return f"10.{self.net}.7.{i}"

    def add_host(self, is_hidden: bool = False) -> int:
        """A new host with a home and no consortium; returns its number."""
        i = len(self.homes) + 1
        space, cable, address = self.space(i), f"swh{self.net}c{i}", self.address(i)
        sh("ip", "netns", "add", space)
        sh("ip", "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", space)
        sh("ip", "link", "set", cable, "master", self.bridge, "up")
        sh("ip", "-n", space, "addr", "add", f"{address}/24", "dev", "eth0")
        sh("ip", "-n", space, "link", "set", "eth0", "up")
        sh("ip", "-n", space, "link", "set", "lo", "up")
        place = f"@{self.address(1)}:{RELAY_PORT}" if is_hidden else f"{address}:7400"
        inner = {"listen": "127.0.0.1:7410", "ledger_listen": "127.0.0.1:7411"}
        home = Home.create(
            self.root / f"h{i}", f"Hospital {i}", place, ledger="cometbft",
            ledger_address="" if is_hidden else f"{address}:7401",
            **(inner if self.delay_ms else {}),
        )  # fmt: skip
        if self.mbit_per_s:
            rate = ["rate", f"{self.mbit_per_s}mbit", "burst", "128kbit", "latency", "300ms"]
            sh("ip", "netns", "exec", space, "tc", "qdisc", "add", "dev", "eth0", "root", "tbf",
               *rate)  # fmt: skip
            sh("tc", "qdisc", "add", "dev", cable, "root", "tbf", *rate)
        if self.delay_ms:
            for port in (7400, 7401):
                self._delay(i, port)
        self.homes.append(home)
        return i

    def _delay(self, i: int, port: int) -> None:
        script = str(Path(__file__).with_name("delay.py"))
        command = [
            "ip",
            "netns",
            "exec",
            self.space(i),
            sys.executable,
            script,
            f"{self.address(i)}:{port}",
            f"127.0.0.1:{port + 10}",
            str(self.delay_ms),
            str(self.loss),
        ]
        log = self.root / f"h{i}" / "logs" / f"delay-{port}.log"
        self.children.start_command(f"delay {i} {port}", command, log)

    def cut(self, i: int) -> None:
        """Take host i's cable out."""
        sh("ip", "link", "set", f"swh{self.net}c{i}", "down")

    def heal(self, i: int) -> None:
        """Put it back."""
        sh("ip", "link", "set", f"swh{self.net}c{i}", "up")

    # what runs on them

    def found(self) -> None:
        """The hosts so far found a consortium, and start their nodes."""
        found_consortium("Hearts", [make_card(h) for h in self.homes], self.homes[0])
        genesis = read_genesis_file(self.homes[0].genesis_path)
        for home in self.homes[1:]:
            accept_genesis(home, genesis)
        for i in range(1, len(self.homes) + 1):
            self.up(i)

    def up(self, i: int, **variables: str) -> None:
        """Start host i's node."""
        home = self.homes[i - 1].root
        self._run(f"node {i}", i, ["up", "--home", str(home)], "node.log", **variables)

    def relay(self) -> None:
        """Start the relay of host 1."""
        words = ["relay", "--listen", f"0.0.0.0:{RELAY_PORT}", "--home", str(self.homes[0].root)]
        self._run("relay", 1, words, "relay.log")
        self.wait_until(lambda: "relays on" in (self.homes[0].root / "logs/relay.log").read_text())

    def train(self, i: int) -> None:
        """Start host i's trainer on its hospital's table."""
        home = self.homes[i - 1].root
        table = list(self.tables.values())[(i - 1) % len(self.tables)]
        words = ["train", "table", STUDY_NAME, "--home", str(home), "--data", str(table),
                 "--label", "label"]  # fmt: skip
        self._run(f"trainer {i}", i, words, "trainer.log")

    def _run(self, name: str, i: int, words: list[str], log: str, **variables: str) -> None:
        command = ["ip", "netns", "exec", self.space(i), sys.executable, "-m", "swarmhub", *words]
        self.children.start_command(name, command, self.homes[i - 1].root / "logs" / log,
                                    **{**self.variables(i), **variables})  # fmt: skip

    def variables(self, i: int) -> dict[str, str]:
        """What host i's environment has besides that of the tests."""
        return {}

    def type(self, i: int, *words: object) -> str:
        """A command at host i, which must succeed; returns what it prints."""
        command = ["ip", "netns", "exec", self.space(i), sys.executable, "-m", "swarmhub"]
        home = ["--home", str(self.homes[i - 1].root)]
        done = subprocess.run([*command, *map(str, words), *home], capture_output=True, text=True,
                              check=False, env={**os.environ, **self.variables(i)})  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def kill(self, i: int) -> None:
        """kill -9 host i's node; its engine dies with it."""
        self.children.kill(f"node {i}")

    def freeze(self, i: int) -> list[int]:
        """SIGSTOP everything on host i; returns what `thaw` needs."""
        found = subprocess.run(
            ["ip", "netns", "pids", self.space(i)], check=True, capture_output=True, text=True
        )
        pids = [int(p) for p in found.stdout.split()]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        return pids

    def thaw(self, pids: list[int]) -> None:
        """SIGCONT."""
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    # acts of members

    def at_desk(self, i, act):
        """`await act(client)` for member i, at its own host."""

        async def run():
            home = self.homes[i - 1]
            account = home.key("account")
            ledger = await open_for_desk(home, account, patience_s=60)
            try:
                return await act(LedgerClient(ledger, account))
            finally:
                await ledger.close()

        return asyncio.run(run())

    def open_study(self, members=None, **options) -> None:
        """Propose, approve, enrol, start; trainers begin."""
        members = members or list(range(1, len(self.homes) + 1))
        known = {
            "rounds": 20, "min_peers": 3, "quorum_grace_ms": 3_000, "leader_timeout_ms": 4_000,
            "statistics": True, "options": {"model": "logistic"},
        }  # fmt: skip
        spec = Spec(name=STUDY_NAME, **{**known, **options})
        self.at_desk(members[0], lambda d: d.propose(spec))
        for i in members:
            self.take_part(i, approves=i != members[0])
        self.at_desk(members[0], lambda d: d.submit(Start(STUDY_NAME)))
        for i in members:
            self.train(i)

    def take_part(self, i: int, approves: bool = True) -> None:
        """Member i approves the study and enrols."""

        async def act(client):
            if approves:
                await client.approve(STUDY_NAME)
            await client.enrol(STUDY_NAME, 1000)

        self.wait_until(lambda: STUDY.get(self.state(i), STUDY_NAME) is not None)
        self.at_desk(i, act)

    def join(self, token_of: int) -> int:
        """A new host joins with an invitation of member `token_of`, up to its application."""
        i = self.add_host()
        home = self.homes[token_of - 1]
        token = self.at_desk(token_of, lambda d: d.invite(home, 86_400_000))
        sh("ip", "netns", "exec", self.space(i), sys.executable, "-m", "swarmhub", "consortium",
           "join", write_token(token), "--home", str(self.homes[i - 1].root))  # fmt: skip
        self.homes[i - 1] = Home.open(self.homes[i - 1].root)
        return i

    # looking

    def connects(self, of: int, to: int, port: int) -> bool:
        """Whether host `of` can open a TCP connection to a port of host `to`."""
        command = ["ip", "netns", "exec", self.space(of), sys.executable,
                   str(PROGRAMS / "connect.py"), self.address(to), str(port)]  # fmt: skip
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def state(self, i: int):
        """The contract's state as host i has it on disk."""
        store = Store.open(self.homes[i - 1].engine_path / STATE_FILE)
        try:
            return store.load()[1]
        finally:
            store.close()

    def height(self, i: int) -> int:
        """The newest block that host i has on disk."""
        store = Store.open(self.homes[i - 1].engine_path / STATE_FILE)
        try:
            return store.load()[0].height
        finally:
            store.close()

    def number(self, i: int) -> int:
        """The open round's number at host i; far away when the study is over."""
        state = self.state(i)
        study = STUDY.get(state, STUDY_NAME)
        if study is not None and study.status == "finished":
            return 1 << 30
        r = ROUND.get(state, STUDY_NAME)
        return r.number if r else 0

    def merged(self, i: int) -> set[int]:
        """Members whose parameters are in the newest model, as host i sees it."""
        study = STUDY.need(self.state(i), STUDY_NAME)
        return {s.member for s in study.current.shares} if study.current else set()

    def members(self, i: int) -> list[str]:
        """Names of the members at host i."""
        return [m.name for m in get_members(self.state(i))]

    def finished(self, *hosts: int) -> bool:
        """Whether the study has ended at these hosts (all by default)."""
        return all(self.number(i) == 1 << 30 for i in hosts or range(1, len(self.homes) + 1))

    def wait_until(self, true, timeout_s: float = 120.0) -> float:
        """Look until it holds; returns how long it took. Fails with the logs when it does not."""
        started = time.monotonic()
        while not true():
            if time.monotonic() - started > timeout_s:
                raise AssertionError(self.logs())
            time.sleep(0.1)
        return time.monotonic() - started

    def logs(self) -> str:
        """The ends of all logs."""
        found = []
        for path in sorted(self.root.glob("h*/logs/*.log")) + sorted(
            self.root.glob("h*/ledger/engine.log")
        ):
            with contextlib.suppress(OSError):
                found.append(f"== {path}\n" + path.read_text("utf-8", "replace")[-1500:])
        return "\n".join(found)

    def settled(self, i: int) -> dict[int, str]:
        """Digest of every model that was settled, by round, as host i's blocks have it."""
        store = Store.open(self.homes[i - 1].engine_path / STATE_FILE)
        try:
            events = [e for c in store.blocks(0, 1 << 60) for e in c.events]
        finally:
            store.close()
        return {e.model.number: e.model.digest for e in events if isinstance(e, Settled)}

    def all_hold_the_current_model(self, hosts: tuple[int, ...]) -> bool:
        """The first host's model of now: rounds go on, and old models are dropped meanwhile."""
        current = STUDY.need(self.state(hosts[0]), STUDY_NAME).current
        assert current is not None
        name = f"{current.digest}.bin"
        return all((self.homes[i - 1].blobs_path / name).exists() for i in hosts)

    def agree(self, *hosts: int) -> dict[int, str]:
        """All hosts have settled the same models, and hold the last one; returns them."""
        hosts = hosts or tuple(range(1, len(self.homes) + 1))
        first = self.settled(hosts[0])
        for i in hosts[1:]:
            found = self.settled(i)
            both = set(first) & set(found)
            assert {k: first[k] for k in both} == {k: found[k] for k in both}
        self.wait_until(lambda: self.all_hold_the_current_model(hosts))
        assert "Traceback" not in self.logs()
        return first
