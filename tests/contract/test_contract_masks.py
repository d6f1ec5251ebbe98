"""Masked rounds in the contract: keys, dealings, the settled sum, the shares that open it."""

from __future__ import annotations

import dataclasses

import pytest
from builders import HEART, LAYOUT, Consortium, auc, digest
from masked import MASKED, MaskedConsortium, is_dealt, measure_round

from swarmhub.contract.events import (
    FalseDealing,
    KeysAskedAgain,
    KeysSent,
    Settled,
    StudySuspended,
    SumSettled,
)
from swarmhub.contract.records import Privacy, Stage, Until
from swarmhub.contract.round.masks import compute_threshold
from swarmhub.contract.transactions import Finish, Key, Pause, Propose, Ready, Retract, Withdraw
from swarmhub.protocol import LocalState, decide
from swarmhub.protocol import mask_work as work
from swarmhub.protocol.effects import MakeOpening


def begun(n: int = 4, **spec: object) -> MaskedConsortium:
    c = MaskedConsortium(n)
    c.begin(**spec)
    return c


def at(phase: str, n: int = 4, **spec: object) -> MaskedConsortium:
    c = begun(n, **spec)
    c.reach(phase, *range(1, n + 1))
    return c


def initial(**spec: object) -> MaskedConsortium:
    """A masked study whose initial round is open, with nobody ready."""
    c = MaskedConsortium(4)
    usual = {"rounds": 0 if "stages" in spec else 3}
    c.start(**{"privacy": MASKED, "min_peers": 3} | usual | spec)
    return c


def test_a_masked_round_walks_through_its_phases():
    c = begun()
    phases = []
    for phase in ("KEYING", "DEALING", "COLLECTING", "MERGING", "UNMASKING", "CONFIRMING"):
        c.reach(phase, 1, 2, 3, 4)
        phases.append(c.round().phase)
    assert c.round().phase == "CONFIRMING"
    assert phases == ["KEYING", "DEALING", "COLLECTING", "MERGING", "UNMASKING", "CONFIRMING"]
    model = c.settle()
    assert (c.study().current.digest, c.round().number) == (model, 3)


def test_a_settled_round_leaves_no_masks_in_the_state():
    c = begun()
    before = {p for p in c.state.values if p.startswith("masks/")}
    c.reach("CONFIRMING", 1, 2, 3, 4)
    c.settle()
    assert {p for p in c.state.values if p.startswith("masks/")} == before == set()


def test_keys_that_came_early_let_a_round_deal_at_once():
    c = at("CONFIRMING")
    for member in (1, 2, 3, 4):
        c.ok(member, c.key(member, number=3))
    c.settle()
    assert (c.round().number, c.round().phase) == (3, "DEALING")


def test_early_keys_of_a_round_that_is_not_masked_are_refused():
    c = begun(rounds=1)
    c.reach("CONFIRMING", 1, 2, 3, 4)
    c.refused("StaleRound", 1, c.key(1, number=3))


BAD_KEYS = pytest.mark.parametrize("bad", ["00" * 32, "ff" * 32, "01" + "00" * 31, "xyz"])


@BAD_KEYS
def test_keys_that_are_no_points_are_refused(bad):
    c = begun()
    c.refused("BadValue", 1, Key(HEART, dataclasses.replace(c.key(1).keys, pair=bad)))
    c.refused("BadValue", 1, Key(HEART, dataclasses.replace(c.key(1).keys, seal=bad)))


@BAD_KEYS
def test_bad_keys_are_refused_on_whatever_they_ride(bad):
    c = at("COLLECTING")
    keys = dataclasses.replace(c.next_keys(1), pair=bad)
    c.refused("BadValue", 1, c.contribution(1, keys=keys))
    fresh = initial()
    keys = dataclasses.replace(fresh.next_keys(1), seal=bad)
    fresh.refused("BadValue", 1, Ready(HEART, keys))


def test_a_member_sends_keys_once():
    c = begun()
    c.send_keys(1)
    c.refused("AlreadyDone", 1, c.key(1))


def test_keys_of_the_first_masked_round_ride_on_ready():
    c = initial()
    for member in (1, 2, 3, 4):
        c.ok(member, Ready(HEART, c.next_keys(member)))
    c.settle()
    assert (c.round().number, c.round().phase) == (2, "DEALING")


def test_keys_of_the_next_round_ride_on_contributions():
    c = begun()
    c.walk_with_keys()
    assert (c.round().number, c.round().phase) == (3, "DEALING")
    assert [e.number for e in c.happened(KeysSent)] == [2] * 4 + [3] * 4


def test_ready_with_keys_joins_a_round_that_waits_for_keys():
    c = begun(min_peers=3)
    c.idle()
    keying = c.key(4).keys
    c.ok(4, Withdraw(HEART))
    c.enrol(4)
    c.send_keys(1, 2)
    c.ok(4, Ready(HEART, keying))
    c.send_keys(3)
    assert (c.round().phase, c.round().roster) == ("DEALING", (1, 2, 3, 4))


def test_keys_of_another_round_are_refused_with_what_brings_them():
    c = at("COLLECTING")
    for changes in ({"number": 2}, {"number": 4}, {"keying": 1}):
        keys = dataclasses.replace(c.next_keys(1), **changes)
        c.refused("StaleRound", 1, c.contribution(1, keys=keys))
    c.contribute(1)  # it may go without
    last = at("COLLECTING", rounds=1)
    last.refused("StaleRound", 1, last.contribution(1, keys=last.next_keys(1)))


def test_keys_may_come_again_but_not_others():
    c = at("COLLECTING")
    c.contribute(1, keys=c.next_keys(1))
    c.ok(1, Retract(c.ref()))
    c.refused("AlreadyDone", 1, c.contribution(1, keys=c.next_keys(2)))
    c.contribute(1, keys=c.next_keys(1))
    c.refused("AlreadyDone", 1, c.key(1, number=3))


def test_keys_are_forgotten_with_a_round_that_needed_none():
    sums = Stage("count", "sum", 2, until=Until("gap", 1))
    stages = (Stage("start", "initial"), sums, Stage("again", "describe"), Stage("train", "train"))
    c = initial(stages=stages)
    c.ready(1, 2, 3, 4)
    c.settle()
    c.reach("COLLECTING", 1, 2, 3, 4)
    c.contribute(1, keys=c.next_keys(1))  # the next round is masked if the test is not met
    c.contribute(2, 3, 4)
    c.reach("CONFIRMING", 1, 2, 3, 4)
    c.settle(met=True)
    assert (c.round().number, c.round().kind) == (3, "describe")
    c.play(1, 2, 3, 4)
    assert (c.round().number, c.round().phase) == (4, "KEYING")
    assert not [p for p in c.state.values if p.startswith("masks/")]


@pytest.mark.parametrize(("n", "most"), [(4, 8_300), (7, 17_400), (16, 62_800)])
def test_the_bytes_of_a_masked_round_have_a_bound(n, most):
    written = measure_round(n)
    assert written["total"] <= most, written
    assert set(written) == {
        "round.deal", "round.contribute", "round.settle", "round.open", "total",
    }  # fmt: skip


def test_who_is_late_with_keys_takes_part_later():
    c = begun()
    c.send_keys(1, 2, 3)
    assert c.round().phase == "KEYING"
    c.idle(c.spec().leader_timeout_ms + 1)
    c.idle(1)
    assert (c.round().phase, c.round().roster) == ("DEALING", (1, 2, 3))
    c.ok(4, Ready(HEART))
    assert 4 in c.round().roster  # too few have contributed: it begins again, with all


def test_a_dealing_with_another_bit_is_refused():
    c = at("DEALING")
    body = c.dealing(1)
    for i in range(0, 200, 41):  # point and commitments
        other = "A" if body.dealing[i] != "A" else "B"
        bent = body.dealing[:i] + other + body.dealing[i + 1 :]
        c.refused("BadValue", 1, dataclasses.replace(body, dealing=bent))


def test_a_dealing_of_another_length_is_refused():
    c = at("DEALING")
    body = c.dealing(1)
    for field in ("dealing", "sealed"):
        for text in ("", getattr(body, field)[:-4], getattr(body, field) + "AAAA", "!" * 9):
            c.refused("BadValue", 1, dataclasses.replace(body, **{field: text}))


def test_a_round_goes_on_without_a_member_that_does_not_deal():
    c = at("DEALING")
    c.deal(1, 2, 3)
    assert c.round().phase == "DEALING"
    c.idle(c.spec().leader_timeout_ms + 1)
    c.idle(1)
    assert (c.round().phase, c.round().roster) == ("COLLECTING", (1, 2, 3))
    c.refused("NotAllowed", 4, c.contribution(4))


def test_a_proven_false_share_leaves_its_dealer_out():
    c = at("DEALING")
    body = c.dealing(2)
    c.ok(2, dataclasses.replace(body, sealed=work.encode(bytes(4 * 64))))
    c.ok(1, c.complaint(1, 2))
    r = c.round()
    assert (r.phase, r.roster, 2 in r.suspended) == ("KEYING", (1, 3, 4), True)
    assert c.happened(KeysAskedAgain)
    assert [(e.dealer, e.by) for e in c.happened(FalseDealing)] == [(2, 1)]
    c.refused("NotAllowed", 2, c.key(2))


def test_a_complaint_of_a_right_share_is_refused():
    c = at("COLLECTING")
    c.refused("BadValue", 1, c.complaint(1, 2))
    c.refused("BadValue", 1, dataclasses.replace(c.complaint(1, 2), proof="A" * 128))
    c.refused("BadValue", 1, dataclasses.replace(c.complaint(1, 2), proof=""))
    c.refused("UnknownThing", 1, dataclasses.replace(c.complaint(1, 2), dealer=1))


def test_who_has_contributed_complains_no_more():
    c = at("COLLECTING")
    c.contribute(1)
    c.refused("NotAllowed", 1, c.complaint(1, 2))


def test_a_masked_contribution_carries_no_measurements():
    c = at("COLLECTING")
    body = c.contribution(1, evaluations=(auc(c.round().base, 900_000),))
    c.refused("BadValue", 1, body)


def test_a_masked_contribution_has_a_layout_of_its_own():
    c = at("COLLECTING")
    c.contribute(1, 2, 3, 4, layout=digest("masked"))
    c.refused("BadValue", c.leader(), c.settlement(c.leader()))
    c.settle(layout=digest("masked"))
    assert (c.total.layout, c.round().phase) == (digest("masked"), "UNMASKING")


def test_the_model_has_the_studys_layout_again():
    c = at("CONFIRMING")
    c.refused("BadValue", c.leader(), c.settlement(c.leader(), layout=digest("masked")))
    c.settle(layout=LAYOUT)


def test_a_settled_sum_makes_the_set_final():
    c = at("UNMASKING")
    before = c.round().contributors
    c.refused("StaleRound", 1, Retract(c.ref()))
    c.ok(4, Withdraw(HEART))
    assert c.round().contributors == before
    assert [e.members for e in c.happened(SumSettled)] == [(1, 2, 3, 4)]


def test_shares_before_the_sum_is_settled_are_refused():
    for phase in ("COLLECTING", "MERGING"):
        c = at(phase)
        c.refused("StaleRound", 1, c.opening(1, members=(1, 2, 3, 4)))


def test_shares_open_the_right_secret_of_each_dealer():
    c = at("COLLECTING")
    c.contribute(1, 2, 3)
    c.idle(c.spec().leader_timeout_ms + 30_001)
    c.idle(1)
    c.settle()
    assert c.round().contributors == (1, 2, 3)
    c.refused("BadValue", 1, c.opening(1, members=(1, 2, 3, 4)))
    c.refused("BadValue", 1, c.opening(1, members=(1, 2)))
    c.ok(1, c.opening(1))


def test_shares_of_another_member_are_refused():
    c = at("UNMASKING")
    c.refused("BadValue", 1, c.opening(2))
    c.show(1)
    c.refused("AlreadyDone", 1, c.opening(1))


def test_a_dropped_member_may_still_show_its_shares():
    c = at("COLLECTING")
    c.contribute(1, 2, 3)
    c.idle(c.spec().leader_timeout_ms + 30_001)
    c.idle(1)
    c.settle()
    c.show(4, 1, 2)
    assert c.round().phase == "CONFIRMING"


def test_too_few_shares_leave_the_round_waiting():
    c = at("UNMASKING")
    c.show(1, 2)
    c.idle(86_400_000)
    assert c.round().phase == "UNMASKING"


def test_no_pause_takes_the_round_from_its_set():
    c = at("UNMASKING")
    c.refused("NotAllowed", 1, Pause(HEART))
    c.show(1, 2, 3)
    c.refused("NotAllowed", 1, Pause(HEART))


def test_the_study_may_end_while_its_sum_is_unmasked():
    c = at("UNMASKING")
    c.show(1)
    c.ok(1, Finish(HEART))
    assert not [p for p in c.state.values if p.startswith("masks/")]


def test_a_required_member_that_leaves_suspends_after_the_round():
    c = at("UNMASKING", required=(4,))
    c.ok(4, Withdraw(HEART))
    assert c.study().status == "running"
    c.show(1, 2, 3)
    c.settle()
    assert c.study().status == "suspended"
    assert c.happened(StudySuspended)
    assert c.happened(Settled)


def test_a_retracted_contribution_leaves_the_masks_as_they_are():
    c = at("MERGING")
    c.ok(2, Retract(c.ref()))
    assert (c.round().phase, c.round().contributors, c.keying) == ("MERGING", (1, 3, 4), 0)
    c.settle()
    c.show(1, 2, 3)
    assert c.round().phase == "CONFIRMING"


def test_below_the_threshold_a_round_begins_again_with_new_keys():
    c = at("MERGING", n=3)
    c.ok(2, Retract(c.ref()))
    assert (c.round().phase, c.round().roster, c.round().contributions) == ("KEYING", (1, 2, 3), ())
    assert c.keying == c.round().revision > 0


def test_no_sum_is_of_fewer_than_the_threshold_whatever_min_peers_says():
    c = at("MERGING", n=5)
    assert (c.round().min_peers, c.round().need_masks().threshold) == (3, 4)
    c.ok(2, Retract(c.ref()))
    assert c.round().phase == "MERGING"
    c.ok(3, Retract(c.ref()))
    assert (c.round().phase, c.round().contributions) == ("KEYING", ())


def test_a_member_that_has_lost_its_keys_asks_for_new_ones_twice():
    c = at("COLLECTING")
    c.contribute(1)
    c.refused("NotAllowed", 1, c.rekey())
    for _ in range(2):
        before = c.rekey()
        c.ok(2, before)
        c.refused("StaleRound", 2, before)
        c.reach("COLLECTING", 1, 2, 3, 4) if c.keying < 2 else None
    assert c.round().roster == (1, 3, 4)
    c.refused("NotAllowed", 2, c.key(2))
    c.refused("NotAllowed", 2, Ready(HEART))
    c.reach("COLLECTING", 1, 3, 4)


def test_a_member_without_keys_cannot_begin_a_round_again_for_ever():
    c = begun()
    for _ in range(2):
        c.send_keys(1, 2, 3)
        c.idle(c.spec().leader_timeout_ms + 1)
        c.idle(1)
        c.ok(4, Ready(HEART))
    c.reach("COLLECTING", 1, 2, 3)
    c.refused("NotAllowed", 4, Ready(HEART))
    c.reach("CONFIRMING", 1, 2, 3)
    c.settle()
    assert c.round().number == 3


def test_who_asked_for_keys_too_often_comes_back_later():
    c = begun()
    for _ in range(2):
        c.send_keys(1, 2, 3)
        c.idle(c.spec().leader_timeout_ms + 1)
        c.idle(1)
        c.ok(4, Ready(HEART))
    c.reach("COLLECTING", 1, 2, 3)
    c.idle(c.spec().leader_timeout_ms + 1)
    c.idle(1)
    c.ok(4, Ready(HEART))  # 3 may be gone: the round does not wait for it beside 4
    assert (c.round().phase, c.round().roster) == ("KEYING", (1, 2, 3, 4))


def test_a_dealer_that_leaves_the_study_makes_new_keys():
    c = at("COLLECTING")
    c.contribute(1)
    c.ok(4, Withdraw(HEART))
    r = c.round()
    assert (r.phase, r.roster, r.contributions, is_dealt(c, 1)) == ("KEYING", (1, 2, 3), (), False)


@pytest.mark.parametrize("phase", ["DEALING", "COLLECTING", "MERGING"])
def test_fewer_holders_of_shares_deal_them_anew(phase):
    c = at(phase, n=5)
    c.ok(4, Withdraw(HEART))
    assert (c.round().phase, c.round().roster) == ("KEYING", (1, 2, 3, 5))


def test_a_member_that_left_still_shows_its_shares():
    c = at("UNMASKING", n=5)
    c.ok(4, Withdraw(HEART))
    effects = decide(c.state, LocalState(HEART, 4, set()), c.estimate_ms())
    assert [type(effect) for effect in effects] == [MakeOpening]
    c.show(1, 2, 3, 4)  # 5 is silent
    assert c.round().phase == "CONFIRMING"


def test_a_paused_round_resumes_with_new_keys():
    from swarmhub.contract.transactions import Start

    c = at("MERGING")
    c.ok(1, Pause(HEART))
    c.ok(1, Start(HEART))
    c.ready(1, 2, 3, 4)
    assert (c.round().phase, c.round().number) == ("KEYING", 2)
    assert c.keying > 0


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({"merge": "trimmed_mean"}, "rule"),
        ({"privacy": Privacy(True, 0)}, "privacy.colluders"),
        ({"privacy": Privacy(True, 3)}, "privacy.colluders"),
        ({"privacy": Privacy(True, 1, 0)}, "privacy.clip_millionths"),
        ({"privacy": Privacy(False, 2)}, "privacy"),
    ],
)
def test_terms_that_exclude_each_other_are_refused(terms, field):
    from builders import spec_of

    from swarmhub.contract.records import MergeRule

    c = Consortium(4)
    if "merge" in terms:
        terms = {"merge": MergeRule(terms["merge"])}
    result = c.act(1, Propose(spec_of(**{"privacy": MASKED} | terms)))
    assert (result.code, field in result.message) == ("BadValue", True), result


def test_a_masked_sum_needs_three_members():
    from builders import spec_of

    c = Consortium(2)
    assert c.act(1, Propose(spec_of(privacy=MASKED))).code == "BadValue"


def test_thresholds_survive_faults_and_forks():
    table = {3: 3, 4: 3, 5: 4, 7: 5, 10: 7, 16: 11, 32: 22}
    assert {n: compute_threshold(n, 1) for n in table} == table
    for n in range(3, 33):
        for c in range(1, n - 1):
            t = compute_threshold(n, c)
            assert t >= c + 2
            assert 2 * t > n + c
            assert t <= n
