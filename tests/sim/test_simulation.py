"""Five nodes over the shipped contract, round and merge, in a world that drops and crashes."""

import pytest

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
    quick = sum(simulate(seed).time_ms for seed in range(4))
    monkeypatch.setattr(brain, "doubt", lambda view, lost: iter(()))
    slow = sum(simulate(seed).time_ms for seed in range(4))
    assert slow > quick


def test_a_settlement_without_receipts_would_show(monkeypatch):
    """The simulation sees what a rule lets through: with no receipts asked for, none come."""
    monkeypatch.setattr("swarmhub.contract.rounds.compute_receipts", lambda n: 0)
    monkeypatch.setattr("swarmhub.round.brain.compute_receipts", lambda n: 0)
    assert all(not m.receipts for m in simulate(0, faults=CALM).settled)
    monkeypatch.undo()
    assert all(m.receipts for m in simulate(0, faults=CALM).settled)
