"""Masked studies over real nodes: the model is the mean, the ledger and the peers see masks."""

import pytest
from masked_swarm import begin, check_model, finish, settled_sets
from swarm import Network

pytestmark = pytest.mark.process


def test_a_masked_study_settles_the_weighted_mean(tmp_path):
    with Network(tmp_path, 4) as network:
        begin(network, 4)
        finish(network, 4)
    check_model(network, 4)
    assert len(settled_sets(network)) == 3
    assert "settles the masked sum" in network.log(1).read_text()
