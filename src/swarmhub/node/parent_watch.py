"""Ends a child process when the process that started it is gone, however it went.

The parent passes the reading end of a pipe and its number in SWARMHUB_LIFELINE; the pipe closes
when the parent dies, kill -9 included.
"""

from __future__ import annotations

import os
import threading

VARIABLE = "SWARMHUB_LIFELINE"


def hold() -> None:
    """Watch the lifeline of this process, if it was given one."""
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
