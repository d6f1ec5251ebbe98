"""Studies of several stages over real nodes: sums, counts, odd sites, members of a stage."""

import re

import numpy as np
import pytest
from newton_study import NEWTON, newton, said
from swarm import PROGRAMS, Network, make_spec

from swarmhub.contract.records import Stage

pytestmark = pytest.mark.process


def run(tmp_path, program, stages, min_peers=3, **options):
    """A study of three hospitals to its end: what the trainers printed, and the network."""
    network = Network(tmp_path, 3)
    with network:
        for i in (1, 2, 3):
            network.up(i)
        terms = make_spec(rounds=0, stages=stages, min_peers=min_peers, **options)
        network.open_study(terms)
        network.train(3, PROGRAMS / program)  # stands ready before the round opens
        network.wait_until(lambda: not stages[0].takes(3) or 3 in network.round("s").roster)
        for i in (1, 2):
            network.train(i, PROGRAMS / program)
        over = lambda: network.study("s").status == "finished"  # noqa: E731
        gone = lambda i: not network.children.is_running(f"trainer {i}")  # noqa: E731
        network.wait_until(lambda: over() and all(map(gone, (1, 2, 3))), 120)
        return [said(network, i) for i in (1, 2, 3)], network


def test_newtons_method_over_sums_is_that_of_the_pooled_rows(tmp_path):
    found, _ = run(tmp_path, "newton.py", NEWTON)
    pooled = [np.concatenate(parts) for parts in zip(*map(newton.data, (1, 2, 3)), strict=True)]
    at = np.zeros(3)
    for _ in range(12):
        gradient, hessian = newton.slopes(*pooled, at)
        at = at + np.linalg.solve(hessian, gradient)
    assert {f["weights"] for f in found} == {found[0]["weights"]}, "equal to the bit"
    weights = [float.fromhex(w) for w in found[0]["weights"].split()]
    np.testing.assert_allclose(weights, at, atol=1e-6)
    assert found[0]["rows"].startswith("360 met True")
    counts = newton.scores(pooled[0], np.array(weights))["scores"]
    assert found[0]["scores"].split() == [str(c) for c in counts]


def test_a_site_with_other_arrays_than_most_is_left_out_and_told(tmp_path):
    found, network = run(tmp_path, "odd_arrays.py", (Stage("size", "sum"),), min_peers=2)
    assert [f.get("rows") for f in found] == ["2 2 2", "2 2 2", None]
    log = (network.homes[2].root / "logs" / "trainer.log").read_text()
    like = re.search(r"has I64 of shape \[4\], the contribution of Hospital ([12]), as most", log)
    assert like, log  # of the two: whoever came first
    said_by_1 = network.log(1).read_text()
    assert f"left out: its arrays are not those of Hospital {like[1]}" in said_by_1


FOLDS = tuple(
    Stage(f"{kind}-{i}", kind, rounds, members=members)
    for i, others, left_out in ((1, (1, 2), (3,)), (2, (2, 3), (1,)))
    for kind, rounds, members in (
        ("initial", 1, others), ("train", 2, others), ("evaluate", 1, left_out),
    )
)  # fmt: skip


def test_each_stage_runs_at_its_members_and_each_fold_begins_anew(tmp_path):
    _, network = run(tmp_path, "left_out_hospital.py", FOLDS, min_peers=2)
    log = network.log(1).read_text()
    settled = re.findall(r"\((train-\d) (\d), term \d\): model \S+ of (.+)", log)
    assert settled == [
        ("train-1", "1", "Hospital 1 (10), Hospital 2 (10)"),
        ("train-1", "2", "Hospital 1 (10), Hospital 2 (10)"),
        ("train-2", "1", "Hospital 2 (10), Hospital 3 (10)"),
        ("train-2", "2", "Hospital 2 (10), Hospital 3 (10)"),
    ]
    assert re.findall(r"has auc (\S+) on", log)[-1] == "0.0500", "2.5 a round, from zero"
