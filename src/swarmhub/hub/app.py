"""The hub's server: guards, pages, REST, and news of the ledger."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from importlib.resources import files

from aiohttp import web

from swarmhub.errors import SwarmhubError
from swarmhub.hub.auth.guard import Fault, guard, path_of
from swarmhub.hub.context import HUB, Hub
from swarmhub.hub.downloads import add_routes as add_downloads
from swarmhub.hub.downloads import keep_sweeping
from swarmhub.hub.rest.routes import add_routes as add_rest
from swarmhub.hub.rest.routes import say_failures
from swarmhub.hub.web.pages import (
    documents,
    forms,
    ledger,
    login,
    members,
    new_study,
    node,
    privacy,
    studies,
    today,
    validation,
)
from swarmhub.hub.web.site import draw, text_of

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
MAX_BODY_BYTES = 256 << 10
BEAT_S = 15.0  # between two signs of life to a browser
GATHER_S = 0.2  # news of one instant go out together
PAGES = (
    today, new_study, studies, documents, validation, privacy, members, ledger,
    node, login, forms,
)  # fmt: skip
log = logging.getLogger("swarmhub.hub")
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def make_app(hub: Hub) -> web.Application:
    """Return the application of a hub, which opens the ledger when it starts."""
    app = web.Application(
        middlewares=[guard, say_failures, _explain_failures], client_max_size=MAX_BODY_BYTES
    )
    app[HUB] = hub
    prefix = hub.place.prefix
    for page in PAGES:
        page.add_routes(app, prefix)
    add_rest(app)
    add_downloads(app, prefix)
    app.router.add_get(f"{prefix}/events", tell_news)
    app.router.add_get(f"{prefix}/static/{{name}}", give_asset)
    app.cleanup_ctx.append(_run)
    return app


async def _run(app: web.Application):  # type: ignore[no-untyped-def]
    hub = app[HUB]
    tasks = [
        asyncio.create_task(hub.watching.start()),
        asyncio.create_task(keep_sweeping(hub.home)),
    ]
    yield
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await hub.watching.close()
    await hub.node.close()


@web.middleware
async def _explain_failures(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Draw a page that says what goes wrong, instead of one without words."""
    if path_of(request, request.app[HUB]).startswith("/api/"):
        return await handler(request)
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return draw(request, "wrong.html", error.status, sentence=_say(request, error))
    except SwarmhubError as error:
        status, sentence = forms.explain(error)
        return draw(request, "wrong.html", status, sentence=sentence)
    except ConnectionError:
        raise  # the browser has left
    except Exception:
        log.exception("a page could not be drawn: %s", request.path)
        return draw(request, "wrong.html", 500, sentence=text_of(request, "fault.hub"))


def _say(request: web.Request, error: web.HTTPException) -> str:
    if isinstance(error, Fault):
        return text_of(request, error.key, **error.parts)
    missing = isinstance(error, web.HTTPNotFound | web.HTTPMethodNotAllowed)
    return text_of(request, "fault.missing") if missing else error.text or error.reason


async def tell_news(request: web.Request) -> web.StreamResponse:
    """Tell a browser of new blocks, as server-sent events: the studies that they are about."""
    hub = request.app[HUB]
    answer = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
    )
    async with hub.watching.news() as queue:
        try:
            await answer.prepare(request)
            await answer.write(b"retry: 2000\n\n")
            while True:
                await answer.write(await _next_news(queue))
        except (ConnectionError, asyncio.CancelledError):
            pass  # the browser has left, or the hub ends
    return answer


async def _next_news(queue: asyncio.Queue[set[str]]) -> bytes:
    try:
        async with asyncio.timeout(BEAT_S):
            found = set(await queue.get())
    except TimeoutError:
        return b": still here\n\n"
    await asyncio.sleep(GATHER_S)
    while not queue.empty():
        found |= queue.get_nowait()
    return b"event: news\ndata: " + json.dumps(sorted(found)).encode() + b"\n\n"


async def give_asset(request: web.Request) -> web.Response:
    """A style sheet, a script or a picture of the pages."""
    name = request.match_info["name"]
    suffix = name[name.rfind(".") :]
    path = files("swarmhub.hub.web") / "static" / name
    if suffix not in TYPES or "/" in name or not path.is_file():
        raise web.HTTPNotFound
    return web.Response(
        body=path.read_bytes(), content_type=TYPES[suffix], charset="utf-8",
        headers={"Cache-Control": "max-age=3600"},
    )  # fmt: skip
