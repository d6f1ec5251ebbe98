"""Members that nobody can connect to are reached over a relay, which sees ciphertext only."""

import asyncio
import contextlib
import dataclasses

import pytest
from ends import End, effect, over_relay, put

from swarmhub.errors import PeerError
from swarmhub.params import CHUNK_BYTES
from swarmhub.protocol import ReceiptCame
from swarmhub.transport.relay import server as relay_server
from swarmhub.transport.relay.streams import reach_relay

pytestmark = pytest.mark.process

WAIT_S = 20


class Carried(asyncio.StreamReader):
    """What a relay reads of a connection."""

    seen = bytearray()

    async def read(self, n=-1):
        data = await super().read(n)
        Carried.seen += data
        return data


@pytest.mark.parametrize("nbytes", [1000, 3 * CHUNK_BYTES + 5])
def test_two_members_behind_a_relay_exchange_blobs_and_receipts(tmp_path, nbytes):
    async def scenario(one, two, client, gate, carriers):
        blob = put(one, nbytes)
        await client.pull(effect(blob), two.store)
        assert blob.digest in two.store
        receipt = ReceiptCame(3, 0, "ab" * 32, 2, "cd" * 64)
        await client.send_receipt(1, "heart", receipt)
        async with asyncio.timeout(WAIT_S):
            while not gate.receipts:
                await asyncio.sleep(0.01)
        assert gate.receipts[0][0] == "heart"
        assert carriers[0].standing() == [1]

    over_relay(tmp_path, scenario)


def test_the_relays_operator_sees_no_plaintext(tmp_path, monkeypatch):
    monkeypatch.setattr(relay_server.asyncio, "StreamReader", Carried)
    Carried.seen = bytearray()

    async def scenario(one, two, client, gate, carriers):
        blob = put(one, 200_000)
        plain = one.store.path(blob.digest).read_bytes()
        await client.pull(effect(blob), two.store)
        assert two.store.path(blob.digest).read_bytes() == plain
        assert len(Carried.seen) > len(plain)  # all of it went past
        assert not any(plain[i : i + 8] in Carried.seen for i in range(0, len(plain) - 8, 997))
        for word in (b"HTTP/1.1", b"/v1/blobs", blob.digest.encode(), b"swarmhub"):
            assert word not in Carried.seen

    over_relay(tmp_path, scenario)


def test_another_relay_serves_where_one_is_gone(tmp_path):
    async def scenario(one, two, client, gate, carriers):
        await carriers[0].close()
        blob = put(one, 1000)
        await client.pull(effect(blob), two.store)

    over_relay(tmp_path, scenario, relays=2)


def test_who_stands_nowhere_is_one_sentence_at_once(tmp_path):
    async def scenario(one, two, client, gate, carriers):
        blob = put(one, 1000)
        carriers[0]._standing.clear()
        with pytest.raises(PeerError, match="does not answer"):
            await client.pull(effect(blob), two.store)

    over_relay(tmp_path, scenario)


def test_a_removed_member_is_cut_off_and_called_no_more(tmp_path):
    async def scenario(one, two, client, gate, carriers):
        carrier = carriers[0]
        left = [m for m in carrier._peers.members.values() if m.id != 1]
        carrier._peers.update(left)
        while carrier.standing():
            await asyncio.sleep(0.01)
        with pytest.raises(PeerError):
            await client.pull(effect(put(one, 1000)), two.store)

    over_relay(tmp_path, scenario)


def test_a_call_is_taken_by_the_member_that_is_called_only(tmp_path):
    async def scenario(one, two, client, gate, carriers):
        address = two.peers.members[1].address[1:]
        context = two.peers.client_context()
        carrier = carriers[0]
        carrier._calls["x" * 32] = (1, asyncio.get_running_loop().create_future())
        reader, writer = await reach_relay(two.peers, context, address, f"take {'x' * 32}", None)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
        assert not carrier._calls["x" * 32][1].done()

    over_relay(tmp_path, scenario)


@pytest.mark.parametrize("words", ["", "nonsense", "call", "call x", "call 99999999999999999999999",
                                   "call 9", "take zz", "y" * 5000])  # fmt: skip
def test_what_is_no_request_ends_the_connection(tmp_path, words):
    async def scenario(one, two, client, gate, carriers):
        address = two.peers.members[1].address[1:]
        context = two.peers.client_context()
        reader, writer = await reach_relay(two.peers, context, address, words, None)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() in (b"", b"no\n")
        writer.close()
        assert carriers[0].standing() == [1]

    over_relay(tmp_path, scenario)


def test_a_stranger_learns_nothing(tmp_path):
    async def scenario(one, two, client, gate, carriers):
        address = two.peers.members[1].address[1:]
        stranger = End(tmp_path / "stranger", 9)
        stranger.peers.update(list(two.peers.members.values()))
        with contextlib.suppress(OSError, PeerError):
            reader, writer = await reach_relay(
                stranger.peers, stranger.peers.client_context(), address, "stand", None
            )
            assert await reader.read() == b""
            writer.close()
        assert carriers[0].standing() == [1]

    over_relay(tmp_path, scenario)


def test_who_answers_at_a_relays_address_without_being_a_member_is_not_believed(tmp_path):
    async def scenario(one, two, client, gate, carriers):
        address = two.peers.members[1].address[1:]
        two.peers.update([m for m in two.peers.members.values() if m.id != 3])
        with pytest.raises(PeerError, match="no member answers"):
            await reach_relay(two.peers, two.peers.client_context(), address, "call 1")

    over_relay(tmp_path, scenario)


def test_a_later_stand_of_a_member_ends_the_one_before(tmp_path):
    async def scenario(one, two, client, gate, carriers):
        address = two.peers.members[1].address[1:]
        context = two.peers.client_context()
        held = [await reach_relay(two.peers, context, address, "stand") for _ in range(6)]
        while len([c for c, _ in carriers[0]._open.values() if c == two.der]) > 1:
            await asyncio.sleep(0.01)
        assert carriers[0].standing() == [1, 2]
        for _, writer in held:
            writer.transport.abort()

    over_relay(tmp_path, scenario)


def test_a_member_holds_so_many_silent_connections_and_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(relay_server, "MAX_SILENT", 3)

    async def scenario(one, two, client, gate, carriers):
        host, port = two.peers.members[1].address[1:].split(":")
        context = two.peers.client_context()
        held = [await asyncio.open_connection(host, int(port), ssl=context) for _ in range(8)]
        ended = 0
        for reader, _ in held:
            with contextlib.suppress(TimeoutError, ConnectionError):
                async with asyncio.timeout(0.5):
                    ended += await reader.read() == b""
        assert ended >= 5
        assert len([c for c, _ in carriers[0]._open.values() if c == two.der]) <= 3
        for _, writer in held:
            writer.transport.abort()
        while carriers[0]._silent[2]:
            await asyncio.sleep(0.01)
        await client.pull(effect(put(one, 1000)), two.store)

    over_relay(tmp_path, scenario)


def test_a_flood_of_pulses_holds_up_nobody(tmp_path):
    async def scenario(one, two, client, gate, carriers):
        address = two.peers.members[1].address[1:]
        context = two.peers.client_context()
        _, writer = await reach_relay(two.peers, context, address, "stand")
        for _ in range(20):
            writer.write(b"\n" * 100_000)
        beats = 0
        end = asyncio.get_running_loop().time() + 1.0
        while asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.01)
            beats += 1
        assert beats > 50
        await client.pull(effect(put(one, 1000)), two.store)
        writer.transport.abort()

    over_relay(tmp_path, scenario)


def test_calls_of_one_member_do_not_cut_off_the_called_one(tmp_path, monkeypatch):
    monkeypatch.setattr(relay_server, "MAX_CALLS_TO_ONE", 3)

    async def scenario(one, two, client, gate, carriers):
        address = two.peers.members[1].address[1:]
        context = two.peers.client_context()
        held = [await reach_relay(two.peers, context, address, "call 1") for _ in range(3)]
        with contextlib.suppress(OSError, PeerError):
            held.append(await reach_relay(two.peers, context, address, "call 1"))
        assert len(held) == 3  # the fourth is not connected
        assert carriers[0].standing() == [1]
        for _, writer in held:
            writer.transport.abort()
        while carriers[0]._talks[2, 1]:
            await asyncio.sleep(0.01)
        await client.pull(effect(put(one, 1000)), two.store)

    over_relay(tmp_path, scenario)


def test_a_member_that_moves_leaves_no_port_behind(tmp_path):
    async def scenario(one, two, client, gate, carriers):
        router = client.sessions._router
        first, again = await asyncio.gather(*(router.to(two.peers.members[1]) for _ in range(2)))
        assert first == again
        moved = dataclasses.replace(two.peers.members[1], address="@127.0.0.1:9,a..b:80")
        assert await router.to(moved) != first
        assert len(router._servers) == 1
        two.peers.update([moved])
        with pytest.raises(PeerError):
            await client.pull(effect(put(one, 1000)), two.store)

    over_relay(tmp_path, scenario)
