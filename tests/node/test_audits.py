"""Real nodes, one of which lies as leader: it is caught in that round, and the round is redone."""

import sys
from pathlib import Path

import numpy as np
import pytest
from long_runs import choose
from swarm import PROGRAMS, Network, make_spec
from test_life import add_one, export, finished

from swarmhub import merkle
from swarmhub.contract.envelope import read_transaction
from swarmhub.contract.events import FalseMerge, MergeStarted, Settled
from swarmhub.contract.records import MergeRule
from swarmhub.contract.round.election import compute_leader_order
from swarmhub.contract.transactions import Dispute
from swarmhub.home.home import Home
from swarmhub.operations.record import read_record

pytestmark = pytest.mark.process

LIAR = Path(__file__).parents[2] / "bench" / "lying_node.py"


def blocks_of(network):
    """All blocks, with what they caused."""
    return read_record(network.homes[0].ledger_path, network.homes[0].root).blocks


def events(network, kind):
    """All events of a kind that the ledger has recorded."""
    return [e for block in blocks_of(network) for e in block.events if isinstance(e, kind)]


def disputes(network):
    """Every dispute that the ledger has accepted, by its round."""
    found = {}
    for block in blocks_of(network)[1:]:  # the first one founds
        for tx, result in zip(block.block.txs, block.results, strict=True):
            body = read_transaction(tx).body
            if result.ok and isinstance(body, Dispute):
                found[body.ref.number] = body
    return found


def proves(dispute):
    """Whether the claimed chunk is in the digest that the leader has signed."""
    count = merkle.chunk_count(dispute.nbytes)
    path = [bytes.fromhex(h) for h in dispute.path]
    root = merkle.climb(bytes.fromhex(dispute.claimed), dispute.chunk, count, path)
    return root and merkle.blob_digest(dispute.layout, dispute.nbytes, root) == dispute.digest


MERGES = [
    pytest.param(4, "drawn", "weighted_mean", id="small"),
    pytest.param(40_000, "drawn", "coordinate_median", id="drawn"),
    pytest.param(40_000, "full", "trimmed_mean", id="full"),
    pytest.param(40_000, "drawn", "geometric_median", id="not chunk-local"),
    pytest.param(40_000, "drawn", "clipped_mean", id="from the base"),
    pytest.param(40_000, "drawn", "nnm_trimmed_mean", id="mixed"),
]


@pytest.mark.parametrize(("size", "audit", "rule"), choose(MERGES, 0, 2, 5))
def test_a_false_merge_is_caught_recorded_and_redone(tmp_path, size, audit, rule):
    with Network(tmp_path, 4) as network:
        for i in (1, 2, 4):
            network.up(i)
        home: Home = network.homes[2]
        network.children.start_command(
            "node 3", [sys.executable, str(LIAR), "up", "--home", str(home.root)], network.log(3)
        )
        spec = make_spec(rounds=8, min_peers=4, audit=audit, merge=MergeRule(rule))
        network.open_study(spec)
        for i in (1, 2, 3, 4):
            network.train(i, add_one(size=size))
        network.wait_until(finished(network), timeout_s=120)
        led = [e for e in events(network, MergeStarted) if e.leader == 3 and e.number > 1]
        caught = events(network, FalseMerge)
        assert [e.number for e in caught] == [e.number for e in led] != []
        models = [e.model for e in events(network, Settled)]
        assert all(m.leader != 3 for m in models if m.kind == "train")
        np.testing.assert_array_equal(export(network, 1)["w"], np.full(size, 8.0))


LIES = [
    pytest.param("drawn", 200_000, id="drawn, all of it"),
    pytest.param("full", 1, id="full, one bit"),
]


@pytest.mark.parametrize(("audit", "false"), choose(LIES, 1))
def test_a_lie_in_the_second_chunk_is_caught_proven_and_redone(tmp_path, audit, false):
    with Network(tmp_path, 4) as network:
        for i in (1, 2, 4):
            network.up(i)
        liar = PROGRAMS / "lying_second_chunk.py"
        home = network.homes[2].root
        network.children.start_command(
            "node 3", [sys.executable, str(liar), "up", "--home", str(home)], network.log(3),
            FALSE_NUMBERS=str(false),
        )  # fmt: skip
        network.open_study(make_spec(rounds=8, min_peers=4, audit=audit, shards=1))
        for i in (1, 2, 3, 4):
            network.train(i, [PROGRAMS / "add_own.py"])
        network.wait_until(finished(network), timeout_s=120)
        told = [e.number for e in events(network, MergeStarted) if e.leader == 3]
        told = [number for number in told if number > 1]
        caught = {e.number: e for e in events(network, FalseMerge)}
        assert list(caught) == told != []
        settled = {e.model.number: e.model for e in events(network, Settled)}
        for number, dispute in disputes(network).items():
            said = caught[number]
            assert (said.leader, said.chunk, said.claimed) == (3, 1, dispute.claimed)
            assert (dispute.chunk, merkle.chunk_count(dispute.nbytes)) == (1, 2)
            assert proves(dispute)
            assert said.digest == dispute.digest != settled[number].digest
            assert said.recomputed == dispute.leaf != said.claimed
            assert 3 not in said.by
            line = compute_leader_order("s", number, (1, 2, 3, 4))
            assert settled[number].leader == line[(line.index(3) + 1) % 4]
        assert list(disputes(network)) == told
        np.testing.assert_array_equal(export(network, 1)["w"], np.full(200_000, 8 * 2.5))
