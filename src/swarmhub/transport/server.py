"""The node's HTTP server for other members.

    GET  /v1/blobs/{digest}          the buffer; Range gives a part          -> octets
    GET  /v1/blobs/{digest}/leaves   chunk hashes, 32 bytes each             -> octets
    GET  /v1/blobs/{digest}/layout   its layout, if it is a model's          -> JSON
    GET  /v1/documents/{digest}      a study's code or ethics document       -> octets
    GET  /v1/offer                   waits for the leader's merged model     -> JSON or 204
    POST /v1/receipt                 a signature over a merged model's digest
    GET  /v1/greeting                opens a connection
    POST /v1/greeting                the same, and makes this node open one to the asker
    GET  /v1/reach                   checks the asker's ports                -> JSON
    GET  /v1/ledger                  its height, snapshots of its state      -> JSON
    POST /v1/ledger/light            signed headers for a light client       -> JSON

A peer that is not an active member is cut off before a byte of HTTP (`listener`, `connection`).
Every size is bounded before memory is allocated, and so is the time in which a body must come and
a response be read; compression is not accepted. The `Gate` decides what a member may read.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from swarmhub import codec
from swarmhub.blobs import BlobStore
from swarmhub.contract.records import Member
from swarmhub.errors import BadInput, BlobError
from swarmhub.transport.blob_server import TAKE_S, BlobServer
from swarmhub.transport.connection import NAME, Connection, ConnectionTable, make_connections
from swarmhub.transport.document_server import DocumentServer
from swarmhub.transport.gate import Gate, OfferAsked
from swarmhub.transport.links import Links
from swarmhub.transport.listener import Listener
from swarmhub.transport.requests import BODY_S, MAX_BODY_BYTES, read_light_request, read_receipt
from swarmhub.transport.tls import Peers
from swarmhub.types import WIRE_HEADER, WIRE_VERSION, MemberId

log = logging.getLogger("swarmhub.peers")

GUESTS = ("/v1/consortium", "/v1/applications")  # all that an invitation gives access to
APPLICANTS = GUESTS[:1]  # all that an application gives access to: whether it is open


class PeerServer:
    """The server of one node's blobs and offers on one port."""

    def __init__(
        self, peers: Peers, blobs: BlobStore, gate: Gate, links: Links | None = None
    ) -> None:
        self._peers, self._gate = peers, gate
        self._blob_server = BlobServer(blobs, gate, self._member, links or Links())
        self._document_server = DocumentServer(gate, self._member)
        self._room = ConnectionTable(peers)
        self._reaching: set[MemberId] = set()
        self._runner: web.AppRunner | None = None
        self._door: Listener | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises BadInput if the port is taken."""
        app = web.Application(middlewares=[self._admit], client_max_size=MAX_BODY_BYTES)
        self._blob_server.add_routes(app)
        self._document_server.add_routes(app)
        app.router.add_get("/v1/offer", self._offer)
        app.router.add_post("/v1/receipt", self._receipt)
        app.router.add_get("/v1/greeting", self._greeting)
        app.router.add_post("/v1/greeting", self._greeting)
        app.router.add_get("/v1/reach", self._reach)
        app.router.add_get("/v1/ledger", self._ledger)
        app.router.add_post("/v1/ledger/light", self._light)
        app.router.add_get(GUESTS[0], self._consortium)
        app.router.add_post(GUESTS[1], self._application)
        app.on_response_prepare.append(_say_name)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        assert self._runner.server is not None
        make = make_connections(self._room, self._runner.server)
        self._door = Listener(self._peers.server_context(), make)
        try:
            self.port = await self._door.open(host, port)
        except OSError as error:
            await self._runner.cleanup()
            raise BadInput(
                f"Expected to listen on {host}:{port}, but {error.strerror or error}; stop what "
                "uses the port, or change 'listen' (and 'address') in the home's node.toml."
            ) from None

    def connected(self) -> set[MemberId]:
        """Return the members that are connected to this node."""
        found = [self._room.member_of(connection) for connection in self._room.open]
        return {member.id for member in found if member is not None}

    async def close(self) -> None:
        """Stop listening and close all connections."""
        if self._door is not None:
            await self._door.close()
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _admit(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        connection = request.protocol
        assert isinstance(connection, Connection)
        connection.begin()
        try:
            if not self._is_for_guest(request):
                self._member(request)  # it may have been removed since the last request
            response = await self._answer(request, handler)
            async with asyncio.timeout(TAKE_S):
                await response.prepare(request)
                await response.write_eof()
            return response
        except TimeoutError:
            connection.cut_off()
            raise ConnectionResetError from None
        finally:
            connection.finish()

    async def _answer(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            if request.headers.get(WIRE_HEADER, "1") != WIRE_VERSION:
                raise web.HTTPUpgradeRequired  # the response names this node's version
            if "Content-Encoding" in request.headers:
                raise web.HTTPUnsupportedMediaType
            if request.method == "GET" and request.can_read_body:
                raise web.HTTPBadRequest
            return await handler(request)
        except web.HTTPException as error:
            response = web.Response(status=error.status)
        except (BadInput, BlobError, ValueError, KeyError):
            response = web.Response(status=400)
        except (ConnectionError, TimeoutError):
            raise
        except OSError as error:
            response = web.Response(status=status_of(error))
        if request.writer.output_size > 0:
            raise ConnectionResetError  # a response is partly sent
        if request.can_read_body:
            response.force_close()  # the rest of the body is not read
        return response

    def _is_for_guest(self, request: web.Request) -> bool:
        """Return whether a non-member requests what it may have."""
        paths = APPLICANTS if self._room.is_applicant(request.protocol) else GUESTS
        return request.path in paths and self._room.is_guest(request.protocol)

    def _member(self, request: web.Request) -> Member:
        """Return the asking member."""
        member = self._room.member_of(request.protocol)
        if member is None:
            raise ConnectionResetError
        return member

    async def _offer(self, request: web.Request) -> web.Response:
        member = self._member(request)
        query = request.query
        asked = OfferAsked(
            query["study"][:64], int(query["number"]), int(query["revision"]),
            query.get("known", ""), int(query.get("shard", "0")),
        )  # fmt: skip
        merged = await self._gate.offer(member.id, asked)
        if merged is None:
            return web.Response(status=204)
        return web.Response(body=codec.pack(merged), content_type="application/json")

    async def _receipt(self, request: web.Request) -> web.Response:
        member = self._member(request)
        async with asyncio.timeout(BODY_S):
            data = await request.read()
        self._gate.take_receipt(*read_receipt(data, member.id))
        return web.Response(status=204)

    async def _greeting(self, request: web.Request) -> web.Response:
        member = self._member(request)
        if request.method == "POST":
            self._gate.greeted(member.id)
        return web.Response(status=204)

    async def _reach(self, request: web.Request) -> web.Response:
        member = self._member(request)
        if member.id in self._reaching:
            raise web.HTTPTooManyRequests
        self._reaching.add(member.id)
        try:
            found = await self._gate.reach(member)
        finally:
            self._reaching.discard(member.id)
        return web.Response(body=codec.pack(found), content_type="application/json")

    async def _consortium(self, request: web.Request) -> web.Response:
        return web.json_response(self._gate.describe())

    async def _application(self, request: web.Request) -> web.Response:
        async with asyncio.timeout(BODY_S):
            data = await request.read()
        return web.json_response(await self._gate.take_application(data))

    async def _ledger(self, request: web.Request) -> web.Response:
        return web.json_response(self._gate.describe_ledger())

    async def _light(self, request: web.Request) -> web.Response:
        async with asyncio.timeout(BODY_S):
            data = await request.read()
        return web.json_response(await self._gate.light(*read_light_request(data)))


def status_of(error: OSError) -> int:
    """Return the status code for a read error on this machine."""
    if isinstance(error, FileNotFoundError):
        return 404  # swept since it was found
    if error.errno not in (errno.EMFILE, errno.ENFILE):  # the node reports these anyway
        log.error("a request failed: %s", error)
    return 503


async def _say_name(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = NAME
    response.headers[WIRE_HEADER] = WIRE_VERSION
