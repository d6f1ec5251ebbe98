"""Requests of members for documents of studies: code, ethics documents."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

from aiohttp import web

from swarmhub import codec
from swarmhub.contract.records import Member
from swarmhub.documents.store import MAX_DOCUMENT_BYTES
from swarmhub.files import read_at
from swarmhub.transport.blob_server import PIECE_BYTES, TAKE_S, WRITE_BYTES
from swarmhub.transport.gate import Gate
from swarmhub.types import MemberId

MAX_DOCUMENTS_AT_ONCE = 2  # a member fetches one after the other


class DocumentServer:
    """The route /v1/documents. `member_of` gives the asking member, or ends the connection."""

    def __init__(self, gate: Gate, member_of: Callable[[web.Request], Member]) -> None:
        self._gate, self._member_of = gate, member_of
        self._streams: dict[MemberId, int] = {}

    def add_routes(self, app: web.Application) -> None:
        """Add the route to the application of a server."""
        app.router.add_get("/v1/documents/{digest}", self._document)

    async def _document(self, request: web.Request) -> web.StreamResponse:
        member, digest = self._member_of(request), request.match_info["digest"]
        if self._streams.get(member.id, 0) >= MAX_DOCUMENTS_AT_ONCE:
            raise web.HTTPTooManyRequests
        self._streams[member.id] = self._streams.get(member.id, 0) + 1
        try:
            path = await self._gate.document(member.id, digest) if codec.is_digest(digest) else None
            if path is None:
                raise web.HTTPNotFound
            fd = os.open(path, os.O_RDONLY)
            try:
                return await self._stream(request, fd)
            finally:
                os.close(fd)
        finally:
            self._streams[member.id] -= 1

    async def _stream(self, request: web.Request, fd: int) -> web.StreamResponse:
        member, digest = self._member_of(request), request.match_info["digest"]
        total = min(os.fstat(fd).st_size, MAX_DOCUMENT_BYTES)
        response = web.StreamResponse()
        response.content_length, response.content_type = total, "application/octet-stream"
        await response.prepare(request)
        for at in range(0, total, PIECE_BYTES):
            size = min(PIECE_BYTES, total - at)
            piece = memoryview(await asyncio.to_thread(read_at, fd, size, at))
            if len(piece) != size:
                raise ConnectionResetError  # the file was cut meanwhile
            self._gate.sent_document(member.id, digest, size)
            async with asyncio.timeout(TAKE_S):
                for part in range(0, size, WRITE_BYTES):
                    await response.write(piece[part : part + WRITE_BYTES])
        await response.write_eof()
        return response
