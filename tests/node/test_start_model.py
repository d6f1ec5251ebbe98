"""A study of other hospitals that starts from a released model, with real nodes and trainers."""

import pytest
from swarm import PROGRAMS, Network, make_spec, swarmhub

import swarmhub as package
from swarmhub.contract.records import StartModel
from swarmhub.params import import_safetensors

pytestmark = pytest.mark.process


def train(network, members, study, size=4, name=""):
    for i in members:
        words = [PROGRAMS / "add_one.py", f"--study={study}", f"--size={size}"]
        network.train(i, words, name or study)


def finish_first(network):
    """Train and release a model of hospitals 1 and 2 in which each number is 3."""
    network.open_study(make_spec("first", rounds=3), members=[1, 2])
    train(network, (1, 2), "first")
    network.wait_until(lambda: network.study("first").status == "finished")
    one, two = (package.Client(network.homes[i].root) for i in (0, 1))
    if not one.release("first", network.study("first").current.digest).released:
        two.vote(1, True)
    return network.study("first").released[0].digest


def test_hospitals_go_on_from_a_model_that_others_have_released(tmp_path):
    with Network(tmp_path, 4) as network:
        for i in (1, 2, 3, 4):
            network.up(i)
        model = finish_first(network)
        spec = make_spec("second", rounds=2, start_from=StartModel("first", model))
        network.open_study(spec, members=[3, 4])
        train(network, (3,), "second")
        train(network, (4,), "second", size=5)
        log = network.homes[3].root / "logs" / "second.log"
        network.wait_until(lambda: log.exists() and "shape [5]" in log.read_text())
        assert "round 1" not in log.read_text(), "a model of another shape is not trained"
        train(network, (4,), "second", name="again")
        network.wait_until(lambda: network.study("second").status == "finished")
        out = tmp_path / "model.safetensors"
        home = network.homes[3].root
        done = swarmhub("node", "export", "second", "--home", home, "--out", out)
        assert done.returncode == 0, done.stderr
        assert list(import_safetensors(out)["w"]) == [5.0] * 4, "three rounds, then two"
