"""The relay server: members that stand here, and calls to them."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter

from swarmhub.contract.records import Member
from swarmhub.errors import BadInput
from swarmhub.transport.listener import Listener
from swarmhub.transport.relay.streams import (
    LINE_S,
    PIECE_BYTES,
    SILENCE_S,
    Stream,
    read_line,
    splice,
)
from swarmhub.transport.tls import Peers, abort
from swarmhub.types import MemberId

MAX_STREAMS_PER_MEMBER = 64  # opened by the member itself; a node opens at most 8 to each other
MAX_SILENT = 16  # connections of one member before their first line
MAX_CALLS_TO_ONE = 16  # calls of one member to another, at a time
LEAST_PULSE_S = 1.0  # more frequent ones are ignored


class Relay:
    """The relay server."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self._door = Listener(peers.server_context(), self._make)
        self._open: dict[asyncio.StreamWriter, tuple[bytes, asyncio.Task[None]]] = {}
        self._standing: dict[MemberId, asyncio.StreamWriter] = {}
        self._calls: dict[str, tuple[MemberId, asyncio.Future[Stream]]] = {}
        self._silent: Counter[MemberId] = Counter()
        self._talks: Counter[tuple[MemberId, MemberId]] = Counter()  # (caller, called)
        self.passed = 0  # bytes
        peers.on_gone.append(self._close_gone)

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port. Raises BadInput if it is taken."""
        try:
            return await self._door.open(host, port)
        except OSError as error:
            raise BadInput(
                f"Expected to listen on {host}:{port}, but {error.strerror or error}; stop what "
                "uses the port, or give another with --listen."
            ) from None

    async def close(self) -> None:
        """Stop listening and close all connections."""
        await self._door.close()
        tasks = [task for _, task in self._open.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def standing(self) -> list[MemberId]:
        """Return the members that can be called here now."""
        return sorted(self._standing)

    def _make(self) -> asyncio.Protocol:
        reader = asyncio.StreamReader(limit=2 * PIECE_BYTES)
        return asyncio.StreamReaderProtocol(reader, self._serve)

    def _close_gone(self, certificates: set[bytes]) -> None:
        for writer, (certificate, _) in list(self._open.items()):
            if certificate in certificates:
                abort(writer.transport)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        member = self._peers.member_of(certificate)
        task = asyncio.current_task()
        assert task is not None
        if member is None or self._silent[member.id] >= MAX_SILENT:
            abort(writer.transport)
            return
        self._open[writer] = (certificate, task)
        try:
            await self._answer(member, (reader, writer))
        except (OSError, TimeoutError, ValueError):  # gone, silent, or an invalid request
            pass
        except asyncio.CancelledError:
            pass  # cancelled by `close`; the streams' own callback in Python 3.11 fails on it
        finally:
            del self._open[writer]
            abort(writer.transport)

    async def _answer(self, member: Member, stream: Stream) -> None:
        self._silent[member.id] += 1
        try:
            async with asyncio.timeout(LINE_S):
                words = (await read_line(stream[0])).split(" ")
        finally:
            self._silent[member.id] -= 1
        match words:
            case ["stand"]:  # one for each member: a later one ends it
                await self._keep(member, stream)
            case ["call", target]:
                await self._call(member.id, int(target[:20]), stream)
            case ["take", token]:  # limited and counted by the calls
                await self._hand_over(member, token, stream)

    async def _keep(self, member: Member, stream: Stream) -> None:
        reader, writer = stream
        before = self._standing.get(member.id)
        if before is not None:
            abort(before.transport)  # it has reconnected: the earlier one is stale
        self._standing[member.id] = writer
        try:
            writer.write(b"ok\n")
            while True:
                async with asyncio.timeout(SILENCE_S):
                    if await read_line(reader) != "":
                        return
                writer.write(b"\n")  # tells both ends that the other is there
                await asyncio.sleep(LEAST_PULSE_S)
        finally:
            if self._standing.get(member.id) is writer:
                del self._standing[member.id]

    async def _call(self, caller: MemberId, target: MemberId, stream: Stream) -> None:
        """Connect a call, within the limits of one member on the relay and on another member."""
        mine = sum(count for (who, _), count in self._talks.items() if who == caller)
        many = self._talks[caller, target] >= MAX_CALLS_TO_ONE or mine >= MAX_STREAMS_PER_MEMBER
        if many:
            return
        self._talks[caller, target] += 1
        try:
            await self._connect(target, stream)
        finally:
            self._talks[caller, target] -= 1
            self._talks += Counter()  # drops zero counts

    async def _connect(self, target: MemberId, caller: Stream) -> None:
        standing = self._standing.get(target)
        if standing is None:
            caller[1].write(b"no\n")
            await caller[1].drain()
            return
        token = secrets.token_hex(16)
        taken: asyncio.Future[Stream] = asyncio.get_running_loop().create_future()
        self._calls[token] = (target, taken)
        try:
            standing.write(f"take {token}\n".encode())
            async with asyncio.timeout(LINE_S):
                callee = await taken
        finally:
            del self._calls[token]
        caller[1].write(b"ok\n")
        self.passed += await splice(caller, callee)

    async def _hand_over(self, member: Member, token: str, stream: Stream) -> None:
        target, taken = self._calls.get(token, (None, None))
        if taken is None or target != member.id or taken.done():
            return
        taken.set_result(stream)
        await stream[1].wait_closed()
