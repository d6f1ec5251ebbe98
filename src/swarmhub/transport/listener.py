"""The listening port before authentication: accepting, and the TLS handshake.

Anyone on the network can connect, send nothing, and hold a socket open. So connections not yet
known to be a member's are bounded on their own, apart from members' connections:

- a handshake has HANDSHAKE_S seconds;
- at most MAX_PENDING are in a handshake at a time. If one more comes, the address with the most
  of them loses its oldest: a flood drops its own, and a member at another address comes in;
- a few are accepted at a time, so that handshakes under way go on between two of them;
- if descriptors run out, one of them is closed and accepting pauses for a moment.

The rest of a connection is in `connection`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

HANDSHAKE_S = 10.0  # two round trips; a satellite link needs about two seconds
SHUTDOWN_S = 2.0  # for the other end's close
MAX_PENDING = 256  # each with the buffers of a TLS connection
ACCEPTS_AT_ONCE = 16  # the more, the shorter the kernel's queue in which a member waits
PAUSE_S = 0.1  # without accepting, if no descriptors are left
BACKLOG = 2048  # a full queue costs a member seconds; the kernel may allow fewer
NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


@dataclass(eq=False)
class PendingHandshake:
    """A connection in its handshake."""

    address: str
    socket: socket.socket

    def send_away(self) -> None:
        """Make the transport that owns the socket see its end."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)


class Listener:
    """Listening sockets. Connections are passed to a protocol of `make` after the handshake."""

    def __init__(self, context: ssl.SSLContext, make: Callable[[], asyncio.Protocol]) -> None:
        self._context, self._make = context, make
        self._listening: list[socket.socket] = []
        self._guests: dict[PendingHandshake, asyncio.Task[None]] = {}  # in order of arrival
        self._pauses: dict[socket.socket, asyncio.TimerHandle] = {}

    async def open(self, host: str, port: int) -> int:
        """Listen on all addresses of the host; returns the port. Raises OSError if it is taken."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        try:
            for family, _, _, _, address in dict.fromkeys(found):
                self._listening.append(self._listen(family, (address[0], port)))
                port = int(self._listening[-1].getsockname()[1])  # 0 means any: the same for all
        except OSError:
            await self.close()
            raise
        return port

    def _listen(self, family: int, address: tuple[str | int, int]) -> socket.socket:
        listening = socket.create_server(address, family=family, backlog=BACKLOG)
        listening.setblocking(False)
        self._resume(listening)
        return listening

    async def close(self) -> None:
        """Stop listening and close connections in a handshake."""
        for listening in self._listening:
            self._stop(listening)
            listening.close()
        self._listening.clear()
        tasks = list(self._guests.values())
        for guest in list(self._guests):
            guest.send_away()
        if tasks:
            await asyncio.wait(tasks)

    def _resume(self, listening: socket.socket) -> None:
        self._pauses.pop(listening, None)
        asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    def _stop(self, listening: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(listening)
        pause = self._pauses.pop(listening, None)
        if pause is not None:
            pause.cancel()

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(ACCEPTS_AT_ONCE):
            try:
                accepted, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in NO_DESCRIPTORS:
                    raise
                self._rest(listening)
                return
            accepted.setblocking(False)
            self._welcome(PendingHandshake(str(address[0]), accepted))

    def _rest(self, listening: socket.socket) -> None:
        """Free a descriptor, since none is left, and accept again in a moment."""
        self._send_one_away()
        self._stop(listening)
        loop = asyncio.get_running_loop()
        self._pauses[listening] = loop.call_later(PAUSE_S, self._resume, listening)

    def _welcome(self, guest: PendingHandshake) -> None:
        while len(self._guests) >= MAX_PENDING:
            self._send_one_away()
        self._guests[guest] = asyncio.create_task(self._shake_hands(guest))

    def _send_one_away(self) -> None:
        """Close the oldest pending connection of the address with the most of them."""
        if self._guests:
            crowd = Counter(guest.address for guest in self._guests)
            worst = max(crowd, key=crowd.__getitem__)
            guest = next(g for g in self._guests if g.address == worst)
            del self._guests[guest]
            guest.send_away()

    async def _shake_hands(self, guest: PendingHandshake) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(
                self._make, guest.socket, ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_S, ssl_shutdown_timeout=SHUTDOWN_S,
            )  # fmt: skip
        except OSError as error:  # no member's certificate, no TLS 1.3, no timeouts
            # its traceback holds the frames that hold it, and asyncio's buffer with them: release
            # them now, not when the garbage collector runs
            error.__traceback__ = None
        finally:
            self._guests.pop(guest, None)
