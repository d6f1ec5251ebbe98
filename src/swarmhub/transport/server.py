"""The node's HTTP server for other members.

    GET  /v1/blobs/{digest}          the buffer; Range gives a part          -> octets
    GET  /v1/blobs/{digest}/leaves   chunk hashes, 32 bytes each             -> octets
    GET  /v1/blobs/{digest}/layout   its layout, if it is a model's          -> JSON
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
import os
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from aiohttp import web

from swarmhub import codec
from swarmhub.blobs import BlobStore
from swarmhub.contract.records import Member
from swarmhub.errors import BadInput, BlobError, Malformed
from swarmhub.failpoints import failpoint
from swarmhub.files import read_at
from swarmhub.merge import STRETCH_BYTES
from swarmhub.merge.audit import MAX_STRETCHES
from swarmhub.params import CHUNK_BYTES
from swarmhub.protocol import MergeDone, ReceiptCame
from swarmhub.transport.connection import NAME, Connection, ConnectionTable, make_connections
from swarmhub.transport.listener import Listener
from swarmhub.transport.reachability import Reachability
from swarmhub.transport.tls import Peers
from swarmhub.types import Digest, MemberId

MAX_BODY_BYTES = 64 * 1024
MAX_STREAMS_PER_MEMBER = 16
PIECE_BYTES = 1 << 20
# a connection's TLS buffer grows to the largest write, and keeps that size until the connection
# ends
WRITE_BYTES, KEPT_WRITE_BYTES = 1 << 18, 1 << 15
OFFER_WAIT_S = 20.0
BODY_S = 10.0  # for a body of at most MAX_BODY_BYTES
TAKE_S = 60.0  # for the other end to read PIECE_BYTES: 140 kbit/s at least

log = logging.getLogger("swarmhub.peers")


class Gate(Protocol):
    """The server's requests to the node."""

    async def may_read(self, member: MemberId, digest: Digest) -> bool:
        """Return whether the member may fetch the blob (may wait a moment for the ledger's
        news)."""

    def sent(self, member: MemberId, digest: Digest, nbytes: int) -> None:
        """Note that so many bytes of the blob went out to the member."""

    def sent_layout(self, member: MemberId, digest: Digest, nbytes: int) -> None:
        """Note that so many bytes of the blob's layout went out to the member."""

    async def offer(
        self, member: MemberId, study: str, number: int, revision: int, known: Digest
    ) -> MergeDone | None:
        """Return this node's merge of the revision, once there is one other than `known`; None if
        the round has advanced or the time is up."""

    def take_receipt(self, study: str, receipt: ReceiptCame) -> None:
        """Accept a receipt for this node's merge."""

    def greeted(self, member: MemberId) -> None:
        """Note that the member's node is up, and asks for a connection from here as well."""

    async def reach(self, member: Member) -> Reachability:
        """Check the ports of the asking member, as the ledger has them."""

    def describe(self) -> dict[str, Any]:
        """Return what an invited hospital needs to know of the consortium (see
        `JoinClient.ask`)."""

    def describe_ledger(self) -> dict[str, Any]:
        """Return the height of the ledger, and the states from which a newcomer can begin (see
        `JoinClient.ledgers`)."""

    async def light(self, method: str, height: int, page: int) -> dict[str, Any]:
        """Return the answer to a newcomer's light client. Raises BadInput if there is none."""

    async def take_application(self, tx: bytes) -> dict[str, Any]:
        """Submit an invited hospital's application to the ledger. Raises Malformed or BadInput if
        it is something else."""


GUESTS = ("/v1/consortium", "/v1/applications")  # all that an invitation gives access to
APPLICANTS = GUESTS[:1]  # all that an application gives access to: whether it is open


class PeerServer:
    """The server of one node's blobs and offers on one port."""

    def __init__(self, peers: Peers, blobs: BlobStore, gate: Gate) -> None:
        self._peers, self._blobs, self._gate = peers, blobs, gate
        self._room = ConnectionTable(peers)
        self._streams: dict[MemberId, int] = {}
        self._reaching: set[MemberId] = set()
        self._runner: web.AppRunner | None = None
        self._door: Listener | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises BadInput if the port is taken."""
        app = web.Application(middlewares=[self._admit], client_max_size=MAX_BODY_BYTES)
        app.router.add_get("/v1/blobs/{digest}", self._blob)
        app.router.add_get("/v1/blobs/{digest}/leaves", self._leaves)
        app.router.add_get("/v1/blobs/{digest}/layout", self._layout)
        app.router.add_get("/v1/blobs/{digest}/chunks/{index}", self._chunk)
        app.router.add_post("/v1/blobs/{digest}/excerpt", self._excerpt)
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

    async def _need_readable(self, request: web.Request) -> Digest:
        digest = request.match_info["digest"]
        member = self._member(request)
        held = codec.is_digest(digest) and digest in self._blobs
        if not held or not await self._gate.may_read(member.id, digest):
            raise web.HTTPNotFound
        return digest

    async def _leaves(self, request: web.Request) -> web.Response:
        found = self._blobs.fingerprint(await self._need_readable(request))
        return web.Response(body=b"".join(found.leaves), content_type="application/octet-stream")

    async def _layout(self, request: web.Request) -> web.StreamResponse:
        found = self._blobs.fingerprint(await self._need_readable(request))
        layout = await asyncio.to_thread(self._blobs.layout, found.layout)
        if layout is None:
            raise web.HTTPNotFound
        data = layout.pack()
        self._gate.sent_layout(self._member(request).id, found.digest, len(data))
        return await _send(request, data)

    async def _chunk(self, request: web.Request) -> web.StreamResponse:
        found = self._blobs.fingerprint(await self._need_readable(request))
        index = int(request.match_info["index"])
        if not 0 <= index < len(found.leaves):
            raise web.HTTPRequestRangeNotSatisfiable
        start = index * CHUNK_BYTES
        size = min(CHUNK_BYTES, found.nbytes - start)
        return await self._send(request, found.digest, [(start, size)])

    async def _excerpt(self, request: web.Request) -> web.StreamResponse:
        found = self._blobs.fingerprint(await self._need_readable(request))
        async with asyncio.timeout(BODY_S):
            starts = read_starts(await request.read(), found.nbytes)
        parts = [(at, min(STRETCH_BYTES, found.nbytes - at)) for at in starts]
        return await self._send(request, found.digest, parts)

    async def _send(
        self, request: web.Request, digest: Digest, parts: list[tuple[int, int]]
    ) -> web.StreamResponse:
        data = await self._read(digest, parts)
        self._gate.sent(self._member(request).id, digest, len(data))
        return await _send(request, data)

    async def _read(self, digest: Digest, parts: list[tuple[int, int]]) -> bytes:
        """Read (offset, length) parts of a stored buffer, concatenated."""

        def read() -> bytes:
            fd = os.open(self._blobs.path(digest), os.O_RDONLY)
            try:
                return b"".join(read_at(fd, size, at) for at, size in parts)
            finally:
                os.close(fd)

        return await asyncio.get_running_loop().run_in_executor(None, read)

    async def _blob(self, request: web.Request) -> web.StreamResponse:
        digest = await self._need_readable(request)
        member = self._member(request)
        total = self._blobs.fingerprint(digest).nbytes
        start = request.http_range.start or 0
        if not 0 <= start < max(total, 1) or request.http_range.stop is not None:
            raise web.HTTPRequestRangeNotSatisfiable
        if self._streams.get(member.id, 0) >= MAX_STREAMS_PER_MEMBER:
            raise web.HTTPTooManyRequests
        fd = os.open(self._blobs.path(digest), os.O_RDONLY)
        self._streams[member.id] = self._streams.get(member.id, 0) + 1
        try:
            return await self._stream(
                request, fd, start, total, lambda n: self._gate.sent(member.id, digest, n)
            )
        finally:
            self._streams[member.id] -= 1
            os.close(fd)

    async def _stream(
        self,
        request: web.Request,
        fd: int,
        start: int,
        total: int,
        sent: Callable[[int], None],
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=206 if start else 200)
        response.content_length = total - start
        response.content_type = "application/octet-stream"
        if start:
            response.headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
        await response.prepare(request)
        failpoint("serve.begun")
        loop = asyncio.get_running_loop()
        write_bytes = KEPT_WRITE_BYTES if total <= CHUNK_BYTES else WRITE_BYTES
        at = start
        while at < total:
            size = min(PIECE_BYTES, total - at)
            if total <= CHUNK_BYTES:
                piece = memoryview(read_at(fd, size, at))
            else:
                piece = memoryview(await loop.run_in_executor(None, read_at, fd, size, at))
            if len(piece) != size:
                raise BlobError("A stored buffer is shorter than its length.")
            sent(size)
            async with asyncio.timeout(TAKE_S):
                for part in range(0, size, write_bytes):
                    await response.write(piece[part : part + write_bytes])
            at += size
        failpoint("serve.ended")
        await response.write_eof()
        return response

    async def _offer(self, request: web.Request) -> web.Response:
        member = self._member(request)
        query = request.query
        merged = await self._gate.offer(
            member.id, query["study"][:64], int(query["number"]), int(query["revision"]),
            query.get("known", ""),
        )  # fmt: skip
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
            asked = codec.decode(await request.read(), MAX_BODY_BYTES)
        if not isinstance(asked, dict):
            raise Malformed("Expected a question as a JSON object.")
        method, height, page = (asked.get(k) for k in ("method", "height", "page"))
        if type(method) is not str or type(height) is not int or type(page) is not int:
            raise Malformed("Expected a method, a height and a page.")
        return web.json_response(await self._gate.light(method, height, page))


def status_of(error: OSError) -> int:
    """Return the status code for a read error on this machine."""
    if isinstance(error, FileNotFoundError):
        return 404  # swept since it was found
    if error.errno not in (errno.EMFILE, errno.ENFILE):  # the node reports these anyway
        log.error("a request failed: %s", error)
    return 503


async def _send(request: web.Request, data: bytes) -> web.StreamResponse:
    """Send a response of up to some MB over a connection that is kept."""
    response = web.StreamResponse()
    response.content_length, response.content_type = len(data), "application/octet-stream"
    async with asyncio.timeout(TAKE_S):
        await response.prepare(request)
        view = memoryview(data)
        for at in range(0, len(data), KEPT_WRITE_BYTES):
            await response.write(view[at : at + KEPT_WRITE_BYTES])
        await response.write_eof()
    return response


async def _say_name(request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = NAME


def read_starts(data: bytes, nbytes: int) -> list[int]:
    """Parse the requested starts of stretches within `nbytes`. Raises Malformed if they are
    invalid."""
    starts = codec.decode(data, MAX_BODY_BYTES)
    if not isinstance(starts, list) or not 0 < len(starts) <= MAX_STRETCHES:
        raise Malformed(f"Expected a list of 1 to {MAX_STRETCHES} places in a buffer.")
    if not all(type(at) is int and 0 <= at < nbytes for at in starts):
        raise Malformed(f"Expected places from 0 to {nbytes - 1} in a buffer.")
    return starts


def read_receipt(data: bytes, sender: MemberId) -> tuple[str, ReceiptCame]:
    """Parse a study's name and a receipt, which counts as the sender's regardless of its content.
    Raises Malformed if it is invalid."""
    body = codec.decode(data, MAX_BODY_BYTES)
    if not isinstance(body, dict):
        raise Malformed("Expected a receipt as a JSON object.")
    study = body.pop("study", "")
    if not isinstance(study, str):
        raise Malformed("Expected the study's name as text.")
    return study[:64], codec.from_json(ReceiptCame, {**body, "member": sender})
