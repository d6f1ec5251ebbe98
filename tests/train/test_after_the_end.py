"""A trainer that starts after the end: the last model, the merged statistics, exit code 0."""

import numpy as np
import pytest
from swarm import Network, make_spec, swarmhub

import swarmhub as library
from swarmhub.recipes.linear.training import Training

pytestmark = pytest.mark.process


@pytest.fixture
def network(tmp_path):
    with Network(tmp_path, 2) as found:
        yield found


def write_table(path, seed):
    x = np.random.default_rng(seed).normal(size=(60, 2))
    rows = [f"{int(a - b > 0)},{a:.3f},{b:.3f}" for a, b in x]
    path.write_text("\n".join(["label,age,crp", *rows]) + "\n")


def test_a_table_trainer_after_the_end_names_the_last_model(network, tmp_path):
    for i in (1, 2):
        write_table(tmp_path / f"{i}.csv", i)
        network.up(i)
    network.open_study(make_spec(rounds=1, statistics=True, options={"model": "logistic"}))
    commands = [
        ["train", "table", "s", "--home", network.homes[i - 1].root, "--label", "label",
         "--data", tmp_path / f"{i}.csv"]
        for i in (1, 2)
    ]  # fmt: skip
    for i, command in enumerate(commands, 1):
        network.children.start(f"table {i}", [*map(str, command)], tmp_path / f"t{i}.log")
    network.wait_until(lambda: network.study("s").status == "finished", 120)
    network.wait_until(lambda: not network.children.is_running("table 2"))
    done = swarmhub(*commands[1])
    last = network.study("s").current.digest
    assert (done.returncode, done.stderr) == (0, "")
    *_, end = done.stdout.splitlines()
    assert end == f"The study 's' is over; the last model is {last}."
    said = []
    with library.join("s", network.homes[1].root, say=said.append) as swarm:
        model = Training.cold(2, (1, 1), 0.1).initial()
        assert list(swarm.rounds(lambda: model)) == []
        assert b'"rows":84' in swarm.merged_statistics
    assert model["weight"][0] > 0
    assert len(said) == 1
