"""`swarmhub track`: the tracker's process, which the node starts."""

from __future__ import annotations

import argparse
import asyncio
import logging
from pathlib import Path

from swarmhub import logs


def main(arguments: list[str]) -> int:
    """Write settled rounds to the home's tracker until this process is ended."""
    from swarmhub.home.home import Home
    from swarmhub.track.process import serve, take_stdout

    parser = argparse.ArgumentParser(prog="swarmhub track", allow_abbrev=False)
    parser.add_argument("--home", type=Path, required=True)
    options = parser.parse_args(arguments)
    logs.set_up(logging.INFO)
    asyncio.run(serve(Home.open(options.home), take_stdout()))
    return 0
