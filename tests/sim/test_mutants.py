"""The proof by mutation: the campaign notices every deliberate fault."""

import dataclasses
from pathlib import Path

import pytest
from mutants import MUTANTS, planted

from swarmhub.sim import Fault, parse_schedule, run_schedule, schedule_of, shrink
from swarmhub.sim.schedule import SHARDS_FLOATS
from swarmhub.sim.shrink import breaks_like, kinds

SCENARIOS = Path(__file__).parents[1] / "scenarios"


def plan_for(mutant, seed):
    if mutant.story:
        return parse_schedule((SCENARIOS / f"{mutant.story}.txt").read_text())
    schedule = schedule_of(seed, rounds=6)
    if mutant.masked:
        schedule = mask(schedule, seed)
    if mutant.wire:
        schedule = dataclasses.replace(schedule, wire=mutant.wire, masked=False)
    if mutant.floats == SHARDS_FLOATS:
        schedule = shard(schedule)
    if not mutant.lie:
        return schedule
    faults = tuple(
        a for a in schedule.faults if a.kind not in ("lie", "refuse", "enrol", "withdraw", "oust")
    )
    who = 2 + seed % (schedule.nodes - 1)  # not the one that proposes the study
    liar = tuple(Fault("lie", (who,), lie=lie) for lie in mutant.lie.split())
    min_peers = 3 if "uninvited" in mutant.lie else 4
    floats = mutant.floats or schedule.floats
    return dataclasses.replace(
        schedule, faults=(*faults, *liar), min_peers=min_peers, floats=floats
    )


def shard(schedule):
    """The schedule with models of three chunks and a rule that merges each alone."""
    return dataclasses.replace(
        schedule, floats=SHARDS_FLOATS, rounds=2, masked=False, wire="", statistics=False,
        stages=False, merge="weighted_mean", max_share=1000,
    )  # fmt: skip


def mask(schedule, seed):
    """The schedule with masked rounds, a pause, and one member that leaves and no others."""
    faults = [a for a in schedule.faults if a.kind not in ("refuse", "enrol", "withdraw", "oust")]
    pause = Fault("pause", (1,), at_ms=700 + 37 * seed, for_ms=300)
    going = Fault("withdraw", (5,), at_ms=500 + 91 * seed)
    return dataclasses.replace(
        schedule, masked=True, merge="weighted_mean", max_share=1000, floats=3, min_peers=3,
        wire="",
        faults=(*faults, pause, going),
    )  # fmt: skip


@pytest.mark.campaign
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
def test_the_campaign_notices_a_fault(mutant, monkeypatch):
    monkeypatch.setattr("swarmhub.sim.world.MAX_STEPS", 8_000)
    schedules = (plan_for(mutant, seed) for seed in range(mutant.first, mutant.first + 120))
    with planted(mutant):
        schedule = next((p for p in schedules if run_schedule(p).broken), None)
    assert schedule, f"120 schedules did not notice: {mutant.name}"
    assert not run_schedule(schedule).broken, "it is not the fault that has broken it"


def test_there_are_enough_mutants():
    assert len({m.name for m in MUTANTS}) == len(MUTANTS) >= 20


def test_a_broken_schedule_shrinks_to_a_short_story():
    mutant = next(m for m in MUTANTS if m.name == "who is caught leads again")
    with planted(mutant):
        schedule = plan_for(mutant, 0)
        seed = next(s for s in range(40) if run_schedule(plan_for(mutant, s)).broken)
        schedule = plan_for(mutant, seed)
        small = shrink(schedule, breaks_like(kinds(run_schedule(schedule).broken)), trials=80)
        assert [a.kind for a in small.faults] == ["lie"]
        assert run_schedule(small).broken
    assert not run_schedule(small).broken
