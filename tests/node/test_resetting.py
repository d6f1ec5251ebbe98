"""A validator that has lost the file of what it has signed comes back without a new chain."""

import asyncio
import json

import pytest
from builders import key
from comets import Comets
from engines import needs_cometbft, networked
from ledger_tools import GENESIS

from swarmhub.errors import BadInput
from swarmhub.files import lock
from swarmhub.home.head import save_head
from swarmhub.home.home import Home
from swarmhub.ledger.cometbft.engine_files import write_files
from swarmhub.ledger.cometbft.settings import Settings
from swarmhub.ledger.cometbft.signing import SIGNED_FILE, read_height, write_height
from swarmhub.operations import reset_signing
from swarmhub.operations.reset_signing import Outlook, look_ahead, reset

pytestmark = pytest.mark.engine

LOST = "does not sign blocks: its key has signed"


@needs_cometbft
def test_two_validators_go_on_when_one_has_lost_its_file(tmp_path):
    with Comets(tmp_path, 2) as two:
        two.at_desk(1, lambda client: client.invite(two.homes[0], 86_400_000))
        two.wait_until(lambda: two.look(2)[0] == two.look(1)[0] > 1)
        two.children.kill("node 2")
        (two.homes[1].engine_path / SIGNED_FILE).unlink()
        two.up(2)
        two.wait_until(lambda: two.log(2).count("is up") == 2)
        assert LOST in two.type(2, "status", code=1)
        assert "stop it first" in two.type(2, "node", "reset-signing", "--yes", code=2)
        two.children.kill("node 2")
        assert "Hospital 1: block" in two.type(2, "node", "reset-signing", "--yes")
        before = two.look(1)[0]
        two.up(2)
        two.at_desk(1, lambda client: client.invite(two.homes[0], 86_400_000))
        two.wait_until(lambda: two.look(2)[0] > before)
        assert LOST not in two.type(2, "status")


# which height


@pytest.fixture
def pair(tmp_path):
    return Comets(tmp_path, 2)


def told(monkeypatch, **heights):
    async def ask(home, state, me):
        return {name.replace("_", " "): height for name, height in heights.items()}

    monkeypatch.setattr(reset_signing, "_ask", ask)


def look(home, seen=0):
    return asyncio.run(look_ahead(home, seen))


def test_a_reset_is_ahead_of_every_block_that_anybody_has(pair, monkeypatch):
    home = pair.homes[0]
    write_height(home.engine_path / SIGNED_FILE, 7)
    told(monkeypatch, Hospital_2=9)
    found = look(home)
    assert (found.known, found.newest, found.height, found.is_held) == (7, 9, 10, True)
    save_head(home, 12, "a" * 64)
    found = look(home)
    assert (found.newest, found.height, found.is_held) == (12, 13, False)
    assert look(home, seen=20).height == 21
    reset(home, found)
    assert read_height(home.engine_path / SIGNED_FILE) == 13
    assert not look(home).is_needed


def test_a_validator_that_is_silent_has_to_be_asked(pair, monkeypatch):
    told(monkeypatch)
    with pytest.raises(BadInput, match=r"Hospital 2 does not answer.*--seen HEIGHT"):
        look(pair.homes[0])
    assert look(pair.homes[0], seen=5).height == 6


def test_a_silent_validator_is_found_out_over_the_network(pair):
    with pytest.raises(BadInput, match="Hospital 2 does not answer"):
        look(pair.homes[0])


def test_a_file_is_never_set_back():
    found = Outlook(30, False, 7, {"B": 9}, 9, 2)
    assert (found.is_needed, found.height) == (False, 30)


@pytest.mark.parametrize("content", [None, b"", b"[]", b'{"height": "x"}'])
def test_a_file_that_is_gone_or_damaged_is_written_anew(pair, monkeypatch, content):
    told(monkeypatch, Hospital_2=0)
    path = pair.homes[0].engine_path / SIGNED_FILE
    path.parent.mkdir(exist_ok=True)
    if content is not None:
        path.write_bytes(content)
    found = look(pair.homes[0])
    assert (found.is_damaged, found.is_needed) == (True, True)
    reset(pair.homes[0], found)
    state = json.loads(path.read_bytes())
    assert state == {"height": "1", "round": 0, "step": 0}


def test_a_home_without_a_vote_has_nothing_to_reset(pair, tmp_path):
    shared = Home.create(tmp_path / "shared", "A", "127.0.0.1:7000")
    with pytest.raises(BadInput, match="a file of one machine"):
        look(shared)
    pair.homes[0].key_path("consensus").write_bytes(
        pair.homes[1].key_path("consensus").read_bytes()
    )
    with pytest.raises(BadInput, match="has no vote on the ledger"):
        look(pair.homes[0])


# the command


def test_a_reset_asks_a_person_first(pair, tmp_path):
    home = pair.homes[0]
    path = home.engine_path / SIGNED_FILE
    said = pair.type(1, "node", "reset-signing", "--seen", "5", code=2)
    assert "Expected --yes, because there is no terminal" in said
    assert not path.exists()
    held = lock(home.run_path("node.lock"))
    assert "stop it first" in pair.type(1, "node", "reset-signing", "--yes", code=2)
    held.close()
    assert "from block 6 on" in pair.type(1, "node", "reset-signing", "--seen", "5", "--yes")
    assert read_height(path) == 6
    again = pair.type(1, "node", "reset-signing", "--seen", "5", "--yes")
    assert "nothing was done" in again


def test_an_engine_with_a_damaged_file_names_the_way_back(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / SIGNED_FILE).write_bytes(b"")
    genesis, ((name, peer, address), *_) = networked(GENESIS)
    settings = Settings(tmp_path, genesis, key(f"{name}/consensus"), peer, address, address)
    with pytest.raises(BadInput, match="swarmhub node reset-signing"):
        write_files(settings, [], verbose=False)
