"""Masked studies of real nodes for tests: trainers, settled sets, the oracle of the model."""

import re

import numpy as np
from swarm import PROGRAMS, make_spec

from swarmhub.contract.records import Privacy

CLIP = 8.0
MASKED = Privacy(masked=True, clip_millionths=8_000_000)
TRAINER = PROGRAMS / "masked_trainer.py"
SETTLED = re.compile(r"settles round \d+ of 's' \(training (\d+).* of (Hospital .*)$", re.MULTILINE)


def begin(network, n, *trainer, first=None, **terms):
    """Nodes 1 to n with trainers (and their arguments) in a masked study. `first`: an environment
    of node n, which is then started before the others, until it is ready or has died."""
    network.open_study(make_spec(**{"min_peers": 3, "privacy": MASKED} | terms))
    if first is not None:
        network.up(n, **first)
        network.train(n, [TRAINER, *trainer])
        dead = lambda: not network.children.is_running(f"node {n}")  # noqa: E731
        ready = lambda: n in {*network.study("s").ready, *network.round("s").roster}  # noqa: E731
        network.wait_until(lambda: dead() or ready())
    for i in range(1, n + (first is None)):
        network.up(i)
        network.train(i, [TRAINER, *trainer])


def wait_for_death(network, i):
    """Wait until node i has killed itself."""
    network.wait_until(lambda: not network.children.is_running(f"node {i}"))


def finish(network, n):
    """Wait until the study and its trainers have ended."""
    over = lambda: network.study("s").status == "finished"  # noqa: E731
    gone = lambda i: not network.children.is_running(f"trainer {i}")  # noqa: E731
    network.wait_until(lambda: over() and all(map(gone, range(1, n + 1))), 60)


def wait_for_phase(network, phase):
    """Wait until the open round is in a phase; returns the round."""
    network.wait_until(lambda: (r := network.round("s")) is not None and r.phase == phase)
    return network.round("s")


def printed(network, i):
    """The arrays that a trainer ended with."""
    text = (network.homes[i - 1].root / "logs" / "trainer.log").read_text()
    found = dict(re.findall(r"^([bw]) ([0-9a-f]+)$", text, re.MULTILINE))
    return {name: np.frombuffer(bytes.fromhex(data), "<f4") for name, data in found.items()}


def settled_sets(network, node=1):
    """Members and weights of each training round's set, as a node's log has them."""
    found = SETTLED.findall(network.log(node).read_text())
    shares = re.compile(r"Hospital (\d+) \((\d+)\)")
    return {int(n): [(int(m), int(w)) for m, w in shares.findall(said)] for n, said in found}


def expected(sets):
    """The weighted mean of what the hospitals of each set have added, by array, in float64."""
    total = {"b": np.zeros(3), "w": np.zeros((7, 5))}
    for number, shares in sets.items():
        weight = sum(w for _, w in shares)
        for member, own in shares:
            rng = np.random.default_rng([member, number])
            moved = {"w": rng.normal(size=(7, 5)), "b": rng.normal(size=3)}
            for name, array in moved.items():
                total[name] += array.astype(np.float32) * (own / weight)
    return {name: array.ravel() for name, array in total.items()}


def check_model(network, n):
    """The last model of all hospitals is the same, and the oracle's of the settled sets."""
    found = [printed(network, i) for i in range(1, n + 1)]
    sets = settled_sets(network)
    for name, mean in expected(sets).items():
        assert {other[name].tobytes() for other in found} == {found[0][name].tobytes()}
        np.testing.assert_allclose(found[0][name], mean, atol=len(sets) * CLIP * 1.2e-7)
