"""Real processes at the price of a fork, which can be told in mid-life at which moment to die.

Starting Python and importing a node takes most of a second of work, executing the ledger and
opening the doors a few hundredths. So a campaign has one process import everything and fork the
others from it (multiprocessing's forkserver): each has a process id, memory, descriptors and locks
of its own and runs the same `swarmhub up` or trainer script as ever. A thread in each waits for
orders: the name of a moment (see `swarmhub.failpoints`) arms it. When the campaign dies, all do.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import runpy
import signal
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from swarmhub import failpoints

PRELOADED = ["forkserver", "swarmhub.cli.up", "swarmhub.node.service", "swarmhub.train.session"]


class ForkServer:
    """Children by name; stands in for `Processes` in a `LocalSwarm`."""

    def __init__(self) -> None:
        here = str(Path(__file__).parent)
        os.environ["PYTHONPATH"] = os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])
        os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["__main__", *PRELOADED])
        self._running: dict[str, tuple[BaseProcess, Connection]] = {}

    def start(self, name: str, arguments: list[str], log: Path, **variables: str) -> int:
        """Run `swarmhub ARGUMENTS`; returns its process id."""
        return self._start(name, arguments, log, variables)

    def start_command(self, name: str, command: list[str], log: Path, **variables: str) -> int:
        """Run a Python script (`command` starts with the interpreter)."""
        return self._start(name, command[1:], log, variables)

    def _start(self, name: str, command: list[str], log: Path, variables: dict[str, str]) -> int:
        theirs, ours = self._context.Pipe(duplex=False)
        child = self._context.Process(
            target=_live, args=(command, str(log), variables, theirs), daemon=True
        )
        child.start()
        theirs.close()
        self._running[name] = (child, ours)
        assert child.pid is not None
        return child.pid

    def arm(self, name: str, moment: str) -> None:
        """Have it die when it next reaches the moment; "" disarms."""
        with contextlib.suppress(OSError):  # it has died by now
            self._running[name][1].send(moment)

    def sentinel(self, name: str) -> int:
        """A descriptor that becomes readable when the child ends."""
        return self._running[name][0].sentinel

    def pid(self, name: str) -> int | None:
        """Its process id."""
        return self._running[name][0].pid

    def take(self, name: str) -> int | None:
        """The exit code of a child that has ended, which is forgotten with that."""
        child, line = self._running.pop(name)
        child.join()
        line.close()
        return child.exitcode

    def kill(self, name: str) -> None:
        """kill -9."""
        self._running[name][0].kill()

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal."""
        pid = self.pid(name)
        if pid is not None:
            os.kill(pid, number)

    def is_running(self, name: str) -> bool:
        """Whether the child has not ended."""
        return name in self._running and self._running[name][0].is_alive()

    def check(self) -> None:
        """Deaths are what a campaign is about: it looks at exit codes itself."""

    def stop(self, prefix: str = "") -> None:
        """End all children whose names begin so."""
        names = [n for n in self._running if n.startswith(prefix)]
        for name in names:
            self.kill(name)
        for name in names:
            self.take(name)


class Ward:
    """A part of a forkserver whose children have names of their own: one for each swarm."""

    def __init__(self, forkserver: ForkServer, prefix: str) -> None:
        self._nursery, self._prefix = forkserver, prefix

    def __getattr__(self, method: str) -> Callable[..., object]:
        its = getattr(self._nursery, method)
        if method == "check":
            return its  # type: ignore[no-any-return]
        return lambda name="", *rest, **named: its(self._prefix + name, *rest, **named)


def _live(command: list[str], log: str, variables: dict[str, str], orders: Connection) -> None:
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for fd in (1, 2):
        os.dup2(out, fd)
    os.environ.update(variables)
    failpoints.arm()
    threading.Thread(target=_obey, args=(orders,), daemon=True).start()
    sys.argv = command
    if command[0] == "up":
        from swarmhub.cli.up import main

        sys.exit(main(command[1:]))
    runpy.run_path(command[0], run_name="__main__")


def _obey(orders: Connection) -> None:
    try:
        while True:
            failpoints.arm(orders.recv())
    except EOFError:  # nobody is there any more
        os._exit(143)
