"""The hub as a child of the node's process: started, watched, started again, ended with it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys

from swarmhub.home.config import HUB_OFF
from swarmhub.home.home import Home
from swarmhub.node.parent_watch import VARIABLE

AGAIN_S = (1.0, 2.0, 5.0, 15.0, 60.0)  # before the next start, after the first, second, ... end
END_S = 5.0
SWITCH = "SWARMHUB_HUB"  # "off": no hub beside this node

log = logging.getLogger("swarmhub.hub")


class HubChild:
    """The hub's process beside a node. `start` returns at once."""

    def __init__(self, home: Home, verbose: bool = False) -> None:
        self._home, self._verbose = home, verbose
        self._task: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None

    def start(self) -> None:
        """Start the hub unless node.toml, or the environment (for tests), turns it off."""
        is_off = HUB_OFF in (self._home.config.hub_listen, os.environ.get(SWITCH))
        if not is_off and self._task is None:
            self._task = asyncio.create_task(self._keep_up())

    async def close(self) -> None:
        """End the hub."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        process = self._process
        if process is not None and process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(END_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()

    async def _keep_up(self) -> None:
        ended = 0
        while True:
            began = asyncio.get_running_loop().time()
            code = await self._run()
            if code == 2:  # its sentence says what has to be changed
                log.error("the hub does not run; 'swarmhub up' starts it again after the change")
                return
            if asyncio.get_running_loop().time() - began > AGAIN_S[-1]:
                ended = 0
            pause_s = AGAIN_S[min(ended, len(AGAIN_S) - 1)]
            log.warning("the hub has ended (exit code %s); it starts again in %g s", code, pause_s)
            ended += 1
            await asyncio.sleep(pause_s)

    async def _run(self) -> int | None:
        reading, writing = os.pipe()
        try:
            command = [sys.executable, "-m", "swarmhub", "hub", "serve"]
            command += ["--home", str(self._home.root)]
            self._process = await asyncio.create_subprocess_exec(
                *command, pass_fds=(reading,), env={**os.environ, VARIABLE: str(reading)},
                start_new_session=True,  # Ctrl-C is for the node, which ends it
            )  # fmt: skip
            os.close(reading)
            reading = -1
            return await self._process.wait()
        finally:
            if reading >= 0:
                os.close(reading)
            os.close(writing)
