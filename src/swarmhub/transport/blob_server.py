"""Requests of members for blobs: whole, in parts, their chunk hashes and layouts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from aiohttp import web

from swarmhub import codec
from swarmhub.blobs import BlobStore
from swarmhub.contract.records import Member
from swarmhub.errors import BlobError
from swarmhub.failpoints import failpoint
from swarmhub.files import read_at
from swarmhub.merge import STRETCH_BYTES
from swarmhub.params import CHUNK_BYTES
from swarmhub.transport.gate import Gate
from swarmhub.transport.links import Links
from swarmhub.transport.requests import BODY_S, read_starts
from swarmhub.types import Digest, MemberId

MAX_STREAMS_PER_MEMBER = 16
PIECE_BYTES = 1 << 20
# a connection's TLS buffer grows to the largest write, and keeps that size for the connection's
# life
WRITE_BYTES, KEPT_WRITE_BYTES = 1 << 18, 1 << 15
TAKE_S = 60.0  # for the other end to read PIECE_BYTES: 140 kbit/s at least


class BlobServer:
    """The routes below /v1/blobs. `member_of` gives the asking member, or ends the connection."""

    def __init__(
        self,
        blobs: BlobStore,
        gate: Gate,
        member_of: Callable[[web.Request], Member],
        links: Links,
    ) -> None:
        self._blobs, self._gate, self._member_of = blobs, gate, member_of
        self._links = links
        self._streams: dict[MemberId, int] = {}

    def add_routes(self, app: web.Application) -> None:
        """Add the routes to the application of a server."""
        app.router.add_get("/v1/blobs/{digest}", self._blob)
        app.router.add_get("/v1/blobs/{digest}/leaves", self._leaves)
        app.router.add_get("/v1/blobs/{digest}/layout", self._layout)
        app.router.add_get("/v1/blobs/{digest}/chunks/{index}", self._chunk)
        app.router.add_post("/v1/blobs/{digest}/excerpt", self._excerpt)

    async def _need_readable(self, request: web.Request) -> Digest:
        digest = request.match_info["digest"]
        member = self._member_of(request)
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
        self._gate.sent_layout(self._member_of(request).id, found.digest, len(data))
        return await _write(request, data)

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
        self._gate.sent(self._member_of(request).id, digest, len(data))
        return await _write(request, data)

    async def _read(self, digest: Digest, parts: list[tuple[int, int]]) -> bytes:
        """Read (offset, length) parts of a stored buffer, concatenated."""

        def read() -> bytes:
            path, begin = self._blobs.locate(digest)
            fd = os.open(path, os.O_RDONLY)
            try:
                return b"".join(read_at(fd, size, begin + at) for at, size in parts)
            finally:
                os.close(fd)

        return await asyncio.get_running_loop().run_in_executor(None, read)

    async def _blob(self, request: web.Request) -> web.StreamResponse:
        digest = await self._need_readable(request)
        member = self._member_of(request)
        total = self._blobs.fingerprint(digest).nbytes
        start = request.http_range.start or 0
        if not 0 <= start < max(total, 1) or request.http_range.stop is not None:
            raise web.HTTPRequestRangeNotSatisfiable
        if self._streams.get(member.id, 0) >= MAX_STREAMS_PER_MEMBER:
            raise web.HTTPTooManyRequests
        path, begin = self._blobs.locate(digest)
        fd = os.open(path, os.O_RDONLY)
        self._streams[member.id] = self._streams.get(member.id, 0) + 1
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            response = await self._stream(
                request, (fd, begin), start, total, lambda n: self._gate.sent(member.id, digest, n)
            )
            self._links.sent(member.id, total - start, loop.time() - began_s)
            return response
        finally:
            self._streams[member.id] -= 1
            os.close(fd)

    async def _stream(
        self,
        request: web.Request,
        file: tuple[int, int],
        start: int,
        total: int,
        sent: Callable[[int], None],
    ) -> web.StreamResponse:
        (fd, begin), response = file, web.StreamResponse(status=206 if start else 200)
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
                piece = memoryview(read_at(fd, size, begin + at))
            else:
                piece = memoryview(await loop.run_in_executor(None, read_at, fd, size, begin + at))
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


async def _write(request: web.Request, data: bytes) -> web.StreamResponse:
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
