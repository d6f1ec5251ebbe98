"""A home that is lost comes back from a backup; what is no backup changes nothing."""

from __future__ import annotations

import io
import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile

import pytest
from engines import needs_cometbft
from test_join import found_together, init, members, run, wait_until

from swarmhub.demo.processes import Processes
from swarmhub.home.home import Home
from swarmhub.operations.backup import back_up

pytestmark = pytest.mark.engine


def height_of(home):
    """The height of a node, whatever else its status says."""
    command = [sys.executable, "-m", "swarmhub", "status", "--json", "--home", str(home)]
    return json.loads(subprocess.run(command, capture_output=True, text=True).stdout)["height"]


def names_in(file):
    with tarfile.open(file) as tar:
        return set(tar.getnames())


def test_a_backup_is_private_has_no_consensus_key_and_overwrites_nothing(tmp_path):
    home = init(tmp_path / "a", "A")
    (home / "local" / "heart").mkdir()
    (home / "local" / "heart" / "optimizer").write_text("mine")
    (home / "local" / "heart" / "latest").symlink_to("optimizer")
    file = tmp_path / "a.tar"
    said = run("node", "backup", file, "--home", home)
    assert "private keys" in said
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {"node.toml", "keys/account.pem", "local/heart/optimizer"} <= names_in(file)
    assert not any("consensus" in name for name in names_in(file))
    before = file.read_bytes()
    assert "already" in run("node", "backup", file, "--home", home, code=2)
    assert file.read_bytes() == before

    run("node", "restore", file, "--home", tmp_path / "b")
    one, other = Home.open(home), Home.open(tmp_path / "b")
    assert one.config == other.config
    for key in ("account", "tls"):
        assert one.key(key).public == other.key(key).public
    assert one.key("consensus").public != other.key("consensus").public
    assert (tmp_path / "b" / "local" / "heart" / "optimizer").read_text() == "mine"
    assert (tmp_path / "b" / "local" / "heart" / "latest").read_text() == "mine"
    assert "already" in run("node", "restore", file, "--home", home, code=2)


def test_a_restored_home_has_forgotten_what_the_old_one_had(tmp_path):
    home = init(tmp_path / "a", "A")
    Home.open(home).mark_forgotten("heart")
    run("node", "backup", tmp_path / "a.tar", "--home", home)
    run("node", "restore", tmp_path / "a.tar", "--home", tmp_path / "b")
    assert Home.open(tmp_path / "b").forgotten() == ["heart"]


def test_what_cannot_be_restored_is_not_backed_up_and_nothing_is_left_behind(tmp_path):
    home = init(tmp_path / "a", "A")
    os.mkfifo(home / "local" / "pipe")
    said = run("node", "backup", tmp_path / "a.tar", "--home", home, code=2)
    assert "'local/pipe' is a link, a pipe or a device" in said
    assert not list(tmp_path.glob("a.tar*"))


def test_a_backup_beside_a_trainer_has_its_newest_state(tmp_path, monkeypatch):
    home = init(tmp_path / "a", "A")
    folder = home / "local" / "s"
    folder.mkdir()
    for name in ("1.safetensors", "2.partial"):
        (folder / name).write_text("state")
    once, add = [], tarfile.TarFile.gettarinfo

    def look(tar, name=None, *given, **named):
        if str(name).endswith("1.safetensors") and not once:
            once.append((folder / "1.safetensors").rename(folder / "2.safetensors"))
        return add(tar, name, *given, **named)

    monkeypatch.setattr(tarfile.TarFile, "gettarinfo", look)
    back_up(Home.open(home), tmp_path / "a.tar")
    found = {n for n in names_in(tmp_path / "a.tar") if n.startswith("local/s/")}
    assert found == {"local/s/2.safetensors"}


def test_a_restore_that_was_interrupted_goes_on(tmp_path):
    home = init(tmp_path / "a", "A")
    run("node", "backup", tmp_path / "a.tar", "--home", home)
    run("node", "restore", tmp_path / "a.tar", "--home", tmp_path / "b")
    (tmp_path / "b" / "node.toml").unlink()  # as if it had stopped before the last step
    run("node", "restore", tmp_path / "a.tar", "--home", tmp_path / "b")
    assert Home.open(tmp_path / "b").key("account").public == Home.open(home).key("account").public


def tar_of(path, *entries):
    with tarfile.open(path, "w") as tar:
        for name, data, kind in entries:
            entry = tarfile.TarInfo(name)
            entry.size, entry.type, entry.linkname = len(data), kind, "/etc/passwd"
            tar.addfile(entry, io.BytesIO(data))
    return path


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [("../evil", b"x", tarfile.REGTYPE)],
        [("/etc/evil", b"x", tarfile.REGTYPE)],
        [("local/../../evil", b"x", tarfile.REGTYPE)],
        [("local/link", b"", tarfile.SYMTYPE)],
        [("keys/consensus.pem", b"x", tarfile.REGTYPE)],
        [("node.toml", b"format = 1", tarfile.REGTYPE)],
    ],
)
def test_a_file_that_is_no_backup_makes_no_home(tmp_path, entries):
    file = tar_of(tmp_path / "x.tar", *entries)
    said = run("node", "restore", file, "--home", tmp_path / "b" / "home", code=2)
    assert said.startswith("swarmhub: ")
    assert not (tmp_path / "evil").exists()
    assert not (tmp_path / "b" / "evil").exists()


@pytest.mark.parametrize("data", [b"", b"not a tar", bytes(1024)])
def test_nonsense_is_one_sentence(tmp_path, data):
    (tmp_path / "x.tar").write_bytes(data)
    said = run("node", "restore", tmp_path / "x.tar", "--home", tmp_path / "b", code=2)
    assert said.startswith("swarmhub: ")


@needs_cometbft
def test_a_lost_validator_of_four_comes_back_from_its_backup(tmp_path):
    homes = found_together(tmp_path, "ABCD")
    lost = homes[3]

    def log(home):
        return (home / "logs" / "node.log").read_text()

    with Processes() as children:
        for home in homes:
            children.start(home.name, ["up", "--home", str(home)], home / "logs" / "node.log")
        for home in homes:
            wait_until(lambda home=home: "is up" in log(home))
        run("consortium", "invite", "--home", lost)  # blocks are made
        run("node", "backup", tmp_path / "d.tar", "--home", lost)
        children.kill("D")
        before = members(homes[0])["D"]
        shutil.rmtree(lost)
        run("node", "restore", tmp_path / "d.tar", "--home", lost)
        children.start("D", ["up", "--home", str(lost)], lost / "logs" / "node.log")
        wait_until(lambda: "is up" in log(lost))
        height = json.loads(run("status", "--json", "--home", homes[0]))["height"]
        wait_until(lambda: height_of(lost) >= height)
        run("consortium", "rotate-key", "consensus", "--home", lost)
        wait_until(lambda: "D takes part in block agreement" in log(homes[0]))
        after = members(homes[0])["D"]
        assert after["consensus"] != before["consensus"]
        assert (after["id"], after["account"]) == (before["id"], before["account"])
