"""`GET /health` and `GET /metrics` on a port of the operator's choice (`health_listen` in
node.toml), for systemd, containers and monitoring. The answers have nothing confidential, and need
no token."""

from __future__ import annotations

import asyncio

from aiohttp import web

from swarmhub.errors import BadInput
from swarmhub.home.config import parse_address
from swarmhub.node.exposition import CONTENT_TYPE
from swarmhub.node.metrics import Metrics
from swarmhub.node.services import Services
from swarmhub.node.status import Status

MAX_CONNECTIONS = 64  # further ones are closed at once
MAX_CONNECTION_S = 10.0  # regardless of activity


class _Guard(asyncio.Protocol):
    """Accepts a connection, or closes it if there are too many."""

    def __init__(self, server: web.Server) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if len(self._server.connections) >= MAX_CONNECTIONS:
            transport.close()
            return
        connection = self._server()
        transport.set_protocol(connection)
        connection.connection_made(transport)
        asyncio.get_running_loop().call_later(MAX_CONNECTION_S, connection.force_close)


class Health:
    """The health endpoint. Status 200 while the node does a member's work, else 503; JSON with
    `well`, `height` (the newest block), `waiting` (for admission) and `problems` (number of
    sentences in `status`). Beside it the metrics, for Prometheus."""

    def __init__(self, services: Services, status: Status, metrics: Metrics) -> None:
        self._services, self._status, self._metrics = services, status, metrics
        self._runner: web.AppRunner | None = None
        self._listener: asyncio.Server | None = None

    async def start(self, listen: str) -> None:
        """Listen on `listen` (host:port) unless it is empty. Raises BadInput if the port is
        taken."""
        if not listen:
            return
        host, port = parse_address(listen)
        app = web.Application()
        app.router.add_get("/health", self._answer)
        app.router.add_get("/metrics", self._answer_metrics)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        try:
            server = self._runner.server
            assert server is not None
            loop = asyncio.get_running_loop()
            self._listener = await loop.create_server(
                lambda: _Guard(server), host.strip("[]"), port
            )
        except OSError as error:
            await self.close()
            raise BadInput(
                f"Expected to listen on {listen} for health checks, but {error.strerror or error}; "
                "stop what uses the port, or change 'health_listen' in the home's node.toml."
            ) from None

    async def close(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.Request) -> web.Response:
        standing, ledger = self._status.standing(), self._services.ledger
        well = self._status.does_its_work()
        found = {
            "well": well,
            "height": ledger.tip.height,
            "waiting": standing.state == "waiting",
            "problems": len(self._status.all_problems()),
        }
        return web.json_response(found, status=200 if well else 503)

    async def _answer_metrics(self, request: web.Request) -> web.Response:
        text = self._metrics.write()
        return web.Response(body=text.encode(), headers={"Content-Type": CONTENT_TYPE})
