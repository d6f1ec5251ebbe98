"""Exact statistics by real nodes: what each hospital computes is what it would from pooled rows."""

import numpy as np
import pytest
from harmonise.sums_driver import make_sites, run
from swarm import PROGRAMS, Network, make_spec

from swarmhub.contract.records import Stage
from swarmhub.data import harmonise
from swarmhub.data.harmonise.least_squares import AGREED, TURNS

pytestmark = pytest.mark.process
HOSPITALS = 4  # the fourth has one row


def test_combat_and_moderated_t_are_those_of_the_rows_in_one_process(tmp_path):
    stages = tuple(Stage(n, "sum", TURNS, agreed=AGREED) for n in ("combat", "expression"))
    with Network(tmp_path, HOSPITALS) as network:
        for i in range(1, HOSPITALS + 1):
            network.up(i)
        network.open_study(make_spec(rounds=0, stages=stages, min_peers=HOSPITALS))
        for i in range(1, HOSPITALS + 1):
            network.train(i, PROGRAMS / "combat.py")
        made = [home.root / "made.npz" for home in network.homes]
        network.wait_until(lambda: all(path.exists() for path in made))
        network.wait_until(lambda: network.study("s").status == "finished")
    sites = make_sites()[:HOSPITALS]
    genes, covariates = sites[0].x.shape[1], sites[0].z.shape[1]
    steps = [harmonise.combat_step(s.x, s.z) for s in sites]
    combat = harmonise.read_combat(run(steps, AGREED)[0], genes, covariates)
    steps = [harmonise.expression_step(s.x, s.group, s.z) for s in sites]
    expected = harmonise.read_expression(run(steps, AGREED)[0], genes, covariates)
    for site, path in zip(sites, made, strict=True):
        found = np.load(path)
        adjusted = harmonise.adjust(combat, site.x, site.z)
        np.testing.assert_allclose(found["adjusted"], adjusted, rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(found["t"], expected.moderated.t, rtol=1e-8)
        np.testing.assert_allclose(found["q"], expected.moderated.q, rtol=1e-6)
