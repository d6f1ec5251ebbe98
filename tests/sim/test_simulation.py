"""Five nodes over the shipped contract, round and merge, in a world that drops and crashes."""

import pytest

from swarmhub.contract import election, thresholds
from swarmhub.round import brain
from swarmhub.sim import Faults, simulate

CALM = Faults(drop=0.0, duplicate=0.0, crashes=0)


@pytest.mark.parametrize("seed", range(12))
def test_a_study_ends_whatever_is_dropped_and_whoever_crashes(seed):
    report = simulate(seed)
    assert not report.broken, "\n".join([f"seed {seed}", *report.broken, *report.story])


def test_a_seed_is_a_schedule():
    one, other = simulate(3), simulate(3)
    assert one.story == other.story
    assert [m.digest for m in one.settled] == [m.digest for m in other.settled]


def test_the_schedules_really_contain_faults():
    reports = [simulate(seed, rounds=3) for seed in range(3)]
    assert sum(r.crashes for r in reports) > 3
    assert any("took_over" in line for r in reports for line in r.story)


def test_without_faults_every_leader_is_the_first_in_line():
    report = simulate(0, faults=CALM)
    assert not report.broken
    assert all(m.term == 0 and len(m.shares) in (0, 5) for m in report.settled)
    assert len(report.settled) == 5


def test_a_leader_that_everyone_is_blind_to_is_found_out(monkeypatch):
    """A broken rule must show: with suspicion switched off a crashed leader costs its timeout."""
    quick = simulate(5)
    monkeypatch.setattr(brain, "doubt", lambda view, lost: iter(()))
    slow = simulate(5)
    assert slow.time_ms > quick.time_ms


def test_a_quorum_that_is_off_by_one_breaks_the_simulation(monkeypatch):
    """No receipts needed at all: then a model can be settled that only its dead leader holds."""
    broken = 0
    monkeypatch.setattr("swarmhub.contract.rounds.compute_receipts", lambda n: 0)
    monkeypatch.setattr("swarmhub.round.brain.compute_receipts", lambda n: 0)
    for seed in range(4):
        report = simulate(seed, faults=Faults(crashes=0))
        broken += any(len(m.receipts) == 0 for m in report.settled)
    assert broken == 4
    assert thresholds.compute_receipts(5) == 1
    assert election.get_leader is not None
