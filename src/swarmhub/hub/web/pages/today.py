"""Today: what needs this hospital's people, and what waits for others."""

from __future__ import annotations

from aiohttp import web

from swarmhub.errors import HomeError
from swarmhub.hub.context import HUB
from swarmhub.hub.web.site import draw
from swarmhub.operations.looks import look_at_today


def add_routes(app: web.Application, prefix: str) -> None:
    """Add the routes."""
    app.router.add_get(f"{prefix}/", show)


async def show(request: web.Request) -> web.Response:
    """The page."""
    hub = request.app[HUB]
    try:
        status = await hub.node.status()
        problems, said = status["problems"], "" if status["well"] else status["said"]
    except HomeError as error:
        problems, said = [], str(error)
    return draw(
        request, "today.html", today=look_at_today(hub.seen()), problems=problems, standing=said
    )
