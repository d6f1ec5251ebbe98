"""A member that does what it can to a node's port: limits hold, and the others are served."""

import asyncio
import contextlib
import errno
import gzip
import random
import resource
import socket
import threading
import tracemalloc
import zlib

import pytest
from ends import End, OpenGate, between, effect, put
from strangers import WAIT_S, connect, get, hear, knocking, say, status_of

from swarmhub.errors import PeerError
from swarmhub.params import CHUNK_BYTES
from swarmhub.transport import blob_server, connection, listener, server
from swarmhub.transport.client import PeerClient

pytestmark = pytest.mark.process

VERSIONS = (b"aiohttp", b"Python", b"3.1")


async def still_serves(one, two, client, seed=[1]):  # noqa: B006
    """A member is served, now."""
    seed[0] += 1
    blob = put(one, 3000, seed[0])
    async with asyncio.timeout(WAIT_S):
        await client.pull(effect(blob), two.store)


def is_modest(answer):
    """Nothing, or a client error that names no version."""
    assert not any(word in answer for word in VERSIONS), answer
    return answer == b"" or 400 <= status_of(answer) < 500


# what does not parse


MALFORMED = [
    b"\x00\xff not HTTP at all\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET\r\n\r\n",
    b"G\x00T / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\r\n" * 1000 + b"?\r\n\r\n",
    get("/", "Content-Length: -1"),
    get("/", "Content-Length: 1", "Content-Length: 2"),
    get("/", "Content-Length: 99999999999999999999999999"),
    get("/v1/receipt", "Content-Length: 5", "Transfer-Encoding: chunked", method="POST"),
    get("/v1/receipt", "Transfer-Encoding: chunked", method="POST") + b"zz\r\n\r\n",
    get("/v1/receipt", "Transfer-Encoding: chunked", method="POST") + b"ffffffffffffffff\r\n",
    get("/v1/receipt", "Transfer-Encoding: rot13", method="POST") + b"5\r\nhello\r\n",
    get("/", "X: " + "y" * 20_000),
    get("/" + "y" * 20_000),
    get("/", *[f"X{i}: y" for i in range(5000)]),
    get("/", "Expect: the-unexpected"),
    get("/", "Upgrade: websocket", "Connection: upgrade"),
    get("/v1/blobs/%ff%fe/leaves"),
    get("/v1/blobs/../../../etc/passwd"),
    get("/v1/offer?study=x&number=" + "9" * 5000 + "&revision=0"),
    get("/v1/offer?study=%00&number=%D9%A1&revision=-1"),
    get("/v1/receipt", method="DELETE"),
    get("*", method="OPTIONS"),
    get("/v1/offer", method="HEAD"),
    get("http://elsewhere/v1/offer", method="CONNECT"),
    get("/v1/receipt", "Content-Length: 2", method="POST") + b"[]",
    get("/v1/receipt", "Content-Length: 4", method="POST") + b"null",
    get("/v1/receipt", "Content-Length: 12", method="POST") + b'{"study":12}',
    get("/v1/receipt", "Content-Length: 60000", method="POST") + b"[" * 60000,
    get("/v1/offer", "Content-Length: 5") + b"hello",
]


@pytest.mark.parametrize("words", MALFORMED, ids=lambda w: repr(w[:40]))
def test_what_does_not_parse_is_answered_with_a_bare_number_or_not_at_all(
    tmp_path, words, monkeypatch
):
    for module in (server, blob_server):
        monkeypatch.setattr(module, "BODY_S", 0.5)  # some bodies never come

    async def scenario(one, two, client, server):
        ended = words + get("/nothing")
        assert is_modest(await say(server.port, knocking(two), ended))
        await still_serves(one, two, client)

    between(tmp_path, scenario)


@pytest.mark.parametrize("seed", range(4))
def test_random_and_mutilated_requests_leave_the_server_whole(tmp_path, seed, monkeypatch):
    bounds = (connection, "REQUEST_S"), (connection, "IDLE_S"), (server, "BODY_S")
    for module, name in (*bounds, (blob_server, "BODY_S")):
        monkeypatch.setattr(module, name, 0.2)  # many of them are never complete

    async def scenario(one, two, client, server):
        chance = random.Random(seed)
        digest = put(one, 3000).digest
        good = [
            get(f"/v1/blobs/{digest}"), get(f"/v1/blobs/{digest}/leaves"),
            get("/v1/offer?study=s&number=1&revision=0"),
            get("/v1/receipt", "Content-Length: 13", method="POST") + b'{"study":"s"}',
        ]  # fmt: skip
        context = knocking(two)
        for _ in range(25):
            words = bytearray(chance.choice([*good, chance.randbytes(300)]))
            for _ in range(chance.randint(1, 6)):
                words[chance.randrange(len(words))] = chance.randrange(256)
            answer = await say(server.port, context, bytes(words), b"\r\n\r\n" + get("/nothing"))
            assert not any(word in answer for word in VERSIONS), bytes(words)
            assert status_of(answer) < 500, bytes(words)
        await still_serves(one, two, client)

    between(tmp_path, scenario)


# ranges


@pytest.mark.parametrize("seed", range(3))
def test_a_range_gives_exactly_its_bytes_or_a_client_error(tmp_path, seed):
    async def scenario(one, two, client, server):
        chance = random.Random(seed)
        total = 2 * CHUNK_BYTES + 640
        blob = put(one, total)
        data = one.store.path(blob.digest).read_bytes()
        edges = [0, 1, 64, CHUNK_BYTES, total - 1, total, total + 1, 1 << 63, 1 << 70, -1]
        for _ in range(40):
            a, b = chance.choice(edges), chance.choice(edges)
            text = chance.choice([
                f"bytes={a}-", f"bytes={a}-{b}", f"bytes=-{a}", f"bytes={a}-,{b}-", f"bytes={a}",
                f"octets={a}-", "bytes=", "bytes=-", f"bytes={a}-{b}-", f"bytes=0x{a & 255:x}-",
            ])  # fmt: skip
            path = f"/v1/blobs/{blob.digest}"
            async with await client.sessions.request(
                1, "GET", path, headers={"Range": text}
            ) as answer:
                if answer.status in (200, 206):
                    assert text == f"bytes={a}-"
                    assert 0 <= a < total
                    assert await answer.read() == data[a:]
                else:
                    assert 400 <= answer.status < 500, text

    between(tmp_path, scenario)


# bodies


def bombs():
    zeros = bytes(1 << 24)
    yield "gzip", gzip.compress(zeros)
    yield "deflate", zlib.compress(zeros)
    yield "br", bytes.fromhex("5bffffff0000") + bytes(1000)
    yield "zstd", bytes(1000)
    yield "gzip, gzip", gzip.compress(gzip.compress(zeros))
    yield "identity", b"{}"


@pytest.mark.parametrize(
    ("coding", "body"), list(bombs()), ids=lambda v: v if isinstance(v, str) else ""
)
def test_a_compressed_body_is_refused_unopened(tmp_path, coding, body):
    async def scenario(one, two, client, server):
        headers = (f"Content-Encoding: {coding}", f"Content-Length: {len(body)}")
        words = get("/v1/receipt", *headers, method="POST") + body
        tracemalloc.start()
        try:
            answer = await say(server.port, knocking(two), words)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert status_of(answer) == 415
        assert peak < 4 << 20
        await still_serves(one, two, client)

    between(tmp_path, scenario)


ENDLESS = [
    get("/v1/receipt", "Transfer-Encoding: chunked", method="POST", close=False),
    get("/v1/receipt", "Content-Length: 1000000000000", method="POST", close=False),
    get("/v1/offer?study=x", "Transfer-Encoding: chunked", close=False),
    get("/", close=False)[:-2] + b"X: ",
    b"POST ",
]


@pytest.mark.parametrize("start", ENDLESS, ids=lambda w: repr(w[:20]))
def test_what_never_ends_is_cut_off_after_a_bounded_number_of_bytes(tmp_path, start):
    async def scenario(one, two, client, server):
        reader, writer = await connect(server.port, knocking(two))
        chunked = b"chunked" in start
        piece = b"4000\r\n" + b"x" * 0x4000 + b"\r\n" if chunked else b"x" * 0x4000
        sent = len(start)
        writer.write(start)
        hearing = asyncio.ensure_future(hear(reader))
        with contextlib.suppress(OSError):
            while not writer.is_closing() and not hearing.done() and sent < 64 << 20:
                writer.write(piece)
                sent += len(piece)
                await writer.drain()
                await asyncio.sleep(0)
        assert is_modest(await hearing)
        assert sent < 64 << 20, "it was cut off"
        writer.transport.abort()
        await still_serves(one, two, client)

    between(tmp_path, scenario)


def test_requests_sent_ahead_while_one_is_answered_are_bounded(tmp_path):
    class Slow(OpenGate):
        async def offer(self, *_):
            await asyncio.Event().wait()

    async def scenario(one, two, client, server):
        _, writer = await connect(server.port, knocking(two))
        words = get("/v1/offer?study=x&number=1&revision=0", close=False) * 100
        sent = 0
        with contextlib.suppress(OSError):  # cut off, or read no further: both are a bound
            while sent < 64 << 20:
                writer.write(words)
                sent += len(words)
                await asyncio.wait_for(writer.drain(), 1)
        assert sent < 64 << 20
        writer.transport.abort()

    between(tmp_path, scenario, Slow())


# slowness


DRIP_S = 0.005  # far below every limit: whoever counts from the last byte waits for ever


async def drip(reader, writer, piece=b"x"):
    """Say a piece every few milliseconds until the server ends the connection; what it said, after
    how many pieces."""
    hearing, said = asyncio.ensure_future(hear(reader)), 0
    with contextlib.suppress(OSError):
        while not hearing.done():
            writer.write(piece)
            await writer.drain()
            said += 1
            await asyncio.sleep(DRIP_S)
    heard = await hearing
    writer.transport.abort()
    return heard, said


async def is_cut_off_while_it_drips(port, two, words, piece=b"x"):
    """The server ends the connection without a word, though something comes all the while."""
    reader, writer = await connect(port, knocking(two))
    writer.write(words)
    heard, said = await drip(reader, writer, piece)
    assert heard == b""
    assert said > 5, "it was still speaking"


def test_who_says_nothing_or_stops_in_mid_request_is_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "REQUEST_S", 0.3)

    async def scenario(one, two, client, server):
        for words in (b"", b"GET /v1/off"):
            reader, writer = await connect(server.port, knocking(two))
            writer.write(words)
            assert await hear(reader) == b""
            writer.transport.abort()
        await still_serves(one, two, client)

    between(tmp_path, scenario)


def test_headers_that_trickle_are_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "REQUEST_S", 0.4)

    async def scenario(one, two, client, server):
        await is_cut_off_while_it_drips(server.port, two, b"GET /v1/off")
        await is_cut_off_while_it_drips(server.port, two, get("/", close=False)[:-2] + b"X: ")
        lines = get("/", close=False)[:-2]
        await is_cut_off_while_it_drips(server.port, two, lines, b"X: y\r\n")
        reader, writer = await connect(server.port, knocking(two))
        writer.write(get("/nothing", close=False))
        async with asyncio.timeout(WAIT_S):
            assert status_of(await reader.readuntil(b"\r\n\r\n")) == 404
        writer.write(b"GET /v1/off")  # the second request on a connection, too
        heard, said = await drip(reader, writer)
        assert (heard, said > 5) == (b"", True)
        await still_serves(one, two, client)

    between(tmp_path, scenario)


def test_a_connection_between_two_requests_may_rest(tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "REQUEST_S", 0.2)

    async def scenario(one, two, client, server):
        reader, writer = await connect(server.port, knocking(two))
        for _ in range(2):
            writer.write(get("/nothing", close=False))
            async with asyncio.timeout(WAIT_S):
                assert status_of(await reader.readuntil(b"\r\n\r\n")) == 404
            await asyncio.sleep(0.5)  # longer than a request may take
        writer.transport.abort()

    between(tmp_path, scenario)


@pytest.mark.parametrize("path", ["/v1/receipt", "/v1/ledger/light"])
@pytest.mark.parametrize(
    ("length", "piece"),
    [("Content-Length: 10000", b"x"), ("Transfer-Encoding: chunked", b"1\r\nx\r\n")],
    ids=["by length", "chunked"],
)
def test_a_body_that_trickles_is_cut_off(tmp_path, monkeypatch, path, length, piece):
    for module in (server, blob_server):
        monkeypatch.setattr(module, "BODY_S", 0.4)

    async def scenario(one, two, client, server):
        words = get(path, length, method="POST", close=False)
        await is_cut_off_while_it_drips(server.port, two, words, piece)
        await still_serves(one, two, client)

    between(tmp_path, scenario)


class Sipping:
    """Somebody who asks for a blob and takes a few bytes of it every few milliseconds."""

    def __init__(self, port, context, words):
        self.sips, self._over = 0, threading.Event()
        self._thread = threading.Thread(target=self._sip, args=(port, context, words))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def _sip(self, port, context, words):
        with socket.socket() as raw, contextlib.suppress(OSError):  # cut off
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
            raw.settimeout(WAIT_S)
            raw.connect(("127.0.0.1", port))
            with context.wrap_socket(raw) as tls:
                tls.sendall(words)
                while tls.recv(4000) and not self._over.wait(DRIP_S):
                    self.sips += 1


def test_who_takes_its_blob_a_few_bytes_at_a_time_loses_the_connection(tmp_path, monkeypatch):
    for module in (server, blob_server):
        monkeypatch.setattr(module, "TAKE_S", 1.1)  # a MiB takes it longer, half of one less

    async def scenario(one, two, client, server):
        for listening in server._door._listening:  # so that the server sees every sip soon
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 15)
        blob = put(one, 16 * CHUNK_BYTES)
        words = get(f"/v1/blobs/{blob.digest}")
        with Sipping(server.port, knocking(two), words) as slow:
            async with asyncio.timeout(WAIT_S):
                while not server._blob_server._streams.get(2):
                    await asyncio.sleep(0.01)
                before = slow.sips
                while server._blob_server._streams.get(2) or any(server._room.open.values()):
                    await asyncio.sleep(0.01)
            assert slow.sips > before + 5, "it was still taking"
        await still_serves(one, two, client)

    between(tmp_path, scenario)


def test_who_does_not_take_its_blob_loses_the_connection_and_its_place(tmp_path, monkeypatch):
    for module in (server, blob_server):
        monkeypatch.setattr(module, "TAKE_S", 0.3)

    async def scenario(one, two, client, server):
        blob = put(one, 64 * CHUNK_BYTES)
        _, writer = await connect(server.port, knocking(two))
        writer.transport.pause_reading()
        writer.write(get(f"/v1/blobs/{blob.digest}"))
        async with asyncio.timeout(WAIT_S):
            while not server._blob_server._streams.get(2):
                await asyncio.sleep(0.01)
            while server._blob_server._streams.get(2) or any(server._room.open.values()):
                await asyncio.sleep(0.01)
        writer.transport.abort()
        await still_serves(one, two, client)

    between(tmp_path, scenario)


# numbers


def test_a_members_connections_are_bounded_and_its_oldest_end(tmp_path):
    async def scenario(one, two, client, server):
        three = End(tmp_path / "three", 3)
        one.peers.update([*one.peers.members.values(), three.record(1)])
        ends = [await connect(server.port, knocking(three)) for _ in range(40)]
        async with asyncio.timeout(WAIT_S):
            while sum(c == three.der for c in server._room.open.values()) != 16:
                await asyncio.sleep(0.01)
            for reader, _ in ends[:24]:
                assert await hear(reader) == b""
        assert not any(reader.at_eof() for reader, _ in ends[24:])
        await still_serves(one, two, client)
        for _, writer in ends:
            writer.transport.abort()

    between(tmp_path, scenario)


def silent(port, n, local="127.0.0.1"):
    """Connections that never say a word."""
    found = []
    for _ in range(n):
        raw = socket.socket()
        raw.setblocking(False)
        raw.bind((local, 0))
        with contextlib.suppress(BlockingIOError):
            raw.connect(("127.0.0.1", port))
        found.append(raw)
    return found


def test_who_does_not_shake_hands_in_time_is_cut_off(tmp_path, monkeypatch):
    monkeypatch.setattr(listener, "HANDSHAKE_S", 0.3)

    async def scenario(one, two, client, server):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        assert await hear(reader) == b""
        assert not server._door._guests
        writer.close()

    between(tmp_path, scenario)


async def comes_in(one, two, client):
    """A member gets through the door with a new connection. It asks again, as nodes do: while
    the kernel's queue is full its first packet may be lost, and come again after seconds."""
    async with asyncio.timeout(3 * WAIT_S):
        while True:
            await client.close()
            with contextlib.suppress(PeerError):
                return await still_serves(one, two, client)


MANY = 10_000


@pytest.fixture
def room_for_many():
    """Descriptors for that many connections and all else, or the test is skipped."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MANY + 2000
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"{MANY} connections need {wanted} descriptors; at most {hard} are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Flood:
    """Connections that come faster than a door can deal with, and never say a word."""

    def __init__(self, server, address):
        self._server, self._address = server, address
        self.sockets, self.guests = [], 0  # at most

    async def pour(self):
        while len(self.sockets) < MANY:
            self.sockets += silent(self._server.port, 50, self._address)
            await asyncio.sleep(0.002)
            self.guests = max(self.guests, len(self._server._door._guests))

    def close(self):
        for raw in self.sockets:
            raw.close()


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2"], ids=["same", "another"])
def test_ten_thousand_silent_connections_keep_no_member_out(tmp_path, room_for_many, address):
    """While they come, from the members' own address or from another one, a member is served: on a
    connection that it has, and through the door."""

    async def scenario(one, two, client, server):
        known, flood, served = PeerClient(two.peers), Flood(server, address), 0
        await still_serves(one, two, known)
        pouring = asyncio.create_task(flood.pour())
        try:
            while not pouring.done():
                await still_serves(one, two, known)
                await comes_in(one, two, client)
                served += not pouring.done()
            await pouring
            assert 0 < flood.guests <= listener.MAX_PENDING
            assert served, "while the flood went on"
            await comes_in(one, two, client)
        finally:
            pouring.cancel()
            flood.close()
            await known.close()
        await comes_in(one, two, client)

    between(tmp_path, scenario)


def test_a_crowd_at_one_address_does_not_displace_a_guest_from_another(tmp_path, monkeypatch):
    monkeypatch.setattr(listener, "MAX_PENDING", 8)

    async def scenario(one, two, client, server):
        patient = silent(server.port, 1, "127.0.0.3")
        crowd = silent(server.port, 100)
        async with asyncio.timeout(WAIT_S):
            while len(server._door._guests) < 8:
                await asyncio.sleep(0.01)
        for _ in range(100):
            await asyncio.sleep(0)
        addresses = [g.address for g in server._door._guests]
        assert addresses.count("127.0.0.3") == 1
        assert len(addresses) <= 8
        for raw in patient + crowd:
            raw.close()

    between(tmp_path, scenario)


def test_without_descriptors_a_guest_goes_and_the_door_opens_again(tmp_path, monkeypatch):
    monkeypatch.setattr(listener, "PAUSE_S", 0.05)

    async def scenario(one, two, client, server):
        crowd = silent(server.port, 1)
        async with asyncio.timeout(WAIT_S):
            while not server._door._guests:
                await asyncio.sleep(0.01)
        (listening,) = server._door._listening

        errors = [OSError(errno.EMFILE, "Too many open files")]

        class FullOnce:
            fileno = listening.fileno

            def accept(self):
                if errors:
                    raise errors.pop()
                return listening.accept()

        server._door._accept(FullOnce())
        assert not server._door._guests
        await still_serves(one, two, client)
        crowd[0].close()

    between(tmp_path, scenario)
