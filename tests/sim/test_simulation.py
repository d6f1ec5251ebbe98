"""The shipped contract, round, merge and ledger under faults and lies, from seeds."""

import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutants import MUTANTS, planted
from swarm import swarmhub

from swarmhub.errors import BadInput
from swarmhub.round import brain
from swarmhub.sim import Act, Plan, World, parse_plan, plan_of, run_campaign, run_plan, shrink
from swarmhub.sim.plan import LIES, RULES
from swarmhub.sim.shrink import breaks_like, kinds

CALM = Plan(delay_ms=(1, 5), rounds=4)


def test_two_hundred_schedules_break_no_invariant():
    found = run_campaign(200, first=0)
    assert found.schedules == 200
    assert found.seeds_broken == [], "read the story: swarmhub sim replay SEED"
    assert found.crashes > 200


@pytest.mark.parametrize(
    "seed",
    [
        106332,  # member 1 settles the start, for which only the liar has signed, and crashes
        204222,  # a liar suspects every leader, and leaders that crashed long ago are doubted still
    ],
)
def test_a_schedule_that_once_broke_liveness(seed):
    assert not run_plan(plan_of(seed)).broken


def test_a_plan_is_a_run():
    one, other = run_plan(plan_of(3)), run_plan(plan_of(3))
    assert one.story == other.story
    assert [m.digest for m in one.settled] == [m.digest for m in other.settled]


def test_the_plans_really_contain_faults_and_lies_of_every_kind():
    acts = [a for seed in range(100) for a in plan_of(seed).acts]
    assert {a.kind for a in acts} == {"crash", "cut", "slow", "fill", "skew", "lie"}
    assert {a.lie for a in acts if a.lie} == set(LIES)
    assert all(len(plan_of(seed).liars) <= 1 for seed in range(100))


def test_without_faults_every_leader_is_the_first_in_line():
    report = run_plan(CALM)
    assert not report.broken
    assert all(m.term == 0 and len(m.shares) in (0, 5) for m in report.settled)
    assert len(report.settled) == 5


def a_liar(lie, rule="weighted_mean", seed=0):
    acts = (Act("lie", (2,), lie=lie),)
    return dataclasses.replace(CALM, rounds=6, merge=rule, seed=seed, acts=acts)


@pytest.mark.parametrize("rule", RULES)
def test_no_false_merge_is_settled_and_each_is_recorded(rule):
    report = run_plan(a_liar("false_merge", rule))
    assert not report.broken
    led = [line for line in report.story if "to merge; member 2 leads" in line]
    caught = [line for line in report.story if "made a false merge" in line]
    assert len(caught) == len(led) - ("round 1 " in led[0]) > 0


def test_a_lying_auditor_cannot_force_a_redo():
    report = run_plan(a_liar("false_dispute"))
    assert not report.broken
    assert any("is dismissed" in line for line in report.story)
    assert all(m.term == 0 for m in report.settled)


class LeaderDies(World):
    """The leader of round 2 crashes for a minute as soon as it is elected."""

    def _retell(self, committed):
        super()._retell(committed)
        for name, fields in committed.events:
            if name == "merging" and (fields["number"], fields["term"]) == (2, 0):
                self.crash(self.nodes[fields["leader"]], 60_000)


def takeover_ms():
    report = LeaderDies(dataclasses.replace(CALM, rounds=2)).run()
    assert report.finished
    at = {k: x for x in report.story for k in ("crashes", "round 2 is settled") if k in x}
    return int(at["round 2 is settled"].split()[0]) - int(at["crashes"].split()[0])


def test_suspicion_replaces_a_dead_leader_long_before_its_time_is_up(monkeypatch):
    assert takeover_ms() < 2500
    monkeypatch.setattr(brain, "doubt", lambda view, lost: iter(()))
    assert takeover_ms() > 3000  # the contract's own timeout


# the proof by mutation


def plan_for(mutant, seed):
    plan = plan_of(seed, rounds=6)
    if not mutant.lie:
        return plan
    acts = tuple(a for a in plan.acts if a.kind != "lie")
    liar = Act("lie", (1 + seed % plan.nodes,), lie=mutant.lie)
    return dataclasses.replace(plan, acts=(*acts, liar))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
def test_the_campaign_notices_a_fault(mutant, monkeypatch):
    monkeypatch.setattr("swarmhub.sim.world.MAX_STEPS", 40_000)
    with planted(mutant):
        broken = next((b for s in range(40) if (b := run_plan(plan_for(mutant, s)).broken)), None)
    assert broken, f"40 schedules did not notice: {mutant.name}"


def test_there_are_enough_mutants():
    assert len({m.name for m in MUTANTS}) == len(MUTANTS) >= 20


def test_a_broken_schedule_shrinks_to_a_short_story():
    mutant = next(m for m in MUTANTS if m.name == "who is caught leads again")
    with planted(mutant):
        plan = plan_for(mutant, 0)
        seed = next(s for s in range(40) if run_plan(plan_for(mutant, s)).broken)
        plan = plan_for(mutant, seed)
        small = shrink(plan, breaks_like(kinds(run_plan(plan).broken)), trials=80)
        assert [a.kind for a in small.acts] == ["lie"]
        assert run_plan(small).broken
    assert not run_plan(small).broken


# plans as text

times = {
    "at_ms": st.integers(0, 9999), "for_ms": st.integers(0, 9999), "by_ms": st.integers(-9999, 9999)
}  # fmt: skip
members = st.integers(1, 9)
acts = st.one_of(
    st.builds(Act, st.sampled_from(["crash", "slow", "fill", "skew"]), st.tuples(members), **times),
    st.builds(Act, st.just("cut"), st.lists(members, min_size=1, max_size=3).map(tuple), **times),
    st.builds(Act, st.just("lie"), st.tuples(members), lie=st.sampled_from(LIES)),
)


@given(st.lists(acts, max_size=5), st.integers(0, 10**6), st.integers(0, 100))
@settings(max_examples=200)
def test_a_plan_reads_back_from_its_text(acts, seed, drop):
    plan = Plan(nodes=9, seed=seed, drop=drop, acts=tuple(acts))
    assert parse_plan(str(plan)) == plan


@pytest.mark.parametrize(
    "line", ["at noon crash 3", "at 5 ms lie 3 nicely", "at 5 ms crash", "nodes many", "nodes 0",
             "nodes 3, min_peers 4", "at 5 ms crash 9 for 3 ms", "at 0 ms lie 0 silent",
             "at 5 ms slow 1 2 for 3 ms by 5 ms", "nodes ²", f"nodes {'9' * 5000}",
             f"at 5 ms crash {'9' * 5000}",
             "messages drop 0% duplicate 0% delay 9..1 ms until 5 ms"],
)  # fmt: skip
def test_a_line_that_is_none_is_named(line):
    with pytest.raises(BadInput, match="Expected"):
        parse_plan(line)


# the commands


def test_a_campaign_prints_one_json_object():
    done = swarmhub("sim", "run", "--schedules", 4, "--rounds", 2, "--json")
    found = json.loads(done.stdout)
    assert (found["schedules"], found["broken"], found["seeds_broken"]) == (4, 0, [])
    assert found["per_minute"] > 0


def test_a_replay_tells_the_story(tmp_path):
    done = swarmhub("sim", "replay", 3, "--rounds", 1)
    assert done.returncode == 0
    assert "ledger: the study is finished" in done.stdout
    plan = tmp_path / "plan.txt"
    plan.write_text("at five crash 1")
    done = swarmhub("sim", "replay", "--plan", plan)
    assert done.returncode == 2
    assert "Expected a line of a schedule" in done.stderr
