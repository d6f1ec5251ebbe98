"""A relay to members that cannot be connected to.

    caller ----call 7----> relay <---stand---- member 7    keeps this connection, so that it can be
                           relay ----take X--> member 7    told that there is a call
                           relay <---take X--- member 7    a second connection
    caller <======= bytes, as they come =======> member 7's own port

The payload is the TLS of both ends with each other, as everywhere: a relay carries ciphertext, and
learns which members talk, when and how much. Around it is TLS of each end with the relay, whose
operator is a member and which serves active members only, so no other party learns even that.

A member's address names its relays: `@host:port`, several separated by commas.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import ssl
from collections import Counter
from collections.abc import Coroutine, Sequence

from swarmhub.contract.records import Member
from swarmhub.errors import BadInput, PeerError
from swarmhub.transport.listener import Listener
from swarmhub.transport.tls import Peers, abort, widen
from swarmhub.types import MemberId

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]

MAX_LINE_BYTES = 128
MAX_STREAMS_PER_MEMBER = 64  # opened by the member itself; a node opens at most 8 to each other
MAX_SILENT = 16  # connections of one member before their first line
MAX_CALLS_TO_ONE = 16  # calls of one member to another, at a time
MAX_CALLS = 128  # calls that a member takes over one relay, at a time
LINE_S = 10.0  # for the first line of a connection, and for a called member to take the call
PULSE_S = 20.0  # between two pulses of a standing member
SILENCE_S = 60.0  # without a pulse, then it no longer stands
LEAST_PULSE_S = 1.0  # more frequent ones are ignored
RETRY_S = (0.5, 10.0)  # between two tries to stand at a relay
PIECE_BYTES = 1 << 17

log = logging.getLogger("swarmhub.relay")


def relays_of(address: str) -> list[str]:
    """Return host:port of a member's relays; none if it has a port itself."""
    return address[1:].split(",") if address.startswith("@") else []


async def splice(one: Stream, other: Stream) -> int:
    """Copy bytes in both directions until either end closes; returns how many."""
    passed = 0

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal passed
        while data := await reader.read(PIECE_BYTES):
            passed += len(data)
            writer.write(data)
            await writer.drain()

    for _, writer in (one, other):
        widen(writer.transport)
    router = ((one[0], other[1]), (other[0], one[1]))
    pumps = [asyncio.create_task(pump(reader, writer)) for reader, writer in router]
    try:
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in pumps:
            task.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        for _, writer in (one, other):
            writer.close()
        with contextlib.suppress(TimeoutError):  # data on its way still arrives
            async with asyncio.timeout(LINE_S):
                ends = [writer.wait_closed() for _, writer in (one, other)]
                await asyncio.gather(*ends, return_exceptions=True)
    return passed


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
                words = (await _read_line(stream[0])).split(" ")
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
                    if await _read_line(reader) != "":
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


class RelayUplink:
    """A member's connections to the relays of its address: calls are forwarded to its own port."""

    def __init__(self, peers: Peers, relays: Sequence[str], listen: str) -> None:
        self._context = peers.client_context()
        self._peers, self._relays, self._listen = peers, relays, listen
        self._tasks: set[asyncio.Task[None]] = set()
        self._taken: Counter[str] = Counter()  # active calls, by relay

    def start(self) -> None:
        """Stand at every relay, and reconnect if a connection ends."""
        for relay in self._relays:
            self._begin(self._stand_always(relay))

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Disconnect from all relays."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _stand_always(self, relay: str) -> None:
        pause = RETRY_S[0]
        while True:
            try:
                stream = await reach_relay(self._peers, self._context, relay, "stand")
                log.info("stands at the relay %s", relay)
                pause = RETRY_S[0]
                await self._stand(relay, stream)
            except (PeerError, OSError, TimeoutError, ValueError) as error:
                log.info("does not stand at the relay %s: %s", relay, error)
            await asyncio.sleep(pause)
            pause = min(2 * pause, RETRY_S[1])

    async def _stand(self, relay: str, stream: Stream) -> None:
        reader, writer = stream

        async def pulse() -> None:
            while True:
                await asyncio.sleep(PULSE_S)
                writer.write(b"\n")

        pulsing = asyncio.create_task(pulse())
        try:
            while True:
                async with asyncio.timeout(SILENCE_S):  # the relay answers every pulse
                    words = (await _read_line(reader)).split(" ")
                if words[0] == "take" and len(words) == 2 and self._taken[relay] < MAX_CALLS:
                    self._taken[relay] += 1
                    self._begin(self._take(relay, words[1]))
                await asyncio.sleep(0)  # a flood on this line must not block the loop
        finally:
            pulsing.cancel()
            abort(writer.transport)

    async def _take(self, relay: str, token: str) -> None:
        host, _, port = self._listen.rpartition(":")
        try:
            inner = await asyncio.open_connection(host.strip("[]"), int(port))
            try:
                outer = await reach_relay(self._peers, self._context, relay, f"take {token}", None)
            except BaseException:
                abort(inner[1].transport)
                raise
            await splice(inner, outer)
        except (PeerError, OSError, TimeoutError) as error:
            log.info("a call over %s was not taken: %s", relay, error)
        finally:
            self._taken[relay] -= 1


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
                return await reach_relay(self._peers, self._context, relay, f"call {member.id}")
            except (PeerError, OSError, TimeoutError) as error:
                problem = error
        raise problem

    async def close(self) -> None:
        """Close all connections."""
        for _, server in self._servers.values():
            server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def reach_relay(
    peers: Peers,
    context: ssl.SSLContext,
    relay: str,
    words: str,
    answer: str | None = "ok",
) -> Stream:
    """Open a connection to a relay, send `words` and await `answer`. Raises PeerError if no member
    answers there, or the answer differs."""
    host, _, port = relay.rpartition(":")
    try:
        async with asyncio.timeout(LINE_S):
            reader, writer = await asyncio.open_connection(
                host.strip("[]"), int(port), ssl=context, limit=2 * PIECE_BYTES
            )
    except ValueError:  # not a valid DNS name
        raise PeerError(f"{relay} is no address") from None
    try:
        certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        if peers.member_of(certificate) is None:
            raise PeerError(f"no member answers at {relay}")
        writer.write(f"{words}\n".encode())
        if answer is not None:
            async with asyncio.timeout(2 * LINE_S):
                said = await _read_line(reader)
            if said != answer:
                raise PeerError(f"the relay {relay} does not know it")
    except (ValueError, asyncio.IncompleteReadError):
        abort(writer.transport)
        raise PeerError(f"the relay {relay} answers nonsense") from None
    except BaseException:
        abort(writer.transport)
        raise
    return reader, writer


async def _read_line(reader: asyncio.StreamReader) -> str:
    """Read a line of at most MAX_LINE_BYTES. Raises ConnectionError at the end, ValueError if it is
    invalid."""
    line = await reader.readline()
    if not line.endswith(b"\n"):
        raise ConnectionResetError("it hung up")
    if len(line) > MAX_LINE_BYTES:
        raise ValueError("a line that is too long")
    return line[:-1].decode("ascii")
