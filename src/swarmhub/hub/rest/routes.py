"""The routes of /api/v1: each parses, calls one function, and writes what it gives."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import MISSING, fields
from typing import Any, get_type_hints

import msgspec
from aiohttp import web

from swarmhub import __version__, codec
from swarmhub.errors import BadInput, HomeError, SwarmhubError, plain
from swarmhub.hub.acts import Refused
from swarmhub.hub.auth.guard import need_csrf, need_role, path_of
from swarmhub.hub.context import HUB
from swarmhub.hub.downloads import give
from swarmhub.hub.reads import JSON, READS, Read
from swarmhub.hub.rest.openapi import DOWNLOADS, MOST_WHOLE, ROOT, Failed, make_document
from swarmhub.operations.acts import ACTS, Act

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
CSRF = "X-CSRF"
MAX_BYTES = 128 << 10  # of a body


def add_routes(app: web.Application) -> None:
    """Add the routes below the prefix of the hub."""
    prefix = app[HUB].place.prefix
    for read in READS:
        path = f"{prefix}{ROOT}{read.path}"
        app.router.add_get(path, functools.partial(_read, read), allow_head=False)
    for act in ACTS.values():
        app.router.add_post(f"{prefix}{ROOT}/acts/{act.name}", functools.partial(_act, act))
    app.router.add_get(f"{prefix}{ROOT}{DOWNLOADS}", give, allow_head=False)
    app.router.add_get(f"{prefix}{ROOT}/openapi.json", _document, allow_head=False)


@web.middleware
async def say_failures(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer what goes wrong below /api as JSON, with one sentence."""
    hub = request.app[HUB]
    if not path_of(request, hub).startswith("/api/"):
        return await handler(request)
    try:
        return await handler(request)
    except web.HTTPException as error:
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        said = error.text or error.reason
        return _fail(error.status, plain(said, 400), type(error).__name__, headers)
    except HomeError as error:
        return _fail(503, str(error), type(error).__name__)
    except SwarmhubError as error:
        said = str(error)
        is_refused = isinstance(error, Refused)
        status = 404 if said.startswith("There is no ") else 409 if is_refused else 400
        return _fail(status, said, type(error).__name__)


def _fail(
    status: int, sentence: str, code: str, headers: dict[str, str] | None = None
) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(Failed(sentence, code)),
        content_type="application/json", headers=headers,
    )  # fmt: skip


async def _read(read: Read, request: web.Request) -> web.StreamResponse:
    need_role(request, "viewer")
    given = read_query(request, read.takes)
    found = read.does(request.app[HUB].seen(), given)
    if inspect.isawaitable(found):
        found = await found
    if isinstance(found, Iterator):
        return await stream(request, found, read.media)
    return _write(found, read.media)


async def stream(
    request: web.Request, pieces: Iterator[bytes], media: str, name: str = ""
) -> web.StreamResponse:
    """Send pieces as they are made; as a file with a name, if one is given."""
    answer = web.StreamResponse(headers=as_file(name))
    answer.content_type, answer.charset = media, "utf-8"
    await answer.prepare(request)
    for piece in pieces:
        await answer.write(piece)
    await answer.write_eof()
    return answer


def as_file(name: str) -> dict[str, str]:
    """Return the header by which a browser stores an answer under a name; none for ""."""
    return {"Content-Disposition": f'attachment; filename="{name}"'} if name else {}


def read_query(request: web.Request, takes: type[Any]) -> Any:
    """Return the arguments of a read out of the path and the query. Raises BadInput for one that is
    unknown, missing, given twice, or no number if it should be one."""
    kinds = get_type_hints(takes)
    given: dict[str, str] = dict(request.match_info)
    for name, text in request.query.items():
        if name not in kinds or name in given:
            raise BadInput(
                f"Expected each of {', '.join(kinds) or 'no arguments'} once at most, got "
                f"'{plain(name, 40)}'."
            )
        given[name] = text
    found: dict[str, Any] = {}
    for field in fields(takes):
        if field.name not in given:
            if field.default is MISSING:
                raise BadInput(f"Expected '{field.name}', got none.")
            continue
        text = given[field.name]
        found[field.name] = _whole(field.name, text) if kinds[field.name] is int else text
    return takes(**found)


def _whole(name: str, text: str) -> int:
    is_whole = text.isascii() and text.isdigit() and len(text) < 17
    if not is_whole or int(text) > MOST_WHOLE:
        raise BadInput(f"Expected a whole number for '{name}', got '{plain(text, 40)}'.")
    return int(text)


async def _act(act: Act, request: web.Request) -> web.Response:
    user = need_role(request, act.role)
    need_csrf(request, request.headers.get(CSRF, ""))
    if request.query:
        raise BadInput("Expected no arguments in the address; give them in the body.")
    given = codec.from_json(act.takes, read_body(await request.read()))
    found = await request.app[HUB].act(act.name, given, user.name)
    return _write(found)


def read_body(data: bytes) -> Any:
    """Return a JSON body. JSON Schema takes 3.0 for a whole number, so it is one here, too. Raises
    BadInput for what is no JSON, is too large, or names a key twice."""
    if len(data) > MAX_BYTES:
        raise BadInput(f"Expected at most {MAX_BYTES >> 10} KiB of JSON, got more.")
    try:
        return json.loads(data, parse_float=_read_float, object_pairs_hook=_read_object)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"Expected JSON: {plain(error, 100)}.") from None


def _read_float(text: str) -> int:
    if not float(text).is_integer() or len(text) > 30:
        raise ValueError(f"{text[:30]} is not a whole number")
    return int(float(text))


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in an object")
    return found


async def _document(request: web.Request) -> web.Response:
    return _write(make_document(__version__))


def _write(value: Any, media: str = JSON) -> web.Response:
    body = value if isinstance(value, bytes) else msgspec.json.encode(value)
    return web.Response(body=body, content_type=media)
