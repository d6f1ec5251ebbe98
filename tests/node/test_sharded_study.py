"""A study in shards over real nodes: the model has the bits of an oracle, whoever dies."""

import hashlib
import os
import re

import numpy as np
import pytest
from long_runs import choose
from masked_swarm import MASKED, finish, wait_for_death
from swarm import PROGRAMS, Network, make_spec

from swarmhub.failpoints import VARIABLE

pytestmark = pytest.mark.process

MEMBERS, FLOATS, ROUNDS = (1, 2, 3, 4), 1_100_000, 2  # five chunks of 1 MiB: three shards
TRAINER = [PROGRAMS / "large_trainer.py", "--floats", FLOATS]
DIES = {
    "merge": {2: "merge.half"}, "nobody": {}, "pull": {3: "pull.held"},
    "join": {1: "shards.joined", 4: "shards.joined"}, "receipt": {2: "receipt.sent"},
    "two": {2: "merge.stored", 3: "result.round.settle"},
}  # fmt: skip


def oracle(start):
    """sha256 of the model after rounds `start` to `start + ROUNDS - 1`: sums of whole numbers are
    exact, and so is their mean over four hospitals of one weight."""
    model = {"w": np.arange(FLOATS, dtype=np.float64) % 64, "b": np.zeros(3)}
    for number in range(start, start + ROUNDS):
        rngs = [np.random.default_rng([m, number]) for m in MEMBERS]
        for array in model.values():
            array += sum(rng.integers(-8, 8, size=array.shape) for rng in rngs)
    return hashlib.sha256(b"".join(model[n].astype("<f4").tobytes() for n in "bw")).hexdigest()


def play(network, dies, **terms):
    """A study of four hospitals, whose nodes die at these points and come back; returns the sha256
    of each one's last model."""
    network.open_study(make_spec(min_peers=4, rounds=ROUNDS, **terms))
    for i in MEMBERS:
        network.up(i, **({VARIABLE: dies[i]} if i in dies else {}))
        network.train(i, TRAINER)
    for i in dies:
        wait_for_death(network, i)
        network.up(i)
    finish(network, 4)
    logs = [home.root / "logs" / "trainer.log" for home in network.homes]
    return {re.search(r"^model (\w+)$", log.read_text(), re.MULTILINE)[1] for log in logs}


@pytest.mark.parametrize("dies", choose(DIES, 0))
def test_a_model_in_shards_has_the_oracles_bits(tmp_path, dies):
    with Network(tmp_path, 4) as network:
        assert play(network, DIES[dies]) == {oracle(1)}
        model = network.study("s").current
    assert len(model.shards) == 3
    assert len({shard.leader for shard in model.shards}) >= 3 - len(DIES[dies])


@pytest.mark.skipif(not os.environ.get("SWARMHUB_LONG"), reason="a longer run: SWARMHUB_LONG=1")
@pytest.mark.parametrize("terms", [{"wire": "bf16"}, {"privacy": MASKED}])
def test_changes_and_masked_sums_are_merged_in_shards(tmp_path, terms):
    with Network(tmp_path, 4) as network:
        assert len(play(network, {}, **terms)) == 1
        said = network.log(1).read_text()
    shards = {int(n) for n in re.findall(r"settles shard (\d+) of round", said)}
    assert shards == {0, 1, 2}
