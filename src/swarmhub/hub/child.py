"""The hub as a process beside the node."""

from __future__ import annotations

import logging
import os

from swarmhub.home.config import HUB_OFF
from swarmhub.home.home import Home
from swarmhub.node.beside import BesideNode

SWITCH = "SWARMHUB_HUB"  # "off": no hub beside this node


def make_hub_child(home: Home) -> BesideNode:
    """Return the hub of a home, which runs unless node.toml, or the environment (for tests), turns
    it off."""

    def is_wanted() -> bool:
        return HUB_OFF not in (home.config.hub_listen, os.environ.get(SWITCH))

    command = ["hub", "serve", "--home", str(home.root)]
    return BesideNode("hub", command, is_wanted, logging.getLogger("swarmhub.hub"))
