"""Requests to other members' nodes: one pinned session for each member."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from typing import Any

import aiohttp

from swarmhub.contract.records import Member
from swarmhub.errors import HungUp, PeerError, WireMismatch
from swarmhub.transport.bodies import STALL_TIMEOUT_S
from swarmhub.transport.links import Links
from swarmhub.transport.relay.router import RelayRouter
from swarmhub.transport.round_trips import ANSWERED_AT_ONCE, watch_round_trips
from swarmhub.transport.tls import Peers
from swarmhub.types import WIRE_HEADER, WIRE_VERSION, MemberId

CONNECT_TIMEOUT_S = 3.0
ANSWER_TIMEOUT_S = 4.0  # for the head of a response
READ_BUFFER_BYTES = 1 << 20


class PeerSessions:
    """One session a member, so that a removed member's connections can be closed at once."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self._context = peers.client_context()
        self._router = RelayRouter(peers)
        self._sessions: dict[bytes, aiohttp.ClientSession] = {}
        self.links = Links()
        self._watch = watch_round_trips(self.links)
        self._closing: set[asyncio.Task[None]] = set()
        self.mismatches: dict[MemberId, str] = {}  # sentences on nodes of another wire version
        peers.on_gone.append(self._close_gone)

    async def close(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()
        if self._closing:
            await asyncio.wait(self._closing)
        await self._router.close()

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
                headers={
                    "User-Agent": "swarmhub",
                    "Accept-Encoding": "identity",
                    WIRE_HEADER: WIRE_VERSION,
                },
                cookie_jar=aiohttp.DummyCookieJar(),
                trace_configs=[self._watch],
            )  # fmt: skip
            self._sessions[certificate] = session
        return session, found

    async def request(
        self,
        member: MemberId,
        method: str,
        path: str,
        answer_s: float = ANSWER_TIMEOUT_S,
        **options: Any,
    ) -> aiohttp.ClientResponse:
        """Send a request; returns the response when its head is here. Raises PeerError if there is
        none (HungUp if the member ends the connection)."""
        session, found = self._session(member)
        try:
            response = await self._send(session, found, (method, path), answer_s, options)
        except PeerError:
            self.links.reached(member, None)
            raise
        self.links.reached(member, self._router.name_relay(found))
        told = response.headers.get(WIRE_HEADER, WIRE_VERSION)
        if told != WIRE_VERSION:
            response.close()
            mismatch = WireMismatch(f"Member {member}'s node", WIRE_VERSION, told)
            self.mismatches[member] = str(mismatch)
            raise mismatch
        self.mismatches.pop(member, None)
        if response.headers.get("Content-Encoding", "identity") != "identity":
            response.close()
            raise PeerError(f"Member {member} answered with a compressed body; that is not read.")
        return response

    async def _send(
        self,
        session: aiohttp.ClientSession,
        found: Member,
        what: tuple[str, str],
        answer_s: float,
        options: dict[str, Any],
    ) -> aiohttp.ClientResponse:
        """Send a request (method, path); return the response when its head is here."""
        member, (method, path) = found.id, what
        timed = member if path in ANSWERED_AT_ONCE else None
        try:
            base = f"https://{await self._router.to(found)}"
            # the connector compares the server's certificate with the member's own, before a byte
            # of the request is sent; the context presents ours
            given = options.get("timeout")  # aiohttp's own would allow interim responses
            async with asyncio.timeout(given.total if given else answer_s):
                return await session.request(
                    method, base + path, allow_redirects=False, ssl=self._context,
                    trace_request_ctx=timed, **options,
                )  # fmt: skip
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
