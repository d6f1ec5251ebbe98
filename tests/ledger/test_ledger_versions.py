"""A ledger that one machine's nodes share, on both sides of the change to another version."""

from __future__ import annotations

import asyncio

import pytest
from builders import START_MS, genesis_of, key
from crossing import BOTH, updated
from version2 import NOTED, Note

from swarmhub.contract.records import get_chain
from swarmhub.contract.transactions import Announce, Poke, Upgrade
from swarmhub.errors import VersionMissing
from swarmhub.ledger import SqliteLedger, create_ledger, sign_transaction
from swarmhub.operations.record import verify

GENESIS = genesis_of(["h1"])


def clock():
    """A time at which the founding is over."""
    return START_MS + 1000


async def write(path, *bodies):
    """Bodies of the founder's transactions, each in a block of its own; returns the results."""
    ledger = await SqliteLedger.open(path, key("h1"), clock=clock)
    try:
        found = []
        for body in bodies:
            tx = sign_transaction(body, ledger.tip.chain_id, ledger.estimate_ms(), key("h1"))
            found.append(await (await ledger.submit(tx)).result(10))
        return found, ledger.tip.height, get_chain(ledger.state), NOTED.get(ledger.state, 1)
    finally:
        await ledger.close()


@pytest.fixture
def crossing(path):
    """A file whose next block but one is of version 2; returns its path and that height."""
    create_ledger(path, GENESIS, key("h1"))
    _, height, chain, _ = asyncio.run(write(path, Announce(BOTH), Upgrade(2, 2)))
    assert chain.next_version.height == height + 2
    return path, height + 2


def test_an_old_node_writes_up_to_the_height_and_no_further(crossing):
    path, height = crossing
    results, tip, _, _ = asyncio.run(write(path, Poke("a")))
    assert (results[0].code, tip) == ("UnknownThing", height - 1)
    with pytest.raises(VersionMissing, match=f"from block {height} on"):
        asyncio.run(write(path, Poke("b")))
    assert verify(path, path).blocks == height, "blocks 0 to the one before"


def test_an_updated_node_goes_on_where_an_old_one_stopped(crossing):
    path, height = crossing
    with pytest.raises(VersionMissing):
        asyncio.run(write(path, Poke("a"), Poke("b")))
    with updated():
        results, tip, chain, noted = asyncio.run(write(path, Poke("c"), Note("now")))
        assert [r.code for r in results] == ["UnknownThing", "ok"]
        assert (chain.contract_version, noted.text) == (2, "now")
        assert verify(path, path).blocks == tip + 1 > height


def test_an_auditor_without_the_version_hears_which_one_it_lacks(crossing):
    path, height = crossing
    with updated():
        asyncio.run(write(path, Poke("a"), Note("now")))
    with pytest.raises(VersionMissing) as caught:
        verify(path, path)
    assert (caught.value.version, caught.value.height) == (2, height)
