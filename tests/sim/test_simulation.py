"""Five nodes over the shipped contract, round and merge, in a world that drops and crashes."""

import pytest

from swarmhub.round import brain
from swarmhub.sim import Faults, simulate
from swarmhub.sim.world import World

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


class LeaderDies(World):
    """The leader of round 2 crashes for a minute as soon as it is elected."""

    def _watch(self, committed):
        super()._watch(committed)
        for name, fields in committed.events:
            if name == "merging" and (fields["number"], fields["term"]) == (2, 0):
                self._crash(self.nodes[fields["leader"]], 60_000)


def takeover_ms():
    world = LeaderDies(0, 5, 2, CALM)
    report = world.run()
    assert report.finished
    at = {k: line for line in report.story for k in ("crashed", "settled round 2") if k in line}
    return int(at["settled round 2"].split()[0]) - int(at["crashed"].split()[0])


def test_suspicion_replaces_a_dead_leader_long_before_its_time_is_up(monkeypatch):
    assert takeover_ms() < 2500
    monkeypatch.setattr(brain, "doubt", lambda view, lost: iter(()))
    assert takeover_ms() > 3000  # the contract's own timeout


def test_a_settlement_without_receipts_would_show(monkeypatch):
    """The simulation sees what a rule lets through: with no receipts asked for, none come."""
    monkeypatch.setattr("swarmhub.contract.checks.compute_receipts", lambda n: 0)
    monkeypatch.setattr("swarmhub.round.brain.compute_receipts", lambda n: 0)
    assert all(not m.receipts for m in simulate(0, faults=CALM).settled)
    monkeypatch.undo()
    assert all(m.receipts for m in simulate(0, faults=CALM).settled)
