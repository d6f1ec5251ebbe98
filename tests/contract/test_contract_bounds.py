"""The state is bounded: what one member alone can put there, and what waiting costs."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from builders import HEART, Consortium, card_of, initialised, key, proposed, running, spec_of

from swarmhub import codec, contract, keys
from swarmhub.contract import deadlines, quotas
from swarmhub.contract.consortium import MAX_CERTIFICATE_BYTES, MAX_MEMBERS
from swarmhub.contract.inheritance import MAX_STATE_BYTES, get_heritage
from swarmhub.contract.names import MAX_NAME
from swarmhub.contract.records import HOLDINGS, SPEC, STUDY
from swarmhub.contract.replay import MAX_REMEMBERED
from swarmhub.contract.state import Overlay, State
from swarmhub.contract.study import MAX_SPEC_BYTES
from swarmhub.contract.transactions import (
    Approve,
    Finish,
    Invite,
    Leave,
    Poke,
    Propose,
    Release,
    Start,
    read_transaction,
)

DAY_MS = 86_400_000
WIDE = '\\"' * (MAX_SPEC_BYTES // 4 - 300)  # each letter takes four bytes in a text in a text


def size_of(state):
    """Bytes of the state as it is handed on."""
    texts = {path: value.decode() for path, value in get_heritage(state.values).items()}
    return len(json.dumps(texts, ensure_ascii=False).encode())


def fill(c, member):
    """A member proposes, invites and has others apply for as long as it may."""
    for i in range(2 * quotas.MAX_PROPOSALS):
        title = WIDE if i < quotas.MAX_PROPOSALS else ""
        last = c.act(member, Propose(spec_of(name=f"s{member}-{i}", min_peers=1, title=title)))
    assert last.code == "OverQuota"
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
    fill(c, 1)
    filled = size_of(c.state) - before
    votes = quotas.MAX_MOTIONS * MAX_MEMBERS * 4 + quotas.MAX_PROPOSALS * MAX_MEMBERS * 40
    member = 2 * MAX_CERTIFICATE_BYTES + 1000  # its own record
    assert filled > quotas.MAX_STUDY_BYTES / 2, "the case is none if nothing is filled"
    assert MAX_MEMBERS * (filled + votes + member) < MAX_STATE_BYTES


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
    said = c.refused("OverQuota", 1, Propose(spec_of())).message
    assert said == (
        "Member 1 has 8 proposals, and may have no more; start one, or end it with 'study finish'."
    )
    c.ok(1, Finish("s0"))
    c.propose(1)


def test_studies_that_are_over_count_in_their_proposers_part():
    c = Consortium(1)
    options = {"note": "x" * 10_000}
    for i in range(100):
        name = f"s{i}"
        if not c.act(1, Propose(spec_of(name=name, min_peers=1, options=options))).ok:
            break
        c.enrol(1, name)
        c.ok(1, Start(name))
        c.ok(1, Finish(name))
    assert i == 10
    said = c.refused("OverQuota", 1, Propose(spec_of(min_peers=1, options=options))).message
    assert said.endswith("shorten the terms, or let another propose them.")
    c.propose(1, min_peers=1)


def test_releases_stay_within_the_proposers_part_of_the_state():
    c = initialised(1, min_peers=1)
    work = Overlay(c.state)
    models = tuple(replace(c.study().current, digest=f"{i:064}") for i in range(31))
    STUDY.put(work, HEART, record=replace(c.study(), released=models))
    big = spec_of(name="big", title="x" * 130_000)
    SPEC.put(work, "big", record=big)
    STUDY.put(work, "big", record=replace(c.study(), name="big"))
    HOLDINGS.put(work, 1, record=quotas.Holdings(studies=(HEART, "big")))
    tx = c.write(1, Release(HEART, c.study().current.digest))
    env = contract.Env(99, c.now_ms, keys.verify)
    result = contract.apply(work, read_transaction(tx), env)
    assert (result.code, "released" in result.message) == ("OverQuota", True)


def test_a_proposal_that_nobody_starts_lapses():
    c = Consortium(3, vote_period_ms=10_000)
    terms = c.propose(2)
    c.ok(1, Approve(HEART, terms))
    assert c.idle(9_000) == []
    assert c.idle(1_001) == [("proposal_lapsed", {"study": HEART, "by": 2})]
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
    assert c.happened("proposal_lapsed") == [{"study": HEART, "by": 1}]
    assert STUDY.get(c.state, HEART) is None
    assert c.study("lung").status == "running"
    assert HOLDINGS.need(c.state, 1).studies == ("lung",)


def test_a_member_has_so_many_transactions_that_can_be_replayed():
    c = running(3)
    work, env = Overlay(c.state), contract.Env(99, c.now_ms, keys.verify)
    work.put("remembered/1", str(MAX_REMEMBERED - 1).encode())
    txs = [read_transaction(c.write(1, Poke(HEART))) for _ in range(2)]
    first, second = (contract.apply(work, tx, env) for tx in txs)
    assert first.ok
    assert second.message == (
        f"Member 1 may have {MAX_REMEMBERED} transactions that have not expired, and this is "
        f"number {MAX_REMEMBERED + 1}; send it again in a later block."
    )


def test_what_is_remembered_is_counted_down_when_it_expires():
    c = running(3)
    c.ok(2, Poke(HEART))
    assert int(c.state.get("remembered/2")) == 3  # approval, enrolment, this one
    c.idle(3_600_000)
    assert c.state.get("remembered/2") is None


# deadlines


class Counting:
    """A state that counts what is read of it."""

    def __init__(self, state):
        self.state, self.reads = state, []

    def get(self, path):
        self.reads.append(path)
        return self.state.get(path)


def waiting(n):
    """A state with so many deadlines, each in a minute of its own."""
    work = Overlay(State())
    for i in range(n):
        deadlines.mark_at(work, f"expiry/s{i}", (i + 100) * 60_000)
    state = State()
    state.commit(work.writes)
    return state


@pytest.mark.parametrize("n", [0, 1, 500])
def test_a_block_in_which_nothing_is_due_reads_no_deadline(n):
    counting = Counting(waiting(n))
    work = Overlay(counting)
    assert not deadlines.is_waiting(work)
    deadlines.stamp(work, 60_000)
    assert deadlines.take_due(work, 60_000) == []
    assert counting.reads == ["unstamped", "unstamped", "deadline-minutes"]
    assert work.writes == {}


def test_deadlines_fire_in_the_order_of_their_times():
    work = Overlay(State())
    for key_, due_ms in (("c", 61_000), ("a", 62_000), ("b", 59_000), ("d", 61_000)):
        deadlines.mark_at(work, key_, due_ms)
    assert deadlines.take_due(work, 58_999) == []
    assert deadlines.take_due(work, 61_000) == ["b", "c", "d"]
    assert [d.key for d in deadlines.get_deadlines(work)] == ["a"]
    assert deadlines.take_due(work, 10**9) == ["a"]
    assert all(value is None for value in work.writes.values()), "nothing is left behind"


def test_a_deadline_that_is_marked_again_or_cleared_leaves_nothing():
    work = Overlay(State())
    for _ in range(2):
        deadlines.mark(work, "a", 1000)
        deadlines.mark_at(work, "b", 120_000)
    assert deadlines.is_waiting(work)
    deadlines.stamp(work, 5000)
    assert (deadlines.get_due_ms(work, "a"), deadlines.get_began_ms(work, "a")) == (6000, 5000)
    deadlines.mark(work, "a", 1000)
    assert deadlines.get_due_ms(work, "a") is None
    for key_ in ("a", "b", "c"):
        deadlines.clear(work, key_)
    assert all(value is None for value in work.writes.values())


def test_brackets_in_a_text_are_none_of_the_json():
    text = codec.encode({"a": "[" * 1000 + '\\"{'})
    assert codec.parse(text, limit_values=1)["a"].startswith("[[")
    with pytest.raises(codec.Malformed):
        codec.parse(b"[[],[]]", limit_values=2)
