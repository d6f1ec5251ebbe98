"""A process beside a node: its child, started, watched, started again, ended with it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence

from swarmhub.node.parent_watch import VARIABLE

AGAIN_S = (1.0, 2.0, 5.0, 15.0, 60.0)  # before the next start, after the first, second, ... end
END_S = 5.0
MAX_REPORT = 2000  # characters of a sentence

Report = Callable[[str, str], None]  # (topic, sentence); "" if there is no problem any more


class BesideNode:
    """One process, a command of swarmhub's, beside a node. `start` returns at once.

    `is_wanted` says whether it is to run at all. With `reports` it tells its problems to the node:
    a line {"problem": sentence} each on its standard output.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        is_wanted: Callable[[], bool],
        log: logging.Logger,
        reports: bool = False,
    ) -> None:
        self.name = name
        self._command, self._is_wanted, self._log = command, is_wanted, log
        self._reports, self._problem = reports, ""
        self._report: Report = lambda topic, sentence: None
        self._task: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def start(self, report: Report = lambda topic, sentence: None) -> None:
        """Start it, if it is wanted and does not run. `report` takes its problems from now on."""
        self._report = report
        if self._problem:
            report(self.name, self._problem)
        if self._is_wanted() and self._task is None:
            self._task = asyncio.create_task(self._keep_up())

    async def close(self) -> None:
        """End it."""
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
                self._log.error(
                    "the %s does not run; 'swarmhub up' starts it again after the change", self.name
                )
                return
            if asyncio.get_running_loop().time() - began > AGAIN_S[-1]:
                ended = 0
            pause_s = AGAIN_S[min(ended, len(AGAIN_S) - 1)]
            self._log.warning(
                "the %s has ended (exit code %s); it starts again in %g s", self.name, code, pause_s
            )
            ended += 1
            await asyncio.sleep(pause_s)

    async def _run(self) -> int | None:
        reading, writing = os.pipe()
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "swarmhub", *self._command,
                pass_fds=(reading,), env={**os.environ, VARIABLE: str(reading)},
                stdout=asyncio.subprocess.PIPE if self._reports else None,
                start_new_session=True,  # Ctrl-C is for the node, which ends it
            )  # fmt: skip
            os.close(reading)
            reading = -1
            await self._hear(self._process.stdout)
            return await self._process.wait()
        finally:
            if reading >= 0:
                os.close(reading)
            os.close(writing)

    async def _hear(self, stdout: asyncio.StreamReader | None) -> None:
        """Pass on what it reports, until it ends."""
        while stdout is not None:
            try:
                line = await stdout.readline()
            except ValueError:  # a line without an end
                continue
            if not line:
                return
            try:
                told = json.loads(line)
                sentence = told["problem"]
            except (ValueError, KeyError, TypeError, RecursionError):
                continue
            if isinstance(sentence, str):
                self._problem = sentence[:MAX_REPORT]
                self._report(self.name, self._problem)
