"""Starting and stopping a demo's processes. None survives, however the demo ends."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from swarmhub import logs
from swarmhub.errors import SwarmhubError
from swarmhub.home.config import HUB_OFF
from swarmhub.hub.child import SWITCH
from swarmhub.node.parent_watch import VARIABLE

STOP_S = 3.0

_given: set[int] = set()  # ports given out


def free_address() -> str:
    """Return a loopback address with a port that is free now, and likely still free when a child
    takes it: it lies below the kernel's ephemeral ports (from 32768 on), and is given out once."""
    while True:
        port = random.randrange(10_000, 32_000)
        if port in _given:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _given.add(port)
            return f"127.0.0.1:{port}"


class Processes:
    """Child processes with a log each; use it in a `with` block."""

    def __init__(self) -> None:
        self._lifeline, self._held = os.pipe()
        os.set_inheritable(self._lifeline, True)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: dict[str, Path] = {}

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_all()
        os.close(self._held)
        os.close(self._lifeline)

    def start(self, name: str, arguments: list[str], log: Path, **variables: str) -> int:
        """Run `swarmhub ARGUMENTS` in the background; returns its process id."""
        command = [sys.executable, "-m", "swarmhub", *arguments]
        return self.start_command(name, command, log, **variables)

    def start_command(self, name: str, command: list[str], log: Path, **variables: str) -> int:
        """Run any command in the background, with more variables in its environment; returns its
        process id."""
        environment = {
            **os.environ,
            VARIABLE: str(self._lifeline),
            SWITCH: HUB_OFF,
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            **variables,
        }
        with log.open("ab") as out:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment,
                pass_fds=(self._lifeline,), start_new_session=True,
            )  # fmt: skip
        self._running[name] = child
        self._logs[name] = log
        return child.pid

    def kill(self, name: str) -> None:
        """Kill a child (SIGKILL)."""
        child = self._running.pop(name)
        child.kill()
        child.wait()

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal."""
        self._running[name].send_signal(number)

    def check(self) -> None:
        """Raise SwarmhubError, with the last line of its log, if a child has failed."""
        for name, child in self._running.items():
            code = child.poll()
            if code not in (None, 0):
                if code < 0:
                    raise SwarmhubError(
                        f"{name} was ended by signal {-code} (log: {self._logs[name]})"
                    )
                lines = self._logs[name].read_text("utf-8", "replace").strip().splitlines()
                last = logs.read_sentence(lines[-1]) if lines else f"exit code {code}"
                raise SwarmhubError(f"{name} stopped: {last} (log: {self._logs[name]})")

    def named_pids(self) -> list[tuple[str, int]]:
        """Return names and process ids of the children."""
        return [(name, child.pid) for name, child in self._running.items()]

    def pids(self) -> list[int]:
        """Return the process ids of the children."""
        return [pid for _, pid in self.named_pids()]

    def is_running(self, name: str) -> bool:
        """Return whether the child still runs."""
        child = self._running.get(name)
        return child is not None and child.poll() is None

    def ended(self, name: str) -> int | None:
        """Return the child's exit code; None while it runs."""
        return self._running[name].poll()

    def stop(self, name: str) -> None:
        """Ask a child to stop, and wait until it has."""
        child = self._running.pop(name)
        child.terminate()
        child.wait(STOP_S)

    def stop_all(self) -> None:
        """Ask all children to stop, then kill them."""
        for child in self._running.values():
            if child.poll() is None:
                child.send_signal(signal.SIGCONT)
                child.terminate()
        end = time.monotonic() + STOP_S
        for child in self._running.values():
            try:
                child.wait(max(0.01, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self._running.clear()
