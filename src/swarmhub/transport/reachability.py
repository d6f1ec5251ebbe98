"""Checks whether a port can be reached, in words for the firewall's administrator."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from dataclasses import dataclass

from swarmhub import codec
from swarmhub.errors import Malformed, PeerError, plain

TRY_S = 3.0
WORDS = {
    errno.ECONNREFUSED: "the host answers, nothing listens on the port",
    errno.EHOSTUNREACH: "no way to the host",
    errno.ENETUNREACH: "no way to its network",
}


@dataclass(frozen=True)
class Reachability:
    """A member's check of the asker's ports: "" or the error."""

    data: str
    ledger: str
    height: int  # the member's newest block
    version: str
    now_ms: int = 0  # the member's clock


def read_reachability(data: bytes) -> Reachability:
    """Parse a member's answer, as printable text. Raises PeerError if it does not decode."""
    try:
        found = codec.unpack(Reachability, data)
    except Malformed:
        raise PeerError("it answers what does not decode") from None
    said = (plain(found.data), plain(found.ledger))
    return Reachability(*said, found.height, plain(found.version), found.now_ms)


async def try_tcp(place: str) -> str:
    """Connect to host:port and close; return "" or the error, for people."""
    host, _, port = place.rpartition(":")
    try:
        async with asyncio.timeout(TRY_S):
            _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    except TimeoutError:
        return "no answer (a firewall drops it, or the host is down)"
    except socket.gaierror:
        return f"the name {host} means nothing here (DNS)"
    except OSError as error:
        return WORDS.get(error.errno or 0, f"cannot connect ({error.strerror or error})")
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return ""
