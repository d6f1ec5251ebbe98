"""ABCI over a unix socket: each message is a varint length and a protobuf (spec/abci, "Server").

CometBFT opens four connections (consensus, mempool, query, snapshot). Requests of one are answered
in order; `flush` asks for all pending answers. Messages come from the engine on this machine; the
application checks the parts that peers control (transactions, proposals, chunks of snapshots).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError

from swarmhub.errors import LedgerError
from swarmhub.ledger.cometbft import messages

MAX_MESSAGE_BYTES = 64 << 20  # a block is at most 8 MiB, a chunk of a snapshot 1 MiB
MAX_VARINT_BYTES = 5

Handler = Callable[[str, Any], Awaitable[Any]]  # (name, request) -> response

log = logging.getLogger("swarmhub.ledger")


class AbciServer:
    """A server on a unix socket that passes every request to `handle`.

    An exception of `handle` is sent as a response and passed to `on_failure`: an application that
    does not know its state must not continue.
    """

    def __init__(self, handle: Handler, on_failure: Callable[[Exception], None]) -> None:
        self._handle = handle
        self._on_failure = on_failure
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def start(self, path: Path) -> None:
        """Listen on a socket that only the owner can use."""
        path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, path, limit=1 << 20)
        path.chmod(0o600)

    async def close(self) -> None:
        """Close the connections, after the responses under way."""
        if self._server is not None:
            self._server.close()
        for writer in self._open.values():
            writer.close()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        try:
            while (data := await read_message(reader)) is not None:
                request = messages.Request.FromString(data)
                name = request.WhichOneof("value")
                if name is None:
                    raise DecodeError("a request of an unknown kind")
                response = await self._answer(name, getattr(request, name))
                writer.write(frame(response))
                if name == "flush":
                    await writer.drain()
        except (OSError, DecodeError, asyncio.IncompleteReadError, ValueError) as error:
            log.debug("an ABCI connection ended: %s", error)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            del self._open[task]

    async def _answer(self, name: str, request: Any) -> Any:
        response = messages.Response()
        if name in ("echo", "flush"):
            field = getattr(response, name)
            field.SetInParent()
            if name == "echo":
                field.message = request.message
            return response
        try:
            answer = await self._handle(name, request)
        except Exception as error:
            is_known = isinstance(error, LedgerError)
            log.error("%s failed: %s", name, error, exc_info=None if is_known else error)
            self._on_failure(error)
            response.exception.error = str(error)
            return response
        field = getattr(response, name)
        field.SetInParent()
        field.CopyFrom(answer)
        return response


def frame(message: Any) -> bytes:
    """Return a message with its length before it."""
    data: bytes = message.SerializeToString()
    length, out = len(data), bytearray()
    while True:
        low, length = length & 0x7F, length >> 7
        out.append(low | (0x80 if length else 0))
        if not length:
            return bytes(out) + data


async def read_message(reader: asyncio.StreamReader) -> bytes | None:
    """Return the bytes of the next message; None at the end. Raises ValueError if it is too
    long."""
    length = shift = 0
    while True:
        byte = await reader.read(1)
        if not byte:
            return None
        length |= (byte[0] & 0x7F) << shift
        shift += 7
        if not byte[0] & 0x80:
            break
        if shift >= 7 * MAX_VARINT_BYTES:
            raise ValueError("a length of too many bytes")
    if length > MAX_MESSAGE_BYTES:
        raise ValueError(f"a message of {length} bytes")
    return await reader.readexactly(length)
