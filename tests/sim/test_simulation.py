"""The shipped contract, round, merge and ledger under faults and lies, from seeds."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from swarm import PROGRAMS, swarmhub

from swarmhub.contract.events import MergeStarted
from swarmhub.contract.records import ROUND
from swarmhub.contract.round.election import get_leader
from swarmhub.errors import BadInput
from swarmhub.protocol import decision, follow
from swarmhub.sim import (
    Fault,
    Schedule,
    World,
    parse_schedule,
    run_campaign,
    run_schedule,
    schedule_of,
    shrink,
)
from swarmhub.sim.disk import Disk
from swarmhub.sim.node import SimNode
from swarmhub.sim.schedule import (
    ATTACKS,
    CHUNKS_FLOATS,
    DRAWN_FLOATS,
    FLOATS,
    MASK_ATTACKS,
    RULES,
    SHARD_ATTACKS,
    SHARDS_FLOATS,
    WIRE_ATTACKS,
)

SCENARIOS = Path(__file__).parents[1] / "scenarios"
CALM = Schedule(delay_ms=(1, 5), rounds=4)


@pytest.mark.campaign
@pytest.mark.parametrize(("nodes", "rounds", "schedules"), [(4, 6, 10), (5, 10, 6), (7, 6, 4)])
def test_schedules_break_no_invariant(nodes, rounds, schedules):
    found = run_campaign(schedules, nodes=nodes, rounds=rounds)
    assert found.schedules == schedules
    assert found.seeds_broken == [], f"read: swarmhub sim replay SEED --nodes {nodes}"
    assert found.crashes > schedules


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parent / "regressions").glob("*.txt")), ids=lambda p: p.stem
)
def test_a_schedule_that_once_broke_holds(path):
    assert not run_schedule(parse_schedule(path.read_text())).broken


def test_a_plan_is_a_run():
    one, other = run_schedule(schedule_of(3)), run_schedule(schedule_of(3))
    assert one.story == other.story
    assert [m.digest for m in one.settled] == [m.digest for m in other.settled]


def test_the_plans_really_contain_faults_and_lies_of_every_kind():
    faults = [a for seed in range(100) for a in schedule_of(seed).faults]
    assert {a.kind for a in faults} == {
        "crash", "cut", "slow", "slowdisk", "fill", "skew", "refuse", "enrol", "withdraw", "oust",
        "rotate", "pause", "lie",
    }  # fmt: skip
    schedules = [schedule_of(seed) for seed in range(100)]
    assert {p.statistics for p in schedules} == {True, False}
    assert {p.floats for p in schedules} >= {FLOATS, DRAWN_FLOATS, CHUNKS_FLOATS, SHARDS_FLOATS}
    lies = {*ATTACKS, *MASK_ATTACKS, *WIRE_ATTACKS}
    assert lies <= {a.lie for a in faults if a.lie} <= {*lies, *SHARD_ATTACKS}
    assert {p.masked for p in schedules} == {True, False}
    assert all(len(schedule_of(seed).liars) <= 1 for seed in range(100))
    assert max(len(schedule_of(seed, 7).liars) for seed in range(100)) == 2
    effects = [a.effect for a in faults if a.effect]
    assert min(effects) < 10
    assert max(effects) > 1000


def test_in_the_plans_studies_grow_and_keys_change_in_the_middle_of_something():
    schedules = [schedule_of(seed, 7) for seed in range(200)]
    grown = [p for p in schedules if p.joiners]
    assert len(grown) > 40
    assert {len(p.founders) for p in grown} >= {4, 5, 6}
    assert any(p.joiners & p.leavers for p in grown)
    assert any(p.joiners & p.liars and p.founders & p.liars for p in grown)
    assert any(a.kind == "rotate" and a.effect for p in schedules for a in p.faults)


@pytest.mark.parametrize("nodes", [2, 3, 4, 5, 7, 10])
def test_no_plan_has_more_liars_than_its_study_survives(nodes):
    for seed in range(200):
        schedule = schedule_of(seed, nodes)
        assert schedule.is_fair
        assert 2 <= schedule.min_peers <= len(schedule.founders)


def test_a_pause_voids_a_round_and_no_model():
    pauses = tuple(Fault("pause", (1,), at_ms=at, for_ms=700) for at in (0, 900, 2100, 4000))
    report = run_schedule(dataclasses.replace(CALM, rounds=4, statistics=True, faults=pauses))
    assert not report.broken
    assert report.finished
    story = "\n".join(report.story)
    assert story.count("pauses 'sim'") == len(pauses)
    assert [m.turn for m in report.settled if m.kind == "train"] == [1, 2, 3, 4]


def test_a_pause_is_ended_by_others_once_the_proposer_is_gone():
    faults = (
        Fault("pause", (1,), at_ms=900, for_ms=4000),
        Fault("oust", (1, 2, 3, 4, 5), at_ms=1500),
        Fault("enrol", (5,), at_ms=1000),
    )
    report = run_schedule(dataclasses.replace(CALM, rounds=4, min_peers=3, faults=faults))
    assert not report.broken
    assert report.finished


def test_a_study_of_four_grows_to_seven_while_its_rounds_go_on():
    faults = tuple(Fault("enrol", (m,), at_ms=300 * m) for m in (5, 6, 7))
    report = run_schedule(dataclasses.replace(CALM, nodes=7, min_peers=3, rounds=8, faults=faults))
    assert not report.broken
    sets = [len(model.shares) for model in report.settled if model.kind == "train"]
    assert (sets[0], sets[-1], len(sets)) == (4, 7, 8)


def test_a_liar_enrols_when_the_study_survives_it():
    faults = (
        Fault("lie", (2,), lie="silent"), Fault("lie", (7,), lie="silent"),
        Fault("enrol", (5,), at_ms=5000), Fault("enrol", (6,), at_ms=5500), Fault("enrol", (7,)),
    )  # fmt: skip
    schedule = dataclasses.replace(CALM, nodes=7, min_peers=3, rounds=10, faults=faults)
    report = run_schedule(schedule)
    assert not report.broken
    assert [x for x in report.story if "takes part" in x][-1].endswith(
        "member 7 takes part in 'sim' with 100 samples"
    )


def test_as_many_are_enrolled_from_the_start_as_it_takes():
    faults = tuple(Fault("enrol", (m,), at_ms=300 * m) for m in (3, 4, 5))
    schedule = dataclasses.replace(CALM, min_peers=4, faults=faults)
    assert (schedule.founders, schedule.joiners) == ({1, 2, 3, 4}, {5})
    assert not run_schedule(schedule).broken


@pytest.mark.parametrize("seed", range(6))
def test_keys_that_change_at_any_moment_strand_nobody(seed):
    moments = [(2 + i % 4, 12 + 23 * i + 7 * seed) for i in range(12)]
    faults = tuple(Fault("rotate", (who,), effect=effect) for who, effect in moments)
    report = run_schedule(dataclasses.replace(CALM, seed=seed, rounds=6, faults=faults))
    assert not report.broken
    assert sum("rotates its keys" in line for line in report.story) >= 5


def test_a_shrunk_plan_has_no_more_liars_than_its_study_survives():
    lies = (Fault("lie", (2,), lie="silent"), Fault("lie", (7,), lie="silent"))
    faults = (*lies, *(Fault("enrol", (m,)) for m in (5, 6, 7)))
    schedule = Schedule(nodes=7, min_peers=3, faults=faults)
    seen = []
    shrink(schedule, lambda smaller: seen.append(smaller) or False)
    assert seen
    assert all(smaller.is_fair for smaller in seen)


def test_without_faults_every_leader_is_the_first_in_line():
    report = run_schedule(CALM)
    assert not report.broken
    assert all(m.term == 0 and len(m.shares) in (0, 5) for m in report.settled)
    assert len(report.settled) == 5


def a_liar(lie, rule="weighted_mean", seed=0):
    faults = (Fault("lie", (2,), lie=lie),)
    return dataclasses.replace(CALM, rounds=6, merge=rule, seed=seed, faults=faults)


@pytest.mark.parametrize("rule", RULES)
def test_no_false_merge_is_settled_and_each_is_recorded(rule):
    report = run_schedule(a_liar("false_merge", rule))
    assert not report.broken
    led = [line for line in report.story if ": member 2 merges the contributions" in line]
    caught = [line for line in report.story if "is false (recomputed by" in line]
    assert len(caught) == len(led) - ("round 1 " in led[0]) > 0


@pytest.mark.parametrize("seed", range(8))
def test_two_of_seven_lie_while_another_is_away(seed):
    """The f of six contributors is 1, but that of the seven who are enrolled is 2: a lying leader
    and a lying auditor still settle nothing false."""
    lies = (Fault("lie", (1,), lie="false_merge"), Fault("lie", (2,), lie="lazy_audit"))
    away = Fault("crash", (7,), at_ms=200, for_ms=20_000)
    schedule = dataclasses.replace(
        CALM, nodes=7, rounds=6, min_peers=5, seed=seed, faults=(away, *lies)
    )
    report = run_schedule(schedule)
    assert not report.broken
    assert any(
        "the merge of member 1 in round" in line and "is false" in line for line in report.story
    )


@pytest.mark.parametrize("seed", range(8))
def test_one_of_four_convicts_nobody_whoever_is_away(seed):
    faults = (
        Fault("lie", (2,), lie="false_dispute"), Fault("lie", (2,), lie="slander"),
        Fault("crash", (4,), at_ms=200, for_ms=8_000), Fault("fill", (3,), at_ms=600, for_ms=7_000),
    )  # fmt: skip
    schedule = dataclasses.replace(CALM, nodes=4, rounds=6, min_peers=3, seed=seed, faults=faults)
    assert not run_schedule(schedule).broken


def test_a_fault_of_the_code_names_its_seed_and_does_not_end_the_campaign(monkeypatch):
    def fail(view):
        raise KeyError("planted")

    monkeypatch.setattr(decision, "follow", fail)
    (broken,) = run_schedule(schedule_of(3)).broken
    assert broken.startswith("CRASH: KeyError('planted') at ")


def test_a_lying_auditor_cannot_force_a_redo():
    report = run_schedule(a_liar("false_dispute"))
    assert not report.broken
    assert any("is right, not member" in line for line in report.story)
    assert all(m.term == 0 for m in report.settled)


class LeaderDies(World):
    """The leader of round 2 crashes for a minute as soon as it is elected."""

    def _retell(self, committed):
        super()._retell(committed)
        for event in committed.events:
            if isinstance(event, MergeStarted) and (event.number, event.term) == (2, 0):
                self.crash(self.nodes[event.leader], 60_000)


def takeover_ms():
    report = LeaderDies(dataclasses.replace(CALM, rounds=2)).run()
    assert report.finished
    at = {k: x for x in report.story for k in ("crashes", "settles round 2 ") if k in x}
    return int(at["settles round 2 "].split()[0]) - int(at["crashes"].split()[0])


def test_suspicion_replaces_a_dead_leader_long_before_its_time_is_up(monkeypatch):
    assert takeover_ms() < 2500
    monkeypatch.setattr(follow, "doubt", lambda view, lost: iter(()))
    assert takeover_ms() > 3000  # the contract's own timeout


def test_receipts_for_a_merge_that_a_leader_is_making_again_are_sent_again(monkeypatch):
    """The drawn auditor keeps its receipt, so those of both others are needed; they come while the
    leader, back from a crash, merges."""
    done, crashed = SimNode.done, []

    def crash_the_leader(self, effect, event):
        done(self, effect, event)
        r = ROUND.get(self.state, "sim")
        if crashed or r is None or (r.number, r.phase) != (2, "MERGING"):
            return
        leader, others = self.world.nodes[get_leader(r)], {1, 2, 4} - {get_leader(r)}
        made = leader.local.merged.get((2, r.revision, 0))
        if made and all(made.digest in self.world.nodes[m].local.held for m in others):
            crashed.append(leader.me)
            leader.disk.slow_ms = 900
            self.world.crash(leader, 60)

    monkeypatch.setattr(SimNode, "done", crash_the_leader)
    faults = (Fault("lie", (3,), lie="false_receipt"),)
    world = World(dataclasses.replace(CALM, nodes=4, min_peers=4, rounds=1, faults=faults))
    report = world.run()
    assert not report.broken
    (model,) = (m for m in report.settled if m.number == 2)
    assert (model.term, len(model.receipts)) == (0, 2)
    assert 3 not in {model.leader, *model.receipts}
    assert len(crashed) == 1


def test_a_leader_that_was_killed_gives_auditors_what_it_had_pulled(monkeypatch):
    """One contributor dies as soon as the leader has its contribution, and the leader is killed
    and started again at once: nobody else can give it to those who audit the merge."""
    done, killed = SimNode.done, []

    def kill_both(self, effect, event):
        done(self, effect, event)
        r = ROUND.get(self.state, "sim")
        if killed or r is None or (r.number, r.phase) != (2, "MERGING"):
            return
        leader = self.world.nodes[get_leader(r)]
        owner = next(c for c in r.contributions if c.member != leader.me)
        alone = all(
            owner.digest not in node.local.held
            for node in self.world.nodes.values()
            if node.me not in (leader.me, owner.member)
        )
        if alone and all(c.digest in leader.local.held for c in r.contributions):
            killed.extend((leader.me, owner.member))
            self.world.crash(self.world.nodes[owner.member], 60_000)
            self.world.crash(leader, 60)

    monkeypatch.setattr(SimNode, "done", kill_both)
    monkeypatch.setattr(Disk, "crash", lambda disk, rng: None)  # the machine stays up
    report = World(dataclasses.replace(CALM, nodes=4, min_peers=4, rounds=1)).run()
    assert not report.broken
    (model,) = (m for m in report.settled if m.number == 2)
    assert (model.leader, model.term) == (killed[0], 0)
    assert killed[1] not in model.receipts


# schedules as text

times = {
    "at_ms": st.integers(0, 9999), "for_ms": st.integers(0, 9999), "by_ms": st.integers(-9999, 9999)
}  # fmt: skip
members = st.integers(1, 9)
faults = st.one_of(
    st.builds(
        Fault,
        st.sampled_from(["crash", "slow", "slowdisk", "fill", "skew", "withdraw", "rotate"]),
        st.tuples(members),
        **times,
    ),
    st.builds(Fault, st.just("enrol"), st.tuples(st.integers(2, 9)), **times),
    st.builds(Fault, st.just("cut"), st.lists(members, min_size=1, max_size=3).map(tuple), **times),
    st.builds(
        Fault, st.just("oust"), st.lists(members, min_size=2, max_size=3).map(tuple), **times
    ),
    st.builds(Fault, st.just("lie"), st.tuples(members), lie=st.sampled_from(ATTACKS)),
)


@given(st.lists(faults, max_size=5), st.integers(0, 10**6), st.integers(0, 100), st.booleans())
@settings(max_examples=200)
def test_a_plan_reads_back_from_its_text(faults, seed, drop, statistics):
    schedule = Schedule(
        nodes=9, seed=seed, drop=drop, faults=tuple(faults), statistics=statistics, floats=9000
    )
    assume(1 not in schedule.outsiders)
    assert parse_schedule(str(schedule)) == schedule


@pytest.mark.parametrize(
    "line", ["at noon crash 3", "at 5 ms lie 3 nicely", "at 5 ms crash", "nodes many", "nodes 0",
             "nodes 3, min_peers 4", "at 5 ms crash 9 for 3 ms", "at 0 ms lie 0 silent",
             "at 5 ms slow 1 2 for 3 ms by 5 ms", "nodes ²", f"nodes {'9' * 5000}",
             f"at 5 ms crash {'9' * 5000}",
             "at 0 ms refuse 1", "at 0 ms enrol 1", "at 0 ms enrol 2 3",
             "messages drop 0% duplicate 0% delay 9..1 ms until 5 ms"],
)  # fmt: skip
def test_a_line_that_is_none_is_named(line):
    with pytest.raises(BadInput, match="Expected"):
        parse_schedule(line)


# the commands


@pytest.mark.process
def test_a_campaign_prints_one_json_object():
    done = swarmhub("sim", "run", "--schedules", 4, "--rounds", 2, "--json")
    found = json.loads(done.stdout)
    assert (found["schedules"], found["broken"], found["seeds_broken"]) == (4, 0, [])
    assert found["per_minute"] > 0


@pytest.mark.process
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["run", "--schedules", 0],
            "'--schedules': Expected a whole number of at least 1, got '0'",
        ),
        (["run", "--nodes", 17], "'--nodes': Expected a whole number from 1 to 16, got '17'"),
        (["replay", "five"], "'seed': Expected a whole number of at least 0, got 'five'"),
    ],
)
def test_what_is_no_number_or_out_of_bounds_is_named(arguments, sentence):
    done = swarmhub("sim", *arguments)
    assert done.returncode == 2
    assert sentence in " ".join(done.stderr.replace("│", " ").split())


def with_a_fault(*arguments):
    return subprocess.run(
        [sys.executable, str(PROGRAMS / "sim_with_a_fault.py"), *map(str, arguments)],
        capture_output=True, text=True, timeout=300,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent)},
    )  # fmt: skip


@pytest.mark.process
def test_a_broken_schedule_is_named_by_its_seed_and_told_in_short():
    sizes = ("--nodes", 4, "--rounds", 2)
    done = with_a_fault("sim", "run", "--schedules", 3, "--seed", 5, *sizes, "--json")
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert found["schedules"] == 3
    assert found["seeds_broken"] == [5, 6, 7][: found["broken"]] != []

    done = with_a_fault("sim", "run", "--schedules", 1, "--seed", 5, *sizes)
    assert done.returncode == 1
    assert "seed 5: read its story with 'swarmhub sim replay 5 --nodes 4 --rounds 2'" in done.stdout

    whole = with_a_fault("sim", "replay", 5, *sizes, "--whole")
    short = with_a_fault("sim", "replay", 5, *sizes)
    for done in (whole, short):
        assert done.returncode == 1, done.stderr
        assert "BROKEN LEADER: " in done.stdout
    assert parse_schedule(whole.stdout) == schedule_of(5, 4, 2)
    assert parse_schedule(short.stdout).faults == ()  # the fault needs nothing to go wrong
    assert not run_schedule(parse_schedule(short.stdout)).broken


@pytest.mark.process
def test_a_replay_tells_the_story(tmp_path):
    done = swarmhub("sim", "replay", 3, "--rounds", 1)
    assert done.returncode == 0
    assert "ledger: 'sim' is finished" in done.stdout
    schedule = tmp_path / "schedule.txt"
    schedule.write_text("at five crash 1")
    done = swarmhub("sim", "replay", "--schedule", schedule)
    assert done.returncode == 2
    assert "Expected a line of a schedule" in done.stderr
