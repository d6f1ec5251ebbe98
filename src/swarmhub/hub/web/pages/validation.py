"""External validation: a model of a study, on patients of this hospital's own."""

from __future__ import annotations

from aiohttp import web

from swarmhub.hub.auth.guard import need_role
from swarmhub.hub.context import HUB
from swarmhub.hub.web.pages.studies import list_held
from swarmhub.hub.web.site import draw
from swarmhub.operations.chosen_model import is_released
from swarmhub.operations.data_files import list_files, list_model_folders


def add_routes(app: web.Application, prefix: str) -> None:
    """Add the routes."""
    app.router.add_get(f"{prefix}/studies/{{study}}/validation", show)


async def show(request: web.Request) -> web.Response:
    """The page: which model, which files."""
    need_role(request, "researcher")
    hub, name = request.app[HUB], request.match_info["study"]
    seen = hub.seen()
    study = seen.view.need_study(name)
    models = [(m, is_released(study, m.digest)) for m in list_held(seen, study)]
    return draw(
        request, "validation.html", study=study, title=seen.view.need_spec(name).title or name,
        models=models, chosen=request.query.get("model", "")[:64], files=list_files(hub.home),
        folders=list_model_folders(hub.home),
    )  # fmt: skip
