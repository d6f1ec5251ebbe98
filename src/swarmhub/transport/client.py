"""Client for other members' nodes. Every response is untrusted until checked.

A response is bounded in bytes by the request, and in time as a whole: a peer that sends a byte now
and then would never exceed a timeout between two bytes. Compression, cookies and redirects are not
accepted.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import logging
import ssl
from collections.abc import AsyncIterator, Sequence
from typing import Any

import aiohttp

from swarmhub import codec
from swarmhub.blobs import BlobStore, Incoming
from swarmhub.blobs.leaves import parse_fingerprint
from swarmhub.contract.records import Member
from swarmhub.errors import BlobError, DiskError, HungUp, Malformed, PeerError
from swarmhub.merge import STRETCH_BYTES
from swarmhub.params import CHUNK_BYTES, Layout, chunk_count, leaf_of
from swarmhub.protocol import MergeDone, Pull, ReceiptCame
from swarmhub.transport.body_reader import BodyReader
from swarmhub.transport.reachability import Reachability, read_reachability
from swarmhub.transport.relay import RelayRouter
from swarmhub.transport.tls import Peers, widen
from swarmhub.types import Digest, MemberId

log = logging.getLogger("swarmhub.peers")

CONNECT_TIMEOUT_S = 3.0
ANSWER_TIMEOUT_S = 4.0  # for the head of a response
STALL_TIMEOUT_S = 10.0  # without a byte: the peer hangs, another may have it
START_S = 30.0  # of a body: added to what its size allows
MIN_BYTES_PER_S = 32 * 1024  # a quarter of a megabit: slower counts as failed
CHUNK_S = STALL_TIMEOUT_S + CHUNK_BYTES / MIN_BYTES_PER_S
WATCH_TIMEOUT_S = 30.0  # a little more than the server's own waiting time
REACH_S = 10.0  # it tries two ports
CHUNK_ANSWER_S = 8.0  # a MiB for a recomputation, within a leader's time; then the next holder
EXCERPT_TIMEOUT_S = 5.0  # then the auditor takes the contribution from the leader
MAX_ANSWER_BYTES = 64 * 1024
MAX_LAYOUT_BYTES, LAYOUT_S = 8 << 20, 20.0  # to report how two models differ
READ_BUFFER_BYTES = 1 << 20
GREETINGS_AT_ONCE = 8
GREETING_PAUSE_S = 0.2  # a member cannot make this node do handshakes all the time


class PeerClient:
    """Client with one session a member, so that a removed member's connections can be closed at
    once."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self._context = peers.client_context()
        self._ways = RelayRouter(peers)
        self._sessions: dict[bytes, aiohttp.ClientSession] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._greetings: dict[MemberId, asyncio.Task[None]] = {}
        self._greeting = asyncio.Semaphore(GREETINGS_AT_ONCE)
        self._greeted: set[MemberId] = set()  # members that greeted meanwhile
        self._closed = False
        peers.on_gone.append(self._close_gone)

    async def close(self) -> None:
        """Close all connections."""
        self._closed = True
        greetings = list(self._greetings.values())
        for task in greetings:
            task.cancel()
        await asyncio.gather(*greetings, return_exceptions=True)
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()
        if self._closing:
            await asyncio.wait(self._closing)
        await self._ways.close()

    def _close_gone(self, certificates: set[bytes]) -> None:
        for certificate in certificates:
            session = self._sessions.pop(certificate, None)
            if session is not None:
                task = asyncio.ensure_future(session.close())
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)

    def _session(self, member: MemberId) -> tuple[aiohttp.ClientSession, Member]:
        found = self._peers.members.get(member)
        if found is None:
            raise PeerError(f"Member {member} is not active (any more).")
        if not found.tls:
            raise PeerError(f"Member {member} has revoked its keys.")
        certificate = bytes.fromhex(found.tls)
        session = self._sessions.get(certificate)
        if session is None:
            pinned = aiohttp.Fingerprint(hashlib.sha256(certificate).digest())
            connector = aiohttp.TCPConnector(ssl=pinned, limit=8, keepalive_timeout=240)
            session = aiohttp.ClientSession(
                connector=connector, read_bufsize=READ_BUFFER_BYTES, auto_decompress=False,
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=STALL_TIMEOUT_S
                ),
                headers={"User-Agent": "swarmhub", "Accept-Encoding": "identity"},
                cookie_jar=aiohttp.DummyCookieJar(),
            )  # fmt: skip
            self._sessions[certificate] = session
        return session, found

    async def _request(
        self,
        member: MemberId,
        method: str,
        path: str,
        answer_s: float = ANSWER_TIMEOUT_S,
        **options: Any,
    ) -> aiohttp.ClientResponse:
        session, found = self._session(member)
        try:
            base = f"https://{await self._ways.to(found)}"
            # the connector compares the server's certificate with the member's own, before a byte
            # of the request is sent; the context presents ours
            given = options.get("timeout")  # aiohttp's own does not bound interim responses
            async with asyncio.timeout(given.total if given else answer_s):
                response = await session.request(
                    method, base + path, allow_redirects=False, ssl=self._context, **options
                )
        except aiohttp.ServerFingerprintMismatch:
            raise PeerError(f"Somebody else answers at the address of member {member}.") from None
        except aiohttp.ClientConnectorError as error:
            raise PeerError(f"Member {member} does not answer ({type(error).__name__}).") from None
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):  # after the handshake
            raise HungUp(f"Member {member} does not answer: it hangs up on this node.") from None
        except (
            aiohttp.ClientError, OSError, TimeoutError, ssl.SSLError, RuntimeError,
            UnicodeError,  # of an address that is not a name
        ) as error:  # fmt: skip
            raise PeerError(f"Member {member} does not answer ({type(error).__name__}).") from None
        if response.headers.get("Content-Encoding", "identity") != "identity":
            response.close()
            raise PeerError(f"Member {member} answered with a compressed body; that is not read.")
        return response

    def preconnect(self, member: MemberId, back: bool = False) -> None:
        """Connect to a member in the background, twice: one connection will wait for its offer, the
        other pull or submit meanwhile, and neither has to begin with a handshake. It greets this
        node `back`; a member that does not answer is not up, and greets first when it is."""
        if member in self._greetings:
            if back:  # its node may have started since the last try
                self._greeted.add(member)
        elif not self._closed:
            task = asyncio.ensure_future(self._greet(member, "GET" if back else "POST"))
            self._greetings[member] = task

    async def _greet(self, member: MemberId, first: str) -> None:
        async def connect(method: str) -> None:
            with contextlib.suppress(PeerError):
                (await self._request(member, method, "/v1/greeting")).release()

        try:
            async with self._greeting:
                await asyncio.gather(connect(first), connect("GET"))
            await asyncio.sleep(GREETING_PAUSE_S)
        finally:
            del self._greetings[member]
        if member in self._greeted:
            self._greeted.remove(member)
            self.preconnect(member, back=True)

    async def pull(self, effect: Pull, store: BlobStore) -> None:
        """Pull a blob into the store from the first holder that has it. Raises PeerError if none
        has."""
        problem: Exception = PeerError("No holder of it is known.")
        for tried, holder in enumerate(effect.holders, 1):
            try:
                await self._pull_from(holder, effect, store)
                return
            except DiskError:
                raise
            except (PeerError, BlobError, Malformed) as error:
                problem = error
                if tried < len(effect.holders):
                    log.info("pull of %s…: %s Asking the next.", effect.digest[:12], error)
        raise PeerError(str(problem))

    async def _pull_from(self, holder: MemberId, effect: Pull, store: BlobStore) -> None:
        count = chunk_count(effect.nbytes)
        leaves, wait_s = b"", effect.answer_ms / 1000
        if count > 1:
            response = await self._request(
                holder, "GET", f"/v1/blobs/{effect.digest}/leaves", answer_s=wait_s
            )
            async with response:
                leaves = bytes(await _read_exactly(response, 32 * count))
            fingerprint = parse_fingerprint(effect.layout, effect.nbytes, leaves)
            if fingerprint.digest != effect.digest:
                raise BlobError(f"Member {holder} sent chunk hashes of another blob.")
            await self._pull_chunks(holder, effect, Incoming(store, fingerprint, effect.durable))
            return
        response = await self._request(holder, "GET", f"/v1/blobs/{effect.digest}", answer_s=wait_s)
        async with response:
            if response.connection is not None and response.connection.transport is not None:
                widen(response.connection.transport)
            data = await _read_exactly(response, effect.nbytes)
        fingerprint = parse_fingerprint(effect.layout, effect.nbytes, leaf_of(data))
        if fingerprint.digest != effect.digest:
            raise BlobError(f"Member {holder} sent other bytes than the digest says.")
        incoming = Incoming(store, fingerprint, effect.durable)
        if incoming.wanted:
            incoming.feed(data)
        incoming.finish()

    async def _pull_chunks(self, holder: MemberId, effect: Pull, incoming: Incoming) -> None:
        loop = asyncio.get_running_loop()
        writing: asyncio.Future[Any] | None = None
        try:
            start = incoming.offset
            if not incoming.wanted:  # it was complete before a crash
                writing = loop.run_in_executor(None, incoming.finish)
                await asyncio.shield(writing)
                return
            headers = {"Range": f"bytes={start}-"} if start else {}
            response = await self._request(
                holder,
                "GET",
                f"/v1/blobs/{effect.digest}",
                answer_s=effect.answer_ms / 1000,
                headers=headers,
            )
            async with response:
                if response.status != (206 if start else 200):
                    raise PeerError(f"Member {holder} answered {response.status}, not the blob.")
                _check_range(response, start, effect.nbytes)
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

    async def layout(self, holder: MemberId, digest: Digest, layout: Digest) -> Layout:
        """Return the layout of a blob, compared with its digest. Raises PeerError if the holder
        does not give it, or gives another."""
        response = await self._request(holder, "GET", f"/v1/blobs/{digest}/layout")
        try:
            async with response, asyncio.timeout(LAYOUT_S):
                found = Layout.parse(await _read_bounded(response, MAX_LAYOUT_BYTES))
        except (Malformed, TimeoutError) as error:
            raise PeerError(f"Member {holder} gives no layout ({type(error).__name__}).") from None
        if found.digest != layout:
            raise PeerError(f"Member {holder} sent another layout than the digest says.")
        return found

    async def excerpt(
        self, member: MemberId, digest: Digest, nbytes: int, starts: Sequence[int]
    ) -> bytes:
        """Return stretches of a member's contribution, unproven. Raises PeerError if it has none to
        give."""
        response = await self._request(
            member, "POST", f"/v1/blobs/{digest}/excerpt", data=codec.encode(list(starts)),
            timeout=aiohttp.ClientTimeout(total=EXCERPT_TIMEOUT_S),
        )  # fmt: skip
        async with response:
            size = sum(min(STRETCH_BYTES, nbytes - at) for at in starts)
            return bytes(await _read_exactly(response, size))

    async def chunk(
        self, holders: Sequence[MemberId], digest: Digest, nbytes: int, layout: Digest, index: int
    ) -> bytes:
        """Return one chunk of a blob, proven to be in it, from the first holder that has it."""
        problem: Exception = PeerError("No holder of it is known.")
        for holder in holders:
            try:
                async with asyncio.timeout(CHUNK_ANSWER_S):
                    return await self._chunk_from(holder, digest, nbytes, layout, index)
            except TimeoutError:
                problem = PeerError(f"Member {holder} takes too long to give a chunk.")
            except (PeerError, BlobError, Malformed) as error:
                problem = error
        raise PeerError(str(problem))

    async def _chunk_from(
        self, holder: MemberId, digest: Digest, nbytes: int, layout: Digest, index: int
    ) -> bytes:
        start = index * CHUNK_BYTES
        size = min(CHUNK_BYTES, nbytes - start)
        response = await self._request(holder, "GET", f"/v1/blobs/{digest}/leaves")
        async with response:
            leaves = bytes(await _read_exactly(response, 32 * chunk_count(nbytes)))
        if parse_fingerprint(layout, nbytes, leaves).digest != digest:
            raise BlobError(f"Member {holder} sent chunk hashes of another blob.")
        response = await self._request(holder, "GET", f"/v1/blobs/{digest}/chunks/{index}")
        async with response:
            data = bytes(await _read_exactly(response, size))
        if leaf_of(data) != leaves[32 * index : 32 * index + 32]:
            raise BlobError(f"Member {holder} sent other bytes than the chunk's hash says.")
        return data

    async def watch(
        self, leader: MemberId, study: str, number: int, revision: int, known: str
    ) -> MergeDone | None:
        """Return the leader's merge, None if it had none in time. Raises PeerError if it is
        gone."""
        query = {
            "study": study, "number": str(number), "revision": str(revision), "known": known,
        }  # fmt: skip
        response = await self._request(
            leader, "GET", "/v1/offer", params=query,
            timeout=aiohttp.ClientTimeout(total=WATCH_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S),
        )  # fmt: skip
        async with response:
            if response.status == 204:
                return None
            data = await _read_bounded(response, MAX_ANSWER_BYTES)
        try:
            return codec.unpack(MergeDone, data)
        except Malformed:
            raise PeerError(f"Member {leader} sent an offer that does not decode.") from None

    async def knock(self, member: MemberId) -> None:
        """Return if the member admits this node. Raises HungUp if it does not, other PeerErrors if
        it cannot be asked."""
        (await self._request(member, "GET", "/v1/greeting")).release()

    async def reach(self, member: MemberId) -> Reachability:
        """Ask a member to check this node's ports. Raises PeerError if it cannot be asked."""
        response = await self._request(member, "GET", "/v1/reach", answer_s=REACH_S)
        async with response:
            if response.status != 200:
                raise PeerError(f"Member {member} answered {response.status}.")
            return read_reachability(await _read_bounded(response, MAX_ANSWER_BYTES))

    async def height(self, member: MemberId, chain: str) -> int:
        """Return the newest block of a chain that a member reports; 0 if it has another chain.
        Raises PeerError if it does not answer."""
        response = await self._request(member, "GET", "/v1/ledger")
        async with response:
            if response.status != 200:
                raise PeerError(f"Member {member} answered {response.status}.")
            try:
                told = codec.parse(await _read_bounded(response, MAX_ANSWER_BYTES))
            except Malformed:
                told = None
        height = told.get("height") if isinstance(told, dict) else None
        if type(height) is not int or not 0 <= height < 1 << 62:
            raise PeerError(f"Member {member} did not say how far its ledger is.")
        return height if told.get("chain") == chain else 0

    async def send_receipt(self, leader: MemberId, study: str, receipt: ReceiptCame) -> bool:
        """Send a receipt to the leader; returns whether it has accepted it (it may still merge, or
        know another key of this node). Raises PeerError if it cannot be reached."""
        body = {**codec.to_json(receipt), "study": study}
        response = await self._request(leader, "POST", "/v1/receipt", data=codec.encode(body))
        response.release()
        return response.status == 204


def _check_range(response: aiohttp.ClientResponse, start: int, nbytes: int) -> None:
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


async def _read_exactly(response: aiohttp.ClientResponse, nbytes: int) -> bytearray:
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


async def _read_bounded(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Read a body of at most `limit` bytes."""
    _need_good(response)
    data = bytearray()
    async for piece in _pieces(response, limit):
        data += piece
        if len(data) > limit:
            raise PeerError(f"A member sent more than {limit} bytes.")
    return bytes(data)
