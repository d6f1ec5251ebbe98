"""Two members over real mutual TLS: what is served, what is refused, who is cut off."""

import asyncio
import contextlib
import socket
import ssl
import threading
from dataclasses import replace

import pytest
from ends import End, OpenGate, between, effect, put

from swarmhub.blobs import Incoming
from swarmhub.errors import BadInput, DiskError, PeerError
from swarmhub.merge import STRETCH_BYTES
from swarmhub.params import CHUNK_BYTES, Layout, Tensor
from swarmhub.protocol import MergeDone, ReceiptCame
from swarmhub.transport import client as client_room
from swarmhub.transport import pulls
from swarmhub.transport.gate import OfferAsked
from swarmhub.transport.server import PeerServer
from swarmhub.transport.tls import abort

pytestmark = pytest.mark.process


def test_what_goes_out_is_counted_for_its_member(tmp_path):
    gate = OpenGate()

    async def scenario(one, two, client, _):
        blob = put(one, 5 * CHUNK_BYTES + 640)
        await client.pull(effect(blob), two.store)
        pulled = gate.bytes_sent.pop((2, blob.digest))
        assert pulled == blob.nbytes
        await client.chunk([1], blob.digest, blob.nbytes, blob.layout, 5)
        assert gate.bytes_sent.pop((2, blob.digest)) == blob.nbytes - 5 * CHUNK_BYTES
        await client.excerpt(1, blob.digest, blob.nbytes, [0, CHUNK_BYTES])
        assert gate.bytes_sent == {(2, blob.digest): 2 * STRETCH_BYTES}
        layout = Layout.of([Tensor("x", "U8", (blob.nbytes,))])
        one.store.put_layout(layout)
        await client.layout(1, blob.digest, blob.layout)
        assert gate.bytes_sent[2, f"layout of {blob.digest}"] == len(layout.pack())

    between(tmp_path, scenario, gate)


@pytest.mark.parametrize("nbytes", [64, CHUNK_BYTES, CHUNK_BYTES + 64, 5 * CHUNK_BYTES + 640])
def test_a_blob_is_pulled_whole(tmp_path, nbytes):
    async def scenario(one, two, client, _):
        blob = put(one, nbytes)
        await client.pull(effect(blob), two.store)
        assert two.store.path(blob.digest).read_bytes() == one.store.path(blob.digest).read_bytes()

    between(tmp_path, scenario)


def test_a_greeting_opens_the_connections_that_a_round_uses(tmp_path):
    gate = OpenGate()

    async def scenario(one, two, client, server):
        async def preconnect(**how):
            client.preconnect(1, **how)
            await asyncio.gather(*client._greetings.values())

        await preconnect()
        assert gate.greetings == [2]
        connections = dict(server._room.open)
        assert len(connections) == 2
        await client.pull(effect(put(one, 64)), two.store)
        assert server._room.open == connections
        await preconnect(back=True)  # the answer to a greeting is not answered
        assert gate.greetings == [2]

    between(tmp_path, scenario, gate)


def test_who_is_not_up_is_greeted_in_vain(tmp_path):
    async def scenario(one, two, client, _):
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
        two.peers.update([one.record(port), two.record(1)])
        client.preconnect(1)
        client.preconnect(1)  # one at a time
        assert len(client._greetings) == 1
        await asyncio.gather(*client._greetings.values())
        assert not client._greetings

    between(tmp_path, scenario)


def test_a_client_that_is_closed_greets_nobody(tmp_path):
    async def scenario(one, two, client, server):
        await client.close()
        client.preconnect(1, back=True)  # as for who greets while this node ends
        assert not client._greetings
        assert not server._room.open

    between(tmp_path, scenario)


@pytest.mark.parametrize(
    "address", ["a..b:443", "a" * 64 + ".b:443", ".:443", "[::1:443", "[]:443"]
)
def test_an_address_that_is_none_is_one_sentence(tmp_path, address):
    async def scenario(one, two, client, _):
        two.peers.update([replace(one.record(1), address=address), two.record(1)])
        with pytest.raises(PeerError, match="Member 1 does not answer"):
            await client.pull(effect(put(one, 64)), two.store)
        client.preconnect(1)
        assert await asyncio.gather(*client._greetings.values()) == [None]

    between(tmp_path, scenario)


def test_greetings_of_a_member_are_answered_some_times_a_second(tmp_path, monkeypatch):
    pauses = []
    real = asyncio.sleep

    async def spy(seconds):
        pauses.append(seconds)
        await real(0)

    async def scenario(one, two, client, server):
        monkeypatch.setattr(client_room.asyncio, "sleep", spy)
        client.preconnect(1, back=True)
        await asyncio.gather(*client._greetings.values())
        assert pauses == [client_room.GREETING_PAUSE_S]

    between(tmp_path, scenario)


def test_a_broken_pull_goes_on_where_it_stopped(tmp_path):
    async def scenario(one, two, client, _):
        blob = put(one, 4 * CHUNK_BYTES)
        data = one.store.path(blob.digest).read_bytes()
        part = Incoming(two.store, blob)
        part.feed(data[:CHUNK_BYTES])
        part.close()
        asked = []
        real = client.sessions.request

        async def spy(member, method, path, **options):
            asked.append(options.get("headers"))
            return await real(member, method, path, **options)

        client.sessions.request = spy
        await client.pull(effect(blob), two.store)
        assert {"Range": f"bytes={CHUNK_BYTES}-"} in asked
        assert two.store.path(blob.digest).read_bytes() == data

    between(tmp_path, scenario)


def test_a_cancelled_pull_closes_its_file_only_when_the_last_write_is_over(tmp_path, monkeypatch):
    begun, go_on, outcome = threading.Event(), threading.Event(), []
    real = Incoming.feed

    def slow(incoming, chunk):
        begun.set()
        go_on.wait(20)
        try:
            outcome.append(real(incoming, chunk))
        except ValueError as error:  # its file is closed: the number may be another file's
            outcome.append(error)

    monkeypatch.setattr(Incoming, "feed", slow)

    async def scenario(one, two, client, _):
        blob = put(one, 4 * CHUNK_BYTES)
        pulling = asyncio.create_task(client.pull(effect(blob), two.store))
        await asyncio.to_thread(begun.wait, 20)
        pulling.cancel()
        await asyncio.sleep(0)
        go_on.set()
        with contextlib.suppress(asyncio.CancelledError):
            await pulling
        assert outcome == [None]

    between(tmp_path, scenario)


def test_a_holder_that_sends_other_bytes_is_found_out(tmp_path):
    async def scenario(one, two, client, _):
        for nbytes in (1000, 3 * CHUNK_BYTES):
            blob = put(one, nbytes)
            path = one.store.path(blob.digest)
            path.write_bytes(path.read_bytes()[:-1] + b"\xff")
            with pytest.raises(PeerError, match=r"hash|digest"):
                await client.pull(effect(blob), two.store)
            assert blob.digest not in two.store

    between(tmp_path, scenario)


def test_a_holder_that_speaks_of_a_disk_keeps_nobody_from_the_next(tmp_path, monkeypatch):
    """Words of a peer are in the sentence; only trouble with our own disk ends a pull."""

    async def scenario(one, two, client, server):
        blob = put(one, 3 * CHUNK_BYTES)
        asked, real = [], client.sessions.request

        async def request(member, *given, **options):
            asked.append(member)
            return await real(1, *given, **options)

        def check_range(*given):
            if asked[-1] == 3:
                raise PeerError("Expected the part '', a member answered 'the disk is full'.")

        monkeypatch.setattr(client.sessions, "request", request)
        monkeypatch.setattr(pulls, "check_range", check_range)
        await client.pull(replace(effect(blob), holders=(3, 1)), two.store)
        assert asked == [3, 3, 1, 1]
        assert blob.digest in two.store
        lost = put(one, 1000)
        monkeypatch.setattr(two.store, "adopt", lambda *given: (_ for _ in ()).throw(DiskError("")))
        with pytest.raises(DiskError):
            await client.pull(replace(effect(lost), holders=(1, 1)), two.store)
        assert asked[4:] == [1], "no other holder can help there"

    between(tmp_path, scenario)


def test_what_the_gate_forbids_looks_like_what_is_not_there(tmp_path):
    async def scenario(one, two, client, _):
        blob = put(one, 1000)
        with pytest.raises(PeerError, match="404"):
            await client.pull(effect(blob), two.store)

    between(tmp_path, scenario, OpenGate(readable=False))


def test_a_certificate_that_is_on_no_ledger_is_cut_off(tmp_path):
    async def scenario(one, two, client, _):
        blob = put(one, 1000)
        with pytest.raises(PeerError, match=r"does not answer|broke off"):
            await client.pull(effect(blob), two.store)

    between(tmp_path, scenario, members=(1,))


def test_a_stranger_without_a_certificate_learns_nothing(tmp_path):
    async def scenario(one, two, client, server):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

        def knock():
            with (
                socket.create_connection(("127.0.0.1", server.port), 5) as raw,
                context.wrap_socket(raw) as tls,
            ):
                tls.sendall(b"GET /v1/offer HTTP/1.1\r\nHost: x\r\n\r\n")
                return tls.recv(100)

        answer = b""
        with contextlib.suppress(OSError):
            answer = await asyncio.to_thread(knock)
        assert answer == b""

    between(tmp_path, scenario)


def test_tls_1_2_is_refused(tmp_path):
    async def scenario(one, two, client, server):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.load_cert_chain(two.certificate, two.key)
        context.maximum_version = ssl.TLSVersion.TLSv1_2

        def knock():
            with socket.create_connection(("127.0.0.1", server.port), 5) as raw:
                context.wrap_socket(raw)

        with pytest.raises(OSError):
            await asyncio.to_thread(knock)

    between(tmp_path, scenario)


def test_a_removed_members_live_connection_is_closed(tmp_path):
    class Slow(OpenGate):
        async def offer(self, *_):
            await asyncio.sleep(30)

    async def scenario(one, two, client, server):
        watching = asyncio.create_task(client.watch(1, OfferAsked("s", 1, 0)))
        while not server._room.open:
            await asyncio.sleep(0.01)
        one.peers.update([one.record(server.port)])  # member 2 is gone
        with pytest.raises(PeerError):
            await asyncio.wait_for(watching, 5)
        with pytest.raises(PeerError):
            await client.watch(1, OfferAsked("s", 1, 0))

    between(tmp_path, scenario, Slow())


def test_an_admitted_member_can_connect_without_a_restart(tmp_path):
    async def scenario(one, two, client, server):
        blob = put(one, 1000)
        with pytest.raises(PeerError):
            await client.pull(effect(blob), two.store)
        one.peers.update([one.record(server.port), two.record(1)])
        await client.pull(effect(blob), two.store)

    between(tmp_path, scenario, members=(1,))


def test_somebody_else_at_a_members_address_is_not_believed(tmp_path):
    async def scenario(one, two, client, server):
        three = End(tmp_path / "three", 3)
        two.peers.update([one.record(server.port), three.record(server.port), two.record(1)])
        with pytest.raises(PeerError, match="Somebody else"):
            await client.watch(3, OfferAsked("s", 1, 0))

    between(tmp_path, scenario)


def test_offers_and_receipts_pass(tmp_path):
    gate = OpenGate()
    gate.merged = MergeDone(3, 1, "d" * 64, 10, "e" * 64, "a" * 128)

    async def scenario(one, two, client, _):
        assert await client.watch(1, OfferAsked("study", 3, 1)) == gate.merged
        receipt = ReceiptCame(3, 1, "d" * 64, 99, "f" * 128)
        assert await client.send_receipt(1, "study", receipt)
        ((study, got),) = gate.receipts
        assert study == "study"
        assert got.member == 2, "a receipt is the sender's, whatever it says"
        gate.take_receipt = refuse_receipt
        assert not await client.send_receipt(1, "study", receipt), "it has to come again"

    def refuse_receipt(study, receipt):
        raise BadInput("The receipt is for another model.")

    between(tmp_path, scenario, gate)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/blobs/nonsense", {}),
        ("/v1/blobs/" + "a" * 64, {}),
        ("/v1/offer?study=x", {}),
        ("/v1/offer?study=x&number=a&revision=0", {}),
        ("/v2/anything", {}),
        ("/v1/blobs/DIGEST", {"Range": "bytes=5000-"}),
        ("/v1/blobs/DIGEST", {"Range": "bytes=10-5"}),
        ("/v1/blobs/DIGEST", {"Range": "bytes=0-10"}),
        ("/v1/blobs/DIGEST", {"Range": "chapters=1"}),
    ],
)
def test_a_senseless_request_gets_a_client_error(tmp_path, path, headers):
    async def scenario(one, two, client, server):
        blob = put(one, 1000)
        where = path.replace("DIGEST", blob.digest)
        async with await client.sessions.request(1, "GET", where, headers=headers) as response:
            assert 400 <= response.status < 500

    between(tmp_path, scenario)


def test_a_body_larger_than_any_receipt_is_refused(tmp_path):
    async def scenario(one, two, client, server):
        try:
            body = bytes(1 << 20)
            async with await client.sessions.request(
                1, "POST", "/v1/receipt", data=body
            ) as response:
                assert response.status in (400, 413)
        except PeerError:
            pass  # cut off while still sending

    between(tmp_path, scenario)


def test_a_taken_port_is_one_sentence(tmp_path):
    async def scenario(one, two, client, server):
        other = PeerServer(two.peers, two.store, OpenGate())
        with pytest.raises(BadInput, match=r"Expected to listen on .*; stop what uses the port"):
            await other.start("127.0.0.1", server.port)

    between(tmp_path, scenario)


def test_a_connection_that_has_been_closed_twice_can_be_ended(tmp_path):
    async def scenario(one, two, _, server):
        context = two.peers.client_context()
        _, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
        writer.close()
        writer.close()
        abort(writer.transport)
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        assert writer.transport.is_closing()

    between(tmp_path, scenario)


def test_a_layout_is_given_to_those_who_may_read_the_model(tmp_path):
    async def scenario(one, two, client, _):
        blob = put(one, 64)
        with pytest.raises(PeerError, match="404"):
            await client.layout(1, blob.digest, blob.layout)
        layout = Layout.of([Tensor("x", "U8", (64,))])
        one.store.put_layout(layout)
        assert await client.layout(1, blob.digest, blob.layout) == layout
        with pytest.raises(PeerError, match="another layout"):
            await client.layout(1, blob.digest, "a" * 64)

    between(tmp_path, scenario)


def test_a_layout_is_not_given_to_those_who_may_not(tmp_path):
    async def scenario(one, two, client, _):
        one.store.put_layout(Layout.of([Tensor("x", "U8", (64,))]))
        blob = put(one, 64)
        with pytest.raises(PeerError, match="404"):
            await client.layout(1, blob.digest, blob.layout)

    between(tmp_path, scenario, OpenGate(readable=False))
