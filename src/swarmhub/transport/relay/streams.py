"""Streams to and through a relay: opening one, its lines, copying between two."""

from __future__ import annotations

import asyncio
import contextlib
import ssl

from swarmhub.errors import PeerError
from swarmhub.transport.tls import Peers, abort, widen

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
MAX_LINE_BYTES = 128
LINE_S = 10.0  # for the first line of a connection, and for a called member to take the call
SILENCE_S = 60.0  # without a pulse, then it no longer stands
PIECE_BYTES = 1 << 17


def relays_of(address: str) -> list[str]:
    """Return host:port of a member's relays; none if it has a port itself."""
    return address[1:].split(",") if address.startswith("@") else []


async def splice(one: Stream, other: Stream) -> int:
    """Copy bytes in both directions until either end closes; returns how many."""
    passed = 0

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal passed
        while data := await reader.read(PIECE_BYTES):
            passed += len(data)
            writer.write(data)
            await writer.drain()

    for _, writer in (one, other):
        widen(writer.transport)
    router = ((one[0], other[1]), (other[0], one[1]))
    pumps = [asyncio.create_task(pump(reader, writer)) for reader, writer in router]
    try:
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in pumps:
            task.cancel()
        for _, writer in (one, other):
            writer.close()
        try:
            await asyncio.gather(*pumps, return_exceptions=True)
            with contextlib.suppress(TimeoutError):  # data on its way still arrives
                async with asyncio.timeout(LINE_S):
                    ends = [writer.wait_closed() for _, writer in (one, other)]
                    await asyncio.gather(*ends, return_exceptions=True)
        finally:
            for _, writer in (one, other):
                abort(writer.transport)
    return passed


async def reach_relay(
    peers: Peers,
    context: ssl.SSLContext,
    relay: str,
    words: str,
    answer: str | None = "ok",
) -> Stream:
    """Open a connection to a relay, send `words` and await `answer`. Raises PeerError if no member
    answers there, or the answer differs."""
    host, _, port = relay.rpartition(":")
    try:
        async with asyncio.timeout(LINE_S):
            reader, writer = await asyncio.open_connection(
                host.strip("[]"), int(port), ssl=context, limit=2 * PIECE_BYTES
            )
    except ValueError:  # not a valid DNS name
        raise PeerError(f"{relay} is no address") from None
    try:
        certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        if peers.member_of(certificate) is None:
            raise PeerError(f"no member answers at {relay}")
        writer.write(f"{words}\n".encode())
        if answer is not None:
            async with asyncio.timeout(2 * LINE_S):
                said = await read_line(reader)
            if said != answer:
                raise PeerError(f"the relay {relay} does not know it")
    except (ValueError, asyncio.IncompleteReadError):
        abort(writer.transport)
        raise PeerError(f"the relay {relay} answers nonsense") from None
    except BaseException:
        abort(writer.transport)
        raise
    return reader, writer


async def read_line(reader: asyncio.StreamReader) -> str:
    """Read a line of at most MAX_LINE_BYTES. Raises ConnectionError at the end, ValueError if it is
    invalid."""
    line = await reader.readline()
    if not line.endswith(b"\n"):
        raise ConnectionResetError("it hung up")
    if len(line) > MAX_LINE_BYTES:
        raise ValueError("a line that is too long")
    return line[:-1].decode("ascii")
