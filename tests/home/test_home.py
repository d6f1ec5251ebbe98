"""A home's files, apart from the processes that use them."""

import errno
import os

import pytest
from parts import services_on

from swarmhub.errors import HomeError
from swarmhub.home import rotation as rotation_room
from swarmhub.home.card import make_card, next_to
from swarmhub.home.head import load_head, load_head_if_whole, save_head
from swarmhub.home.home import FOLDERS, Home
from swarmhub.home.rotation import begin_rotation, finish_rotation, mend_rotation, read_identity
from swarmhub.keys import PrivateKey
from swarmhub.node.own_keys import OwnKeys
from swarmhub.node.service import Node
from swarmhub.transport.tls import Peers


def test_a_command_and_the_node_finish_a_rotation_at_the_same_time(tmp_path, monkeypatch):
    """Between the look whether a new key is there and its reading, the other one takes it."""
    mine = Home.create(tmp_path, "A", "127.0.0.1:7000")
    other = Home.open(tmp_path)
    names = ["account", "tls", "consensus", "release"]
    begin_rotation(mine, names)
    new = make_card(mine, rotated=names)
    monkeypatch.setattr(rotation_room, "get_members", lambda state: [new])
    load, finished = PrivateKey.load, []

    def slowly(path):
        if ".next" in path.name and not finished:
            finished.append(None)
            finished[:] = finish_rotation(other, {})
        return load(path)

    monkeypatch.setattr(PrivateKey, "load", slowly)
    assert finish_rotation(mine, {}) == []
    assert sorted(finished) == sorted(names)
    monkeypatch.undo()
    assert not list((tmp_path / "keys").glob("*.next.*"))
    assert (make_card(mine).account, make_card(mine).tls) == (new.account, new.tls)
    assert (make_card(mine).consensus, make_card(mine).release) == (new.consensus, new.release)


def test_a_crash_between_a_new_certificate_and_its_key_is_mended(tmp_path):
    home = Home.create(tmp_path, "A", "127.0.0.1:7000")
    begin_rotation(home, ["tls"])
    new = make_card(home, rotated=["tls"]).tls
    mend_rotation(home)
    assert make_card(home).tls != new, "the ledger has not got it yet"
    next_to(home.certificate_path).replace(home.certificate_path)  # and then a crash
    with pytest.raises(HomeError, match="restore both"):
        Peers(home.certificate_path, home.key_path("tls")).server_context()
    node = Node(Home.open(tmp_path))
    node.peers.server_context()
    assert make_card(home).tls == new
    assert not next_to(home.key_path("tls")).exists()


def test_a_damaged_new_key_keeps_no_node_from_its_work(tmp_path, monkeypatch):
    home = Home.create(tmp_path, "A", "127.0.0.1:7000")
    monkeypatch.setattr(rotation_room, "get_members", lambda state: [])
    next_to(home.key_path("account")).write_bytes(b"")
    there = services_on(home)
    there.problems.insist(OwnKeys(there, read_identity(home)).renew)
    (said,) = there.problems.sentences
    assert "account.next.pem of a rotation that has begun is damaged" in said
    assert not there.stopping.is_set()


def test_a_home_is_made_whole_or_not_at_all(tmp_path, monkeypatch):
    real = os.fsync
    for step in range(4):
        left = [step]

        def fsync(fd, left=left):
            left[0] -= 1
            if left[0] < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            real(fd)

        with monkeypatch.context() as full:
            full.setattr(os, "fsync", fsync)
            with pytest.raises(HomeError, match="No space left"):
                Home.create(tmp_path / "home", "A", "127.0.0.1:7000")
    home = Home.create(tmp_path / "home", "A", "127.0.0.1:7000")
    kept = read_identity(home)
    home.root.joinpath("node.toml").unlink()
    with pytest.raises(HomeError, match="they are kept"):
        Home.create(tmp_path / "home", "A", "127.0.0.1:7000")
    assert read_identity(home) == kept


def test_folders_that_a_backup_left_out_are_made_again(tmp_path):
    home = Home.create(tmp_path, "A", "127.0.0.1:7000")
    for name in ("state", "run", "local", "logs"):
        (tmp_path / name).rmdir()
    Node(home)
    assert all((tmp_path / name).is_dir() for name in FOLDERS)


def test_a_damaged_head_is_a_warning_for_a_command(tmp_path, caplog):
    home = Home.create(tmp_path, "A", "127.0.0.1:7000")
    save_head(home, 7, "a" * 64)
    assert load_head_if_whole(home) == (7, "a" * 64)
    home.state_path("head").write_bytes(b"x")
    with pytest.raises(HomeError, match="left aside"):
        load_head(home)
    assert load_head_if_whole(home) is None
    assert "left aside" in caplog.text
