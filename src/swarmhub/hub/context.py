"""The parts that a whole hub shares."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from swarmhub.codec import Json
from swarmhub.home.home import Home
from swarmhub.hub.acts import NodeApi
from swarmhub.hub.auth.links import Links
from swarmhub.hub.auth.sessions import Attempts, Sessions
from swarmhub.hub.auth.users import Users
from swarmhub.hub.watching import Watching
from swarmhub.operations.looks import Seen


@dataclass(frozen=True)
class Place:
    """The address of a hub: `names` are hosts of its address in browsers, beside those of the
    loopback; `prefix` is the path before all of its paths, "" or "/hub"; `user_header` names the
    header in which a trusted proxy names the user, "" if there is none."""

    host: str
    port: int
    names: tuple[str, ...] = ()
    prefix: str = ""
    user_header: str = ""


@dataclass(frozen=True)
class Hub:
    """A hospital's hub."""

    home: Home
    place: Place
    watching: Watching
    node: NodeApi
    users: Users
    links: Links
    sessions: Sessions = field(default_factory=Sessions)
    attempts: Attempts = field(default_factory=Attempts)

    async def act(self, name: str, arguments: Any, person: str) -> Json:
        """Have an act carried out by the node; return its result once the pages show it."""
        found, height = await self.node.act(name, arguments, person)
        await self.watching.reach(height)
        return found

    def seen(self) -> Seen:
        """Return what there is to look at now. Raises HomeError while the ledger is not open."""
        return Seen(self.home, self.watching.need_view(), self.watching.model)


HUB = web.AppKey("hub", Hub)


def users_of(home: Home) -> Users:
    """Return the users of a home."""
    return Users(home.state_path("hub-users.json"))


def links_of(home: Home) -> Links:
    """Return the unused links of a home."""
    return Links(home.state_path("hub-links"))


def open_hub(home: Home, place: Place) -> Hub:
    """Return the hub of a home, which does not listen yet."""
    return Hub(home, place, Watching(home), NodeApi(home), users_of(home), links_of(home))
