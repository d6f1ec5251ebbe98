"""Studies with a privacy budget over real nodes: the mean has noise of the terms, steps count."""

import dataclasses
import os

import numpy as np
import pytest
from masked_swarm import MASKED, begin, expected, finish, printed, settled_sets
from swarm import Network

from swarmhub.contract.records import DifferentialPrivacy, Privacy
from swarmhub.contract.round.budget import get_spent
from swarmhub.home.budget import list_parts
from swarmhub.privacy.accounting import compute_epsilon, compute_mu

pytestmark = pytest.mark.process

N, SAMPLES, SIGMA, ROUNDS = 4, 1000, 10.0, 3
DP = DifferentialPrivacy(3_000_000, 10_000_000, 1_000_000, int(SIGMA * 1e6), ROUNDS)
MODES = [(dataclasses.replace(MASKED, dp=DP), 2), (Privacy(dp=DP), 1)]
if not os.environ.get("SWARMHUB_LONG"):
    MODES = MODES[:1]
TRAINER = ("--samples", str(SAMPLES), "--data", "d" * 64)


def measure_noise(network):
    """The last model beside the mean of what the hospitals trained, in noise of one round."""
    found, mean = printed(network, 1), expected(settled_sets(network))
    rest = np.concatenate([found[name] - mean[name] for name in sorted(mean)])
    return rest.std() * N * SAMPLES / np.sqrt(ROUNDS)


@pytest.mark.parametrize(("privacy", "parts"), MODES)
def test_the_model_has_the_noise_that_the_terms_ask_for(tmp_path, privacy, parts):
    with Network(tmp_path, N) as network:
        begin(network, N, *TRAINER, privacy=privacy, min_peers=N)
        finish(network, N)
        spent = network.read(lambda state: [get_spent(state, "s", m) for m in range(1, N + 1)])
        own = network.read(lambda state: list_parts(network.homes[0], state, 1))
    assert measure_noise(network) == pytest.approx(SIGMA * np.sqrt(N / parts), rel=0.4)
    assert spent == [ROUNDS] * N
    assert [(p.study, p.steps, p.data) for p in own] == [("s", ROUNDS, ("d" * 64,))]


def test_the_own_limit_of_a_hospital_stops_its_steps(tmp_path):
    one = compute_epsilon(compute_mu([(1, SIGMA)]), 1e-5)
    with Network(tmp_path, N) as network:
        text = (network.homes[3].root / "node.toml").read_text()
        limit = f'{text}budget_epsilon = "{one - 0.001:.4f}"\n'
        (network.homes[3].root / "node.toml").write_text(limit)
        begin(network, N, *TRAINER, privacy=Privacy(dp=DP), min_peers=N)
        network.wait_until(lambda: not network.children.is_running(f"trainer {N}"), 60)
        spent = network.read(lambda state: get_spent(state, "s", N))
    assert spent == 0
    log = network.homes[3].root / "logs" / "trainer.log"
    assert "with one more step it is" in log.read_text()
