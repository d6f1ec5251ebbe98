"""The figures of a node's connections, as its home keeps them: for pages, commands, the next run.

The file is a convenience: if it is missing or damaged, nothing is measured yet.
"""

from __future__ import annotations

from dataclasses import dataclass

from swarmhub import codec
from swarmhub.errors import Malformed
from swarmhub.files import write_whole
from swarmhub.home.home import Home
from swarmhub.transport.links import Link

MAX_BYTES = 1 << 20  # a consortium has at most 1,000 members


@dataclass(frozen=True)
class Saved:
    """The links of one chain."""

    chain: str
    links: tuple[Link, ...]


def load_links(home: Home, chain: str) -> tuple[Link, ...]:
    """Return the links that the home keeps; none if there are none of this chain."""
    try:
        with home.state_path("links.json").open("rb") as file:
            found = codec.unpack(Saved, file.read(MAX_BYTES + 1), MAX_BYTES)
    except (OSError, Malformed):
        return ()
    return found.links if found.chain == chain else ()


def save_links(home: Home, chain: str, links: tuple[Link, ...]) -> None:
    """Store the links. Not synced: after a power cut older ones may be read."""
    write_whole(home.state_path("links.json"), codec.pack(Saved(chain, links)))
