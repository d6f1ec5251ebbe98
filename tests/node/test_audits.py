"""Real nodes, one of which lies as leader: it is caught in that round, and the round is redone."""

import sys
from pathlib import Path

import numpy as np
import pytest
from swarm import Network, make_spec
from test_life import ADD_ONE, export, finished

from swarmhub.cli import ledger as ledger_cli
from swarmhub.node.home import Home

LIAR = Path(__file__).parents[2] / "bench" / "lying_node.py"


def events(network, name):
    """All events of a name that the ledger has recorded."""
    blocks = ledger_cli._read(network.homes[0].ledger_path, network.homes[0].root).blocks
    return [fields for block in blocks for kind, fields in block.events if kind == name]


@pytest.mark.parametrize(
    ("size", "audit", "rule"),
    [(4, "drawn", "weighted_mean"), (40_000, "drawn", "coordinate_median"),
     (40_000, "full", "trimmed_mean"), (40_000, "drawn", "geometric_median")],
    ids=["small", "drawn", "full", "not chunk-local"],
)  # fmt: skip
def test_a_false_merge_is_caught_recorded_and_redone(tmp_path, size, audit, rule):
    with Network(tmp_path, 4) as network:
        for i in (1, 2, 4):
            network.up(i)
        home: Home = network.homes[2]
        network.children.start_command(
            "node 3", [sys.executable, str(LIAR), "up", "--home", str(home.root)], network.log(3)
        )
        spec = make_spec(rounds=8, min_peers=4, audit=audit, merge={"name": rule})
        network.open_study(spec)
        script = tmp_path / "train.py"
        script.write_text(
            ADD_ONE.replace("STUDY", "s")
            .replace("PAUSE", "0")
            .replace("zeros(4)", f"zeros({size})")
        )
        for i in (1, 2, 3, 4):
            network.train(i, script)
        network.wait_until(finished(network), timeout_s=120)
        led = [e for e in events(network, "merging") if e["leader"] == 3 and e["number"] > 1]
        caught = events(network, "false_merge")
        assert [e["number"] for e in caught] == [e["number"] for e in led] != []
        settled = events(network, "settled")
        assert all(e["leader"] != 3 for e in settled if e["kind"] == "parameters")
        np.testing.assert_array_equal(export(network, 1)["w"], np.full(size, 8.0))
