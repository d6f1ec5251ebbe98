"""Replay protection and deadlines: what waits for a time costs nothing, and ends in bounds."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from builders import HEART, running

from swarmhub import contract, keys
from swarmhub.contract import deadlines, replay
from swarmhub.contract.envelope import read_transaction
from swarmhub.contract.records import DUE
from swarmhub.contract.replay import MAX_FORGOTTEN, MAX_REMEMBERED
from swarmhub.contract.state import Overlay, State
from swarmhub.contract.transactions import Poke


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


def remembering(*counts):
    """A state that remembers so many transactions of member 1, minute by minute from minute 1."""
    work, state = Overlay(State()), State()
    for minute, count in enumerate(counts, 1):
        for i in range(count):
            tx = SimpleNamespace(id=f"{minute}/{i}", expires_ms=minute * replay.BUCKET_MS)
            replay.remember(work, tx, 1)
    state.commit(work.writes)
    return state


def forget(state, time_ms):
    """One block's part; returns how many transactions it has forgotten."""
    before = len([p for p in state.values if p.startswith("seen/")])
    work = Overlay(state)
    replay.forget(work, time_ms)
    state.commit(work.writes)
    return before - len([p for p in state.values if p.startswith("seen/")])


def test_one_block_forgets_a_bounded_number_and_the_next_the_rest():
    state = remembering(MAX_FORGOTTEN + 700, 500, 900)
    late = 60 * replay.BUCKET_MS
    assert forget(state, late) == MAX_FORGOTTEN
    assert (replay.get_count(state, 1), DUE.need(state).minutes) == (2100, (1, 2, 3))
    assert forget(state, late) == MAX_FORGOTTEN
    assert (replay.get_count(state, 1), DUE.need(state).minutes) == (100, (3,))
    assert forget(state, late) == 100
    assert state.values == {}


def test_a_block_forgets_no_minute_that_is_not_over():
    state = remembering(3, 4)
    assert forget(state, 2 * replay.BUCKET_MS) == 3
    assert sorted(p for p in state.values if p.startswith("seen/")) == [
        f"seen/2/{i}" for i in range(4)
    ]


def test_what_is_not_forgotten_yet_is_refused_as_expired():
    c = running(3)
    tx = read_transaction(c.write(1, Poke(HEART)))
    work = Overlay(c.state)
    work.put(f"seen/{tx.id}", b"1")
    env = contract.Env(99, tx.expires_ms + 1, keys.verify)
    assert contract.apply(work, tx, env).code == "Expired"


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
