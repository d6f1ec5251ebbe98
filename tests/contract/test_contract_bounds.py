"""The state is bounded: what one member alone can put there, and to which member it is charged."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from brim import METRICS, fill_study
from builders import HEART, Consortium, card_of, initialised, key, proposed, running, spec_of

from swarmhub import codec
from swarmhub.contract import quotas
from swarmhub.contract.consortium.cards import MAX_CERTIFICATE_BYTES
from swarmhub.contract.consortium.membership import MAX_MEMBERS
from swarmhub.contract.consortium.misbehaviour import MAX_FORMER_KEYS
from swarmhub.contract.events import MotionClosed, ProposalLapsed, ReleaseMissed
from swarmhub.contract.inheritance import MAX_STATE_BYTES, get_heritage
from swarmhub.contract.names import MAX_NAME
from swarmhub.contract.records import (
    HOLDINGS,
    SPEC,
    STUDY,
    Enrolment,
    Evaluation,
    Holdings,
    MovedRelease,
    Study,
)
from swarmhub.contract.round.checks import MAX_METRICS
from swarmhub.contract.state import Overlay, State
from swarmhub.contract.study.lifecycle import MAX_SPEC_BYTES
from swarmhub.contract.transactions import (
    Approve,
    Enrol,
    Finish,
    Invite,
    Leave,
    Propose,
    Release,
    Start,
    Vote,
    Withdraw,
)

DAY_MS = 86_400_000
WIDE = '\\"' * (MAX_SPEC_BYTES // 4 - 300)  # each letter takes four bytes in a text in a text


def size_of(state):
    """Bytes of the state as it is handed on."""
    texts = {path: value.decode() for path, value in get_heritage(state.values).items()}
    return len(json.dumps(texts, ensure_ascii=False).encode())


def apply_and_invite(c, member):
    """A member invites, and has others apply, for as long as it may."""
    tls = "ab" * MAX_CERTIFICATE_BYTES
    for i in range(quotas.MAX_MOTIONS + quotas.MAX_INVITATIONS):
        word = f"{member}-{i:058}"[:MAX_NAME]
        c.act(member, Invite(key(f"invitation {word}").public, c.now_ms + DAY_MS + i * 60_000))
        if i < quotas.MAX_MOTIONS:
            card = card_of(word, tls=tls, address=f"{'h' * 60}.{'g' * 60}.{member}.{i}:7000")
            result = c.act(key(word), c.application(key(f"invitation {word}"), card))
            assert result.ok, result


def test_what_members_fill_alone_stays_below_the_bound():
    c = Consortium(2)
    before = size_of(c.state)
    apply_and_invite(c, 1)
    filled = size_of(c.state) - before
    votes = quotas.MAX_MOTIONS * (MAX_MEMBERS * 6 + 200)  # and why an applicant waits
    member = 2 * MAX_CERTIFICATE_BYTES + 1000 + MAX_FORMER_KEYS * 160  # its own records
    assert filled > quotas.MAX_MOTIONS * MAX_CERTIFICATE_BYTES, "else nothing is filled"
    assert MAX_MEMBERS * (quotas.MAX_STUDY_BYTES + filled + votes + member) < MAX_STATE_BYTES


def test_terms_to_the_brim_stay_in_their_proposers_part():
    c = Consortium(2)
    before = size_of(c.state)
    for i in range(2 * quotas.MAX_PROPOSALS):
        title = WIDE if i < quotas.MAX_PROPOSALS else ""
        last = c.act(1, Propose(spec_of(name=f"s{i}", min_peers=1, title=title)))
    assert last.code == "StateQuotaExceeded"
    assert quotas.MAX_STUDY_BYTES / 2 < size_of(c.state) - before <= quotas.MAX_STUDY_BYTES


# studies and rounds to the brim


def brimming(n, **how):
    """A state with a study of n members to the brim, and the sum of what they are charged."""
    work, state = Overlay(State()), State()
    ids = fill_study(work, n, **how)
    state.commit(work.writes)
    return state, sum(quotas.compute_bytes(state, m) for m in ids)


@pytest.mark.parametrize("is_over", [False, True], ids=["running", "over"])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 16, 31, 63, 64])
def test_a_study_to_the_brim_takes_what_its_members_are_charged(n, is_over):
    state, charged = brimming(n, is_over=is_over)
    assert size_of(state) <= charged, "what is charged is too little"
    assert n < 64 or size_of(state) > 0.75 * charged, "the brim is higher than this"


@pytest.mark.parametrize("is_over", [False, True], ids=["running", "over"])
@pytest.mark.parametrize("n", [1, 64])
def test_changes_take_what_their_proposer_is_charged(n, is_over):
    alone, before = brimming(n, is_over=is_over)
    state, charged = brimming(n, is_over=is_over, wire="int8")
    grown = size_of(state) - size_of(alone)
    assert charged / 2 - before / 2 < grown <= charged - before


@pytest.mark.parametrize("n", [1, 2, 64])
def test_approvals_that_lapse_take_what_their_proposer_is_charged(n):
    alone, _ = brimming(n)
    state, charged = brimming(n, lapses=True)
    assert size_of(state) <= charged
    assert size_of(state) - size_of(alone) <= quotas.APPROVALS_BYTES


@pytest.mark.parametrize("n", [1, 2, 64])
def test_a_paused_study_takes_no_more_than_a_running_one(n):
    state, charged = brimming(n, is_paused=True)
    assert size_of(state) <= charged


def test_a_contribution_to_the_brim_is_accepted_and_nothing_above():
    c = initialised(3)
    base = c.round().base
    c.contribute(1, evaluations=(Evaluation(base, 9, METRICS),))
    for name in ("x" * 41, "é" * 21, "a\nb", "zero\u200bwidth", 'a"b', "a\\b", ""):
        wrong = c.contribution(2, evaluations=(Evaluation(base, 9, {name: 1}),))
        c.refused("BadValue", 2, wrong)
    c.contribute(2, evaluations=(Evaluation(base, 9, {"é" * 20: 1}),))


def test_the_best_score_has_as_many_metrics_as_one_contribution():
    c = initialised(3)
    base = c.round().base
    for m in (1, 2, 3):
        own = {f"{m}{i}": 1 for i in range(MAX_METRICS - 1)}
        c.contribute(m, evaluations=(Evaluation(base, 9, {"auc": m, **own}),))
    c.settle()
    kept = c.study().best_score.metrics
    assert (len(kept), kept["auc"]) == (MAX_METRICS, 2)


def test_a_running_study_is_charged_to_each_enrolled_member():
    c = running(3)
    used = [quotas.compute_bytes(c.state, m) for m in (1, 2, 3)]
    assert used[1:] == [quotas.PART_BYTES] * 2
    assert used[0] == quotas.PART_BYTES + quotas.compute_study_bytes(c.state, HEART)
    c.ok(2, Withdraw(HEART))
    assert quotas.compute_bytes(c.state, 2) == quotas.KEPT_BYTES
    c.ok(2, Enrol(HEART, c.study().spec, 9))
    assert quotas.compute_bytes(c.state, 2) == quotas.PART_BYTES
    c.ok(1, Finish(HEART))
    assert quotas.compute_bytes(c.state, 2) == quotas.KEPT_BYTES


def test_what_leaves_the_state_is_charged_to_nobody():
    c = proposed(3)
    for m in (1, 2, 3):
        c.enrol(m)
    c.ok(3, Withdraw(HEART))
    assert HOLDINGS.get(c.state, 3) is None
    c.ok(1, Finish(HEART))
    assert [HOLDINGS.get(c.state, m) for m in (1, 2)] == [None, None]


def test_an_enrolment_too_many_is_refused_and_no_other_members():
    c = Consortium(3)
    names = tuple(f"s{i}" for i in range(quotas.MAX_STUDY_BYTES // quotas.PART_BYTES))
    work = Overlay(c.state)
    for name in names:
        STUDY.put(work, name, record=Study(name, "", 9, "running", enrolled=(Enrolment(2, 1),)))
        SPEC.put(work, name, record=spec_of(name=name))
    HOLDINGS.put(work, 2, record=Holdings(enrolments=names))
    c.state.commit(work.writes)
    c.propose(1, min_peers=1)
    for m in (2, 3):
        c.ok(m, Approve(HEART, c.study().spec))
    said = c.refused("StateQuotaExceeded", 2, Enrol(HEART, c.study().spec, 1)).message
    assert said.endswith("wait until a study is over, or withdraw from one.")
    c.enrol(3)


def test_proposals_without_end_of_one_member_do_no_harm():
    c = Consortium(3)
    for i in range(200):
        c.act(3, Propose(spec_of(name=f"s{i}", title="x" * 15_000)))
    assert len(c.state.values) < 100
    assert size_of(c.state) < 200_000
    c.propose(1)  # the others are not concerned


def test_a_proposal_too_many_is_refused_with_what_to_do():
    c = Consortium(2)
    for i in range(quotas.MAX_PROPOSALS):
        c.propose(1, name=f"s{i}")
    said = c.refused("StateQuotaExceeded", 1, Propose(spec_of())).message
    assert said == (
        "Member 1 has 8 proposals, and may have no more; start one, or end it with 'study finish'."
    )
    c.ok(1, Finish("s0"))
    c.propose(1)


def test_studies_that_are_over_count_in_their_proposers_part():
    c = Consortium(1)
    options = {"note": "x" * 10_300}
    for i in range(100):
        name = f"s{i}"
        if not c.act(1, Propose(spec_of(name=name, min_peers=1, options=options))).ok:
            break
        c.enrol(1, name)
        c.ok(1, Start(name))
        c.ok(1, Finish(name))
    assert i == 10
    said = c.refused(
        "StateQuotaExceeded", 1, Propose(spec_of(min_peers=1, options=options))
    ).message
    assert said.endswith("shorten the terms, or let another propose them.")
    c.propose(1, min_peers=1)


def without_room(c, member):
    """A member's part of the state is used up by a release of another study's model."""
    work = Overlay(c.state)
    held = HOLDINGS.get(work, member) or Holdings()
    filled = MovedRelease("other", "", quotas.MAX_STUDY_BYTES)
    HOLDINGS.put(work, member, record=replace(held, releases=(filled,)))
    c.state.commit(work.writes)


def test_a_release_is_charged_to_its_mover():
    c = initialised(2)
    without_room(c, 2)
    before, model = quotas.compute_bytes(c.state, 1), c.study().current
    said = c.refused("StateQuotaExceeded", 2, Release(HEART, model.digest)).message
    assert said.endswith("let another enrolled member move to release it.")
    c.ok(1, Release(HEART, model.digest))
    c.ok(2, Vote(c.open_motions[0], True))
    taken = quotas.compute_text_bytes(codec.pack(model)) + quotas.RELEASE_BYTES
    assert quotas.compute_bytes(c.state, 1) == before + taken


def test_a_proposer_without_room_blocks_no_release_by_others():
    c = initialised(3)
    without_room(c, 1)
    c.ok(2, Release(HEART, c.study().current.digest))
    for m in (1, 3):
        c.ok(m, Vote(c.open_motions[0], True))
    assert [m.digest for m in c.study().released] == [c.study().current.digest]


def test_a_release_that_is_lost_or_missed_is_charged_to_nobody():
    c = initialised(3)
    before = quotas.compute_bytes(c.state, 1)
    c.ok(1, Release(HEART, c.study().current.digest))
    c.ok(2, Vote(c.open_motions[0], False))
    assert [e.outcome for e in c.happened(MotionClosed)] == ["lost"]
    assert quotas.compute_bytes(c.state, 1) == before
    c.ok(1, Release(HEART, c.study().current.digest))
    c.play()  # the model is not current any more, and was never the best
    for m in (2, 3):
        c.ok(m, Vote(c.open_motions[0], True))
    assert c.happened(ReleaseMissed)
    assert quotas.compute_bytes(c.state, 1) == before


def test_a_proposal_that_nobody_starts_lapses():
    c = Consortium(3, vote_period_ms=10_000)
    terms = c.propose(2)
    c.ok(1, Approve(HEART, terms))
    assert c.idle(9_000) == []
    assert c.idle(1_001) == [ProposalLapsed(HEART, 2)]
    assert [p for p in c.state.values if HEART in p] == []
    c.propose(1)


def test_a_study_that_has_been_started_does_not_lapse():
    c = Consortium(3, vote_period_ms=10_000)
    c.start()
    c.idle(60_000)
    assert c.study().status == "running"


def test_a_proposal_lapses_when_its_proposer_departs():
    c = proposed()
    c.start(name="lung")
    c.ok(1, Leave())
    assert c.happened(ProposalLapsed) == [ProposalLapsed(HEART, 1)]
    assert STUDY.get(c.state, HEART) is None
    assert c.study("lung").status == "running"
    assert HOLDINGS.need(c.state, 1).studies == ("lung",)


def test_brackets_in_a_text_are_none_of_the_json():
    text = codec.encode({"a": "[" * 1000 + '\\"{'})
    assert codec.parse(text, limit_values=1)["a"].startswith("[[")
    with pytest.raises(codec.Malformed):
        codec.parse(b"[[],[]]", limit_values=2)
