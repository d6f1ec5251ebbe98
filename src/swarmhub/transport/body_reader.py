"""Reader of a large response body that decrypts straight into the chunks that it fills.

aiohttp reads the response's head. Its streams would then pass the body on in pieces of 16 KiB and
copy each three times before it is in a chunk, which costs more than decrypting it. So the
connection is handed over to a protocol that gives the chunk itself to asyncio, as the buffer to
read into. It reads no more than it is asked for, and the connection ends with the body.
"""

from __future__ import annotations

import asyncio
from typing import cast

from aiohttp import ClientResponse

from swarmhub.transport.tls import widen


class BodyReader(asyncio.BufferedProtocol):
    """The rest of a response without a transfer encoding; `fill` reads it in order, and waits at
    most `stall_s` seconds for the next byte."""

    def __init__(self, response: ClientResponse, stall_s: float) -> None:
        self._head = memoryview(response.content.read_nowait())  # arrived together with the head
        self._view = memoryview(bytearray())  # the unfilled part
        self._filled: asyncio.Future[None] | None = None
        self._end: BaseException | None = ConnectionResetError("nothing more came")
        connection = response.connection
        if connection is None or connection.transport is None:
            return  # the whole body is here, or no more will come
        self._end = None
        self._before = connection.protocol
        self._transport = connection.transport
        widen(self._transport)
        self._transport.set_protocol(self)
        self._transport.pause_reading()
        self._loop, self._stall_s = asyncio.get_running_loop(), stall_s
        self._came_s = self._loop.time()  # when the last byte came, or was requested
        self._watch = self._loop.call_later(stall_s, self._look)

    async def fill(self, view: memoryview) -> None:
        """Fill the view with the next bytes. Raises ConnectionError if the response ends before,
        TimeoutError if it stalls."""
        took = min(len(self._head), len(view))
        view[:took] = self._head[:took]
        self._head, view = self._head[took:], view[took:]
        if not view:
            return
        if self._end is not None:
            raise ConnectionResetError(str(self._end))
        self._view, self._filled = view, self._loop.create_future()
        self._came_s = self._loop.time()
        self._transport.resume_reading()
        await self._filled

    def _look(self) -> None:
        left_s = self._stall_s
        if self._filled is not None:
            left_s += self._came_s - self._loop.time()
            if left_s <= 0:
                self._finish(TimeoutError("nothing came"))
                return
        self._watch = self._loop.call_later(left_s, self._look)

    # callbacks of asyncio

    def get_buffer(self, sizehint: int) -> bytearray:
        return cast(bytearray, self._view)

    def buffer_updated(self, nbytes: int) -> None:
        self._view = self._view[nbytes:]
        self._came_s = self._loop.time()
        if not self._view:
            self._transport.pause_reading()
            self._finish(None)

    def eof_received(self) -> None:
        self._finish(ConnectionResetError("the answer ends too soon"))

    def connection_lost(self, exc: BaseException | None) -> None:
        self._watch.cancel()
        self._finish(exc or ConnectionResetError("the connection is closed"))
        if self._before is not None:
            self._before.connection_lost(exc)  # the session waits for that when it closes

    def _finish(self, error: BaseException | None) -> None:
        self._end = self._end or error
        filled, self._filled = self._filled, None
        if filled is not None and not filled.done():
            if error is None:
                filled.set_result(None)
            else:
                filled.set_exception(error)
