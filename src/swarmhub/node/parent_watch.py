"""Termination of a child process when its parent process ends, for whatever reason."""

from __future__ import annotations

import os
import threading

VARIABLE = "SWARMHUB_LIFELINE"


def hold() -> None:
    """Watch this process's lifeline pipe, if it was given one."""
    number = os.environ.get(VARIABLE, "")
    if number.isdecimal():
        threading.Thread(target=_wait, args=(int(number),), daemon=True).start()


def _wait(fd: int) -> None:
    try:
        while os.read(fd, 1):
            pass
    except OSError:
        return
    os._exit(143)
