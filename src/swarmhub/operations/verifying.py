"""The verification of a home's ledger, as pages and REST start it and show it.

It runs in a process of its own, `swarmhub ledger verify`, and says in a file of the home how far it
is. One runs at a time; it ends with the node that has started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import IO, Any, Literal

from swarmhub import codec
from swarmhub.clock import wall_clock_ms
from swarmhub.errors import Malformed, SwarmhubError, plain
from swarmhub.files import lock, write_whole
from swarmhub.home.home import Home
from swarmhub.node import parent_watch
from swarmhub.operations.looks import Seen
from swarmhub.operations.record import Verified, verify
from swarmhub.types import Digest

TELL_S = 0.5  # between two notes of how far it is
MAX_BYTES = 1 << 16
LOCK_TRIES, LOCK_PAUSE_S = 5, 0.02

log = logging.getLogger("swarmhub.verify")


@dataclass(frozen=True)
class Verification:
    """The newest verification of the ledger. `state`: none yet, under way, every block holds, one
    does not (`said` names it), or it was stopped. `height` is the newest block that holds, `tip`
    the newest of the ledger; times are by this machine's clock, 0 if there is none."""

    state: Literal["never", "running", "holds", "fails", "stopped"] = "never"
    height: int = 0
    tip: int = 0
    blocks: int = 0
    transactions: int = 0
    head: Digest = ""
    genesis: Digest = ""
    said: str = ""
    began_ms: int = 0
    ended_ms: int = 0


def verify_home(home: Home) -> Verified:
    """Verify the home's ledger (`record.verify`), and note the course of it in the home, unless
    another process does so at the moment or the home cannot be written."""
    with contextlib.ExitStack() as stack:
        held = _take_turn(home)
        if held is None:
            return verify(None, home.root)
        stack.callback(held.close)
        return _verify_noting(home)


def _take_turn(home: Home) -> IO[Any] | None:
    """Return the lock of the process that notes; None if another has it for longer than the
    instant in which a page looks."""
    for _ in range(LOCK_TRIES):
        with contextlib.suppress(OSError):
            held = lock(home.run_path("verify.lock"))
            if held is not None:
                return held
        time.sleep(LOCK_PAUSE_S)
    return None


def _verify_noting(home: Home) -> Verified:
    noted = Verification("running", began_ms=wall_clock_ms())
    _note(home, noted)
    last_s, height = time.monotonic(), 0

    def tell(reached: int) -> None:
        nonlocal last_s, height
        height = reached
        if time.monotonic() - last_s >= TELL_S:
            last_s = time.monotonic()
            _note(home, replace(noted, height=reached))

    try:
        found = verify(None, home.root, tell)
    except SwarmhubError as error:
        failed = replace(noted, state="fails", height=height, said=plain(error, 1000))
        _note(home, replace(failed, ended_ms=wall_clock_ms()))
        raise
    _note(home, Verification(
        "holds", height, 0, found.blocks, found.transactions, found.head, found.genesis, "",
        noted.began_ms, wall_clock_ms(),
    ))  # fmt: skip
    return found


def _note(home: Home, found: Verification) -> None:
    try:
        write_whole(home.state_path("verified.json"), codec.pack(found))
    except OSError as error:
        log.warning("the course of the verification cannot be noted: %s", error)


def read_verification(home: Home) -> Verification:
    """Return the newest verification of a home's ledger."""
    try:
        with home.state_path("verified.json").open("rb") as file:
            found = codec.unpack(Verification, file.read(MAX_BYTES + 1), MAX_BYTES)
    except (OSError, Malformed):
        return Verification()
    if found.state == "running" and not _is_running(home):
        return replace(found, state="stopped")
    return found


def _is_running(home: Home) -> bool:
    try:
        held = lock(home.run_path("verify.lock"))
    except OSError:
        return True
    if held is None:
        return True
    held.close()
    return False


def look_at_verification(seen: Seen) -> Verification:
    """Return the newest verification, beside the newest block of the ledger."""
    return replace(read_verification(seen.home), tip=seen.view.ledger.tip.height)


class Verifier:
    """The verifications that this process starts: one at a time."""

    def __init__(self) -> None:
        self._work: asyncio.Task[None] | None = None

    async def start(self, home: Home) -> Verification:
        """Start a verification unless one runs; return as soon as it has begun."""
        if self._work is None or self._work.done():
            begun = asyncio.Event()
            self._work = asyncio.create_task(self._run(home, begun.set))
            await begun.wait()
        return read_verification(home)

    async def _run(self, home: Home, begun: Callable[[], None]) -> None:
        reading, writing = os.pipe()
        before = read_verification(home)
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "swarmhub", "ledger", "verify", "--home", str(home.root),
                pass_fds=(reading,), env={**os.environ, parent_watch.VARIABLE: str(reading)},
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            ending = asyncio.create_task(process.wait())
            while not ending.done() and read_verification(home) == before:
                await asyncio.wait([ending], timeout=0.05)
            begun()
            await ending
        finally:
            begun()
            os.close(reading)
            os.close(writing)


verifier = Verifier()
