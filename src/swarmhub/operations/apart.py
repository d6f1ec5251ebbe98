"""Work that takes long or much memory, carried out by a process of its own beside the node's loop.

The process (`works`) reads one JSON object from its standard input and writes one to its standard
output; it ends with the process that has started it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from typing import Any

from swarmhub import codec
from swarmhub.codec import Json
from swarmhub.errors import BadInput
from swarmhub.home.home import Home
from swarmhub.node.parent_watch import VARIABLE
from swarmhub.operations.acting import name_person

MOST_AT_ONCE = 2
WORK_S = 600.0
MODULE = "swarmhub.operations.works"
FAILED = "The work has failed at the node; the node's log says more."

_running = 0


async def work_apart(name: str, home: Home, given: Any, patience_s: float = WORK_S) -> Json:
    """Have a work (`works.WORKS`) carried out for the present person; return its result. Raises
    BadInput with its sentence, if it takes too long, or if MOST_AT_ONCE are under way."""
    global _running
    if _running >= MOST_AT_ONCE:
        raise BadInput(
            f"This node is at work on {_running} results already; ask again when they are there."
        )
    asked = {
        "work": name, "home": str(home.root), "arguments": codec.to_json(given),
        "person": name_person(),
    }  # fmt: skip
    _running += 1
    try:
        async with asyncio.timeout(patience_s):
            out = await _run(codec.encode(asked))
    except TimeoutError:
        raise BadInput(
            f"It took more than {patience_s / 60:.0f} minutes, and was given up; take the command "
            "for it, on this machine."
        ) from None
    finally:
        _running -= 1
    try:
        found = json.loads(out)
    except ValueError:
        raise BadInput(FAILED) from None
    if "error" in found:
        raise BadInput(str(found["error"]))
    result: Json = found["result"]
    return result


async def _run(asked: bytes) -> bytes:
    reading, writing = os.pipe()
    process = None
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", MODULE,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, pass_fds=(reading,),
            env={**os.environ, VARIABLE: str(reading)}, start_new_session=True,
        )  # fmt: skip
        out, _ = await process.communicate(asked)
        return out
    finally:
        os.close(reading)
        os.close(writing)
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
