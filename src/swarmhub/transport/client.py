"""How a node asks other members' nodes. Everything that comes back is hostile until checked."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from typing import Any

import aiohttp

from swarmhub import codec
from swarmhub.blobs import BlobStore, Incoming
from swarmhub.blobs.store import parse_fingerprint
from swarmhub.errors import BlobError, Malformed, PeerError
from swarmhub.params import CHUNK_BYTES, chunk_count, leaf_of
from swarmhub.round import Merged, Pull, ReceiptCame
from swarmhub.transport.tls import Peers
from swarmhub.types import MemberId

CONNECT_TIMEOUT_S = 3.0
ANSWER_TIMEOUT_S = 4.0  # for the head of an answer: less than a leader has
STALL_TIMEOUT_S = 30.0  # no byte for so long: the peer hangs
WATCH_TIMEOUT_S = 30.0  # a little more than the server's own waiting time
MAX_ANSWER_BYTES = 64 * 1024
READ_BUFFER_BYTES = 1 << 20


class PeerClient:
    """One session a member, so that a removed member's connections can be closed at once."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self._context = peers.client_context()
        self._sessions: dict[bytes, aiohttp.ClientSession] = {}
        self._closing: set[asyncio.Task[None]] = set()
        peers.on_gone.append(self._close_gone)

    async def close(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()
        if self._closing:
            await asyncio.wait(self._closing)

    def _close_gone(self, certificates: set[bytes]) -> None:
        for certificate in certificates:
            session = self._sessions.pop(certificate, None)
            if session is not None:
                task = asyncio.ensure_future(session.close())
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)

    def _session(self, member: MemberId) -> tuple[aiohttp.ClientSession, str]:
        found = self._peers.members.get(member)
        if found is None:
            raise PeerError(f"Member {member} is not active (any more).")
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
                headers={"User-Agent": "swarmhub"},
            )  # fmt: skip
            self._sessions[certificate] = session
        return session, f"https://{found.address}"

    async def _request(
        self, member: MemberId, method: str, path: str, **options: Any
    ) -> aiohttp.ClientResponse:
        session, base = self._session(member)
        try:
            # the connector compares the server's certificate with the member's own, before a
            # byte of the request is sent; the context presents ours
            async with asyncio.timeout(None if "timeout" in options else ANSWER_TIMEOUT_S):
                return await session.request(
                    method, base + path, allow_redirects=False, ssl=self._context, **options
                )
        except aiohttp.ServerFingerprintMismatch:
            raise PeerError(f"Somebody else answers at the address of member {member}.") from None
        except (aiohttp.ClientError, OSError, TimeoutError, ssl.SSLError, RuntimeError) as error:
            raise PeerError(f"Member {member} does not answer ({type(error).__name__}).") from None

    async def pull(self, wish: Pull, store: BlobStore) -> None:
        """Bring a blob into the store from the first holder that has it; PeerError otherwise."""
        problem: Exception = PeerError("Nobody is known to hold it.")
        for holder in wish.holders:
            try:
                await self._pull_from(holder, wish, store)
                return
            except (PeerError, BlobError, Malformed) as error:
                if "disk" in str(error):
                    raise
                problem = error
        raise PeerError(str(problem))

    async def _pull_from(self, holder: MemberId, wish: Pull, store: BlobStore) -> None:
        count = chunk_count(wish.nbytes)
        leaves = b""
        if count > 1:
            response = await self._request(holder, "GET", f"/v1/blobs/{wish.digest}/leaves")
            async with response:
                leaves = await _read_bounded(response, 32 * count)
            fingerprint = parse_fingerprint(wish.layout, wish.nbytes, leaves)
            if fingerprint.digest != wish.digest:
                raise BlobError(f"Member {holder} sent chunk hashes of another blob.")
            await self._pull_chunks(holder, wish, Incoming(store, fingerprint, wish.durable))
            return
        response = await self._request(holder, "GET", f"/v1/blobs/{wish.digest}")
        async with response:
            data = await _read_bounded(response, wish.nbytes)
        fingerprint = parse_fingerprint(wish.layout, wish.nbytes, leaf_of(data))
        if fingerprint.digest != wish.digest:
            raise BlobError(f"Member {holder} sent other bytes than the digest says.")
        incoming = Incoming(store, fingerprint, wish.durable)
        if incoming.wanted:
            incoming.feed(data)
        incoming.finish()

    async def _pull_chunks(self, holder: MemberId, wish: Pull, incoming: Incoming) -> None:
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
                holder, "GET", f"/v1/blobs/{wish.digest}", headers=headers
            )
            async with response:
                if response.status != (206 if start else 200):
                    raise PeerError(f"Member {holder} answered {response.status}, not the blob.")
                chunk, other = bytearray(CHUNK_BYTES), bytearray(CHUNK_BYTES)  # fill one, write one
                filled = 0
                wanted = incoming.wanted
                left = wish.nbytes - start
                async for piece in response.content.iter_any():
                    view = memoryview(piece)
                    while view.nbytes:
                        if not left:
                            raise BlobError(f"Member {holder} sent more bytes than announced.")
                        take = min(view.nbytes, wanted - filled)
                        chunk[filled : filled + take] = view[:take]
                        view = view[take:]
                        filled += take
                        left -= take
                        if filled == wanted:
                            if writing is not None:
                                await asyncio.shield(writing)
                            whole = memoryview(chunk)[:wanted]
                            writing = loop.run_in_executor(None, incoming.feed, whole)
                            chunk, other, filled = other, chunk, 0
                            wanted = min(CHUNK_BYTES, left)
                if writing is not None:
                    await asyncio.shield(writing)
            writing = loop.run_in_executor(None, incoming.finish)
            await asyncio.shield(writing)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise PeerError(f"Member {holder} broke off ({type(error).__name__}).") from None
        finally:
            if writing is not None:  # a thread may still write: were its file closed under it,
                await asyncio.wait([writing])  # the number might be another file's by then
                if not writing.cancelled():
                    writing.exception()  # who is cancelled does not ask
            incoming.close()

    async def watch(
        self, leader: MemberId, study: str, number: int, revision: int, known: str
    ) -> Merged | None:
        """The leader's merge, None when it had none in time; PeerError when it is gone."""
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
            data = await _read_bounded(response, MAX_ANSWER_BYTES, exact=False)
        try:
            return codec.unpack(Merged, data)
        except Malformed:
            raise PeerError(f"Member {leader} sent an offer that does not decode.") from None

    async def send_receipt(self, leader: MemberId, study: str, receipt: ReceiptCame) -> None:
        """Hand a receipt to the leader; PeerError where it cannot be reached. One that it has no
        use for (the round is settled by now) is none the worse."""
        body = {**codec.to_json(receipt), "study": study}
        response = await self._request(leader, "POST", "/v1/receipt", data=codec.encode(body))
        response.release()


async def _read_bounded(response: aiohttp.ClientResponse, limit: int, exact: bool = True) -> bytes:
    """The body of at most `limit` bytes (exactly that many by default)."""
    if response.status != 200:
        raise PeerError(f"A member answered {response.status}.")
    data = bytearray()
    try:
        async for piece in response.content.iter_any():
            data += piece
            if len(data) > limit:
                raise PeerError(f"A member sent more than the {limit} bytes announced.")
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise PeerError(f"A member broke off ({type(error).__name__}).") from None
    if exact and len(data) != limit:
        raise PeerError(f"Expected {limit} bytes from a member, got {len(data)}.")
    return bytes(data)
