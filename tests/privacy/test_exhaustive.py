"""All states of a small masked round: what leaks, and what gets stuck, under which rules."""

from __future__ import annotations

import pytest
from masked_rounds import Rules, search

EARLY = {"shares_after_settlement": False}
LIAR = {"dealing_is_verified": False}

SAFE = {
    "the rules as they are": (Rules(), 448, 2),
    "five members, threshold four": (Rules(members=5, threshold=4, smallest_set=4), 1180, 3),
    "abandoned while at most t - c - 1 have sent": (Rules(abandoned_up_to=1), 448, 2),
}
LEAKING = {
    "abandoned with two honest posters": Rules(abandoned_up_to=2),
    "abandonment counts shares on the ledger only": Rules(abandoned_up_to=0, counts_recorded=True),
    "sets change after shares, with fresh keys": Rules(**EARLY, may_revise_after_shares=True),
    "unverified dealing, retry with any set": Rules(**LIAR),
    "a set of two": Rules(smallest_set=2),
    "two conspirators, rules for one": Rules(colluders=2),
}
STUCK = {
    "shares before the sum is settled": Rules(**EARLY),
    "unverified dealing, retry with the same set": Rules(**LIAR, same_set_only=True),
    "two conspirators among four": Rules(colluders=2, threshold=4, smallest_set=4),
}


@pytest.mark.parametrize("name", SAFE)
def test_no_small_sum_and_no_dead_end(name):
    rules, states, smallest = SAFE[name]
    found = search(rules)
    assert (found.states, found.smallest, found.stuck) == (states, smallest, 0)
    assert smallest == rules.threshold - rules.colluders


@pytest.mark.parametrize("name", LEAKING)
def test_a_leaking_variant_is_noticed(name):
    assert search(LEAKING[name]).smallest == 1


@pytest.mark.parametrize("name", STUCK)
def test_a_variant_that_gets_stuck_is_noticed(name):
    found = search(STUCK[name])
    assert found.smallest == 2
    assert found.stuck > 0
