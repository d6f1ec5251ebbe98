"""A newcomer's questions, where some of the members' addresses are none."""

import asyncio
import dataclasses
import hashlib

import pytest
from ends import End, OpenGate, between

from swarmhub.errors import HungUp, PeerError
from swarmhub.transport.join_client import JoinClient, JoinEndpoint

pytestmark = pytest.mark.process


def test_an_address_that_is_none_keeps_nobody_from_the_next(tmp_path):
    newcomer = End(tmp_path / "newcomer", 1)
    nobody = hashlib.sha256(b"").hexdigest()
    places = [
        JoinEndpoint("a..b:443", nobody),
        JoinEndpoint(".:443", nobody),
        JoinEndpoint("127.0.0.1:1", nobody),
    ]
    joiner = JoinClient(places, newcomer.certificate, newcomer.key)
    with pytest.raises(PeerError) as refused:
        asyncio.run(joiner.ask())
    assert all(f"{place.address}: no answer" in str(refused.value) for place in places)


class Teller(OpenGate):
    """A gate that says what a consortium is, and takes no application."""

    def describe(self):
        return {"height": 7}

    async def take_application(self, tx):
        raise AssertionError


def as_applicant(tmp_path, act, votes=True):
    """`await act(joiner, server's end)` for a stranger, with a vote on it if so said."""

    async def scenario(one, two, client, server):
        one.peers.update_applicants({two.der: 1} if votes else {})
        place = JoinEndpoint(f"127.0.0.1:{server.port}", hashlib.sha256(one.der).hexdigest())
        await act(JoinClient([place], two.certificate, two.key), one)

    between(tmp_path, scenario, Teller(), members=(1,))


def test_an_applicant_hears_that_its_application_is_open(tmp_path):
    async def act(joiner, _):
        assert await joiner.ask() == {"height": 7}
        await joiner.knock(0)

    as_applicant(tmp_path, act)


@pytest.mark.parametrize("votes", [True, False])
def test_an_applicant_may_ask_for_nothing_else(tmp_path, votes):
    async def act(joiner, _):
        for attempt in (joiner.ledgers(), joiner.hand_in(b"{}")):
            with pytest.raises(PeerError, match="no answer"):
                await attempt

    as_applicant(tmp_path, act, votes)


def test_an_application_that_is_gone_is_hung_up_on(tmp_path):
    async def act(joiner, one):
        one.peers.update_applicants({})
        with pytest.raises(HungUp):
            await joiner.knock(0)

    as_applicant(tmp_path, act)


def test_a_member_that_is_away_does_not_hang_up(tmp_path):
    newcomer = End(tmp_path / "newcomer", 1)
    places = [JoinEndpoint("127.0.0.1:1", hashlib.sha256(b"").hexdigest())]
    with pytest.raises(PeerError) as away:
        asyncio.run(JoinClient(places, newcomer.certificate, newcomer.key).knock(0))
    assert not isinstance(away.value, HungUp)


def test_an_applicant_that_becomes_a_member_is_not_cut_off(tmp_path):
    gone = []

    async def act(_, one):
        (applicant,) = one.peers._applicants
        one.peers.on_gone.append(gone.extend)
        me = next(iter(one.peers.members.values()))
        one.peers.update([me, dataclasses.replace(me, id=2, tls=applicant.hex())])
        one.peers.update_applicants({})

    as_applicant(tmp_path, act)
    assert gone == []
