"""Nodes and trainers that die, hang back, lie or come twice: nothing is lost."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
from pathlib import Path

import numpy as np
import pytest
from swarm import PROGRAMS, Network, make_spec, swarmhub

from swarmhub.params import import_safetensors

pytestmark = pytest.mark.process


def add_one(study="s", pause=0.0, size=4):
    """The trainer that adds one in every round, with its arguments."""
    options = {"study": study, "pause": pause, "size": size}
    return [PROGRAMS / "add_one.py", *(f"--{name}={value}" for name, value in options.items())]


def finished(network, name="s"):
    return lambda: network.study(name).status == "finished"


def trainer_said(network, i, name="trainer"):
    return (network.homes[i - 1].root / "logs" / f"{name}.log").read_text()


def export(network, i, study="s"):
    out = network.root / f"export{i}.safetensors"
    home = network.homes[i - 1].root
    done = swarmhub("node", "export", study, "--home", home, "--out", out)
    assert done.returncode == 0, done.stderr
    return import_safetensors(out)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")


@contextlib.contextmanager
def small_disk(folder, size):
    """The folder as a disk of its own, of this size."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextlib.contextmanager
def filled(disk):
    """A disk without a byte of space, for a while; who sweeps it frees some, so `fill` again."""
    path = disk / "filling"

    def fill():
        with path.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    fill()
    try:
        yield fill
    finally:
        path.unlink()


def test_two_studies_run_on_the_same_nodes_at_once(tmp_path):
    with Network(tmp_path, 3) as network:
        for i in (1, 2, 3):
            network.up(i)
        network.open_study(make_spec("one", rounds=4, min_peers=3))
        network.open_study(make_spec("two", rounds=4), members=[2, 3])
        for i in (1, 2, 3):
            network.train(i, add_one("one"), "one")
        for i in (2, 3):
            network.train(i, add_one("two"), "two")
        network.wait_until(lambda: finished(network, "one")() and finished(network, "two")())
        one, two = network.study("one"), network.study("two")
        assert {s.member for s in one.current.shares} == {1, 2, 3}
        assert {s.member for s in two.current.shares} == {2, 3}
        np.testing.assert_array_equal(export(network, 2, "one")["w"], np.full(4, 4.0))
        np.testing.assert_array_equal(export(network, 3, "two")["count"], np.full(2, 1 + 2 + 3 + 4))


def test_best_model_follows_from_what_was_measured_on_merged_parameters(tmp_path):
    with Network(tmp_path, 2) as network:
        for i in (1, 2):
            network.up(i)
        network.open_study(make_spec(rounds=3))
        for i in (1, 2):
            network.train(i, add_one())
        network.wait_until(finished(network))
        study = network.study("s")
        assert study.best.digest == study.current.digest  # auc grows with every round
        assert study.best_score.metrics == {"auc": 30_000}


@pytest.mark.parametrize("victim", ["node", "trainer"])
def test_killed_at_any_moment_it_resumes_from_the_last_settled_model(tmp_path, victim):
    with Network(tmp_path, 3) as network:
        for i in (1, 2, 3):
            network.up(i)
        network.open_study(make_spec(rounds=8, min_peers=3))
        script = add_one(pause=0.1)
        for i in (1, 2, 3):
            network.train(i, script)
        for number in (3, 5):  # two deaths of the same hospital, mid-study
            network.wait_until(lambda n=number: (network.round("s") or make_round()).number >= n)
            network.children.kill(f"{victim} 2")
            network.up(2) if victim == "node" else network.train(2, script)
        network.wait_until(finished(network))
        np.testing.assert_array_equal(export(network, 1)["w"], np.full(4, 8.0))
        assert "over" in trainer_said(network, 1)


def make_round():
    class Over:
        number = 99

    return Over


def test_local_state_stays_at_home_and_survives_a_crash(tmp_path):
    with Network(tmp_path, 2) as network:
        for i in (1, 2):
            network.up(i)
        network.open_study(make_spec(rounds=4))
        script = add_one(pause=0.1)
        for i in (1, 2):
            network.train(i, script)
        network.wait_until(lambda: (network.round("s") or make_round()).number >= 4)
        network.children.kill("trainer 1")
        network.train(1, script)
        network.wait_until(finished(network))
        newest = sorted((network.homes[0].local_path("s")).glob("*.safetensors"))[-1]
        np.testing.assert_array_equal(import_safetensors(newest)["seen"], [1, 2, 3, 4])


def test_a_late_hospital_joins_in_the_middle(tmp_path):
    with Network(tmp_path, 3) as network:
        for i in (1, 2, 3):
            network.up(i)
        network.open_study(make_spec(rounds=40, quorum_grace_ms=500))
        for i in (1, 2):
            network.train(i, add_one(pause=0.1))
        network.wait_until(lambda: (network.round("s") or make_round()).number >= 4)
        network.train(3, add_one(pause=0.1))
        network.wait_until(finished(network))
        assert {s.member for s in network.study("s").current.shares} == {1, 2, 3}


def test_fewer_than_min_peers_wait_visibly_and_lose_nothing(tmp_path):
    with Network(tmp_path, 2) as network:
        for i in (1, 2):
            network.up(i)
        network.open_study(make_spec(rounds=2))
        network.train(1, add_one())
        home = network.homes[0].root
        network.wait_until(lambda: network.round("s").roster == (1,))
        (study,) = json.loads(swarmhub("status", "--json", "--home", home).stdout)["studies"]
        assert (study["phase"], study["roster"], study["min_peers"]) == ("OPEN", [1], 2)
        network.train(2, add_one())
        network.wait_until(finished(network))


# trainers that are wrong


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("not-a-number", "finite numbers in 'w'"),
        ("infinite", "finite numbers in 'w'"),
        ("too-many", "1 to the 1000 declared"),
        ("silent", "round.report(samples=...)"),
    ],
)
def test_a_trainer_that_is_wrong_gets_one_sentence_and_the_study_goes_on(tmp_path, fault, words):
    with Network(tmp_path, 3) as network:
        for i in (1, 2, 3):
            network.up(i)
        network.open_study(make_spec(rounds=2, quorum_grace_ms=800))
        good = [PROGRAMS / "wrong_trainer.py"]
        network.train(1, [*good, "--fault", fault])
        network.wait_until(lambda: 1 in network.round("s").roster)  # it is there from the start
        network.train(2, good)
        network.train(3, good)
        network.wait_until(lambda: words in trainer_said(network, 1))
        network.wait_until(finished(network))
        assert 1 not in {s.member for s in network.study("s").current.shares}


def test_a_trainer_may_be_a_block_ahead_of_its_node(tmp_path):
    with Network(tmp_path, 2) as network:
        for i in (1, 2):
            network.up(i)
        network.wait_until(lambda: all("is up" in network.log(i).read_text() for i in (1, 2)))
        network.stop(1)  # hears of no block
        network.open_study(make_spec(rounds=2))
        for i in (1, 2):
            network.train(i, add_one())
        network.wait_until(lambda: 2 in network.round("s").roster)
        network.children.signal("node 1", signal.SIGCONT)
        network.wait_until(finished(network))
        assert "no study" not in trainer_said(network, 1)


def test_a_second_trainer_is_refused(tmp_path):
    with Network(tmp_path, 2) as network:
        network.up(1)
        network.open_study(make_spec())
        network.train(1, add_one())
        network.wait_until(lambda: network.round("s").roster == (1,))
        network.train(1, [PROGRAMS / "wrong_trainer.py", "--fault", "silent"], "second")
        network.wait_until(lambda: "refused" in trainer_said(network, 1, "second"))
        assert "Another trainer holds 's'" in trainer_said(network, 1, "second")


# operators' mistakes


def sentence_of(network, i):
    network.wait_until(lambda: not network.children.is_running(f"node {i}"))
    lines = [x for x in network.log(i).read_text().splitlines() if x.startswith("swarmhub: ")]
    assert "Traceback" not in network.log(i).read_text()
    return lines[-1]


def test_a_second_node_on_a_home_is_refused(tmp_path):
    with Network(tmp_path, 1) as network:
        network.up(1)
        network.wait_until(lambda: network.homes[0].run_path("api.json").exists())
        done = swarmhub("up", "--home", network.homes[0].root)
        assert done.returncode == 2
        assert "A node is running on" in done.stderr


def test_a_taken_port_is_one_sentence(tmp_path):
    import socket

    with Network(tmp_path, 1) as network, socket.socket() as other:
        host, port = network.homes[0].config.listen.split(":")
        other.bind((host, int(port)))
        other.listen()
        done = swarmhub("up", "--home", network.homes[0].root)
        assert done.returncode == 2
        assert "Expected to listen on" in done.stderr.strip().splitlines()[-1]
        assert "Traceback" not in done.stderr


def test_an_altered_ledger_is_reported_with_its_height_and_never_used(tmp_path):
    with Network(tmp_path, 1) as network:
        network.open_study(make_spec(min_peers=1))
        db = sqlite3.connect(network.homes[0].ledger_path)
        db.execute("UPDATE blocks SET txs = replace(txs, '1000', '9999') WHERE height = 3")
        db.commit()
        db.close()
        network.up(1)
        assert "damaged at block 3" in sentence_of(network, 1)


def test_a_ledger_that_was_rolled_back_is_noticed(tmp_path):
    with Network(tmp_path, 1) as network:
        path = network.homes[0].ledger_path
        old = path.read_bytes()
        network.open_study(make_spec(min_peers=1))
        network.up(1)
        network.wait_until(lambda: network.homes[0].run_path("api.json").exists())
        network.children.stop_all()
        for extra in path.parent.glob("ledger.sqlite-*"):
            extra.unlink()
        path.write_bytes(old)
        network.up(1)
        assert "this node has seen other blocks: it was rolled back" in sentence_of(network, 1)


def test_a_damaged_blob_is_named_and_pulled_again(tmp_path):
    with Network(tmp_path, 2) as network:
        for i in (1, 2):
            network.up(i)
        network.open_study(make_spec(rounds=6))
        script = add_one(pause=0.15)
        for i in (1, 2):
            network.train(i, script)
        network.wait_until(lambda: (network.round("s") or make_round()).number >= 4)
        network.children.kill("node 2")
        for blob in network.homes[1].blobs_path.glob("*.bin"):
            data = bytearray(blob.read_bytes())
            data[0] ^= 0xFF
            blob.write_bytes(data)
        network.up(2)
        network.wait_until(finished(network))
        assert "was damaged and is removed" in network.log(2).read_text()
        np.testing.assert_array_equal(export(network, 1)["w"], np.full(4, 6.0))


@needs_root
def test_a_full_disk_is_said_the_study_goes_on_elsewhere_and_here_when_there_is_space(tmp_path):
    network = Network(tmp_path, 3)
    with small_disk(network.homes[0].blobs_path, "20M") as blobs, network:
        for i in (1, 2, 3):
            network.up(i)
        network.open_study(make_spec(rounds=10_000, quorum_grace_ms=800, min_peers=2))
        script = add_one(pause=0.2, size=50_000)
        for i in (1, 2, 3):
            network.train(i, script)
        contributors = lambda: {s.member for s in network.study("s").current.shares}  # noqa: E731
        network.wait_until(lambda: network.study("s").current is not None)
        network.wait_until(lambda: contributors() == {1, 2, 3})
        with filled(blobs) as fill:
            network.wait_until(lambda: fill() or "No space left" in trainer_said(network, 1))
            network.wait_until(lambda: fill() or "is full" in network.log(1).read_text())
            since = network.round("s").number
            network.wait_until(lambda: network.round("s").number >= since + 3)
            assert contributors() == {2, 3}
            assert network.children.is_running("node 1")
            assert network.children.is_running("trainer 1")  # it keeps its training
        network.wait_until(lambda: 1 in contributors())
        assert "Traceback" not in network.log(1).read_text()


def test_a_node_stops_politely(tmp_path):
    with Network(tmp_path, 1) as network:
        network.up(1)
        network.wait_until(lambda: network.homes[0].run_path("api.json").exists())
        network.children.signal("node 1", signal.SIGTERM)
        network.wait_until(lambda: not network.children.is_running("node 1"))
        network.children.check()
        assert not network.homes[0].run_path("api.json").exists()


def connections(network):
    """How many connections each node has from others, as the kernel has it."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    into = [int(line[2].rpartition(":")[2], 16) for line in lines if line[3] == "01"]
    return [into.count(int(h.config.listen.rpartition(":")[2])) for h in network.homes]


def test_nodes_connect_to_each_other_before_they_ask_for_anything(tmp_path):
    with Network(tmp_path, 3) as network:
        for i in (1, 2, 3):
            network.up(i)
        network.wait_until(lambda: connections(network) == [4, 4, 4])
        network.children.kill("node 2")
        network.wait_until(lambda: connections(network) == [2, 0, 2])
        network.up(2)
        network.wait_until(lambda: connections(network) == [4, 4, 4])


def test_models_of_a_study_that_is_over_are_kept_and_still_served(tmp_path):
    with Network(tmp_path, 2) as network:
        for i in (1, 2):
            network.up(i)
        network.open_study(make_spec("first", rounds=2))
        for i in (1, 2):
            network.train(i, add_one("first"), "first")
        network.wait_until(finished(network, "first"))
        network.wait_until(lambda: "over" in trainer_said(network, 2, "first"))
        digest = network.study("first").current.digest
        for i in (1, 2):
            network.children.kill(f"node {i}")
        (network.homes[1].blobs_path / f"{digest}.bin").unlink()  # this hospital lost it
        for i in (1, 2):
            network.up(i)
        network.open_study(make_spec("second", rounds=4))
        for i in (1, 2):
            network.train(i, add_one("second"), "second")
        network.wait_until(finished(network, "second"))
        network.wait_until(lambda: (network.homes[1].blobs_path / f"{digest}.bin").exists())
        assert (network.homes[0].blobs_path / f"{digest}.bin").exists()
        np.testing.assert_array_equal(export(network, 2, "first")["w"], np.full(4, 2.0))


def test_a_node_that_missed_the_end_gets_the_last_model(tmp_path):
    with Network(tmp_path, 3) as network:
        for i in (1, 2, 3):
            network.up(i)
        network.open_study(make_spec(rounds=6, quorum_grace_ms=300))
        for i in (1, 2, 3):
            network.train(i, add_one(pause=0.1))
        network.wait_until(lambda: (network.round("s") or make_round()).number >= 4)
        network.children.kill("node 3")
        network.wait_until(finished(network))
        network.up(3)
        network.wait_until(lambda: "over" in trainer_said(network, 3))
        assert network.study("s").current.digest in trainer_said(network, 3)
