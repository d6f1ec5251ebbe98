"""Bodies of other members' responses, bounded in bytes and in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp

from swarmhub.errors import PeerError

STALL_TIMEOUT_S = 10.0  # without a byte: the peer hangs, another may have it
START_S = 30.0  # of a body: added to what its size allows
MIN_BYTES_PER_S = 32 * 1024  # a quarter of a megabit: slower counts as failed


def check_range(response: aiohttp.ClientResponse, start: int, nbytes: int) -> None:
    """Raise PeerError if the response is for another part than the one requested."""
    said = response.headers.get("Content-Range", "")
    expected = f"bytes {start}-{nbytes - 1}/{nbytes}" if start else ""
    if said != expected:
        raise PeerError(f"Expected the part {expected!r}, a member answered {said[:60]!r}.")
    if response.content_length != nbytes - start or "Transfer-Encoding" in response.headers:
        raise PeerError(f"Expected {nbytes - start} bytes from a member, it says another length.")


async def _pieces(response: aiohttp.ClientResponse, nbytes: int) -> AsyncIterator[bytes]:
    """Yield the body as it arrives. Raises PeerError if it breaks off, stalls, or is slower than
    MIN_BYTES_PER_S in all. The session's own timeout does not see every stall: none of a response
    that arrived before it was requested."""
    loop = asyncio.get_running_loop()
    end = loop.time() + START_S + nbytes / MIN_BYTES_PER_S
    try:
        while True:
            async with asyncio.timeout_at(min(end, loop.time() + STALL_TIMEOUT_S)):
                piece = await response.content.readany()
            if not piece:
                return
            yield piece
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise PeerError(f"A member broke off ({type(error).__name__}).") from None


def _need_good(response: aiohttp.ClientResponse) -> None:
    if response.status != 200:
        raise PeerError(f"A member answered {response.status}.")


async def read_exactly(response: aiohttp.ClientResponse, nbytes: int) -> bytearray:
    """Read a body of `nbytes`. Each piece is released once it is copied: pieces kept until the end
    would fragment a node's memory."""
    _need_good(response)
    if response.content_length not in (None, nbytes):
        raise PeerError(f"Expected {nbytes} bytes from a member, it has {response.content_length}.")
    data, at = bytearray(nbytes), 0
    async for piece in _pieces(response, nbytes):
        if at + len(piece) > nbytes:
            raise PeerError(f"A member sent more than the {nbytes} bytes announced.")
        data[at : at + len(piece)] = piece
        at += len(piece)
    if at != nbytes:
        raise PeerError(f"Expected {nbytes} bytes from a member, got {at}.")
    return data


async def read_bounded(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Read a body of at most `limit` bytes."""
    _need_good(response)
    data = bytearray()
    async for piece in _pieces(response, limit):
        data += piece
        if len(data) > limit:
            raise PeerError(f"A member sent more than {limit} bytes.")
    return bytes(data)
