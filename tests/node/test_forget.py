"""A study that is over is forgotten: its models, statistics and private state leave the node."""

import sys
from pathlib import Path

import pytest
from builders import HEART, digest, initialised
from swarm import Network, make_spec, swarmhub

from swarmhub import codec
from swarmhub.blobs import BlobStore
from swarmhub.contract.transactions import Finish, Withdraw
from swarmhub.errors import BadInput
from swarmhub.files import seal
from swarmhub.home.home import Home
from swarmhub.node.forgetting import Removed, forget_here
from swarmhub.operations.forgetting import need_over
from swarmhub.operations.ledger_client import LedgerClient
from swarmhub.protocol import FetchedBlobs

TRAINER = Path(__file__).with_name("add_one.py")


@pytest.fixture
def home(tmp_path):
    return Home.create(tmp_path / "h", "H", "127.0.0.1:7400")


def put(store, name):
    store.path(name).write_bytes(b"12345")


def test_a_study_that_runs_here_is_not_forgotten():
    c = initialised(3)
    client = LedgerClient(c, c.accounts[2])
    with pytest.raises(BadInput, match="Expected a study that is over, 'heart' is running"):
        need_over(client, HEART)
    c.ok(2, Withdraw(HEART))
    assert not need_over(client, HEART).is_over
    c.ok(1, Finish(HEART))
    assert need_over(LedgerClient(c, c.accounts[1]), HEART).is_over


def test_models_and_private_state_go(home):
    c, store = initialised(2), BlobStore(home.blobs_path)
    pulled = digest("of the last round")
    journal = seal(codec.pack(FetchedBlobs(3, (pulled,))))
    home.state_path(f"{HEART}.obtained").write_bytes(journal)
    home.local_path(HEART).mkdir()
    (home.local_path(HEART) / "3.safetensors").write_bytes(b"x")
    for name in (c.study().current.digest, pulled, digest("of another")):
        put(store, name)
    assert forget_here(home, c.state, store, HEART) == Removed(10, 2)
    assert [p.stem for p in home.blobs_path.glob("*.bin")] == [digest("of another")]
    assert not home.local_path(HEART).exists()
    assert forget_here(home, c.state, store, HEART) == Removed(0, 0)


def test_what_another_study_needs_stays(home):
    c, store = initialised(2), BlobStore(home.blobs_path)
    c.start(name="other")
    c.ready(*c.chain.active, name="other")
    shared = c.settle("other", digest=c.study().current.digest)
    put(store, shared)
    assert forget_here(home, c.state, store, HEART).nbytes == 0
    home.mark_forgotten("other")
    assert forget_here(home, c.state, store, HEART).nbytes == 5


def train(network, study):
    for i, home in enumerate(network.homes, 1):
        command = [sys.executable, str(TRAINER), "--home", str(home.root), "--study", study]
        log = home.root / "logs" / f"{study}.log"
        network.children.start_command(f"{study} {i}", command, log)
    network.wait_until(
        lambda: all("over" in (h.root / "logs" / f"{study}.log").read_text() for h in network.homes)
    )


def test_a_node_neither_fetches_nor_serves_what_it_forgot(tmp_path):
    with Network(tmp_path, 2) as network:
        for i in (1, 2):
            network.up(i)
        network.open_study(make_spec("first", rounds=1))
        train(network, "first")
        one, two = network.homes
        model = network.study("first").current.digest
        done = swarmhub("study", "forget", "first", "--yes", "--home", two.root)
        assert (done.returncode, "Forgot 'first'" in done.stdout) == (0, True), done.stderr
        assert list(two.blobs_path.glob("*.bin")) == []
        assert not two.local_path("first").exists()
        network.children.kill("node 2")
        network.up(2)  # a node that is started again honours it, too
        network.open_study(make_spec("second", rounds=1))
        train(network, "second")
        assert (one.blobs_path / f"{model}.bin").exists()
        assert not (two.blobs_path / f"{model}.bin").exists()
        refused = swarmhub("node", "export", "first", "--home", two.root, "--out", tmp_path / "x")
        assert "has forgotten 'first'" in refused.stderr
