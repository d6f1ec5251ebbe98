"""A study in few bytes over real nodes: the model has the bits of an oracle."""

import os

import numpy as np
import pytest
from masked_swarm import TRAINER, finish, printed, wait_for_death
from swarm import Network, make_spec

from swarmhub.blobs import BlobStore
from swarmhub.failpoints import VARIABLE

pytestmark = pytest.mark.process

TRAINING, ROUNDS = (1, 2, 3), 2  # member 4 is enrolled, and has no trainer


def coded(change):
    """What a change of at most 252 numbers is after one block of 8 bits."""
    scale = np.float64(np.float32(np.abs(change).max() / 127))
    return np.clip(np.rint(change / scale), -127, 127) * scale


def rounded(change):
    """What a change is as bfloat16, ties to even."""
    bits = change.astype("<f4").view("<u4")
    bits = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return (bits & np.uint32(0xFFFF0000)).view("<f4").astype(np.float64)


def train(model, member, number):
    """What a hospital's trainer makes of the model."""
    rng = np.random.default_rng([member, number])
    moved = {name: rng.normal(size=model[name].shape) for name in ("w", "b")}
    return {name: model[name] + array.astype("f4") for name, array in moved.items()}


def oracle(shorten, numbers):
    """The model after these rounds of training, in float64 between its bits."""
    model = {"w": np.zeros((7, 5), "f4"), "b": np.zeros(3, "f4")}
    for number in numbers:
        own = {m: train(model, m, number) for m in TRAINING}
        for name, base in model.items():
            sent = [shorten(np.float64(own[m][name]) - base) for m in TRAINING]
            one, two, three = (10.0 * m * x for m, x in zip(TRAINING, sent, strict=True))
            model[name] = (base + shorten((one + two + three) / 60.0)).astype("f4")
    return model


def play(network, wire, dies):
    """A study of three trainers; these nodes die as they have computed a model, and come back.
    Returns its last model, which all four nodes hold."""
    network.open_study(make_spec(wire=wire, min_peers=3, rounds=ROUNDS))
    for i in (1, 2, 3, 4):
        network.up(i, **({VARIABLE: "change.applied"} if i in dies else {}))
        network.train(i, [TRAINER]) if i in TRAINING else None
    for i in dies:
        wait_for_death(network, i)
        network.up(i)
    finish(network, 3)
    model = network.study("s").current
    stores = [BlobStore(home.blobs_path) for home in network.homes]
    network.wait_until(lambda: all(store.find(model.digest) for store in stores))
    return model


CASES = [("int8", coded, ()), ("bf16", rounded, (3,))]
if not os.environ.get("SWARMHUB_LONG"):
    CASES = CASES[:1]


@pytest.mark.parametrize(("wire", "shorten", "dies"), CASES)
def test_changes_of_three_hospitals_make_the_oracles_model(tmp_path, wire, shorten, dies):
    with Network(tmp_path, 4) as network:
        model = play(network, wire, dies)
    right = {n: a.tobytes() for n, a in oracle(shorten, range(1, 1 + ROUNDS)).items()}
    for i in TRAINING:
        assert {n: a.tobytes() for n, a in printed(network, i).items()} == right
    assert model.change.wire == wire
    assert model.nbytes == 256  # 35 and 3 numbers, each array to a multiple of 64 bytes
