"""One member's connection after the handshake: its identity, and its limits.

The handshake accepts every certificate that OpenSSL can trace to a member's, present or former:
also one that a member has issued for another party. Here it is compared byte by byte with those of
the active members, before a byte of HTTP is read. A peer that is none of them sees the connection
end and nothing else.

A member's own limits: connections in all (and as many for all its guests together, whatever
certificates it issues them), seconds from a request's first byte to its last header, bytes of one
request with all that is sent while it is being answered. A peer that exceeds one is cut off without
a response. aiohttp answers requests that do not parse with a page that names its version; here the
response is a bare status code.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import cast

from aiohttp import web

from swarmhub.contract.records import Member
from swarmhub.transport.tls import Peers, abort
from swarmhub.types import MemberId

MAX_CONNECTIONS_PER_MEMBER = 16  # a node opens at most 8 to another
MAX_REQUEST_BYTES = 128 * 1024  # the largest receipt with headers is half of it
MAX_HEADER_BYTES = 8190  # a line
REQUEST_S = 10.0  # from the first byte of a request to the end of its headers
IDLE_S = 300.0  # between requests; the client gives up sooner
NAME = "swarmhub"  # all that the Server header says

log = logging.getLogger("swarmhub.peers")


class ConnectionTable:
    """All connections of a server."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self.open: dict[Connection, bytes] = {}  # certificate (DER), in order of arrival
        self._hosts: dict[Connection, MemberId] = {}  # inviting members of guests
        peers.on_gone.append(self._close_gone)

    def enter(self, connection: Connection, certificate: bytes | None) -> bool:
        """Return whether this is an active member, or has an open invitation or application. If it
        has too many connections, its oldest is closed: they may be left over from a crash of its
        node."""
        if certificate is None:
            return False
        if self._peers.member_of(certificate):
            mine = [c for c, known in self.open.items() if known == certificate]
        else:
            host = self._peers.host_of(certificate)
            if host is None:
                return False
            mine = [c for c, known in self._hosts.items() if known == host]
            self._hosts[connection] = host
        for oldest in mine[: max(0, len(mine) + 1 - MAX_CONNECTIONS_PER_MEMBER)]:
            self.end(oldest)
        self.open[connection] = certificate
        return True

    def leave(self, connection: Connection) -> None:
        """Remove a connection that has ended."""
        self.open.pop(connection, None)
        self._hosts.pop(connection, None)

    def end(self, connection: Connection) -> None:
        """Close it without a response."""
        self.leave(connection)
        connection.cut_off()

    def member_of(self, connection: object) -> Member | None:
        """Return the member at the other end, if it is still one."""
        if not isinstance(connection, Connection):
            return None
        return self._peers.member_of(self.open.get(connection))

    def is_guest(self, connection: object) -> bool:
        """Return whether the other end has an invitation or an application that is still open."""
        if not isinstance(connection, Connection):
            return False
        return self._peers.host_of(self.open.get(connection)) is not None

    def is_applicant(self, connection: object) -> bool:
        """Return whether the other end waits for the vote on its application."""
        if not isinstance(connection, Connection):
            return False
        return self._peers.is_applicant(self.open.get(connection))

    def _close_gone(self, certificates: set[bytes]) -> None:
        for connection, certificate in list(self.open.items()):
            if certificate in certificates:
                self.end(connection)


class Connection(web.RequestHandler):
    """aiohttp's protocol of one connection, with additional limits."""

    def __init__(self, table: ConnectionTable, server: web.Server) -> None:
        super().__init__(
            server, loop=asyncio.get_running_loop(), lingering_time=0, keepalive_timeout=IDLE_S,
            auto_decompress=False, max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES, access_log=cast(logging.Logger, None),
        )  # fmt: skip
        self._table = table
        self._tls: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._answering = False
        self._received = 0  # bytes since the last response

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)
        tls = transport.get_extra_info("ssl_object")
        certificate = tls.getpeercert(binary_form=True) if tls else None
        if not self._table.enter(self, certificate):
            abort(transport)
            return
        self._tls = transport
        self._expect_request()
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._table.leave(self)
        self._stop_timer()
        if self._tls is not None:
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._tls is None or self._tls.is_closing():
            return
        self._received += len(data)
        if self._received > MAX_REQUEST_BYTES:
            self._table.end(self)
            return
        if not self._answering and self._timer is None:
            self._expect_request()
        super().data_received(data)

    def cut_off(self) -> None:
        """Close the connection without a response."""
        if self._tls is not None:
            abort(self._tls)

    def begin(self) -> None:
        """Note that a request's headers are complete."""
        self._answering = True
        self._stop_timer()

    def finish(self) -> None:
        """Note that the request is answered."""
        self._answering = False
        self._received = 0

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer invalid requests and internal errors with a status code, and close the
        connection."""
        if isinstance(exc, ConnectionError) or request.writer.output_size > 0:
            raise ConnectionResetError  # no listener, or a partly sent response
        if status >= 500:
            log.error("a request failed", exc_info=exc)
        response = web.Response(status=status, headers={"Server": NAME})
        response.force_close()
        return response

    def _expect_request(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(REQUEST_S, self._table.end, self)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def make_connections(table: ConnectionTable, server: web.Server) -> Callable[[], Connection]:
    """Return the protocol factory of the listener, called after each handshake."""
    return lambda: Connection(table, server)
