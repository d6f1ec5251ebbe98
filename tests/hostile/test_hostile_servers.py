"""A member whose server answers as it likes: a pull ends in one sentence, in bounded time and
memory, and nothing unchecked is kept."""

import asyncio
import contextlib
import gzip
import tracemalloc
from dataclasses import replace

import pytest
from ends import End, effect, put
from strangers import WAIT_S

from swarmhub.blobs import Incoming
from swarmhub.errors import PeerError
from swarmhub.params import CHUNK_BYTES
from swarmhub.protocol import ReceiptCame
from swarmhub.transport import bodies, client, pulls, sessions
from swarmhub.transport.client import PeerClient
from swarmhub.transport.gate import OfferAsked

pytestmark = pytest.mark.process

OK = b"HTTP/1.1 200 OK\r\n"
SMALL, LARGE = 1000, 3 * CHUNK_BYTES


def against(tmp_path, answer, scenario):
    """Run `scenario(one, two, client)` with member 1's server saying what `answer` writes: an
    async function of (request line with headers, writer)."""

    async def run():
        one, two = End(tmp_path / "one", 1), End(tmp_path / "two", 2)
        one.peers.update([two.record(1)])
        talks = set()

        async def serve(reader, writer):
            talks.add(asyncio.current_task())
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                while True:
                    await answer(await reader.readuntil(b"\r\n\r\n"), writer)
                    await writer.drain()
            writer.transport.abort()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=one.peers.server_context())
        two.peers.update([one.record(server.sockets[0].getsockname()[1]), two.record(1)])
        asking = PeerClient(two.peers)
        try:
            async with asyncio.timeout(WAIT_S):
                await scenario(one, two, asking)
        finally:
            await asking.close()
            server.close()
            for talk in talks:
                talk.cancel()
            await asyncio.gather(*talks, return_exceptions=True)

    asyncio.run(run())


def saying(*parts, end=False):
    """The same words to every request, then silence, or the connection's end."""

    async def answer(_, writer):
        for part in parts:
            writer.write(part)
            await writer.drain()
        if end:
            raise ConnectionResetError

    return answer


def repeating(start, piece):
    """A start, then the piece for ever."""

    async def answer(_, writer):
        writer.write(start)
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)

    return answer


def length(n):
    return b"Content-Length: %d\r\n" % n


CHUNKED = b"Transfer-Encoding: chunked\r\n"
BOMB = gzip.compress(bytes(1 << 26))
ANSWERS = {
    "nothing": saying(end=True),
    "not HTTP": saying(b"\x00\xff\r\n\r\n" * 100, end=True),
    "an endless body": repeating(OK + CHUNKED + b"\r\n", b"4000\r\n" + bytes(0x4000) + b"\r\n"),
    "an endless body without a length": repeating(OK + b"\r\n", bytes(0x4000)),
    "a longer body": repeating(OK + length(1 << 50) + b"\r\n", bytes(0x4000)),
    "endless headers": repeating(OK, b"X-Y: " + b"z" * 1000 + b"\r\n"),
    "an endless header": repeating(OK + b"X: ", b"z" * 0x4000),
    "interim answers for ever": repeating(b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    "a shorter length": saying(OK + length(10) + b"\r\n" + bytes(10)),
    "less than its length": saying(OK + length(SMALL + 24) + b"\r\n" + bytes(10), end=True),
    "a negative length": saying(OK + length(-1) + b"\r\n"),
    "two lengths": saying(OK + length(SMALL) + length(5) + b"\r\n" + bytes(SMALL)),
    "a chunk of nonsense": saying(OK + CHUNKED + b"\r\nzz\r\n"),
    "a compressed bomb": saying(
        OK + b"Content-Encoding: gzip\r\n" + length(len(BOMB)) + b"\r\n" + BOMB
    ),
    "a redirect": saying(
        b"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1:1/\r\n" + length(0) + b"\r\n"
    ),
    "partial content": saying(
        b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-9/10\r\n" + length(10) + b"\r\n"
    ),
    "an upgrade": saying(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        bytes(SMALL), end=True,
    ),
    "an error": saying(b"HTTP/1.1 500 Oh\r\n" + length(0) + b"\r\n"),
    "other bytes": saying(OK + length(1024) + b"\r\n" + bytes(1024)),
    "other leaves": saying(OK + length(96) + b"\r\n" + bytes(96)),
}  # fmt: skip


def bound(monkeypatch, name, value):
    """Change a bound of the client, in every module that uses it."""
    modules = [m for m in (bodies, client, pulls, sessions) if hasattr(m, name)]
    assert modules
    for module in modules:
        monkeypatch.setattr(module, name, value)


@pytest.mark.parametrize("nbytes", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_a_pull_from_a_hostile_server_fails_in_one_sentence_and_keeps_nothing(
    tmp_path, answer, nbytes, monkeypatch
):
    bound(monkeypatch, "ANSWER_TIMEOUT_S", 1.0)  # what ends interim answers

    async def scenario(one, two, asking):
        blob = put(one, nbytes)
        tracemalloc.start()
        try:
            with pytest.raises(PeerError) as caught:
                await asking.pull(effect(blob), two.store)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 200
        assert peak < 16 << 20
        assert blob.digest not in two.store

    against(tmp_path, answer, scenario)


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_watching_and_receipts_survive_a_hostile_server(tmp_path, answer, monkeypatch):
    bound(monkeypatch, "ANSWER_TIMEOUT_S", 1.0)
    bound(monkeypatch, "WATCH_TIMEOUT_S", 1.0)

    async def scenario(one, two, asking):
        with pytest.raises(PeerError):
            await asking.watch(1, OfferAsked("s", 1, 0))
        with contextlib.suppress(PeerError):
            await asking.send_receipt(1, "s", ReceiptCame(3, 1, "d" * 64, 99, "f" * 128))

    against(tmp_path, answer, scenario)


def trickling(start, piece, pause_s=0.02):
    async def answer(_, writer):
        writer.write(start)
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return answer


@pytest.mark.parametrize("nbytes", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    "start",
    [OK + CHUNKED + b"\r\n", OK, b"", b"HTTP/1.1 100 Continue\r\n\r\n"],
    ids=["body", "headers", "first line", "interim"],
)
def test_a_server_that_trickles_holds_a_pull_no_longer_than_its_size_allows(
    tmp_path, monkeypatch, start, nbytes
):
    """Each byte comes well within the timeout between two bytes."""
    bound(monkeypatch, "ANSWER_TIMEOUT_S", 0.4)
    bound(monkeypatch, "START_S", 0.4)
    bound(monkeypatch, "MIN_BYTES_PER_S", 1 << 30)
    piece = b"1\r\nx\r\n" if b"chunked" in start else b"X"

    async def scenario(one, two, asking):
        with pytest.raises(PeerError, match=r"Timeout|does not answer"):
            await asking.pull(effect(put(one, nbytes)), two.store)

    against(tmp_path, trickling(start, piece), scenario)


@pytest.mark.parametrize(
    "bounds",
    [{"START_S": 0.5, "MIN_BYTES_PER_S": 1 << 30}, {"STALL_TIMEOUT_S": 0.3}],
    ids=["slow", "stalled"],
)
def test_a_slow_chunk_ends_a_pull_and_the_next_one_goes_on_behind_the_checked_part(
    tmp_path, monkeypatch, bounds
):
    """Stalled: as a member that is stopped; what the size allows is far off."""
    for name, value in bounds.items():
        bound(monkeypatch, name, value)
    asked = []

    async def answer(request, writer):
        asked.append(request)
        blob, data = known
        if b"/leaves" in request:
            writer.write(OK + length(96) + b"\r\n" + b"".join(blob.leaves))
        elif b"Range" in request:
            part = data[CHUNK_BYTES:]
            total = len(data)
            range_ = b"Content-Range: bytes %d-%d/%d\r\n" % (CHUNK_BYTES, total - 1, total)
            writer.write(b"HTTP/1.1 206 x\r\n" + range_ + length(len(part)) + b"\r\n" + part)
        else:
            writer.write(OK + length(len(data)) + b"\r\n" + data[: CHUNK_BYTES + 100])

    async def scenario(one, two, asking):
        blob = put(one, LARGE)
        known[:] = [blob, one.store.path(blob.digest).read_bytes()]
        with pytest.raises(PeerError, match="TimeoutError"):
            await asking.pull(effect(blob), two.store)
        await asking.pull(effect(blob), two.store)
        assert blob.digest in two.store
        assert b"Range: bytes=1048576-" in asked[-1]

    known = []
    against(tmp_path, answer, scenario)


def test_a_holder_is_given_up_for_the_next_one(tmp_path, monkeypatch, caplog):
    """The first time it hangs in the middle of a body."""
    bound(monkeypatch, "STALL_TIMEOUT_S", 0.3)
    caplog.set_level("INFO")
    known, times = [], []

    async def answer(_, writer):
        times.append(1)
        data = known[0]
        writer.write(OK + length(len(data)) + b"\r\n" + data[: len(data) if times[1:] else 10])

    async def scenario(one, two, asking):
        blob = put(one, SMALL)
        known[:] = [one.store.path(blob.digest).read_bytes()]
        await asking.pull(replace(effect(blob), holders=(1, 1)), two.store)
        assert blob.digest in two.store
        assert len(times) == 2

    against(tmp_path, answer, scenario)
    assert [r.message for r in caplog.records if "Asking the next" in r.message]


def test_an_answer_that_came_before_its_question_is_given_up_when_it_stalls(tmp_path, monkeypatch):
    """aiohttp times no body whose connection ends before somebody reads it."""
    bound(monkeypatch, "STALL_TIMEOUT_S", 0.3)
    bound(monkeypatch, "START_S", 3 * WAIT_S)
    asked = []

    async def answer(request, writer):
        asked.append(request)
        if b"/v1/greeting" not in request:
            raise ConnectionResetError
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(OK + b"\r\n")  # as if something had been asked

    async def scenario(one, two, asking):
        blob = put(one, SMALL)
        asking.preconnect(1, back=True)
        await asyncio.gather(*asking._greetings.values())
        with pytest.raises(PeerError, match="broke off"):
            await asking.pull(effect(blob), two.store)
        assert len(asked) == 3

    against(tmp_path, answer, scenario)


def test_a_chunk_may_take_longer_than_a_stall(tmp_path, monkeypatch):
    """As long as something comes."""
    bound(monkeypatch, "STALL_TIMEOUT_S", 2.0)
    known = []

    async def answer(request, writer):
        blob, data = known
        if b"/leaves" in request:
            writer.write(OK + length(96) + b"\r\n" + b"".join(blob.leaves))
            return
        writer.write(OK + length(len(data)) + b"\r\n")
        step = CHUNK_BYTES // 24
        for at in range(0, 24 * step, step):
            writer.write(data[at : at + step])
            await writer.drain()
            await asyncio.sleep(0.1)
        writer.write(data[24 * step :])

    async def scenario(one, two, asking):
        blob = put(one, LARGE)
        known[:] = [blob, one.store.path(blob.digest).read_bytes()]
        await asking.pull(effect(blob), two.store)
        assert blob.digest in two.store

    against(tmp_path, answer, scenario)


@pytest.mark.parametrize(
    "said",
    [
        b"", b"Content-Range: bytes 0-9/10\r\n", b"Content-Range: bytes 1048576-3145727/*\r\n",
        b"Content-Range: bytes 1048577-3145727/3145728\r\n", b"Content-Range: nonsense\r\n",
    ],
)  # fmt: skip
def test_another_part_than_the_one_asked_for_is_not_read(tmp_path, said):
    async def answer(request, writer):
        if b"/leaves" in request:
            writer.write(OK + length(96) + b"\r\n" + b"".join(known[0].leaves))
        else:
            writer.write(b"HTTP/1.1 206 Partial Content\r\n" + said + b"\r\n" + bytes(100))

    async def scenario(one, two, asking):
        blob = put(one, LARGE)
        known[:] = [blob]
        part = Incoming(two.store, blob)
        part.feed(one.store.path(blob.digest).read_bytes()[:CHUNK_BYTES])
        part.close()
        with pytest.raises(PeerError, match="Expected the part 'bytes 1048576-3145727/3145728'"):
            await asking.pull(effect(blob), two.store)

    known = []
    against(tmp_path, answer, scenario)


def test_nothing_compressed_is_asked_for_and_no_cookie_comes_back(tmp_path):
    asked = []

    async def answer(request, writer):
        asked.append(request)
        cookie = b"Set-Cookie: a=b; Path=/\r\n"
        writer.write(b"HTTP/1.1 204 No Content\r\n" + cookie + b"\r\n")

    async def scenario(one, two, asking):
        for _ in range(3):
            assert await asking.watch(1, OfferAsked("s", 1, 0)) is None
        assert len(asked) == 3
        for request in asked:
            assert b"Accept-Encoding: identity\r\n" in request
            assert b"cookie" not in request.lower()

    against(tmp_path, answer, scenario)
