"""Giving a download away: the node has written the file, the hub streams it, once."""

from __future__ import annotations

import asyncio
import os

from aiohttp import web

from swarmhub.home.home import Home
from swarmhub.hub.auth.guard import add_headers, need_role
from swarmhub.hub.context import HUB
from swarmhub.operations.downloads import sweep, take_download

ROLE = "researcher"
MEDIA = "application/zip"
PIECE_BYTES = 256 << 10  # in memory at once
SWEEP_S = 600.0


def add_routes(app: web.Application, prefix: str) -> None:
    """Add the route of pages."""
    app.router.add_get(f"{prefix}/downloads/{{name}}", give, allow_head=False)


async def give(request: web.Request) -> web.StreamResponse:
    """The file that the path names."""
    need_role(request, ROLE)
    return await give_download(request, request.match_info["name"])


async def give_download(request: web.Request, name: str) -> web.StreamResponse:
    """Stream a file, which is removed. Raises BadInput if there is none of this name."""
    file, label = await asyncio.to_thread(take_download, request.app[HUB].home, name)
    with file:
        answer = web.StreamResponse()
        answer.content_type = MEDIA
        answer.content_length = os.fstat(file.fileno()).st_size
        answer.headers["Content-Disposition"] = f'attachment; filename="{label}"'
        add_headers(answer)
        await answer.prepare(request)
        while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
            await answer.write(piece)
        await answer.write_eof()
    return answer


async def keep_sweeping(home: Home) -> None:
    """Remove what nobody has fetched, from time to time."""
    while True:
        await asyncio.to_thread(sweep, home)
        await asyncio.sleep(SWEEP_S)
