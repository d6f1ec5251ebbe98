"""Pulls of blobs from one holder: all that comes is compared with the digest before it counts."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import aiohttp

from swarmhub.blobs import BlobStore, Incoming
from swarmhub.blobs.leaves import parse_fingerprint
from swarmhub.errors import BlobError, PeerError
from swarmhub.params import CHUNK_BYTES, chunk_count, leaf_of
from swarmhub.protocol import Pull
from swarmhub.transport.bodies import (
    MIN_BYTES_PER_S,
    STALL_TIMEOUT_S,
    START_S,
    check_range,
    read_exactly,
)
from swarmhub.transport.body_reader import BodyReader
from swarmhub.transport.sessions import PeerSessions
from swarmhub.transport.tls import widen
from swarmhub.types import Digest, MemberId

CHUNK_S = STALL_TIMEOUT_S + CHUNK_BYTES / MIN_BYTES_PER_S


async def pull_from(
    sessions: PeerSessions, holder: MemberId, effect: Pull, store: BlobStore
) -> None:
    """Pull a blob into the store from one holder. Raises PeerError, BlobError or Malformed if it
    does not give it."""
    loop = asyncio.get_running_loop()
    count = chunk_count(effect.nbytes)
    leaves, wait_s = b"", effect.answer_ms / 1000
    if count > 1:
        response = await sessions.request(
            holder, "GET", f"/v1/blobs/{effect.digest}/leaves", answer_s=wait_s
        )
        async with response:
            leaves = bytes(await read_exactly(response, 32 * count))
        fingerprint = parse_fingerprint(effect.layout, effect.nbytes, leaves)
        if fingerprint.digest != effect.digest:
            raise BlobError(f"Member {holder} sent chunk hashes of another blob.")
        await _pull_chunks(sessions, holder, effect, Incoming(store, fingerprint, effect.durable))
        return
    began_s = loop.time()
    response = await sessions.request(holder, "GET", f"/v1/blobs/{effect.digest}", answer_s=wait_s)
    async with response:
        if response.connection is not None and response.connection.transport is not None:
            widen(response.connection.transport)
        data = await read_exactly(response, effect.nbytes)
    sessions.links.received(holder, effect.nbytes, loop.time() - began_s)
    fingerprint = parse_fingerprint(effect.layout, effect.nbytes, leaf_of(data))
    if fingerprint.digest != effect.digest:
        raise BlobError(f"Member {holder} sent other bytes than the digest says.")
    incoming = Incoming(store, fingerprint, effect.durable)
    if incoming.wanted:
        incoming.feed(data)
    incoming.finish()


async def _pull_chunks(
    sessions: PeerSessions, holder: MemberId, effect: Pull, incoming: Incoming
) -> None:
    loop = asyncio.get_running_loop()
    writing: asyncio.Future[Any] | None = None
    try:
        start = incoming.offset
        if not incoming.wanted:  # it was complete before a crash
            writing = loop.run_in_executor(None, incoming.finish)
            await asyncio.shield(writing)
            return
        headers = {"Range": f"bytes={start}-"} if start else {}
        began_s = loop.time()
        response = await sessions.request(
            holder,
            "GET",
            f"/v1/blobs/{effect.digest}",
            answer_s=effect.answer_ms / 1000,
            headers=headers,
        )
        async with response:
            if response.status != (206 if start else 200):
                raise PeerError(f"Member {holder} answered {response.status}, not the blob.")
            check_range(response, start, effect.nbytes)
            body = BodyReader(response, STALL_TIMEOUT_S)
            end = loop.time() + START_S + (effect.nbytes - start) / MIN_BYTES_PER_S
            buffers = itertools.cycle([bytearray(CHUNK_BYTES), bytearray(CHUNK_BYTES)])
            for at in range(start, effect.nbytes, CHUNK_BYTES):  # fill one, write the other
                chunk = memoryview(next(buffers))[: min(CHUNK_BYTES, effect.nbytes - at)]
                async with asyncio.timeout_at(min(end, loop.time() + CHUNK_S)):
                    await body.fill(chunk)
                if writing is not None:
                    await asyncio.shield(writing)
                writing = loop.run_in_executor(None, incoming.feed, chunk)
            sessions.links.received(holder, effect.nbytes - start, loop.time() - began_s)
            if writing is not None:
                await asyncio.shield(writing)
        writing = loop.run_in_executor(None, incoming.finish)
        await asyncio.shield(writing)
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise PeerError(f"Member {holder} broke off ({type(error).__name__}).") from None
    finally:
        if writing is not None:  # a thread may still write: if its file were closed,
            await asyncio.wait([writing])  # the descriptor might be another file's by then
            if not writing.cancelled():
                writing.exception()  # a cancelled task does not retrieve it
        incoming.close()


async def pull_chunk(
    sessions: PeerSessions,
    holder: MemberId,
    digest: Digest,
    nbytes: int,
    layout: Digest,
    index: int,
) -> bytes:
    """Return one chunk of a blob from one holder, proven to be in it."""
    start = index * CHUNK_BYTES
    size = min(CHUNK_BYTES, nbytes - start)
    response = await sessions.request(holder, "GET", f"/v1/blobs/{digest}/leaves")
    async with response:
        leaves = bytes(await read_exactly(response, 32 * chunk_count(nbytes)))
    if parse_fingerprint(layout, nbytes, leaves).digest != digest:
        raise BlobError(f"Member {holder} sent chunk hashes of another blob.")
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    response = await sessions.request(holder, "GET", f"/v1/blobs/{digest}/chunks/{index}")
    async with response:
        data = bytes(await read_exactly(response, size))
    sessions.links.received(holder, size, loop.time() - began_s)
    if leaf_of(data) != leaves[32 * index : 32 * index + 32]:
        raise BlobError(f"Member {holder} sent other bytes than the chunk's hash says.")
    return data
