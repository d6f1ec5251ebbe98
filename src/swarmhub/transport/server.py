"""The node's door for other members.

    GET  /v1/blobs/{digest}          the buffer; Range gives a part          -> octets
    GET  /v1/blobs/{digest}/leaves   chunk hashes, 32 bytes each             -> octets
    GET  /v1/offer                   waits for the leader's merged model     -> JSON or 204
    POST /v1/receipt                 a signature over a merged model's digest

Whoever is not an active member is cut off before a byte is read or said. Every size is bounded
before memory is allocated; what a member may read is asked of the `Gate`.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable
from typing import Protocol

from aiohttp import web

from swarmhub import codec
from swarmhub.blobs import BlobStore
from swarmhub.contract.records import Member
from swarmhub.errors import BadInput, BlobError
from swarmhub.moments import reach
from swarmhub.params import CHUNK_BYTES
from swarmhub.round import Merged, ReceiptCame
from swarmhub.transport.tls import Peers
from swarmhub.types import Digest, MemberId

MAX_BODY_BYTES = 64 * 1024
MAX_HEADER_BYTES = 8190
MAX_STREAMS_PER_MEMBER = 16
PIECE_BYTES = 1 << 20
WRITE_BYTES = 1 << 16  # a connection's TLS buffer grows to the largest write, and stays so
OFFER_WAIT_S = 20.0


class Gate(Protocol):
    """What the server asks the node."""

    async def may_read(self, member: MemberId, digest: Digest) -> bool:
        """Whether the member may fetch the blob (may wait a moment for the ledger's news)."""

    async def offer(
        self, member: MemberId, study: str, number: int, revision: int, known: Digest
    ) -> Merged | None:
        """This node's merge of the revision, when there is one other than `known`; None when
        the round has moved on or the time is up."""

    def take_receipt(self, study: str, receipt: ReceiptCame) -> None:
        """A receipt for this node's merge."""


class PeerServer:
    """Serves one node's blobs and offers on one port."""

    def __init__(self, peers: Peers, blobs: BlobStore, gate: Gate) -> None:
        self._peers, self._blobs, self._gate = peers, blobs, gate
        self._open: dict[asyncio.Transport, bytes] = {}
        self._streams: dict[MemberId, int] = {}
        self._runner: web.AppRunner | None = None
        self.port = 0
        peers.on_gone.append(self._close_gone)

    async def start(self, host: str, port: int) -> None:
        """Listen. BadInput where the port is taken."""
        app = web.Application(middlewares=[self._admit], client_max_size=MAX_BODY_BYTES)
        app.router.add_get("/v1/blobs/{digest}", self._blob)
        app.router.add_get("/v1/blobs/{digest}/leaves", self._leaves)
        app.router.add_get("/v1/offer", self._offer)
        app.router.add_post("/v1/receipt", self._receipt)
        self._runner = web.AppRunner(
            app, access_log=None, max_line_size=MAX_HEADER_BYTES, max_field_size=MAX_HEADER_BYTES,
            keepalive_timeout=300, shutdown_timeout=0.2,
        )  # fmt: skip
        await self._runner.setup()
        context = self._peers.server_context()
        site = web.TCPSite(self._runner, host, port, ssl_context=context)
        try:
            await site.start()
            if not self._runner.addresses:  # asyncio passes over sockets that it cannot make
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        except OSError as error:
            await self._runner.cleanup()
            raise BadInput(
                f"Expected to listen on {host}:{port}, but {error.strerror or error}; stop what "
                "uses the port, or change 'listen' (and 'address') in the home's node.toml."
            ) from None
        self.port = int(self._runner.addresses[0][1])

    async def close(self) -> None:
        """Stop listening and close all connections."""
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _admit(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        transport = request.transport
        if transport is None:
            raise asyncio.CancelledError
        tls = transport.get_extra_info("ssl_object")
        certificate = tls.getpeercert(binary_form=True) if tls else None
        member = self._peers.member_of(certificate)
        if member is None or certificate is None:
            transport.abort()
            raise asyncio.CancelledError
        self._open[transport] = certificate
        for closing in [t for t in self._open if t.is_closing()]:
            del self._open[closing]
        response: web.StreamResponse
        try:
            response = await handler(request)
        except web.HTTPException as error:
            response = web.Response(status=error.status)
        except (BadInput, BlobError, ValueError, KeyError):
            response = web.Response(status=400)
        response.headers["Server"] = "swarmhub"
        return response

    def _close_gone(self, certificates: set[bytes]) -> None:
        for transport, certificate in list(self._open.items()):
            if certificate in certificates:
                transport.abort()
                del self._open[transport]

    def _member(self, request: web.Request) -> Member:
        """Who asks; `_admit` has let it in."""
        transport = request.transport
        certificate = self._open.get(transport) if transport is not None else None
        member = self._peers.member_of(certificate)
        if member is None:
            raise web.HTTPForbidden
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
            return await self._stream(request, fd, start, total)
        finally:
            self._streams[member.id] -= 1
            os.close(fd)

    async def _stream(
        self, request: web.Request, fd: int, start: int, total: int
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=206 if start else 200)
        response.content_length = total - start
        response.content_type = "application/octet-stream"
        if start:
            response.headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
        await response.prepare(request)
        reach("serve.begun")
        loop = asyncio.get_running_loop()
        at = start
        while at < total:
            size = min(PIECE_BYTES, total - at)
            if total <= CHUNK_BYTES:
                piece = os.pread(fd, size, at)
            else:
                piece = await loop.run_in_executor(None, os.pread, fd, size, at)
            if len(piece) != size:
                raise BlobError("A stored buffer is shorter than its length.")
            for part in range(0, size, WRITE_BYTES):
                await response.write(piece[part : part + WRITE_BYTES])
            at += size
        reach("serve.ended")
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
        body = codec.decode(await request.read(), MAX_BODY_BYTES)
        study = str(body.pop("study", ""))[:64]
        receipt = codec.from_json(ReceiptCame, {**body, "member": member.id})
        self._gate.take_receipt(study, receipt)
        return web.Response(status=204)
