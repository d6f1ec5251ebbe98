"""Client of a newcomer that is not yet a member: with an invitation it may ask about the
consortium, and submit its application. Both ends are authenticated: the token names the members'
certificates, and the ledger has an invitation with the key that the newcomer presents."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from swarmhub import codec
from swarmhub.errors import HungUp, Malformed, PeerError, WireMismatch
from swarmhub.types import WIRE_HEADER, WIRE_VERSION

APPLICATION_S = 90.0  # an application waits for its block
KNOCK_S = 5.0
MAX_ANSWER_BYTES = 4 << 20


@dataclass(frozen=True)
class JoinEndpoint:
    """A member's peer port (host:port) and the sha256 of its certificate (hex)."""

    address: str
    tls: str


class JoinClient:
    """Requests with an invitation's certificate (PEM files of it and of its key)."""

    def __init__(self, places: Sequence[JoinEndpoint], certificate: Path, key: Path) -> None:
        self._places = places
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_3
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE  # the fingerprint is compared instead
        self._context.load_cert_chain(certificate, key)

    async def ask(self) -> dict[str, Any]:
        """Return facts about the consortium: `genesis` (canonical JSON), `height` and `head` of the
        newest block, `engines` (ID@host:port of the members' ledger engines)."""
        return await self._request("GET", "/v1/consortium")

    async def hand_in(self, tx: bytes) -> dict[str, Any]:
        """Submit an application (or a member's new keys); return the ledger's `code` and `message`,
        and the `motion`'s number."""
        return await self._request("POST", "/v1/applications", tx)

    async def ledgers(self) -> list[dict[str, Any]]:
        """Return the state of the ledger (see `CometLedger.describe`) and the members' `engines`,
        from every member that answers. Raises PeerError if none does."""
        asked = [self._request_at(place, "GET", "/v1/ledger", None) for place in self._places]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        found = [answer for answer in answers if isinstance(answer, dict)]
        if not found:
            raise PeerError("; ".join(str(answer) for answer in answers) or "nobody to ask")
        return found

    async def knock(self, place: int) -> None:
        """Ask a member, by index, whether this newcomer's application is open. Raises HungUp if it
        is not (any more), other PeerErrors if the member cannot be asked."""
        await self._request_at(self._places[place], "GET", "/v1/consortium", None)

    async def light(self, method: str, height: int, page: int, first: int) -> dict[str, Any]:
        """Return what a light client needs of a block (see `CometLedger.light`), preferably from
        the member at index `first`."""
        body = codec.encode({"method": method, "height": height, "page": page})
        return await self._request("POST", "/v1/ledger/light", body, first)

    async def _request(
        self, method: str, path: str, body: bytes | None = None, first: int = 0
    ) -> dict[str, Any]:
        """Ask one member after the other. Raises PeerError with each one's error if none
        answers."""
        problems = []
        first %= max(1, len(self._places))
        for place in [*self._places[first:], *self._places[:first]]:
            try:
                return await self._request_at(place, method, path, body)
            except PeerError as error:
                problems.append(f"{place.address}: {error}")
        raise PeerError("; ".join(problems) or "the invitation names no member's address")

    async def _request_at(
        self, place: JoinEndpoint, method: str, path: str, body: bytes | None
    ) -> dict[str, Any]:
        pinned = aiohttp.Fingerprint(bytes.fromhex(place.tls))
        timeout = aiohttp.ClientTimeout(total=APPLICATION_S, sock_connect=KNOCK_S)
        data = bytearray()
        try:
            async with (
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(ssl=pinned),
                    timeout=timeout,
                    auto_decompress=False,
                ) as session,
                session.request(
                    method,
                    f"https://{place.address}{path}",
                    data=body,
                    headers={WIRE_HEADER: WIRE_VERSION},
                    allow_redirects=False,
                    ssl=self._context,
                ) as response,
            ):
                told = response.headers.get(WIRE_HEADER, WIRE_VERSION)
                if told != WIRE_VERSION:
                    raise WireMismatch("its node", WIRE_VERSION, told)
                if response.status != 200:
                    raise PeerError(f"answered {response.status}")
                async for piece in response.content.iter_any():
                    data += piece
                    if len(data) > MAX_ANSWER_BYTES:
                        raise PeerError("answered with too much")
        except aiohttp.ServerFingerprintMismatch:
            raise PeerError("somebody else answers there") from None
        except aiohttp.ClientConnectorError as error:
            raise PeerError(f"no answer ({type(error).__name__})") from None
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:  # it hangs up
            raise HungUp(f"no answer ({type(error).__name__})") from None
        except (aiohttp.ClientError, OSError, TimeoutError, ssl.SSLError, UnicodeError) as error:
            raise PeerError(f"no answer ({type(error).__name__})") from None
        return read_told(bytes(data))


def read_told(data: bytes) -> dict[str, Any]:
    """Parse a member's answer, a JSON object. Raises PeerError if it is not one."""
    try:
        found = codec.parse(data, MAX_ANSWER_BYTES)
    except Malformed:
        raise PeerError("answered with something else") from None
    if not isinstance(found, dict):
        raise PeerError("answered with something else")
    return found
