"""The hospitals of `hospitals.py`: hosts with links of their own, and a supervisor like systemd.

What ends by a failure is started again after RESTART_S, as `docs/operations/swarmhub.service` does;
exit code 2 says that a person is needed, so it is noted (`by_hand`).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bed import Bed, sh
from hospital_faults import OBSERVER, Site

from swarmhub.contract.records import ROUND, STUDY
from swarmhub.contract.round.election import get_leader
from swarmhub.contract.round.kinds import is_led
from swarmhub.errors import SwarmhubError
from swarmhub.ledger import Committed
from swarmhub.ledger.cometbft.settings import STATE_FILE
from swarmhub.ledger.cometbft.store import Store
from swarmhub.operations.running_node import ask_status

STUDY_NAME = "hospitals"
TRAINER = Path(__file__).with_name("hospital_trainer.py")
RESTART_S = 3.0
LOOK_S = 0.5
PERSON_NEEDED = 2  # exit code
CASES = 20
CLONE_NEWNET = 0x40000000
WITHOUT_ROOTS_RIGHTS = ("--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all")
_libc = ctypes.CDLL(None, use_errno=True)


class Hospitals(Bed):
    """Hosts 1 to n with these links, each with a folder of cases and, if `small` has it, a home on
    a disk of `disk_mb`."""

    def __init__(
        self, root: Path, sites: Sequence[Site], mb: float, pause_s: float, small: Sequence[int]
    ) -> None:
        self.sites, self.mb, self.pause_s, self.small = [*sites], mb, pause_s, small
        self.disk_mb = round(120 + 12 * mb)
        self.expected: dict[str, bool] = {}  # by process: whether it is to run
        self.variables_of: dict[int, dict[str, str]] = {}  # more of a host's environment
        self.by_hand: list[str] = []
        self.restarts: dict[str, int] = {}
        self._ended: dict[str, float] = {}
        self._acting = threading.RLock()
        super().__init__(root, 0)
        for _ in sites:
            self.add_host()

    def __exit__(self, *of: object) -> None:
        for name in (signal.SIGINT, signal.SIGTERM):  # a second one would leave hosts behind
            signal.signal(name, signal.SIG_IGN)
        super().__exit__(*of)
        for i in self.small:
            shutil.copytree(self.root / f"h{i}" / "logs", self.root / f"logs{i}")
            subprocess.run(["umount", "-l", str(self.root / f"h{i}")], capture_output=True)

    # hosts

    def add_host(self, is_hidden: bool = False) -> int:
        """A new host with its own link; the newcomer's is the one of the first."""
        i = len(self.homes) + 1
        if i > len(self.sites):
            self.sites.append(self.sites[0])
        site = self.sites[i - 1]
        self.mbit_per_s, self.delay_ms = site.mbit, site.round_trip_ms / 2
        if i in self.small:
            (self.root / f"h{i}").mkdir()
            sh("mount", "-t", "tmpfs", "-o", f"size={self.disk_mb}m,mode=700", "tmpfs",
               str(self.root / f"h{i}"))  # fmt: skip
        super().add_host(is_hidden)
        folder = self.folder(i)
        (folder / "cases").mkdir(parents=True)
        (folder / "device").touch()
        for k in range(CASES):
            (folder / "cases" / f"case-{k + 1}").write_text(f"{k}\n")
        return i

    def folder(self, i: int) -> Path:
        """The data of host i's trainer, beside its home."""
        return self.root / f"data{i}"

    def variables(self, i: int) -> dict[str, str]:
        return self.variables_of.get(i, {})

    # processes

    def up(self, i: int, **variables: str) -> None:
        """Start host i's node, and keep it up."""
        with self._acting:
            super().up(i, **variables)
            self.expected[f"node {i}"] = True

    def train(self, i: int) -> None:
        """Start host i's trainer, and keep it up."""
        site, log = self.sites[i - 1], self.homes[i - 1].root / "logs" / "trainer.log"
        paced = ["--paced"] if site.slowness > 1 else []
        command = [
            "ip", "netns", "exec", self.space(i), "setpriv", *WITHOUT_ROOTS_RIGHTS,
            sys.executable, str(TRAINER), "--home", str(self.homes[i - 1].root),
            "--folder", str(self.folder(i)), "--study", STUDY_NAME, "--mb", str(self.mb),
            "--pause", str(self.pause_s * site.slowness), *paced,
        ]  # fmt: skip
        with self._acting:
            self.children.start_command(f"trainer {i}", command, log)
            self.expected[f"trainer {i}"] = True

    def end(self, name: str) -> None:
        """Kill a process and keep it down."""
        with self._acting, contextlib.suppress(KeyError):
            self.expected[name] = False
            self.children.kill(name)

    def power_off(self, i: int) -> None:
        """Everything on host i is gone at once, its proxies as well."""
        for name in (f"node {i}", f"trainer {i}", f"delay {i} 7400", f"delay {i} 7401"):
            self.end(name)

    def power_on(self, i: int) -> None:
        """What a host starts when it boots."""
        self.delay_ms = self.sites[i - 1].round_trip_ms / 2
        for port in (7400, 7401):
            self._delay(i, port)
        self.up(i)
        self.train(i)

    def supervise(self) -> None:
        """Start what has failed again, a while after."""
        with self._acting:
            for name, is_expected in list(self.expected.items()):
                code = self.children.ended(name) if is_expected else None
                if code is None:
                    continue
                if code == 0 and name.startswith("trainer"):
                    self.expected[name] = False  # the study is over
                elif time.monotonic() > self._ended.setdefault(name, time.monotonic()) + RESTART_S:
                    del self._ended[name]
                    self._start_again(name, code)

    def _start_again(self, name: str, code: int) -> None:
        if code == PERSON_NEEDED:
            self.by_hand.append(f"{name} ended with exit code 2: {self._last_line(name)}")
        self.restarts[name] = self.restarts.get(name, 0) + 1
        kind, _, i = name.partition(" ")
        (self.up if kind == "node" else self.train)(int(i))

    def _last_line(self, name: str) -> str:
        kind, _, i = name.partition(" ")
        lines = self.said(int(i), 0, kind).strip().splitlines()
        return lines[-1] if lines else ""

    # looking

    @contextlib.contextmanager
    def within(self, i: int) -> Iterator[None]:
        """Let this thread be on host i."""
        with open("/proc/thread-self/ns/net") as own, open(f"/var/run/netns/{self.space(i)}") as of:
            _enter(of.fileno())
            try:
                yield
            finally:
                _enter(own.fileno())

    def status(self, i: int) -> dict[str, Any]:
        """What `swarmhub status --json` says at host i; nothing if no node answers."""
        try:
            with self.within(i):
                return ask_status(self.homes[i - 1].root)
        except SwarmhubError:
            return {}

    def ask_doctor(self, i: int, of: int) -> None:
        """Have the doctor at host i look, for the log "doctor" of host `of`."""
        command = ["ip", "netns", "exec", self.space(i), sys.executable, "-m", "swarmhub", "doctor",
                   "--home", str(self.homes[i - 1].root)]  # fmt: skip
        with (self.homes[of - 1].root / "logs" / "doctor.log").open("ab") as log:
            environment = {**os.environ, **self.variables(i)}
            subprocess.run(command, stdout=log, stderr=log, env=environment, check=False)

    def length(self, i: int, log: str) -> int:
        """Bytes of a log ("node" or "trainer") so far."""
        path = self.homes[i - 1].root / "logs" / f"{log}.log"
        return path.stat().st_size if path.exists() else 0

    def said(self, i: int, since: int, log: str = "node") -> str:
        """What a log has said since it had so many bytes."""
        path = self.homes[i - 1].root / "logs" / f"{log}.log"
        return path.read_bytes()[since:].decode("utf-8", "replace") if path.exists() else ""

    def blocks(self, after: int) -> list[Committed]:
        """The blocks after a height that the observer has on disk."""
        store = Store.open(self.homes[OBSERVER - 1].engine_path / STATE_FILE)
        try:
            return store.blocks(after + 1, 1 << 60)
        finally:
            store.close()

    def place(self) -> tuple[int, str, int]:
        """Number, phase and turn of the open round, as the observer has it."""
        state = self.state(OBSERVER)
        r = ROUND.get(state, STUDY_NAME)
        return (r.number, r.phase, r.turn if r.kind == "train" else 0) if r else (0, "", 0)

    def leader(self) -> int:
        """The host that leads the open round, as the observer has it; 0 if none does."""
        r = ROUND.get(self.state(OBSERVER), STUDY_NAME)
        return (get_leader(r) or 0) if r and is_led(r) else 0

    def is_over(self) -> bool:
        """Whether the study has ended, as the observer has it."""
        study = STUDY.get(self.state(OBSERVER), STUDY_NAME)
        return study is not None and study.is_over

    def final_bytes(self, i: int) -> str:
        """Digest of the newest settled model's bytes as host i holds them; "" if it does not."""
        study = STUDY.get(self.state(i), STUDY_NAME)
        if study is None or study.current is None:
            return ""
        path = self.homes[i - 1].blobs_path / f"{study.current.digest}.bin"
        if not path.exists():
            return ""
        done = subprocess.run(["sha256sum", str(path)], capture_output=True, text=True, check=True)
        return done.stdout.split()[0]


def _enter(fd: int) -> None:
    if _libc.setns(fd, CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
