"""The script of `bench/hospitals.py`: which fault comes where, and what counts as met."""

import pytest
from hospital_checks import Played, Seen, find_passed_over, find_unnamed, judge
from hospital_faults import (
    BY_NAME,
    KINDS,
    OBSERVER,
    Fault,
    find_largest,
    make_schedule,
    make_sites,
)

from swarmhub.operations.attendance import LATE, Absence, RoundHeld

pytestmark = pytest.mark.unit
SEEDS = range(50)


def sites(seed, hosts=8):
    return make_sites(seed, hosts, slowness=9)


def held(turn, *absences):
    return RoundHeld(turn, "train", "training", turn, 0, 1000, (), (), absences, 1, ())


@pytest.mark.parametrize("seed", SEEDS)
def test_a_schedule_follows_from_its_seed_with_a_fault_a_round(seed):
    schedule = make_schedule(seed, 20, sites(seed))
    assert schedule == make_schedule(seed, 20, sites(seed))
    assert [f.turn for f in schedule] == [*range(1, 21)]
    assert len({f.kind for f in schedule}) == 20
    for fault in schedule:
        least, most = BY_NAME[fault.kind].seconds
        assert least <= fault.seconds <= most


@pytest.mark.parametrize("seed", SEEDS)
def test_a_leader_is_killed_while_rounds_are_left(seed):
    turns = [f.turn for f in make_schedule(seed, 20, sites(seed)) if f.kind == "leader_killed"]
    assert all(turn <= 17 for turn in turns)


def test_other_seeds_have_other_schedules():
    assert len({make_schedule(seed, 20, sites(1)) for seed in SEEDS}) == len(SEEDS)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_removed_hospital_and_the_observer_have_no_fault(seed):
    schedule = make_schedule(seed, 60, sites(seed))
    (removed,) = {f.host for f in schedule if f.kind == "removal"}
    others = [f.host for f in schedule if f.kind != "removal"]
    assert removed not in others
    assert OBSERVER not in {removed, *others}
    largest = find_largest(sites(seed))
    at = {f.host for f in schedule if BY_NAME[f.kind].at == "largest"}
    assert at == {largest} != {removed}


def test_a_long_run_has_every_kind_again_but_one_removal_and_newcomer():
    kinds = [f.kind for f in make_schedule(1, 60, sites(1))]
    assert {*kinds} == {kind.name for kind in KINDS}
    assert kinds.count("removal") == kinds.count("newcomer") == 1


@pytest.mark.parametrize("hosts", [4, 8, 16])
def test_sites_have_sizes_of_94_to_1_and_both_ends_of_the_links(hosts):
    found = sites(3, hosts)
    assert max(s.samples for s in found) == 94 * min(s.samples for s in found)
    assert {min(s.mbit for s in found), max(s.mbit for s in found)} == {20, 1000}
    assert [s.slowness for s in found].count(9) == 1
    assert found[find_largest(found) - 1].slowness == 9
    assert find_largest(found) != OBSERVER


def test_an_absence_needs_a_reason_and_a_status_of_its_round():
    seen = Seen()
    seen.look(1, "waiting for Hospital 3: has not contributed yet")
    rounds = [held(1, Absence(3, LATE)), held(2, Absence(3, LATE))]
    assert find_unnamed(rounds, seen) == ["round 2: no status named 3"]
    assert find_unnamed([held(1, Absence(3, ""))], seen) != []


def test_a_required_hospital_that_was_passed_over_is_found():
    rounds = [held(1), held(2, Absence(5, LATE))]
    assert find_passed_over(rounds, [5]) == [2]
    assert find_passed_over(rounds, [4]) == []


def verdict(**changed):
    flap = Played(Fault(1, "flap", 3, 9), 3, "cut", is_over=True)
    given = {"held": [held(1)], "played": [flap], "by_hand": [], "finals": {1: "a", 2: "a"}}
    given |= changed
    found = judge(1, given["held"], Seen(), given["played"], [2], given["by_hand"], given["finals"])
    return {name for name, short in found.items() if short}


@pytest.mark.parametrize(
    ("changed", "short"),
    [
        ({}, set()),
        ({"held": []}, {"rounds"}),
        ({"played": []}, {"faults"}),
        ({"by_hand": ["node 3"]}, {"by_hand"}),
        ({"finals": {1: "a", 2: "b"}}, {"models"}),
        ({"finals": {1: "", 2: ""}}, {"models"}),
        ({"held": [held(1, Absence(2, LATE))]}, {"named", "required"}),
    ],
)
def test_each_requirement_can_fail(changed, short):
    assert verdict(**changed) == short
