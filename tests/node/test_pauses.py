"""A study that its proposer pauses and resumes, with real nodes and trainers."""

import json

import pytest
from swarm import PROGRAMS, Network, make_spec, swarmhub

from swarmhub.params import import_safetensors

pytestmark = pytest.mark.process
ROUNDS = 20


def run(network, i, *words):
    done = swarmhub(*words, "--home", network.homes[i - 1].root)
    assert done.returncode == 0, done.stderr
    return done.stdout


def log_of(network, i):
    return (network.homes[i - 1].root / "logs" / "trainer.log").read_text()


def settled(network):
    current = network.study("s").current
    return current.number if current else 0


def start(network):
    for i in (1, 2, 3):
        network.up(i)
    network.open_study(make_spec(rounds=ROUNDS, min_peers=3))
    for i in (1, 2, 3):
        network.train(i, [PROGRAMS / "add_one.py", "--pause=0.2"])


def test_rounds_stop_in_a_pause_and_go_on_from_the_same_model(tmp_path):
    with Network(tmp_path, 3) as network:
        start(network)
        network.wait_until(lambda: settled(network) >= 3)
        run(network, 1, "study", "pause", "s", "--reason", "audit of the data")
        paused = network.study("s")
        assert (paused.status, network.round("s")) == ("suspended", None)
        for i in (1, 2, 3):
            network.wait_until(lambda i=i: "paused by Hospital 1" in log_of(network, i))
        status = json.loads(run(network, 2, "status", "--json"))
        assert status["studies"] == []
        assert status["suspended"] == {
            "s": "paused by Hospital 1: audit of the data; its proposer may resume it "
            "('study resume')"
        }
        refused = swarmhub("study", "resume", "s", "--home", network.homes[1].root)
        assert "Only the proposer" in refused.stderr
        assert network.study("s").current == paused.current, "no round was settled meanwhile"
        run(network, 1, "study", "resume", "s")
        network.wait_until(lambda: network.study("s").status == "finished")
        out = tmp_path / "model.safetensors"
        run(network, 3, "node", "export", "s", "--out", out)
        assert import_safetensors(out)["w"][0] == ROUNDS, "each round adds one, once"
