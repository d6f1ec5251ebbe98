"""What the doctor says of a member whose clock or version differs."""

import asyncio
from types import SimpleNamespace

import pytest

from swarmhub import __version__
from swarmhub.clock import wall_clock_ms
from swarmhub.contract.records import Member
from swarmhub.operations import doctor
from swarmhub.transport.reachability import Reachability


def look_at(monkeypatch, place="b:1", **said):
    """All findings about a member that answers so."""
    fields = {"data": "", "ledger": "", "height": 7, "version": __version__, **said}
    found = Reachability(**{"now_ms": wall_clock_ms(), **fields})

    async def answer(*_):
        return found

    async def connected(place):
        return ""

    monkeypatch.setattr(doctor, "try_tcp", connected)
    me, other = (
        Member(i, n, "", "", "", at, "") for i, n, at in ((1, "a", "a:1"), (2, "b", place))
    )
    ledger = SimpleNamespace(tip=SimpleNamespace(height=7))

    async def run():
        client = SimpleNamespace(reach=answer)
        return {f.what: f async for f in doctor._peer(client, ledger, me, other)}

    return asyncio.run(run())


@pytest.mark.parametrize(("off_ms", "well"), [(0, True), (3000, True), (-60_000, False)])
def test_a_clock_that_is_wrong_is_named(monkeypatch, off_ms, well):
    found = look_at(monkeypatch, now_ms=wall_clock_ms() + off_ms)["clock of b"]
    assert found.well == well
    assert ("NTP" in found.said) == (not well)


def test_a_member_behind_relays_is_warned_of(monkeypatch):
    assert not look_at(monkeypatch)["to b, data"].warns
    found = look_at(monkeypatch, place="@r:1")["to b, data"]
    assert (found.well, found.warns) == (True, True)
    assert found.said == f"r:1, {doctor.BY_RELAY}"


def test_another_version_is_said(monkeypatch):
    assert look_at(monkeypatch)["version of b"].said == __version__
    assert "upgrade the older" in look_at(monkeypatch, version="9.9")["version of b"].said
