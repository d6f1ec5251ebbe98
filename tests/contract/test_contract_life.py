"""A study's life: refusals with a reason, pauses, approvals that lapse, a start from a model."""

from __future__ import annotations

from dataclasses import replace

import pytest
from builders import (
    HEART,
    LAYOUT,
    MODEL_BYTES,
    START_MS,
    Consortium,
    digest,
    initialised,
    merging,
    proposed,
    spec_of,
)

from swarmhub.contract import events
from swarmhub.contract.names import MAX_REASON
from swarmhub.contract.records import Paused, Position, Stage, StartModel
from swarmhub.contract.study.approvals import DAY_MS
from swarmhub.contract.transactions import (
    Amend,
    Approve,
    Enrol,
    Finish,
    Leave,
    Pause,
    Propose,
    Ready,
    Refuse,
    Release,
    Start,
    Suspect,
    Vote,
    Withdraw,
)
from swarmhub.ledger.sentences import say_event

NAMES = {1: "Cleveland", 2: "Hungary", 3: "Zurich"}
HIDDEN = ("a\nb", "a\x1b[2J", "a\u202eb", "a\u200bb", "\u2028", "\ufeff", "\x7f", "\U000e0041")

# refusals


@pytest.mark.parametrize(
    "reason", ["x" * MAX_REASON, "Ethikvotum fehlt — “später”", "倫理", "§ 40"]
)
def test_a_refusal_has_a_reason(reason):
    c = proposed()
    c.ok(3, Refuse(HEART, c.study().spec, reason))
    (refused,) = c.happened(events.StudyRefused)
    assert refused == events.StudyRefused(HEART, 3, reason)
    assert say_event(refused, NAMES) == f"Zurich refuses 'heart': {reason}"


def test_a_refusal_needs_no_reason():
    c = proposed()
    c.ok(3, Refuse(HEART, c.study().spec))
    assert say_event(c.events[-1], NAMES) == "Zurich refuses 'heart'"


@pytest.mark.parametrize("reason", ["x" * (MAX_REASON + 1), "é" * (MAX_REASON // 2 + 1), *HIDDEN])
def test_a_reason_is_short_and_can_be_seen(reason):
    c = proposed()
    said = c.refused("BadValue", 3, Refuse(HEART, c.study().spec, reason)).message
    assert said.startswith("'reason': expected at most 500 bytes of printable text on one line")


# pauses


def paused(n=3, **spec):
    """A study that has settled a round, and is paused in the middle of the next."""
    c = initialised(n, **{"rounds": 3, **spec})
    c.play()
    c.contribute(1)
    c.ok(1, Pause(HEART, "audit of the data"))
    return c


def test_a_paused_study_has_no_round():
    c = paused()
    assert c.study().status == "suspended"
    assert c.study().paused == Paused(1, "audit of the data")
    assert (c.chain.running, c.has_round(), c.deadlines) == ((), False, [])
    (event,) = c.happened(events.StudyPaused)
    assert say_event(event, NAMES) == "Cleveland pauses 'heart': audit of the data"
    c.refused("StaleRound", 2, Ready(HEART))


def test_a_paused_study_goes_on_with_its_round_from_the_same_model():
    c = paused()
    model = c.study().current
    c.ok(1, Start(HEART))
    assert (c.study().status, c.study().paused, c.study().current) == ("running", None, model)
    assert (c.round().number, c.round().turn, c.round().contributions) == (3, 2, ())
    assert (c.round().base, c.round().revision, c.round().lead.term) == (model.digest, 1, 1)
    c.ready(1, 2, 3)
    c.play()
    assert c.study().current.number == 3


def test_only_the_proposer_pauses_and_resumes():
    c = initialised(3)
    c.refused("NotAllowed", 2, Pause(HEART))
    c.ok(1, Pause(HEART))
    said = c.refused("NotAllowed", 2, Start(HEART)).message
    assert said == "Only the proposer (once it is gone: an enrolled member) may resume the study."


def test_a_proposer_that_is_not_enrolled_pauses_and_resumes():
    c = Consortium(3)
    c.start(2, 3)
    c.refused("NotAllowed", 1, Ready(HEART))
    c.ok(1, Pause(HEART))
    c.ok(1, Start(HEART))
    assert c.study().status == "running"


def test_an_enrolled_member_pauses_and_resumes_once_the_proposer_is_gone():
    c = initialised(4)
    c.ok(1, Leave())
    c.ok(2, Withdraw(HEART))
    c.refused("NotAllowed", 2, Pause(HEART))
    c.ok(3, Pause(HEART))
    c.refused("NotAllowed", 2, Start(HEART))
    c.ok(4, Start(HEART))


def test_only_a_running_study_is_paused():
    c = proposed()
    c.refused("NotAllowed", 1, Pause(HEART))
    c.refused("UnknownThing", 1, Pause("lung"))
    c = paused()
    c.refused("NotAllowed", 1, Pause(HEART))
    c.ok(1, Finish(HEART))
    assert c.study().paused is None
    c.refused("NotAllowed", 1, Pause(HEART))


def test_a_pause_has_a_reason_that_can_be_seen():
    c = initialised(3)
    c.refused("BadValue", 1, Pause(HEART, "a\nb"))
    c.refused("BadValue", 1, Pause(HEART, "x" * (MAX_REASON + 1)))


def test_signatures_of_before_a_pause_are_void():
    c = initialised(3)
    c.contribute(1, 2, 3)
    old = c.settlement(c.leader())
    c.ok(1, Pause(HEART))
    c.ok(1, Start(HEART))
    c.ready(1, 2, 3)
    c.contribute(1, 2, 3)
    again = replace(old, ref=c.ref())
    c.refused("BadValue", c.leader(), again)


def test_a_leader_does_not_pause_a_dispute_of_its_merge_away():
    c = merging(4)
    while c.leader() != 1:
        for member in c.followers()[:2]:
            c.ok(member, Suspect(c.ref()))
    c.ok(c.followers()[0], c.doubt())
    c.ok(1, Pause(HEART))
    assert [e.leader for e in c.happened(events.DisputeAbandoned)] == [1]


def test_a_pause_and_a_required_member_that_is_gone_hold_each_other_up():
    c = paused(4, required=(4,))
    c.ok(4, Withdraw(HEART))
    c.refused("BadValue", 1, Start(HEART))
    c.ok(1, Amend(replace(c.spec(), required=())))
    for member in (2, 3):
        c.ok(member, Approve(HEART, c.study().spec))
    c.refused("NotAllowed", 2, Start(HEART))
    c.ok(1, Start(HEART))


def test_a_paused_study_may_still_expire():
    c = paused(expires_ms=START_MS + 3_600_000)
    c.idle(3_600_000)
    assert (c.study().status, c.study().paused) == ("expired", None)


# approvals that lapse


def lapsing(n=4, days=30, **spec):
    """A running study with approvals that hold so many days."""
    return initialised(
        n, **{"min_peers": 2, "rounds": 9, "approvals_expire_ms": days * DAY_MS, **spec}
    )


def lapsed(c):
    return [e.member for e in c.happened(events.ApprovalLapsed)]


def test_a_member_that_does_not_renew_is_withdrawn():
    c = lapsing()
    c.idle(29 * DAY_MS)
    for member in (1, 2, 4):
        c.ok(member, Approve(HEART, c.study().spec))
    c.contribute(1, 3)
    c.idle(DAY_MS + 1000)
    assert lapsed(c) == [3]
    assert c.study().approved == (1, 2, 4)
    assert [e.member for e in c.study().enrolled] == [1, 2, 4]
    assert [x.member for x in c.round().contributions] == [1]
    c.refused("NotAllowed", 3, Enrol(HEART, c.study().spec, 100))
    c.enrol(3)


def test_a_renewed_approval_lapses_later():
    c = lapsing(3)
    c.idle(10 * DAY_MS)
    c.ok(2, Approve(HEART, c.study().spec))
    c.idle(21 * DAY_MS)
    assert lapsed(c) == [1, 3]
    c.idle(10 * DAY_MS)
    assert lapsed(c) == [1, 3, 2]
    assert (c.study().approved, c.study().approved_ms) == ((), ())
    assert c.due_ms(f"approvals/{HEART}") is None


def test_approvals_hold_until_the_very_moment():
    c = lapsing(3)
    due = c.due_ms(f"approvals/{HEART}")
    assert due == c.study().approved_ms[0] + 30 * DAY_MS
    c.idle(due - 1 - c.now_ms)
    assert lapsed(c) == []
    c.idle(1)
    assert lapsed(c) == [1]


def test_without_an_expiry_an_approval_holds_and_is_given_once():
    c = initialised(3)
    assert c.study().approved_ms == ()
    c.refused("AlreadyDone", 2, Approve(HEART, c.study().spec))
    c.idle(4000 * DAY_MS)
    assert c.study().approved == (1, 2, 3)


@pytest.mark.parametrize("ms", [1, DAY_MS - 1, 3661 * DAY_MS, -1])
def test_approvals_lapse_after_days(ms):
    Consortium(3).refused("BadValue", 1, Propose(spec_of(approvals_expire_ms=ms)))


def test_a_required_member_without_an_approval_suspends_the_study():
    c = lapsing(3, required=(3,))
    c.idle(29 * DAY_MS)
    for member in (1, 2):
        c.ok(member, Approve(HEART, c.study().spec))
    c.idle(DAY_MS + 1000)
    assert c.study().status == "suspended"
    c.enrol(3)
    c.ok(1, Start(HEART))


def test_an_approval_lapses_in_a_pause_too():
    c = lapsing(3)
    c.ok(1, Pause(HEART))
    c.idle(29 * DAY_MS)
    for member in (1, 2):
        c.ok(member, Approve(HEART, c.study().spec))
    c.idle(DAY_MS + 1000)
    c.ok(1, Start(HEART))
    assert [e.member for e in c.study().enrolled] == [1, 2]


def test_new_terms_date_the_approvals_anew():
    c = lapsing(3)
    c.idle(20 * DAY_MS)
    c.ok(1, Pause(HEART))
    c.ok(1, Amend(replace(c.spec(), approvals_expire_ms=0)))
    assert (c.study().approved_ms, c.due_ms(f"approvals/{HEART}")) == ((), None)
    c.ok(1, Amend(replace(c.spec(), approvals_expire_ms=DAY_MS)))
    assert c.due_ms(f"approvals/{HEART}") == c.study().approved_ms[0] + DAY_MS


def test_a_refusal_takes_the_date_of_its_approval_along():
    c = lapsing(3)
    c.ok(1, Refuse(HEART, c.study().spec))
    assert (c.study().approved, len(c.study().approved_ms)) == ((2, 3), 2)
    assert c.due_ms(f"approvals/{HEART}") == c.study().approved_ms[0] + 30 * DAY_MS


def test_votes_are_counted_without_a_member_that_has_lapsed():
    c = lapsing(3)
    c.idle(29 * DAY_MS)
    for member in (1, 2):
        c.ok(member, Approve(HEART, c.study().spec))
    model = c.study().current.digest
    c.ok(1, Release(HEART, model))
    c.ok(2, Vote(c.open_motions[-1], True))
    assert c.study().released == ()
    c.idle(DAY_MS + 1000)
    assert [m.digest for m in c.study().released] == [model]


def test_nothing_of_approvals_stays_after_the_end():
    c = lapsing(3)
    c.ok(1, Finish(HEART))
    assert c.due_ms(f"approvals/{HEART}") is None
    c = proposed(approvals_expire_ms=DAY_MS)
    c.ok(1, Finish(HEART))
    assert c.deadlines == []


# a start from a released model


def with_release(n=4):
    """A study that has released its newest model, and the record of that."""
    c = initialised(n, rounds=9)
    c.play()
    model = c.study().current
    c.ok(1, Release(HEART, model.digest))
    for member in range(2, n + 1):
        if c.open_motions:
            c.ok(member, Vote(c.open_motions[-1], True))
    return c, model


def from_model(model, **changes):
    usual = {"name": "lung", "layout": "", "start_from": StartModel(HEART, model.digest)}
    return {**usual, **changes}


def test_a_study_starts_from_a_released_model_without_an_initial_round():
    c, model = with_release()
    c.start(3, 4, **from_model(model))
    r, current = c.round("lung"), c.study("lung").current
    assert (r.kind, r.number, r.turn, r.base) == ("train", 2, 1, model.digest)
    assert (current.digest, current.layout, current.nbytes) == (model.digest, LAYOUT, MODEL_BYTES)
    assert (current.study, current.kind, current.stage) == ("lung", "initial", "initial")
    assert {current.leader, *current.receipts} <= {1, 2, 3, 4}
    assert say_event(c.happened(events.StudyStartsFrom)[0], NAMES) == (
        f"'lung' starts from model {model.digest[:16]}… of 'heart'"
    )
    c.ready(3, 4, name="lung")
    newer = c.play(name="lung")
    assert c.study("lung").current.digest == newer


def test_statistics_come_before_the_model_that_a_study_starts_from():
    c, model = with_release()
    c.start(3, 4, **from_model(model, statistics=True))
    assert (c.round("lung").kind, c.study("lung").current) == ("describe", None)
    c.play(name="lung")
    assert (c.round("lung").kind, c.round("lung").base) == ("train", model.digest)


def test_only_the_first_initial_stage_starts_from_the_model():
    c, model = with_release()
    stages = (Stage("begin", "initial"), Stage("learn", "train"), Stage("again", "initial"))
    c.start(3, 4, **from_model(model, rounds=0, stages=stages))
    c.ready(3, 4, name="lung")
    c.play(name="lung")
    assert (c.round("lung").kind, c.round("lung").phase) == ("initial", "MERGING")


def test_a_study_that_is_nothing_but_its_start_is_over_at_once():
    c, model = with_release()
    c.start(3, 4, **from_model(model, rounds=0, stages=(Stage("begin", "initial"),)))
    assert (c.study("lung").status, c.study("lung").current.digest) == ("finished", model.digest)


def test_a_start_from_a_model_that_is_not_released_is_refused():
    c, model = with_release()
    newer = c.play()
    for start in (StartModel(HEART, newer), StartModel("none", model.digest), StartModel("", "")):
        terms = spec_of(**from_model(model, start_from=start))
        c.refused("UnknownThing", 1, Propose(terms))


def test_a_start_from_a_model_of_another_layout_is_refused_with_one_sentence():
    c, model = with_release()
    terms = spec_of(**from_model(model, layout=digest("another")))
    said = c.refused("BadValue", 1, Propose(terms)).message
    assert said.startswith(
        f"'layout': expected that of the model in start_from, {LAYOUT[:16]}…, or none, got "
    )
    c.ok(1, Propose(spec_of(**from_model(model, layout=LAYOUT))))


def test_a_start_needs_room_and_a_stage_with_a_model():
    c, model = with_release()
    c.refused("BadValue", 1, Propose(spec_of(**from_model(model, max_bytes=MODEL_BYTES - 1))))
    sums = (Stage("fit", "sum"),)
    c.refused("BadValue", 1, Propose(spec_of(**from_model(model, rounds=0, stages=sums))))


def test_what_a_study_has_started_from_stays_in_its_terms():
    c, model = with_release()
    c.start(3, 4, **from_model(model))
    c.ok(1, Pause("lung"))
    terms = c.spec("lung")
    c.refused("BadValue", 1, Amend(replace(terms, start_from=None)))
    c.ok(1, Amend(replace(terms, title="better")))
    c.ok(3, Approve("lung", c.study("lung").spec))
    c.ok(4, Approve("lung", c.study("lung").spec))
    assert c.study("lung").resumes == Position(2, 1, 1, 1, 1)
    c.ok(1, Start("lung"))
    assert (c.round("lung").kind, c.round("lung").base) == ("train", model.digest)


def test_a_model_may_be_released_again_by_the_study_that_starts_from_it():
    c, model = with_release()
    c.start(3, 4, **from_model(model))
    c.ok(3, Release("lung", model.digest))
    c.ok(4, Vote(c.open_motions[-1], True))
    assert [m.study for m in c.study("lung").released] == ["lung"]
