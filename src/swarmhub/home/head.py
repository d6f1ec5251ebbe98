"""The last head of the ledger that a node saw, kept outside the ledger's file: it shows whether
that was rolled back."""

from __future__ import annotations

import logging

from swarmhub import codec
from swarmhub.errors import BadInput, HomeError
from swarmhub.failpoints import failpoint
from swarmhub.files import seal, unseal, write_whole
from swarmhub.home.home import Home

log = logging.getLogger("swarmhub.home")


def load_head(home: Home) -> tuple[int, str] | None:
    """Return the last (height, block id) that this node saw, kept outside the ledger's file.
    Raises HomeError if its file is damaged."""
    path = home.state_path("head")
    try:
        found = codec.parse(unseal(path.read_bytes()) or b"")
        return int(found["height"]), str(found["id"])
    except FileNotFoundError:
        return None
    except (OSError, KeyError, TypeError, ValueError, BadInput):
        raise HomeError(
            f"The file {path} was damaged and is left aside; whether the ledger was rolled "
            "back cannot be told this time."
        ) from None


def load_head_if_whole(home: Home) -> tuple[int, str] | None:
    """Return the same for a command; if the file is damaged, log that and return None."""
    try:
        return load_head(home)
    except HomeError as error:
        log.warning("%s", error)
        return None


def save_head(home: Home, height: int, block: str) -> None:
    """Store the head. Not synced: after a power cut an older head may be read."""
    path = home.state_path("head")
    write_whole(path, seal(codec.encode({"height": height, "id": block})))
    failpoint("head.saved")
