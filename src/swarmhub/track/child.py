"""The tracker as a process beside the node."""

from __future__ import annotations

import logging

from swarmhub.home.home import Home
from swarmhub.node.beside import BesideNode


def make_track_child(home: Home) -> BesideNode:
    """Return the tracker of a home, which runs if node.toml has `track`."""
    return BesideNode(
        "tracker",
        ["track", "--home", str(home.root)],
        lambda: bool(home.config.track),
        logging.getLogger("swarmhub.track"),
        reports=True,
    )
