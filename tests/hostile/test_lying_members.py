"""A member that runs other code than ours, among three honest nodes: its lies spoil nothing."""

import sys

import numpy as np
import pytest
from swarm import PROGRAMS, Network, make_spec, swarmhub

from swarmhub.contract.events import Excluded, FalseMerge, Settled
from swarmhub.contract.round.election import compute_leader_order
from swarmhub.operations.record import read_record
from swarmhub.params import import_safetensors

pytestmark = pytest.mark.process

LIAR = 3


def led_by(member):
    """Name of a study of which the member leads the first round of training, but no other."""
    for name in (f"s{i}" for i in range(1000)):
        first, second = (compute_leader_order(name, number, (1, 2, 3, 4))[0] for number in (2, 3))
        if first == member != second:
            return name
    raise AssertionError


def is_collecting(r, roster):
    return (r.number, r.phase) == (2, "COLLECTING") and {*r.roster} == roster


def run_with(liar, tmp_path, rounds=1, first="", **terms):
    """A study of four with this program as one node; returns what the ledger tells and the model
    of an honest member."""
    name = led_by(LIAR)
    with Network(tmp_path, 4) as network:
        all_here = tmp_path / "all here"
        train = [PROGRAMS / "add_own.py", "--study", name, "--wait-for", all_here]
        for i in (1, 2, 4):
            network.up(i)
        home = str(network.homes[LIAR - 1].root)
        network.children.start_command(
            f"node {LIAR}", [sys.executable, str(PROGRAMS / liar), "up", "--home", home],
            network.log(LIAR), FIRST_NUMBER=first,
        )  # fmt: skip
        network.open_study(make_spec(**{"name": name, "rounds": rounds, "min_peers": 4} | terms))
        for i in (1, 2, 3, 4):
            network.train(i, train)
        network.wait_until(lambda: is_collecting(network.round(name), {1, 2, 3, 4}), 60)
        all_here.touch()  # nobody is left out for being late
        network.wait_until(lambda: network.study(name).status == "finished", 120)
        out = tmp_path / "out.safetensors"
        home = network.homes[0].root
        assert swarmhub("node", "export", name, "--home", home, "--out", out).returncode == 0
        blocks = read_record(network.homes[0].ledger_path, home).blocks
        for i in (1, 2, 4):
            assert "Traceback" not in network.log(i).read_text()
    return [e for block in blocks for e in block.events], import_safetensors(out)["w"]


def settled(events):
    return [e.model for e in events if isinstance(e, Settled)]


def test_a_leader_settles_when_its_disk_has_taken_the_merge(tmp_path):
    events, model = run_with("failing_disk.py", tmp_path, leader_timeout_ms=20_000)
    (model_of_2,) = [m for m in settled(events) if m.number == 2]
    assert (model_of_2.leader, model_of_2.term) == (LIAR, 0)
    (log,) = tmp_path.glob(f"h{LIAR}/logs/node.log")
    assert "The disk has failed." in log.read_text()
    np.testing.assert_array_equal(model, np.full(200_000, 2.5))


def check_caught(tmp_path, first):
    events, model = run_with("lying_excerpt.py", tmp_path, first=first.hex(), shards=1)
    caught = [e for e in events if isinstance(e, FalseMerge)]
    assert [(e.leader, e.number, e.chunk) for e in caught] == [(LIAR, 2, 1)]
    np.testing.assert_array_equal(model, np.full(200_000, 2.5))


def test_a_leader_that_lies_about_its_own_contribution_cannot_explain_a_false_merge(tmp_path):
    check_caught(tmp_path, (1e9).hex().encode()[:8])


def test_nor_by_a_number_that_is_none(tmp_path):
    check_caught(tmp_path, b"\xff" * 8)


def test_a_leader_merges_no_other_contribution_than_it_has_committed(tmp_path):
    events, model = run_with("another_contribution.py", tmp_path)
    assert [e.leader for e in events if isinstance(e, FalseMerge)] == [LIAR]
    np.testing.assert_array_equal(model, np.full(200_000, 2.5))


def test_receipts_with_false_signatures_hold_up_no_round(tmp_path):
    events, model = run_with("false_receipts.py", tmp_path, rounds=3)
    found = [m for m in settled(events) if m.kind == "train"]
    assert len(found) == 3
    signers = [r for m in found for made in (m, *m.shards) for r in made.receipts]
    assert LIAR not in signers
    np.testing.assert_array_equal(model, np.full(200_000, 7.5))


def test_who_serves_its_contribution_too_slowly_is_left_out(tmp_path):
    events, model = run_with(
        "slow_server.py", tmp_path, min_peers=3, leader_timeout_ms=1500, quorum_grace_ms=60_000
    )
    (found,) = [m for m in settled(events) if m.kind == "train"]
    assert {share.member for share in found.shares} == {1, 2, 4}
    assert [e.why for e in events if isinstance(e, Excluded)][:1] == ["unavailable"]
    np.testing.assert_allclose(model, np.full(200_000, 7 / 3))


def test_who_sends_numbers_whose_sum_overflows_is_left_out(tmp_path):
    events, model = run_with("huge_numbers.py", tmp_path, min_peers=3)
    (found,) = [m for m in settled(events) if m.kind == "train"]
    assert {share.member for share in found.shares} == {1, 2, 4}
    assert {(e.member, e.why) for e in events if isinstance(e, Excluded)} == {(LIAR, "invalid")}
    np.testing.assert_allclose(model, np.full(200_000, 7 / 3))
