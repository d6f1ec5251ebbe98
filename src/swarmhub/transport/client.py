"""Client for other members' nodes. Every response is untrusted until checked.

A response is bounded in bytes by the request, and in time as a whole: a peer that sends a byte now
and then would never exceed a timeout between two bytes. Compression, cookies and redirects are not
accepted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence

import aiohttp

from swarmhub import codec
from swarmhub.blobs import BlobStore
from swarmhub.documents import digest_of
from swarmhub.errors import BlobError, DiskError, Malformed, PeerError
from swarmhub.merge import STRETCH_BYTES
from swarmhub.params import Layout
from swarmhub.protocol import MergeDone, Pull, ReceiptCame
from swarmhub.transport.bodies import read_bounded, read_exactly
from swarmhub.transport.gate import OfferAsked
from swarmhub.transport.pulls import pull_chunk, pull_from
from swarmhub.transport.reachability import Reachability, read_reachability
from swarmhub.transport.sessions import CONNECT_TIMEOUT_S, PeerSessions
from swarmhub.transport.tls import Peers
from swarmhub.types import Digest, MemberId

log = logging.getLogger("swarmhub.peers")

WATCH_TIMEOUT_S = 30.0  # a little more than the server's own waiting time
REACH_S = 10.0  # it tries two ports
CHUNK_ANSWER_S = 8.0  # a MiB for a recomputation, within a leader's time; then the next holder
EXCERPT_TIMEOUT_S = 5.0  # then the auditor takes the contribution from the leader
MAX_ANSWER_BYTES = 64 * 1024
MAX_LAYOUT_BYTES, LAYOUT_S = 8 << 20, 20.0  # to report how two models differ
GREETINGS_AT_ONCE = 8
GREETING_PAUSE_S = 0.2  # a member cannot make this node do handshakes all the time


class PeerClient:
    """Client of all members' nodes."""

    def __init__(self, peers: Peers) -> None:
        self.sessions = PeerSessions(peers)
        self._greetings: dict[MemberId, asyncio.Task[None]] = {}
        self._greeting = asyncio.Semaphore(GREETINGS_AT_ONCE)
        self._greeted: set[MemberId] = set()  # members that greeted meanwhile
        self._closed = False

    async def close(self) -> None:
        """Close all connections."""
        self._closed = True
        greetings = list(self._greetings.values())
        for task in greetings:
            task.cancel()
        await asyncio.gather(*greetings, return_exceptions=True)
        await self.sessions.close()

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
                (await self.sessions.request(member, method, "/v1/greeting")).release()

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
                await pull_from(self.sessions, holder, effect, store)
                return
            except DiskError:
                raise
            except (PeerError, BlobError, Malformed) as error:
                problem = error
                if tried < len(effect.holders):
                    log.info("pull of %s…: %s Asking the next.", effect.digest[:12], error)
        raise PeerError(str(problem))

    async def layout(self, holder: MemberId, digest: Digest, layout: Digest) -> Layout:
        """Return the layout of a blob, compared with its digest. Raises PeerError if the holder
        does not give it, or gives another."""
        response = await self.sessions.request(holder, "GET", f"/v1/blobs/{digest}/layout")
        try:
            async with response, asyncio.timeout(LAYOUT_S):
                found = Layout.parse(await read_bounded(response, MAX_LAYOUT_BYTES))
        except (Malformed, TimeoutError) as error:
            raise PeerError(f"Member {holder} gives no layout ({type(error).__name__}).") from None
        if found.digest != layout:
            raise PeerError(f"Member {holder} sent another layout than the digest says.")
        return found

    async def document(self, holder: MemberId, digest: Digest, limit: int) -> bytes:
        """Return a document of a study, of at most `limit` bytes. Raises PeerError if the holder
        has not got it, or gives another."""
        response = await self.sessions.request(holder, "GET", f"/v1/documents/{digest}")
        async with response:
            if (response.content_length or 0) > limit:
                raise PeerError(f"Member {holder} has a document of more than {limit} bytes.")
            data = await read_bounded(response, limit)
        if digest_of(data) != digest:
            raise PeerError(f"Member {holder} sent another document than the digest says.")
        return data

    async def excerpt(
        self, member: MemberId, digest: Digest, nbytes: int, starts: Sequence[int]
    ) -> bytes:
        """Return stretches of a member's contribution, unproven. Raises PeerError if it has none to
        give."""
        response = await self.sessions.request(
            member, "POST", f"/v1/blobs/{digest}/excerpt", data=codec.encode(list(starts)),
            timeout=aiohttp.ClientTimeout(total=EXCERPT_TIMEOUT_S),
        )  # fmt: skip
        async with response:
            size = sum(min(STRETCH_BYTES, nbytes - at) for at in starts)
            return bytes(await read_exactly(response, size))

    async def chunk(
        self, holders: Sequence[MemberId], digest: Digest, nbytes: int, layout: Digest, index: int
    ) -> bytes:
        """Return one chunk of a blob, proven to be in it, from the first holder that has it."""
        problem: Exception = PeerError("No holder of it is known.")
        for holder in holders:
            try:
                async with asyncio.timeout(CHUNK_ANSWER_S):
                    return await pull_chunk(self.sessions, holder, digest, nbytes, layout, index)
            except TimeoutError:
                problem = PeerError(f"Member {holder} takes too long to give a chunk.")
            except (PeerError, BlobError, Malformed) as error:
                problem = error
        raise PeerError(str(problem))

    async def watch(self, leader: MemberId, asked: OfferAsked) -> MergeDone | None:
        """Return the leader's merge, None if it had none in time. Raises PeerError if it is
        gone."""
        query = {
            "study": asked.study, "number": str(asked.number), "revision": str(asked.revision),
            "known": asked.known, "shard": str(asked.shard),
        }  # fmt: skip
        response = await self.sessions.request(
            leader, "GET", "/v1/offer", params=query,
            timeout=aiohttp.ClientTimeout(total=WATCH_TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S),
        )  # fmt: skip
        async with response:
            if response.status == 204:
                return None
            data = await read_bounded(response, MAX_ANSWER_BYTES)
        try:
            return codec.unpack(MergeDone, data)
        except Malformed:
            raise PeerError(f"Member {leader} sent an offer that does not decode.") from None

    async def knock(self, member: MemberId) -> None:
        """Return if the member admits this node. Raises HungUp if it does not, other PeerErrors if
        it cannot be asked."""
        (await self.sessions.request(member, "GET", "/v1/greeting")).release()

    async def reach(self, member: MemberId) -> Reachability:
        """Ask a member to check this node's ports. Raises PeerError if it cannot be asked."""
        response = await self.sessions.request(member, "GET", "/v1/reach", answer_s=REACH_S)
        async with response:
            if response.status != 200:
                raise PeerError(f"Member {member} answered {response.status}.")
            return read_reachability(await read_bounded(response, MAX_ANSWER_BYTES))

    async def height(self, member: MemberId, chain: str) -> int:
        """Return the newest block of a chain that a member reports; 0 if it has another chain.
        Raises PeerError if it does not answer."""
        response = await self.sessions.request(member, "GET", "/v1/ledger")
        async with response:
            if response.status != 200:
                raise PeerError(f"Member {member} answered {response.status}.")
            try:
                told = codec.parse(await read_bounded(response, MAX_ANSWER_BYTES))
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
        response = await self.sessions.request(
            leader, "POST", "/v1/receipt", data=codec.encode(body)
        )
        response.release()
        return response.status == 204
