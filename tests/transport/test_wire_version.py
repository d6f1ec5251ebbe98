"""Members' nodes that speak another version of the wire protocol: refused with one sentence."""

from __future__ import annotations

import pytest
from ends import between

from swarmhub.errors import WireMismatch
from swarmhub.transport import server as server_room
from swarmhub.transport import sessions as sessions_room

pytestmark = pytest.mark.process

SAID = "Member 1's node speaks wire version {got}, expected {expected}; update swarmhub at the"


@pytest.mark.parametrize(
    ("room", "got", "expected"), [(server_room, "2", "1"), (sessions_room, "1", "2")]
)
def test_another_wire_version_is_refused_by_both_ends(tmp_path, monkeypatch, room, got, expected):
    monkeypatch.setattr(room, "WIRE_VERSION", "2")

    async def scenario(one, two, client, _):
        with pytest.raises(WireMismatch, match=SAID.format(got=got, expected=expected)):
            await client.knock(1)
        assert list(client.sessions.mismatches) == [1]

    between(tmp_path, scenario)


def test_an_updated_node_is_not_reported_any_more(tmp_path, monkeypatch):
    async def scenario(one, two, client, _):
        monkeypatch.setattr(server_room, "WIRE_VERSION", "2")
        with pytest.raises(WireMismatch):
            await client.knock(1)
        monkeypatch.setattr(server_room, "WIRE_VERSION", "1")
        await client.knock(1)
        assert client.sessions.mismatches == {}

    between(tmp_path, scenario)


def test_a_request_of_another_version_reaches_no_handler(tmp_path, monkeypatch):
    async def scenario(one, two, client, server):
        answered = []
        monkeypatch.setattr(server._gate, "greeted", answered.append)
        monkeypatch.setattr(sessions_room, "WIRE_VERSION", "2")
        with pytest.raises(WireMismatch):
            await client.sessions.request(1, "POST", "/v1/greeting")
        assert answered == []

    between(tmp_path, scenario)
