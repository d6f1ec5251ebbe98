"""Rounds: kinds, readiness, contributions, pokes, several studies at once."""

from __future__ import annotations

import pytest
from builders import (
    HEART,
    MODEL_BYTES,
    Consortium,
    auc,
    digest,
    initialised,
    key,
    merging,
    running,
    spec_of,
)

from swarmhub.contract.events import MergeStarted, Settled
from swarmhub.contract.records import RESULT, Position, RoundRef
from swarmhub.contract.round.checks import MAX_STATISTICS_BYTES, STATISTICS_LAYOUT
from swarmhub.contract.round.kinds import KINDS, PHASES
from swarmhub.contract.stages import compute_next, get_stages
from swarmhub.contract.transactions import (
    BODIES,
    Finish,
    Poke,
    Ready,
    Retract,
    Withdraw,
)

# the kinds


@pytest.mark.parametrize(
    ("statistics", "kinds"),
    [
        (False, ["initial 1", "training 1", "training 2", "evaluation 1"]),
        (True, ["statistics 1", "initial 1", "training 1", "training 2", "evaluation 1"]),
    ],
)
def test_a_study_of_two_rounds_walks_through_its_kinds(statistics, kinds):
    spec = spec_of(statistics=statistics, rounds=2)
    found, at = [], Position()
    while at is not None:
        found.append(f"{get_stages(spec)[at.stage].name} {at.turn}")
        assert at.number == len(found)
        at = compute_next(spec, at, False)
    assert found == kinds


def test_a_study_with_statistics_from_its_start_to_its_end():
    c = running(3, statistics=True, rounds=2)
    c.ready(1, 2, 3)
    assert (c.round().kind, c.round().phase, c.round().base) == ("describe", "COLLECTING", "")
    statistics = c.play(1, 2, 3)
    found = RESULT.need(c.state, HEART, "statistics")
    assert (found.digest, found.layout) == (statistics, STATISTICS_LAYOUT)
    assert c.study().current is None
    assert (c.round().kind, c.round().phase) == ("initial", "MERGING")
    models = [c.settle()]
    for number in (3, 4):
        r = c.round()
        assert (r.number, r.kind, r.phase) == (number, "train", "COLLECTING")
        assert (r.base, r.roster) == (models[-1], (1, 2, 3))
        models.append(c.play())
    assert (c.round().kind, c.round().phase) == ("evaluate", "COLLECTING")
    c.contribute(1, 2, 3, evaluations=(auc(models[-1], 800_000),))
    assert c.study().status == "finished"
    assert not c.has_round()
    assert c.chain.running == ()
    assert c.deadlines == []
    assert [e.model.digest for e in c.happened(Settled)] == [statistics, *models]
    assert len({e.lineage for e in c.happened(Settled)}) == 4


def test_a_settled_model_says_how_it_came_about():
    c = initialised(3)
    base = c.study().current.digest
    for member in (1, 2, 3):
        c.contribute(member, weight=member * 10)
    leader = c.leader()
    merged = c.settle()
    model = c.study().current
    assert (model.digest, model.base, model.leader, model.term) == (merged, base, leader, 0)
    assert (model.kind, model.rule, model.number) == ("train", "weighted_mean", 2)
    assert [(s.member, s.weight) for s in model.shares] == [(1, 10), (2, 20), (3, 30)]
    assert model.spec == c.study().spec
    assert leader not in model.receipts


# ready


def test_a_round_opens_when_min_peers_are_ready():
    c = running(4, min_peers=3)
    c.ready(4, 2)
    assert (c.round().phase, c.round().roster) == ("OPEN", (2, 4))
    c.ready(1)
    assert (c.round().phase, c.round().roster) == ("MERGING", (1, 2, 4))


def test_a_round_of_statistics_waits_for_everyone_enrolled():
    c = running(4, statistics=True)
    assert (c.round().phase, c.round().roster) == ("COLLECTING", (1, 2, 3, 4))
    c.contribute(1, 2, 3)
    assert c.round().phase == "COLLECTING"
    c.contribute(4)
    assert c.round().phase == "MERGING"


def test_the_initial_round_goes_straight_to_its_leader():
    c = running(4)
    c.ready(2, 3, 4)
    assert (c.round().phase, c.round().roster) == ("MERGING", (2, 3, 4))
    assert c.happened(MergeStarted)[-1].members == (2, 3, 4)
    assert c.leader() in (2, 3, 4)


def test_who_is_ready_while_the_round_collects_joins_its_roster():
    c = Consortium(4)
    c.start(1, 2, 3)
    c.ready(1, 2, 3)
    c.settle()
    c.contribute(1)
    c.enrol(4)
    c.ready(4)
    assert c.round().roster == (1, 2, 3, 4)


def test_who_is_ready_while_others_merge_joins_the_next_round():
    c = Consortium(4)
    c.start(1, 2, 3)
    c.ready(1, 2, 3)
    c.settle()
    c.contribute(1, 2, 3)
    before = c.round()
    c.enrol(4)
    c.ready(4)
    assert c.round() == before
    assert c.study().ready == (4,)
    c.refused("AlreadyDone", 4, Ready(HEART))
    c.settle()
    assert c.round().roster == (1, 2, 3, 4)
    assert c.study().ready == ()


def test_who_is_ready_in_the_initial_round_joins_it_under_a_new_revision():
    c = running(4)
    c.ready(1, 2, 3)
    old = c.settlement(c.leader())
    c.ready(4)
    r = c.round()
    assert (r.phase, r.roster, r.revision, r.lead.term) == ("MERGING", (1, 2, 3, 4), 1, 0)
    c.refused("AlreadyDone", 4, Ready(HEART))
    c.refused("StaleRound", c.leader(), old)
    c.settle()
    assert c.round().roster == (1, 2, 3, 4)


def test_ready_is_refused_from_who_takes_no_part():
    c = Consortium(3)
    c.refused("UnknownThing", 1, Ready(HEART))
    c.propose()
    c.refused("StaleRound", 1, Ready(HEART))
    c.enrol(1)
    c.enrol(2)
    c.start(1, 2, name="lung")
    c.refused("NotAllowed", 3, Ready("lung"))
    c.refused("NotAMember", key("stranger"), Ready("lung"))
    c.ready(1, name="lung")
    c.refused("AlreadyDone", 1, Ready("lung"))


def test_who_missed_the_set_may_say_ready_while_the_others_merge():
    c = initialised(4)
    c.contribute(1, 2, 3)
    c.idle(c.spec().quorum_grace_ms)
    assert c.round().phase == "MERGING"
    c.ok(4, Ready(HEART))
    c.settle()
    assert c.round().roster == (1, 2, 3, 4)


def test_who_misses_a_round_is_dormant_until_it_is_ready_again():
    c = initialised(4)
    c.contribute(1, 2, 3)
    c.idle(c.spec().quorum_grace_ms)
    c.settle()
    assert c.round().roster == (1, 2, 3)
    c.ready(4)
    assert c.round().roster == (1, 2, 3, 4)


# contribute


def test_the_whole_roster_closes_the_set_at_once():
    c = initialised(4)
    c.contribute(1, 2, 3)
    assert c.round().phase == "COLLECTING"
    c.contribute(4)
    r = c.round()
    assert (r.phase, r.contributors, r.revision, r.lead.term) == ("MERGING", (1, 2, 3, 4), 0, 0)
    assert c.deadlines == [f"term/{HEART}"]


def test_contributions_stand_in_the_order_of_member_ids():
    c = initialised(4)
    c.contribute(3, 1, 4, 2)
    assert c.round().contributors == (1, 2, 3, 4)


def test_who_contributes_is_on_the_roster_without_having_said_ready():
    c = Consortium(4)
    c.start(1, 2, 3)
    c.ready(1, 2, 3)
    c.settle()
    c.enrol(4)
    c.contribute(4)
    assert c.round().roster == (1, 2, 3, 4)


def test_fewer_than_min_peers_wait_and_lose_nothing():
    c = initialised(4, min_peers=3)
    c.contribute(1, 2)
    assert c.round().grace == ""
    assert c.deadlines == []
    c.idle(365 * 86_400_000)
    assert (c.round().phase, c.round().contributors) == ("COLLECTING", (1, 2))


def closes_at(c, due_ms, with_):
    c.now_ms = due_ms - 1
    c.idle()
    assert c.round().phase == "COLLECTING"
    c.now_ms = due_ms
    c.idle()
    assert (c.round().phase, c.round().contributors) == ("MERGING", with_)


def test_the_grace_begins_with_the_min_peers_th_contribution_one_block_later():
    c = initialised(4, min_peers=3, quorum_grace_ms=5000)
    c.contribute(1, 2)
    first, follow_up = c.block(c.write(3, c.contribution(3)))
    assert first.results[0].ok
    assert c.round().grace == "running"
    due = follow_up.block.header.time_ms + 5000
    assert c.due_ms(f"grace/{HEART}") == due
    closes_at(c, due, with_=(1, 2, 3))
    assert c.deadlines == [f"term/{HEART}"]


def test_a_grace_of_nothing_closes_the_set_in_the_follow_up_block():
    c = initialised(4, quorum_grace_ms=0)
    c.contribute(1, 2, 3)
    assert c.round().phase == "MERGING"


def paced(usual_ms, slow_ms, grace_ms):
    """A study in whose last round member 4 took longer than the three others."""
    c = initialised(4, min_peers=3, quorum_grace_ms=grace_ms)
    began_ms = c.round().began_ms
    c.now_ms = began_ms + usual_ms
    c.contribute(1, 2, 3)
    c.now_ms = began_ms + slow_ms
    c.contribute(4)
    c.settle()
    return c


def test_a_round_waits_for_half_as_long_again_as_a_member_took_for_its_last():
    c = paced(usual_ms=10_000, slow_ms=60_000, grace_ms=55_000)
    last = {s.member: s.took_ms for s in c.study().settled}
    assert last[4] == 60_000
    assert all(10_000 <= last[m] < 10_010 for m in (1, 2, 3))  # a block each
    r = c.round()
    c.now_ms = r.began_ms + 12_000
    c.contribute(1, 2, 3)
    due_ms = c.due_ms(f"grace/{HEART}")
    assert 0 <= due_ms - (r.began_ms + 90_000) < 10
    closes_at(c, due_ms, with_=(1, 2, 3))


def test_who_has_contributed_is_waited_for_no_more():
    c = paced(usual_ms=10_000, slow_ms=60_000, grace_ms=55_000)
    c.contribute(4, 1, 2)
    assert 0 <= c.due_ms(f"grace/{HEART}") - (c.now_ms + 55_000) < 10


def test_no_member_makes_rounds_longer_than_ten_times_the_usual():
    c = paced(usual_ms=3_000, slow_ms=22_000, grace_ms=20_000)
    r = c.round()
    c.contribute(1, 2, 3)
    usual_ms = sorted(s.took_ms for s in c.study().settled)[1]
    assert 0 <= c.due_ms(f"grace/{HEART}") - (r.began_ms + 10 * usual_ms) < 10


def test_a_round_that_began_again_tells_nothing_of_a_members_pace():
    c = initialised(4, min_peers=3, quorum_grace_ms=50_000)
    c.idle(10_000)
    c.contribute(1, 2, 3, 4)
    c.settle()
    before = {s.member: s.took_ms for s in c.study().settled}
    c.contribute(1)
    c.ok(1, Retract(c.ref()))
    c.idle(40_000)
    c.contribute(1, 2, 3, 4)
    assert c.round().revision
    c.settle()
    assert {s.member: s.took_ms for s in c.study().settled} == before


def test_a_members_pace_in_another_stage_is_not_its_pace_in_this_one():
    c = running(4, min_peers=3, statistics=True)
    c.play()
    c.settle()
    assert all(s.took_ms for s in c.study().settled)  # for its statistics
    c.contribute(1)
    c.ok(1, Retract(c.ref()))
    c.contribute(1, 2, 3, 4)
    c.settle()
    assert {s.took_ms for s in c.study().settled} == {0}


def test_a_late_contribution_is_told_where_to_go_on():
    c = initialised(4)
    late = c.contribution(4)
    c.contribute(1, 2, 3)
    c.idle(c.spec().quorum_grace_ms)
    base = c.round().base
    assert base in c.refused("StaleRound", 4, late).message
    merged = c.settle()
    assert merged in c.refused("StaleRound", 4, late).message


def test_the_first_contribution_counts():
    c = initialised()
    c.contribute(1)
    c.refused("AlreadyDone", 1, c.contribution(1))
    c.refused("AlreadyDone", 1, c.contribution(1, root=digest("better")))


@pytest.mark.parametrize(
    "changes",
    [{"number": 1}, {"number": 3}, {"phase": "MERGING"}, {"phase": "x" * 1000}, {"revision": 1},
     {"term": 1}, {"term": -1}],
    ids=lambda c: next(iter(c.items())).__repr__()[:20],
)  # fmt: skip
def test_a_contribution_names_the_round_as_it_stands(changes):
    c = initialised()
    c.refused("StaleRound", 1, c.contribution(1, ref=c.ref(**changes)))


def test_a_contribution_comes_from_who_takes_part():
    c = Consortium(3)
    c.start(1, 2, statistics=True)
    c.ready(1, 2)
    c.refused("NotAllowed", 3, c.contribution(3))
    c.refused("NotAMember", key("stranger"), c.contribution(3))
    elsewhere = c.contribution(1, ref=RoundRef("lung", 1, "COLLECTING", 0, 0))
    c.refused("UnknownThing", 1, elsewhere)


def test_a_contribution_starts_from_the_settled_model():
    c = initialised()
    result = c.refused("StaleRound", 1, c.contribution(1, base=digest("own model")))
    assert c.round().base in result.message
    c.refused("StaleRound", 1, c.contribution(1, base=""))


BAD_CONTRIBUTIONS = {
    "other terms": {"spec": digest("other terms")},
    "no weight": {"weight": 0},
    "negative weight": {"weight": -5},
    "weight above enrolment": {"weight": 101},
    "no root": {"root": ""},
    "root in capitals": {"root": "AB" * 32},
    "no bytes": {"nbytes": 0},
    "other size": {"nbytes": MODEL_BYTES + 1},
    "above max_bytes": {"nbytes": 4_000_000_001},
    "no layout": {"layout": ""},
    "other layout": {"layout": digest("other layout")},
}


@pytest.mark.parametrize("changes", BAD_CONTRIBUTIONS.values(), ids=BAD_CONTRIBUTIONS)
def test_a_contribution_that_cannot_be_merged_is_refused(changes):
    c = initialised()
    c.refused("BadValue", 1, c.contribution(1, **changes))


def test_a_weight_up_to_the_enrolment_is_accepted():
    c = initialised()
    c.contribute(1, weight=1)
    c.contribute(2, weight=100)


def test_statistics_are_a_document_of_any_size_within_max_bytes():
    c = running(2, statistics=True, max_bytes=500)
    c.ready(1, 2)
    c.refused("BadValue", 1, c.contribution(1, nbytes=501))
    c.refused("BadValue", 1, c.contribution(1, nbytes=5, layout=digest("layout")))
    c.contribute(1, nbytes=500)
    c.contribute(2, nbytes=7)
    assert c.round().phase == "MERGING"
    c.refused("BadValue", c.leader(), c.settlement(c.leader(), nbytes=MAX_STATISTICS_BYTES + 1))
    c.ok(c.leader(), c.settlement(c.leader(), nbytes=507))  # the merge may be longer


def test_where_the_spec_names_no_layout_the_initial_model_fixes_it():
    c = running(2, layout="")
    c.ready(1, 2)
    other = digest("found by the first leader")
    c.refused("BadValue", c.leader(), c.settlement(c.leader(), layout="tall"))
    c.settle(layout=other, nbytes=77)
    c.refused("BadValue", 1, c.contribution(1, nbytes=77))
    c.refused("BadValue", 1, c.contribution(1, layout=other))
    c.contribute(1, nbytes=77, layout=other)


# poke


def test_any_member_pokes_a_round_whose_time_has_passed():
    c = Consortium(4)
    c.start(1, 2, 3)
    c.ready(1, 2)
    c.now_ms += 20_001
    c.ok(4, Poke(HEART))
    assert c.round().lead.term == 1


def test_a_poke_changes_no_round():
    c = merging(3)
    before = c.round()
    c.ok(1, Poke(HEART))
    assert c.round() == before


def test_pokes_of_nothing_are_refused():
    c = running()
    c.refused("NotAMember", key("stranger"), Poke(HEART))
    c.refused("UnknownThing", 1, Poke("lung"))
    c.ok(1, Finish(HEART))
    c.refused("UnknownThing", 1, Poke(HEART))


# several studies


def test_studies_do_not_touch_each_other():
    c = merging(3)
    before = c.round()
    c.start(name="lung")
    c.ready(1, 2, name="lung")
    c.settle("lung")
    c.ok(3, Withdraw("lung"))
    c.ok(1, Finish("lung"))
    assert c.round() == before
    assert c.chain.running == (HEART,)


def test_every_transaction_of_a_round_has_phases_that_take_it():
    taken = {t for phase in PHASES.values() for t in phase.transactions}
    assert taken == {k for k in BODIES if k.startswith("round.")} - {"round.poke"}
    for kind in KINDS.values():
        assert set(kind.phases[:-1]) <= set(PHASES)
