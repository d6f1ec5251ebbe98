"""The documents of a study: its code, what differs, its ethics document; each as a download."""

from __future__ import annotations

import asyncio

from aiohttp import web

from swarmhub.hub.auth.guard import need_role
from swarmhub.hub.context import HUB
from swarmhub.hub.web.site import draw
from swarmhub.operations.documents import store_of
from swarmhub.operations.documents_page import DocumentBytes, get_document, show_documents
from swarmhub.operations.studies import look_at_study

MEDIA = {"code": "text/plain", "text": "text/plain", "pdf": "application/pdf"}
ENDINGS = {"code": "code.txt", "text": "ethics.txt", "pdf": "ethics.pdf"}


def add_routes(app: web.Application, prefix: str) -> None:
    """Add the routes."""
    app.router.add_get(f"{prefix}/studies/{{study}}/documents", show)
    app.router.add_get(f"{prefix}/studies/{{study}}/documents/{{digest}}", give)


async def show(request: web.Request) -> web.Response:
    """The texts of all files, and what differs from those that were approved here before."""
    need_role(request, "viewer")
    seen = request.app[HUB].seen()
    shown = look_at_study(seen.view, request.match_info["study"])
    found = await asyncio.to_thread(show_documents, store_of(seen.home), shown)
    return draw(request, "documents.html", found=found, title=shown.spec.title or found.study)


async def give(request: web.Request) -> web.Response:
    """A document as a file: a browser neither shows it nor guesses what it is."""
    need_role(request, "viewer")
    seen, digest = request.app[HUB].seen(), request.match_info["digest"]
    shown = look_at_study(seen.view, request.match_info["study"])
    found = await asyncio.to_thread(get_document, store_of(seen.home), shown, digest)
    return _as_file(found)


def _as_file(found: DocumentBytes) -> web.Response:
    name = f"{found.study}-{ENDINGS[found.media]}"
    answer = web.Response(body=found.data, content_type=MEDIA[found.media])
    if found.media != "pdf":
        answer.charset = "utf-8"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer
