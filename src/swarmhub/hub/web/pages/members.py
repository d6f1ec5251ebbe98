"""Members: names, keys, last contributions, open motions, invitations."""

from __future__ import annotations

from aiohttp import web

from swarmhub.home.rotation import ROTATABLE
from swarmhub.hub.context import HUB
from swarmhub.hub.web.site import draw
from swarmhub.operations.looks import look_at_motions
from swarmhub.operations.member_looks import look_at_members


def add_routes(app: web.Application, prefix: str) -> None:
    """Add the routes."""
    app.router.add_get(f"{prefix}/members", show)


async def show(request: web.Request) -> web.Response:
    """The page."""
    seen = request.app[HUB].seen()
    return draw(
        request, "members.html", members=look_at_members(seen), motions=look_at_motions(seen),
        rotatable=ROTATABLE,
    )  # fmt: skip
