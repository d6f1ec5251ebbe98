"""Figures of connections: computed from what was moved, and measured over real TLS and relays."""

import asyncio
from dataclasses import replace

import pytest
from ends import between, effect, over_relay, put

from swarmhub.errors import PeerError
from swarmhub.params import CHUNK_BYTES
from swarmhub.transport.links import KEPT, LEAST_RECEIVED_BYTES, LEAST_SENT_BYTES, Link, Links

MB = 1_000_000


def test_a_rate_is_bytes_over_seconds_of_the_last_transfers():
    links = Links(lambda: 7)
    for seconds in (9.0, 1.0, 3.0):
        links.received(2, 2 * MB, seconds)
    assert links.show([2])[0] == Link(2, received_per_s=round(6 * MB / 13), measured_ms=7)
    for _ in range(KEPT):
        links.received(2, 5 * MB, 0.5)
    assert links.show([2])[0].received_per_s == 10 * MB


def test_what_is_too_small_to_tell_a_rate_does_not_count():
    links = Links()
    links.received(2, LEAST_RECEIVED_BYTES - 1, 1.0)
    links.sent(2, LEAST_SENT_BYTES - 1, 1.0)
    assert links.show([2, 3]) == (Link(2), Link(3))


def test_a_round_trip_is_the_shortest_of_the_last_ones():
    links = Links(lambda: 1)
    for seconds in (0.001, *[0.02] * (KEPT - 1)):
        links.answered(2, seconds)
    assert links.show([2])[0].round_trip_us == 1000
    links.answered(2, 0.03)
    assert links.show([2])[0].round_trip_us == 20_000


def test_a_way_is_the_last_one_that_led_there():
    links, changes = Links(), []
    links.on_change = lambda: changes.append(1)
    assert links.show([2], {2})[0].way == "incoming"
    for via, way in (("", "direct"), ("", "direct"), ("C", "relay"), (None, "none")):
        links.reached(2, via)
        assert links.show([2])[0].way == way
    assert len(changes) == 3


def test_figures_of_an_earlier_run_hold_until_there_are_new_ones():
    links, before = Links(lambda: 9), Link(2, "direct", "", 5, 6, 7, 8)
    links.restore([before])
    assert links.show([2])[0] == replace(before, way="none")
    links.received(2, 2 * MB, 1.0)
    links.answered(2, 0.5)
    assert links.show([2])[0] == Link(2, "none", "", 2 * MB, 6, 500_000, 9)


@pytest.mark.process
@pytest.mark.parametrize("nbytes", [CHUNK_BYTES, 5 * CHUNK_BYTES])
def test_what_is_pulled_is_measured_at_both_ends(tmp_path, nbytes):
    async def scenario(one, two, client, server):
        await client.knock(1)
        began = asyncio.get_running_loop().time()
        await client.pull(effect(put(one, nbytes)), two.store)
        seconds = asyncio.get_running_loop().time() - began
        (found,) = client.sessions.links.show([1])
        assert (found.way, found.sent_per_s) == ("direct", 0)
        assert found.received_per_s >= nbytes / seconds
        assert 0 < found.round_trip_us < 1e6 * seconds + 1e6
        await client.knock(1)  # a large body ends its connection
        there = server._blob_server._links.show([2], server.connected())[0]
        assert (there.way, there.sent_per_s > 0) == ("incoming", nbytes >= LEAST_SENT_BYTES)

    between(tmp_path, scenario)


@pytest.mark.process
def test_who_does_not_answer_has_no_way(tmp_path):
    async def scenario(one, two, client, _):
        await client.knock(1)
        two.peers.update([replace(one.record(1), address="127.0.0.1:1"), two.record(1)])
        await client.sessions.close()
        with pytest.raises(PeerError):
            await client.knock(1)
        assert client.sessions.links.show([1])[0].way == "none"

    between(tmp_path, scenario)


@pytest.mark.process
def test_a_way_over_a_relay_names_its_member(tmp_path):
    async def scenario(one, two, client, gate, _):
        await client.pull(effect(put(one, 2 * CHUNK_BYTES)), two.store)
        (found,) = client.sessions.links.show([1])
        assert (found.way, found.via) == ("relay", two.peers.members[3].name)
        assert found.received_per_s > 0

    over_relay(tmp_path, scenario)
