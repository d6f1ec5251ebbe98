"""Masked studies over real nodes: the model is the mean, the ledger and the peers see masks."""

import re

import numpy as np
import pytest
from swarm import PROGRAMS, Network, make_spec

from swarmhub.contract.records import Privacy

pytestmark = pytest.mark.process

MASKED = Privacy(masked=True, clip_millionths=8_000_000)
TRAINER = PROGRAMS / "masked_trainer.py"


def begin(network, n, **terms):
    for i in range(1, n + 1):
        network.up(i)
    network.open_study(make_spec(**{"min_peers": 3, "privacy": MASKED} | terms))
    for i in range(1, n + 1):
        network.train(i, TRAINER)


def finish(network, n):
    over = lambda: network.study("s").status == "finished"  # noqa: E731
    gone = lambda i: not network.children.is_running(f"trainer {i}")  # noqa: E731
    network.wait_until(lambda: over() and all(map(gone, range(1, n + 1))), 120)


def printed(network, i):
    """The arrays that a trainer ended with."""
    text = (network.homes[i - 1].root / "logs" / "trainer.log").read_text()
    found = dict(re.findall(r"^([bw]) ([0-9a-f]+)$", text, re.MULTILINE))
    return {name: np.frombuffer(bytes.fromhex(data), "<f4") for name, data in found.items()}


def expected(members, rounds):
    """The weighted mean of what the hospitals have added, by array, in float64."""
    total = {"b": np.zeros(3), "w": np.zeros((7, 5))}
    weight = sum(10 * m for m in members)
    for number in range(1, rounds + 1):
        for m in members:
            rng = np.random.default_rng([m, number])
            moved = {"w": rng.normal(size=(7, 5)), "b": rng.normal(size=3)}
            for name, array in moved.items():
                total[name] += array.astype(np.float32) * (10 * m / weight)
    return {name: array.ravel() for name, array in total.items()}


def test_a_masked_study_settles_the_weighted_mean(tmp_path):
    with Network(tmp_path, 4) as network:
        begin(network, 4)
        finish(network, 4)
    found = [printed(network, i) for i in range(1, 5)]
    for other in found[1:]:
        for name in ("w", "b"):
            assert found[0][name].tobytes() == other[name].tobytes()
    for name, mean in expected((1, 2, 3, 4), 3).items():
        np.testing.assert_allclose(found[0][name], mean, atol=3 * 8 * 1e-7)
    assert "settles the masked sum" in network.log(1).read_text()
