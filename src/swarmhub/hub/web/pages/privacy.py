"""Measured leakage: attacks on a study's model, with the patients that this hospital trained on."""

from __future__ import annotations

from aiohttp import web

from swarmhub.hub.auth.guard import need_role
from swarmhub.hub.context import HUB
from swarmhub.hub.web.pages.studies import list_held
from swarmhub.hub.web.site import draw
from swarmhub.operations.data_files import list_files


def add_routes(app: web.Application, prefix: str) -> None:
    """Add the routes."""
    app.router.add_get(f"{prefix}/studies/{{study}}/privacy", show)


async def show(request: web.Request) -> web.Response:
    """The page: which model, which files."""
    need_role(request, "researcher")
    hub, name = request.app[HUB], request.match_info["study"]
    seen = hub.seen()
    study = seen.view.need_study(name)
    return draw(
        request, "privacy.html", study=study, title=seen.view.need_spec(name).title or name,
        models=list_held(seen, study), chosen=request.query.get("model", "")[:64],
        files=list_files(hub.home),
    )  # fmt: skip
