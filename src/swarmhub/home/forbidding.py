"""Processes beside the node that have no use for its keys."""

from __future__ import annotations

import errno
import os
import sys
from typing import Any

from swarmhub.home.home import Home

KEYS = "keys"


def forbid_keys(home: Home, subject: str = "The hub") -> None:
    """Forbid this process to open a file among the home's keys, from now on. `subject` is the
    process in the error."""
    keys = os.path.realpath(home.root / KEYS) + os.sep

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
            path = os.path.realpath(os.fsdecode(arguments[0]))
            if path.startswith(keys):
                raise PermissionError(errno.EACCES, f"{subject} opens no key", path)

    sys.addaudithook(look)
