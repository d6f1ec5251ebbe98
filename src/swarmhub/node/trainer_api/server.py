"""The local API for this hospital's own trainers and commands: loopback only, with a token.

    GET  /v1/status
    POST /v1/studies/{study}/attach    {"pid"}                     -> the study's terms, a fence
    POST /v1/studies/{study}/next      {"fence", "wait_s"}         -> a task, or "waiting"/"over"
    POST /v1/studies/{study}/answer    {"fence", "number", ...}    -> taken or late
    POST /v1/studies/{study}/forget    {}                          -> bytes and files deleted
    POST /v1/act    {"act", "arguments", "person"}                 -> the act's result

`run/api.json` (mode 0600) has port and token. Parameters are passed as files in the node's folder,
never through this API.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hmac
import os
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from swarmhub import codec
from swarmhub.errors import BadInput, NotNow, SwarmhubError
from swarmhub.files import is_passing
from swarmhub.home.home import Home
from swarmhub.node.services import Services
from swarmhub.node.status import Status
from swarmhub.node.studies import Studies
from swarmhub.node.trainer_api.messages import (
    MAX_BODY_BYTES,
    read_act,
    read_next_task,
    read_object,
    read_result,
)
from swarmhub.node.trainer_api.results import ResultIntake
from swarmhub.node.trainer_api.sessions import Sessions
from swarmhub.types import LOCAL_API_VERSION

LOOK_AFTER_TRAINERS_S = 1.0
# carries out an act of this name with these arguments for a person, and returns its result
Perform = Callable[[Home, str, Any, str], Awaitable[Any]]


class LocalApi:
    """The HTTP server for trainers on 127.0.0.1, on any free port."""

    def __init__(
        self, services: Services, studies: Studies, status: Status, perform: Perform | None = None
    ) -> None:
        self._services, self._node_status, self._perform = services, status, perform
        self._sessions = Sessions(services, studies, status)
        self._results = ResultIntake(services, studies, self._sessions)
        self._token = secrets.token_hex(32)
        self._runner: web.AppRunner | None = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen, and write `run/api.json`."""
        app = web.Application(middlewares=[self._guard], client_max_size=MAX_BODY_BYTES)
        app.router.add_get("/v1/status", self._status)
        app.router.add_post("/v1/studies/{study}/attach", self._attach)
        app.router.add_post("/v1/studies/{study}/next", self._next)
        app.router.add_post("/v1/studies/{study}/answer", self._answer)
        app.router.add_post("/v1/studies/{study}/forget", self._forget)
        app.router.add_post("/v1/act", self._act)
        self._runner = web.AppRunner(
            app, access_log=None, keepalive_timeout=300, shutdown_timeout=0.2,
            auto_decompress=False,
        )  # fmt: skip
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        if not self._runner.addresses:  # asyncio skips sockets that it cannot create
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), "127.0.0.1")
        port = int(self._runner.addresses[0][1])
        path = self._services.home.run_path("api.json")
        partial = path.with_suffix(".new")
        partial.unlink(missing_ok=True)
        fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "wb") as file:
            told = {"pid": os.getpid(), "port": port, "token": self._token}
            told["account"] = self._services.account.public
            file.write(codec.encode({**told, "version": LOCAL_API_VERSION}))
        partial.replace(path)
        self._watching = asyncio.create_task(self._look_after_trainers())

    async def close(self) -> None:
        """Stop listening."""
        self._services.home.run_path("api.json").unlink(missing_ok=True)
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, f"Bearer {self._token}".encode()):
            return web.Response(status=401)
        try:
            return await handler(request)
        except SwarmhubError as error:
            status = 503 if isinstance(error, NotNow) else 400
            return _json({"error": str(error), "code": type(error).__name__}, status)
        except ConnectionError:  # if it is the trainer's, nobody reads this
            return _json({"error": "A connection of the node was cut."}, status=503)
        except OSError as error:
            sentence = self._services.problems.report_shortage(error)
            return _json({"error": sentence}, status=503 if is_passing(error) else 400)

    async def _look_after_trainers(self) -> None:
        while True:
            await asyncio.sleep(LOOK_AFTER_TRAINERS_S)
            with contextlib.suppress(OSError):  # a sign of life for commands without an answer
                os.utime(self._services.home.run_path("api.json"))
            try:
                self._sessions.notice_gone_trainers()
            except OSError as error:
                self._services.problems.report_shortage(error)

    async def _status(self, request: web.Request) -> web.Response:
        return _json(self._node_status.describe())

    async def _attach(self, request: web.Request) -> web.Response:
        read_object(await request.read())
        return _json(await self._sessions.attach(request.match_info["study"]))

    async def _next(self, request: web.Request) -> web.Response:
        ask = read_next_task(await request.read())
        return _json(await self._sessions.find_next(request.match_info["study"], ask))

    async def _answer(self, request: web.Request) -> web.Response:
        given, layout = read_result(await request.read())
        return _json(await self._results.take(request.match_info["study"], given, layout))

    async def _forget(self, request: web.Request) -> web.Response:
        return _json(await self._sessions.forget(request.match_info["study"]))

    async def _act(self, request: web.Request) -> web.Response:
        asked = read_act(await request.read())
        if self._perform is None:
            raise BadInput("This node carries out no acts.")
        home = self._services.home
        return _json(await self._perform(home, asked.act, asked.arguments, asked.person))


def _json(value: Any, status: int = 200) -> web.Response:
    return web.json_response(value, status=status)
