"""The engine: CometBFT as a child process, and the socket for requests.

It talks to this node over two unix sockets in its folder (ABCI and RPC) and to the engines of other
members over one TCP port.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import re
import signal
import socket
import subprocess
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import IO

from swarmhub.errors import BadInput, LedgerError
from swarmhub.files import is_passing
from swarmhub.ledger.cometbft.binary import check_version, find_binary
from swarmhub.ledger.cometbft.engine_files import write_files
from swarmhub.ledger.cometbft.rpc import Rpc
from swarmhub.ledger.cometbft.settings import LOG_FILE, RPC_SOCKET, Entry, Settings
from swarmhub.ledger.database import SHORTAGE_PAUSE_S

STOP_S = 5.0
MAX_LOG_BYTES = 16 << 20
MAX_LINE = 4096  # of its output, if a line does not end
STEADY_S = 60.0  # an engine that has run for so long may be restarted at once
RESTARTS = 5  # limit for one that has not
PR_SET_PDEATHSIG = 1
# Go's messages if this machine has no space or no descriptors
SHORTAGES = ("no space left on device", "disk quota exceeded", "too many open files")
# the engine then hangs, and does not end by itself
GIVEN_UP = re.compile(r"E\[[^]]*\] CONSENSUS FAILURE!!!")
MARKS = ("ERROR", "panic:", "E[")
log = logging.getLogger("swarmhub.engine")


class Engine:
    """The child process; restarted if it ends without being told to."""

    def __init__(
        self,
        settings: Settings,
        on_failure: Callable[[LedgerError], None],
        on_again: Callable[[], None] = lambda: None,
        on_trouble: Callable[[LedgerError], None] = lambda error: None,
    ) -> None:
        self.settings = settings
        self.folder = settings.folder
        self.rpc = Rpc(settings.folder / RPC_SOCKET)
        self._on_failure = on_failure
        self._on_again = on_again  # called after a restart, which loses its mempool
        self._on_trouble = on_trouble  # called at every shortage of this machine
        self._child: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None
        self._wanted = False  # whether its end is wanted
        self._said = ""  # its last error
        self._shortage = ""  # the shortage that it has reported

    async def start(
        self,
        peers: Callable[[], Sequence[str]],
        verbose: bool = False,
        entry: Callable[[], Entry | None] = lambda: None,
    ) -> None:
        """Start it. `peers` and `entry` are called at each start: its peers, and how it begins if
        it has no block yet."""
        binary = find_binary()
        await asyncio.to_thread(check_version, binary)
        check_port(self.settings.listen)

        async def spawn() -> None:
            await self._spawn(binary, peers(), verbose, entry())

        await spawn()
        self._watch = asyncio.create_task(self._keep_up(spawn))

    async def _spawn(
        self, binary: Path, peers: Sequence[str], verbose: bool, entry: Entry | None
    ) -> None:
        await asyncio.to_thread(write_files, self.settings, peers, verbose, entry)
        (self.folder / RPC_SOCKET).unlink(missing_ok=True)
        path = self.folder / LOG_FILE
        if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        kept = path.open("ab", buffering=0)
        try:
            self._child = await asyncio.create_subprocess_exec(
                binary, "start", "--home", str(self.folder), cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                start_new_session=True, preexec_fn=_die_with_parent,
            )  # fmt: skip
        except BaseException:
            kept.close()
            raise
        self._said, self._shortage = "", ""
        self._listening = asyncio.create_task(self._listen(self._child, kept))

    async def _keep_up(self, spawn: Callable[[], Awaitable[None]]) -> None:
        try:
            await self._start_again_and_again(spawn)
        except BadInput as error:
            self._on_failure(LedgerError(str(error)))
        except Exception as error:  # the node ends with a sentence
            log.exception("the engine is not looked after any more")
            self._on_failure(LedgerError(f"CometBFT cannot be started again ({error})."))

    async def _start_again_and_again(self, spawn: Callable[[], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            started = loop.time()
            assert self._child is not None
            code = await self._child.wait()
            if self._listening is not None:
                await self._listening  # for its last output
            if self._wanted or loop.time() - started > STEADY_S:
                failures, self._wanted = 0, False
            else:
                failures += 1
            if failures and self._shortage:
                failures = 0
                self._on_trouble(
                    LedgerError(f"CometBFT ended ({self._shortage}); it is started again.")
                )
                await asyncio.sleep(SHORTAGE_PAUSE_S)
            if failures > RESTARTS:
                self._on_failure(
                    LedgerError(
                        f"CometBFT ends again and again (exit code {code}): {self.last_words()} "
                        f"(log: {self.folder / LOG_FILE})."
                    )
                )
                return
            if failures:
                await asyncio.sleep(min(0.2 * 2**failures, 5.0))
            await self._spawn_when_possible(spawn)
            self._on_again()

    async def _spawn_when_possible(self, spawn: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await spawn()
            except OSError as error:
                if not is_passing(error):
                    raise
                self._on_trouble(LedgerError(f"CometBFT cannot be started now ({error})."))
            await asyncio.sleep(SHORTAGE_PAUSE_S)

    def restart(self) -> None:
        """Restart it, with its present peers."""
        if self._child is not None and self._child.returncode is None:
            self._wanted = True
            with contextlib.suppress(ProcessLookupError):
                self._child.send_signal(signal.SIGTERM)
            asyncio.get_running_loop().call_later(STOP_S, self._kill, self._child)

    def kill(self) -> None:
        """Kill it before it does anything more; it is restarted at once."""
        if self._child is not None and self._child.returncode is None:
            self._wanted = True
            with contextlib.suppress(ProcessLookupError):
                self._child.kill()

    def _kill(self, child: asyncio.subprocess.Process) -> None:
        """Kill a process that hangs although it was asked to end or has failed."""
        if child.returncode is None:
            log.warning("CometBFT hangs; it is killed")
            with contextlib.suppress(ProcessLookupError):
                child.kill()

    def last_words(self) -> str:
        """The last error that it has logged, for people."""
        return self._said or "it said nothing"

    async def _listen(self, child: asyncio.subprocess.Process, kept: IO[bytes]) -> None:
        """Copy the engine's output into its own log and into the node's."""
        assert child.stdout is not None
        rest = ""
        with kept:
            while piece := await child.stdout.read(1 << 16):
                with contextlib.suppress(OSError):  # a full disk must not block the engine
                    kept.write(piece)
                *lines, rest = (rest + piece.decode("utf-8", "replace")).split("\n")
                rest = rest[-MAX_LINE:]
                for line in lines:
                    self._hear(line, child)
        if rest:
            self._hear(rest, child)

    def _hear(self, line: str, child: asyncio.subprocess.Process) -> None:
        log.info("%s", line)
        is_error = line.startswith(MARKS)
        if is_error or not self._said.startswith(MARKS):
            self._said = line.strip()[:300] or self._said
        if is_error:
            self._shortage = next((words for words in SHORTAGES if words in line), self._shortage)
        if GIVEN_UP.match(line):
            self._kill(child)  # it is then restarted

    @property
    def pid(self) -> int | None:
        """Process id of the child."""
        return self._child.pid if self._child else None

    async def stop(self) -> None:
        """Ask it to end, then kill it."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        await self.rpc.close()
        child = self._child
        if child is not None and child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(STOP_S):
                    await child.wait()
            except TimeoutError:
                child.kill()
                await child.wait()
        if self._listening is not None:
            await self._listening


def check_port(listen: str) -> None:
    """Raise LedgerError if the port cannot be listened on: the engine would end without a clear
    message."""
    host, _, port = listen.rpartition(":")
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host.strip("[]"), int(port)))
    except OSError as error:
        raise LedgerError(
            f"Cannot listen on {listen} for the ledger ({error.strerror or error}); stop what uses "
            "the port, or change ledger_listen in node.toml."
        ) from None


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
