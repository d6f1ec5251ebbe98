"""Who may read a file may lock it: what nodes share is their group's, whatever the umask."""

from __future__ import annotations

import asyncio
import os
import stat

import pytest
from builders import key
from ledger_tools import GENESIS, done, propose, signed

from swarmhub import files
from swarmhub.home.home import Home
from swarmhub.ledger import SqliteLedger, create_ledger
from swarmhub.ledger.cometbft import create_comet_ledger
from swarmhub.ledger.cometbft.settings import STATE_FILE
from swarmhub.ledger.cometbft.store import Store


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct, autouse=True)
def umask(request):
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


async def use(path):
    """Write a block, and give the modes of all that is there meanwhile."""
    ledger = await SqliteLedger.open(path, key("h1"))
    await done(ledger, signed(ledger, propose("a")))
    found = {p: mode(p) for p in path.parent.rglob("*")}
    await ledger.close()
    return found


def test_all_that_nodes_share_is_for_their_group_only(tmp_path):
    path = tmp_path / "new" / "ledger.sqlite"
    create_ledger(path, GENESIS, key("h1"))
    found = asyncio.run(use(path))
    assert {p.name for p in found} >= {f"ledger.sqlite{e}" for e in (
        "", "-wal", "-shm", ".turns", ".pool", ".bells")}  # fmt: skip
    for place, its in found.items():
        assert its == (0o770 if place.is_dir() else 0o660), place
    assert mode(path.parent) & 0o007 == 0


def test_what_was_open_to_all_is_shut_when_a_node_starts(tmp_path):
    path = tmp_path / "ledger.sqlite"
    create_ledger(path, GENESIS, key("h1"))
    asyncio.run(use(path))
    for place in tmp_path.iterdir():
        place.chmod(0o777 if place.is_dir() else 0o666)
    assert all(its & 0o007 == 0 for its in asyncio.run(use(path)).values())


def test_a_state_of_many_machines_is_shut_to_others(tmp_path):
    folder = tmp_path / "ledger"
    create_comet_ledger(folder, GENESIS)
    assert mode(folder / STATE_FILE) & 0o007 == 0
    folder.chmod(0o755)
    (folder / STATE_FILE).chmod(0o644)
    Store.open(folder / STATE_FILE).close()
    assert (mode(folder), mode(folder / STATE_FILE)) == (0o750, 0o640)


def test_a_lock_is_never_open_to_others(tmp_path):
    (tmp_path / "old").touch()
    (tmp_path / "old").chmod(0o646)
    for name, expected in (("old", 0o640), ("new", 0o660)):
        held = files.lock(tmp_path / name)
        assert held is not None
        assert files.lock(tmp_path / name) is None
        assert mode(tmp_path / name) == expected
        held.close()


def test_another_users_file_is_left_as_it_is(tmp_path, monkeypatch):
    (tmp_path / "x").touch()
    (tmp_path / "x").chmod(0o666)
    monkeypatch.setattr(os, "getuid", lambda: 1 << 20)
    files.shut_out_others(tmp_path / "x")
    files.shut_out_others(tmp_path / "nothing")
    assert mode(tmp_path / "x") == 0o666


def test_a_homes_folders_are_shut_when_it_is_opened(tmp_path):
    home = Home.create(tmp_path, "A", "127.0.0.1:7000")
    home.run_path("").chmod(0o755)
    home.make_folders()
    assert mode(tmp_path / "run") == 0o750
