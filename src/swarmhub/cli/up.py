"""`swarmhub up`: run this hospital's node until it is told to stop."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from swarmhub import failpoints, logs
from swarmhub.errors import SwarmhubError

if TYPE_CHECKING:
    from swarmhub.home.home import Home


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Print a usage error in one line; exit code 2."""
        logs.say(f"{message[:1].upper()}{message[1:]}. See '{self.prog} --help'.")
        sys.exit(2)


def main(arguments: list[str]) -> int:
    """Run a node; the exit code is 2, with one sentence, if it cannot start or continue."""
    parser = _Parser(
        prog="swarmhub up", description="Run this hospital's node.", allow_abbrev=False
    )
    default = os.environ.get("SWARMHUB_HOME", str(Path.home() / ".swarmhub"))
    parser.add_argument("--home", type=Path, default=Path(default), help="the node's home")
    parser.add_argument("--verbose", action="store_true", help="log every step")
    options = parser.parse_args(arguments)
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it logs peers' failed handshakes
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)
    try:
        logs.set_up(logging.DEBUG if options.verbose else logging.INFO)
        failpoints.arm()
        asyncio.run(_run(options.home, options.verbose))
    except SwarmhubError as error:
        logs.say(str(error))
        return 2
    except OSError as error:
        logs.say(
            f"{error.strerror or error} ({error.filename or 'system'}); "
            "check the path, its permissions and the disk."
        )
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


async def _run(root: Path, verbose: bool) -> None:
    from swarmhub.home.home import Home
    from swarmhub.hub.child import make_hub_child
    from swarmhub.node.service import Node
    from swarmhub.track.child import make_track_child

    home = Home.open(root)
    if home.config.log_format:
        logs.set_up(logging.DEBUG if verbose else logging.INFO, home.config.log_format)

    # Imported modules stay in memory. Frozen, they do not count, so the garbage collector makes a
    # full pass as soon as there is a quarter of what the node itself holds.
    gc.collect()
    gc.freeze()
    loop = asyncio.get_running_loop()
    again, beside = True, (make_hub_child(home), make_track_child(home))
    try:
        while again:  # a node with rotated keys restarts
            node = Node(Home.open(root), verbose, _perform, beside)
            for name in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(name, node.stopping.set)
            await node.run()
            again = node.renewed
    finally:
        for process in beside:
            await process.close()


async def _perform(home: Home, act: str, arguments: Any, person: str) -> Any:
    """Carry out an act for a person. Its modules are loaded then: most nodes never need them."""
    from swarmhub.operations.acts import perform

    return await perform(home, act, arguments, person)
