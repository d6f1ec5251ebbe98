"""The life of a study: proposal, approval, enrolment, start, end, release."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import HEART, Consortium, auc, digest, initialised, key, proposed, running, spec_of

from swarmhub import contract, keys
from swarmhub.contract.context import Context
from swarmhub.contract.envelope import read_transaction
from swarmhub.contract.events import ReleaseMissed, StudyEnded, Withdrawn
from swarmhub.contract.records import STUDY, MergeRule, Metric
from swarmhub.contract.refusals import BadValue
from swarmhub.contract.state import Overlay
from swarmhub.contract.study import lifecycle
from swarmhub.contract.study.lifecycle import MAX_RELEASED, compute_spec_digest
from swarmhub.contract.transactions import (
    Approve,
    Enrol,
    Finish,
    Leave,
    Propose,
    Ready,
    Refuse,
    Release,
    Start,
    Vote,
    Withdraw,
)


def context_of(c):
    """A transaction at work on a copy of the state."""
    return Context(Overlay(c.state), contract.Env(1, c.now_ms, keys.verify))


# propose


def test_proposing_approves_for_the_proposers_own_hospital():
    c = proposed()
    s = c.study()
    assert (s.status, s.proposer, s.approved) == ("proposed", 1, (1,))
    assert s.spec == compute_spec_digest(spec_of())
    assert c.spec() == spec_of()


def test_a_stranger_cannot_propose():
    Consortium().refused("NotAMember", key("stranger"), Propose(spec_of()))


def test_a_name_is_taken_once_even_when_its_study_is_over():
    c = running()
    c.refused("AlreadyDone", 2, Propose(spec_of(title="another")))
    c.ok(1, Finish(HEART))
    c.refused("AlreadyDone", 1, Propose(spec_of()))  # receipts for its rounds may be about


def test_a_proposal_that_its_proposer_ends_leaves_its_name_free():
    c = proposed()
    c.ok(1, Finish(HEART))
    c.refused("UnknownThing", 2, Approve(HEART, digest("terms")))
    c.ok(2, Propose(spec_of(title="another")))


BOUNDS = {
    "rounds": (1, 100_000),
    "min_peers": (1, 4),
    "quorum_grace_ms": (0, 7 * 86_400_000),
    "leader_timeout_ms": (100, 86_400_000),
    "transfer_bytes_per_s": (1000, 1 << 40),
    "max_bytes": (1, 1 << 40),
    "seed": (0, 1 << 32),
}


@pytest.mark.parametrize("field", BOUNDS)
def test_a_number_of_the_spec_is_within_its_bounds(field):
    low, high = BOUNDS[field]
    c = Consortium(4)
    for value in (low - 1, high + 1):
        result = c.refused("BadValue", 1, Propose(spec_of(**{field: value})))
        assert f"'{field}'" in result.message
    for i, value in enumerate((low, high)):
        c.ok(1, Propose(spec_of(name=f"s{i}", **{field: value})))


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "a" * 41},
        {"name": "Heart"},
        {"name": "a/b"},
        {"merge": MergeRule("trimmed_mean", -1)},
        {"merge": MergeRule("trimmed_mean", 500)},
        {"merge": MergeRule("nnm_trimmed_mean", 500)},
        {"merge": MergeRule("clipped_mean", max_share_permille=0)},
        {"merge": MergeRule("weighted_mean", max_share_permille=1001)},
        {"merge": MergeRule("coordinate_median", max_share_permille=999)},
        {"metric": Metric("")},
        {"metric": Metric("m" * 41)},
        {"expires_ms": 1},
        {"expires_ms": -1},
        {"layout": "x"},
        {"code": "AB" * 32},
        {"ethics": "ab" * 31},
    ],
    ids=str,
)
def test_terms_that_could_never_run_are_refused(changes):
    Consortium().refused("BadValue", 1, Propose(spec_of(**changes)))


def test_digests_in_the_spec_may_be_left_out():
    Consortium().ok(1, Propose(spec_of(layout="", code="", ethics="")))


# approve, refuse


def test_every_hospital_approves_exactly_these_terms():
    c = proposed()
    c.ok(2, Approve(HEART, c.study().spec))
    assert c.study().approved == (1, 2)
    c.refused("AlreadyDone", 2, Approve(HEART, c.study().spec))
    c.refused("BadValue", 3, Approve(HEART, digest("other terms")))
    c.refused("UnknownThing", 3, Approve("lung", c.study().spec))
    c.refused("NotAMember", key("stranger"), Approve(HEART, c.study().spec))


def test_a_hospital_refuses_and_may_change_its_mind():
    c = proposed()
    spec = c.study().spec
    c.ok(2, Refuse(HEART, spec))
    assert (c.study().approved, c.study().refused) == ((1,), (2,))
    c.refused("AlreadyDone", 2, Refuse(HEART, spec))
    c.refused("BadValue", 3, Refuse(HEART, digest("other terms")))
    c.refused("NotAMember", key("stranger"), Refuse(HEART, spec))
    c.ok(2, Approve(HEART, spec))
    assert (c.study().approved, c.study().refused) == ((1, 2), ())


def test_refusing_withdraws_an_enrolled_member():
    c = running()
    c.ready(1, 2)
    c.ok(2, Refuse(HEART, c.study().spec))
    assert c.study().samples_of(2) is None
    assert c.happened(Withdrawn) == [Withdrawn(HEART, 2)]
    assert 2 not in c.round().roster


# enrol, withdraw


def test_a_member_that_approved_takes_part():
    c = proposed()
    c.enrol(3, samples=7)
    c.enrol(1, samples=5)
    assert [(e.member, e.samples) for e in c.study().enrolled] == [(1, 5), (3, 7)]
    c.refused("AlreadyDone", 3, Enrol(HEART, c.study().spec, 8))


@pytest.mark.parametrize("samples", [-1, 0, 1_000_000_001])
def test_samples_are_one_to_a_thousand_million(samples):
    c = proposed()
    c.refused("BadValue", 1, Enrol(HEART, c.study().spec, samples))


def test_enrolments_without_approval_or_for_other_terms_are_refused():
    c = proposed()
    c.refused("NotAllowed", 2, Enrol(HEART, c.study().spec, 5))
    c.refused("BadValue", 1, Enrol(HEART, digest("other terms"), 5))
    c.refused("UnknownThing", 1, Enrol("lung", c.study().spec, 5))
    c.refused("NotAMember", key("stranger"), Enrol(HEART, c.study().spec, 5))


def test_a_member_withdraws_before_the_start_and_comes_back():
    c = proposed()
    c.enrol(1)
    c.ok(1, Withdraw(HEART))
    assert c.study().enrolled == ()
    c.refused("NotAllowed", 1, Withdraw(HEART))
    c.refused("UnknownThing", 1, Withdraw("lung"))
    c.refused("NotAMember", key("stranger"), Withdraw(HEART))
    c.enrol(1, samples=9)
    assert c.study().samples_of(1) == 9


def test_a_member_enrols_while_the_study_runs():
    c = Consortium(3)
    c.start(1, 2)
    c.enrol(3)
    c.ready(1, 3)
    assert c.round().roster == (1, 3)


def test_who_leaves_the_consortium_is_out_of_its_running_studies():
    c = running(3)
    c.ready(1)
    c.ok(3, Leave())
    assert [e.member for e in c.study().enrolled] == [1, 2]
    c.ok(1, Leave())
    assert c.round().roster == ()


def test_who_left_the_consortium_does_not_count_towards_a_start():
    c = proposed(3)
    for member in (1, 2):
        c.enrol(member)
    c.ok(2, Leave())
    c.refused("BadValue", 1, Start(HEART))


# start


def test_an_enrolled_member_starts_the_study_once_min_peers_are_enrolled():
    c = proposed()
    c.refused("NotAllowed", 1, Start(HEART))
    c.enrol(1)
    c.refused("BadValue", 1, Start(HEART))
    c.enrol(2)
    c.refused("NotAMember", key("stranger"), Start(HEART))
    c.refused("UnknownThing", 1, Start("lung"))
    c.ok(2, Start(HEART))
    r = c.round()
    assert (r.number, r.kind, r.phase, r.roster) == (1, "initial", "OPEN", ())
    assert c.chain.running == (HEART,)
    c.refused("AlreadyDone", 1, Start(HEART))


def test_a_study_with_statistics_opens_with_a_round_of_them():
    assert running(statistics=True).round().kind == "describe"


# finish


def test_the_proposer_ends_a_study():
    c = running()
    c.refused("NotAllowed", 2, Finish(HEART))
    c.refused("NotAMember", key("stranger"), Finish(HEART))
    c.refused("UnknownThing", 1, Finish("lung"))
    c.ok(1, Finish(HEART))
    assert c.study().status == "finished"
    assert not c.has_round()
    assert c.chain.running == ()
    assert c.deadlines == []


def test_where_the_proposer_is_gone_any_enrolled_member_ends_the_study():
    c = running()
    c.ok(2, Withdraw(HEART))
    c.ok(1, Leave())
    c.refused("NotAllowed", 2, Finish(HEART))
    c.ok(3, Finish(HEART))
    assert c.study().status == "finished"


def test_nothing_more_happens_in_a_study_that_is_over():
    c = running()
    spec = c.study().spec
    c.ok(1, Finish(HEART))
    for body in (
        Finish(HEART), Start(HEART), Withdraw(HEART), Approve(HEART, spec), Refuse(HEART, spec),
        Enrol(HEART, spec, 1),
    ):  # fmt: skip
        assert c.refused("NotAllowed", 1, body).message.endswith("'heart' is finished.")
    c.refused("StaleRound", 1, Ready(HEART))


# expiry


def test_a_study_ends_at_its_expiry_whatever_it_does():
    c = Consortium()
    c.start(expires_ms=c.now_ms + 60_000)
    c.ready(1, 2)
    assert c.due_ms(f"expiry/{HEART}") == c.spec().expires_ms
    c.now_ms = c.spec().expires_ms
    assert StudyEnded(HEART, "expired") in c.idle()
    assert c.study().status == "expired"
    assert c.deadlines == []
    c.refused("NotAllowed", 1, Withdraw(HEART))


def test_a_proposed_study_expires_too():
    c = Consortium()
    c.propose(expires_ms=c.now_ms + 60_000)
    assert StudyEnded(HEART, "expired") in c.idle(60_000)
    assert STUDY.get(c.state, HEART) is None


def test_a_study_that_is_over_does_not_expire():
    c = Consortium()
    c.start(expires_ms=c.now_ms + 60_000)
    c.ok(1, Finish(HEART))
    c.idle(60_000)
    assert c.study().status == "finished"


def test_an_expiry_that_finds_a_finished_study_leaves_it_alone():
    c = proposed()
    c.ok(1, Finish(HEART))
    for name in (HEART, "lung"):
        ctx = context_of(c)
        lifecycle.expire(ctx, name)
        assert ctx.state.writes == {}


@pytest.mark.parametrize("idle_ms", [30_000, 60_000, 3_600_000])
def test_an_expiry_and_a_leaders_time_that_pass_in_one_idle_hour_do_no_harm(idle_ms):
    c = Consortium()
    c.start(expires_ms=c.now_ms + 15_000, leader_timeout_ms=20_000)
    c.ready(1, 2, 3)
    assert c.round().phase == "MERGING"
    c.idle(idle_ms)
    assert c.study().status == "expired"


@pytest.mark.parametrize("body", [Ready(HEART), Withdraw(HEART)], ids=lambda b: b.KIND)
def test_an_expired_study_is_refused_even_before_its_deadline_has_fired(body):
    c = Consortium()
    c.start(expires_ms=c.now_ms + 60_000)
    tx = read_transaction(c.write(1, body))
    env = contract.Env(9, c.spec().expires_ms, keys.verify)  # no begin_block
    assert contract.apply(Overlay(c.state), tx, env).code == "Expired"


# release


def test_the_enrolled_release_a_model_by_vote():
    c = Consortium(4)
    c.start(1, 2, 3)
    c.ready(1, 2, 3)
    model = c.settle()
    c.refused("NotAllowed", 4, Release(HEART, model))
    c.refused("NotAMember", key("stranger"), Release(HEART, model))
    c.refused("UnknownThing", 1, Release("lung", model))
    c.refused("UnknownThing", 1, Release(HEART, digest("nothing")))
    c.ok(1, Release(HEART, model))
    motion = c.motion(c.open_motions[0])
    assert (motion.kind, motion.by, motion.ayes) == ("release", 1, (1,))
    for voter in (2, 3):
        c.ok(voter, Vote(motion.id, True))
    assert [m.digest for m in c.study().released] == [model]
    c.refused("AlreadyDone", 1, Release(HEART, model))


def test_a_finished_studys_model_is_released_by_those_still_here():
    c = initialised(3)
    c.ok(1, Finish(HEART))
    c.ok(3, Leave())
    c.ok(2, Release(HEART, c.study().current.digest))
    c.ok(1, Vote(c.open_motions[0], True))
    assert len(c.study().released) == 1


def test_a_model_that_is_gone_when_the_vote_is_carried_is_not_released():
    c = initialised(2)
    old = c.study().current.digest
    c.ok(1, Release(HEART, old))
    motion = c.open_motions[-1]
    c.play()
    assert c.study().current.digest != old
    c.ok(2, Vote(motion, True))
    assert c.study().released == ()
    assert c.happened(ReleaseMissed) == [ReleaseMissed(HEART, old)]


def test_the_best_model_is_released_though_it_is_not_the_current_one():
    c = initialised(2, rounds=3)
    best = c.study().current.digest
    for member in (1, 2):
        c.contribute(member, evaluations=(auc(best, 900_000),))
    c.settle()
    c.ok(1, Release(HEART, best))
    c.ok(2, Vote(c.open_motions[0], True))
    assert [m.digest for m in c.study().released] == [best]


def test_released_models_are_bounded():
    c = initialised(2)
    ctx = context_of(c)
    old = [replace(c.study().current, digest=digest(str(i))) for i in range(MAX_RELEASED)]
    STUDY.put(ctx.state, HEART, record=replace(c.study(), released=tuple(old)))
    ctx.signer = key("h1").public
    with pytest.raises(BadValue):
        lifecycle.release(ctx, Release(HEART, c.study().current.digest))


def test_one_release_motion_at_a_time_for_a_model():
    c = initialised(3)
    model = c.study().current.digest
    c.ok(1, Release(HEART, model))
    c.refused("AlreadyDone", 2, Release(HEART, model))


def test_terms_are_short_for_they_stay_in_the_state():
    c = Consortium(2)
    assert "16384 bytes" in c.refused("BadValue", 1, Propose(spec_of(title="x" * 20_000))).message
    c.ok(1, Propose(spec_of(title="x" * 10_000)))
