"""The way to a member: its own address, or through one of its relays."""

from __future__ import annotations

import asyncio
import logging

from swarmhub.contract.records import Member
from swarmhub.errors import PeerError
from swarmhub.transport.relay.streams import PIECE_BYTES, Stream, reach_relay, relays_of, splice
from swarmhub.transport.tls import Peers, abort
from swarmhub.types import MemberId

log = logging.getLogger("swarmhub.relay")


class RelayRouter:
    """Local addresses for reaching members: a member's own address, or a loopback port that
    forwards to its relay. Another local process that connects there gets no further than at any
    port of the member's: its TLS asks for a member's certificate."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self._context = peers.client_context()
        self._servers: dict[MemberId, tuple[str, asyncio.Server]] = {}
        self._opening = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._used: dict[MemberId, str] = {}  # name of the relay's member, of the newest call

    async def to(self, member: Member) -> str:
        """Return host:port at which to reach the member."""
        if not relays_of(member.address):
            return member.address
        async with self._opening:
            address, server = self._servers.get(member.id, ("", None))
            if server is None or address != member.address:
                if server is not None:
                    server.close()

                async def forward(
                    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
                ) -> None:
                    await self._forward(member, (reader, writer))

                server = await asyncio.start_server(forward, "127.0.0.1", 0, limit=2 * PIECE_BYTES)
                self._servers[member.id] = (member.address, server)
        return f"127.0.0.1:{server.sockets[0].getsockname()[1]}"

    def name_relay(self, member: Member) -> str:
        """Return the name of the member that relayed the last call to this one; "" if it has an
        address of its own."""
        relays = relays_of(member.address)
        return self._used.get(member.id, relays[0]) if relays else ""

    async def _forward(self, member: Member, inner: Stream) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            outer = await self._call(member)
            await splice(inner, outer)
        except (PeerError, OSError, TimeoutError) as error:
            log.info("member %d cannot be called: %s", member.id, error)
        except asyncio.CancelledError:
            pass  # cancelled by `close`; the streams' own callback in Python 3.11 fails on it
        finally:
            self._tasks.discard(task)
            abort(inner[1].transport)

    async def _call(self, member: Member) -> Stream:
        problem: Exception = PeerError("it names no relay")
        for relay in relays_of(member.address):
            try:
                found = await reach_relay(self._peers, self._context, relay, f"call {member.id}")
            except (PeerError, OSError, TimeoutError) as error:
                problem = error
                continue
            certificate = found[1].get_extra_info("ssl_object").getpeercert(binary_form=True)
            carrier = self._peers.member_of(certificate)
            self._used[member.id] = carrier.name if carrier else relay
            return found
        raise problem

    async def close(self) -> None:
        """Close all connections."""
        for _, server in self._servers.values():
            server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
