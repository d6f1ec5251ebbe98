"""A tracker that cannot be written stops no round, and is one of the node's problems."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from swarm import PROGRAMS, Network, make_spec, swarmhub
from tracked import count

from swarmhub.demo.processes import free_address
from swarmhub.errors import BadInput
from swarmhub.home.tracking import parse_track
from swarmhub.track.writer import open_writer

pytestmark = pytest.mark.process


def problems(network):
    done = swarmhub("status", "--json", "--home", network.homes[0].root)
    return json.loads(done.stdout)["problems"]


def start(network, track):
    """Start both nodes, the first with a tracker, and a study of three rounds."""
    config = network.homes[0].root / "node.toml"
    config.write_text(config.read_text() + f'track = "{track}"\n')
    for i in (1, 2):
        network.up(i)
    network.open_study(make_spec())
    for i in (1, 2):
        network.train(i, PROGRAMS / "add_measured.py")


def test_a_folder_that_cannot_be_written_is_a_problem_until_it_can(tmp_path):
    pytest.importorskip("tensorboardX")
    taken = tmp_path / "taken"
    taken.write_text("a file")
    with Network(tmp_path, 2) as network:
        start(network, f"tensorboard:{taken}")
        network.wait_until(lambda: network.study("s").is_over)
        network.wait_until(lambda: problems(network))
        (said,) = problems(network)
        assert f"cannot be written to tensorboard:{taken} (" in said
        taken.unlink()
        network.wait_until(lambda: not problems(network))
        assert count(taken / "s", "merged/round") == 4
        assert "over: Training metrics" in network.log(1).read_text()


def test_a_server_that_does_not_answer_is_a_problem(tmp_path):
    pytest.importorskip("mlflow")
    place = free_address()
    with Network(tmp_path, 2) as network:
        start(network, f"mlflow:http://{place}")
        network.wait_until(lambda: network.study("s").is_over)
        network.wait_until(lambda: problems(network))
        (said,) = problems(network)
        assert f"cannot be written to mlflow:http://{place} (" in said


def test_a_missing_package_is_one_sentence(tmp_path):
    """The node runs on, and its status says what to install."""
    with Network(tmp_path, 2) as network:
        home = network.homes[0].root
        config = home / "node.toml"
        config.write_text(config.read_text() + 'track = "tensorboard:/nowhere"\n')
        hidden = tmp_path / "hidden" / "tensorboardX"
        hidden.mkdir(parents=True)
        (hidden / "__init__.py").write_text("raise ImportError('no tensorboardX')\n")
        path = [str(hidden.parent), *filter(None, sys.path)]
        network.up(1, PYTHONPATH=":".join(path))
        network.wait_until(lambda: "is up" in network.log(1).read_text())
        network.wait_until(lambda: problems(network))
        (said,) = problems(network)
        assert "pip install 'swarmhub[tensorboard]'" in said


@pytest.mark.parametrize(
    ("track", "package"), [("mlflow:/x", "mlflow"), ("tensorboard:/x", "tensorboardX")]
)
def test_each_package_is_named_by_its_extra(monkeypatch, track, package):
    for name in [m for m in sys.modules if m.startswith("swarmhub.track.") and "_writer" in m]:
        monkeypatch.delitem(sys.modules, name)
    for name in [m for m in sys.modules if m.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    target = parse_track(track)
    with pytest.raises(BadInput, match=rf"pip install 'swarmhub\[{target.kind}\]'"):
        open_writer(target)


def test_the_node_loads_no_package_of_a_tracker():
    command = [sys.executable, str(PROGRAMS / "modules_of_a_node.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "swarmhub.track.child" in loaded
    assert not {"mlflow", "tensorboardX", "swarmhub.track.process"} & loaded
