"""Nodes of a masked study that die, and come back with their vault or stay away."""

import os
import tarfile

import pytest
from masked_swarm import begin, check_model, finish, settled_sets, wait_for_death, wait_for_phase
from swarm import Network, swarmhub

from swarmhub.failpoints import VARIABLE
from swarmhub.operations.backup import back_up

pytestmark = pytest.mark.process

MOMENTS = ["vault.after", "result.round.deal", "masked.stored", "unmask.stored"]
if os.environ.get("SWARMHUB_LONG"):
    MOMENTS += ["vault.before", "submit.round.ready", "result.round.ready", "submit.round.deal",
                "submit.round.open", "result.round.open"]  # fmt: skip


def test_a_node_that_dies_after_contributing_drops_out(tmp_path):
    with Network(tmp_path, 4) as network:
        first = {VARIABLE: "result.round.contribute"}
        begin(network, 4, first=first, rounds=1, required=(1, 2, 3))
        wait_for_death(network, 4)
        network.wait_until(lambda: network.study("s").status == "finished")
        network.up(4)
        finish(network, 4)
    check_model(network, 4)
    assert {m for m, _ in settled_sets(network)[1]} >= {1, 2, 3}
    assert "begins again" not in network.log(1).read_text()


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_node_that_dies_goes_on_with_its_vault(tmp_path, moment):
    with Network(tmp_path, 3) as network:
        begin(network, 3, first={VARIABLE: moment}, rounds=1, leader_timeout_ms=3_000)
        wait_for_death(network, 3)
        network.up(3)
        finish(network, 3)
    check_model(network, 3)
    assert settled_sets(network)[1] == [(1, 10), (2, 20), (3, 30)]
    assert "begins again" not in network.log(1).read_text()


def test_status_names_who_has_the_missing_shares(tmp_path):
    with Network(tmp_path, 3) as network:
        begin(network, 3, first={VARIABLE: "submit.round.open"}, rounds=1)
        wait_for_death(network, 3)
        opened = lambda: wait_for_phase(network, "UNMASKING").need_masks().opened  # noqa: E731
        network.wait_until(lambda: opened() == (1, 2))
        said = swarmhub("status", "--home", network.homes[0].root).stdout
    assert "waiting for the shares of one of them, which open the settled sum: Hospital 3" in said
    assert "their nodes must run; the set is final, and the round waits" in said


def test_a_vault_is_the_nodes_own_until_the_study_ends(tmp_path):
    with Network(tmp_path, 3) as network:
        begin(network, 3, first={VARIABLE: "submit.round.open"}, rounds=1)
        wait_for_phase(network, "UNMASKING")
        vaults = [home.state_path("s.masks") for home in network.homes]
        assert [path.stat().st_mode & 0o777 for path in vaults] == [0o600] * 3
        back_up(network.homes[0], tmp_path / "backup.tar")
        with tarfile.open(tmp_path / "backup.tar") as tar:
            assert not [name for name in tar.getnames() if "masks" in name]
        wait_for_death(network, 3)
        network.up(3)
        finish(network, 3)
        network.wait_until(lambda: not any(path.exists() for path in vaults))


def test_whole_numbers_are_refused_to_the_trainer(tmp_path):
    with Network(tmp_path, 3) as network:
        begin(network, 3, "--integers", rounds=1)
        ended = lambda: [i for i in (1, 2, 3) if network.children.ended(f"trainer {i}")]  # noqa: E731
        network.wait_until(ended)
        log = (network.homes[ended()[0] - 1].root / "logs" / "trainer.log").read_text()
    said = log.strip().splitlines()[-1]
    assert "Expected floats in every tensor of a masked model, got I64 in 'n'" in said
    assert "Traceback" not in log
