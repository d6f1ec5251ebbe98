"""A newcomer's questions, where some of the members' addresses are none."""

import asyncio
import hashlib

import pytest
from ends import End

from swarmhub.errors import PeerError
from swarmhub.transport.guest import Guest, Place


def test_an_address_that_is_none_keeps_nobody_from_the_next(tmp_path):
    newcomer = End(tmp_path / "newcomer", 1)
    nobody = hashlib.sha256(b"").hexdigest()
    places = [Place("a..b:443", nobody), Place(".:443", nobody), Place("127.0.0.1:1", nobody)]
    guest = Guest(places, newcomer.certificate, newcomer.key)
    with pytest.raises(PeerError) as refused:
        asyncio.run(guest.ask())
    assert all(f"{place.address}: no answer" in str(refused.value) for place in places)
