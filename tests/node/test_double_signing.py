"""What operators are told of keys that have signed twice."""

from __future__ import annotations

import pytest
from builders import Consortium, key

from swarmhub.contract.records import (
    DOUBLE_SIGN,
    FORMER_KEYS,
    DoubleSign,
    FormerKey,
    FormerKeys,
)
from swarmhub.contract.state import Overlay
from swarmhub.node.double_signing import find_double_signs


def held_against_h2(consensus):
    """A state in which this consensus key of h2 has signed twice."""
    state = Overlay(Consortium().state)
    DOUBLE_SIGN.put(state, 2, record=DoubleSign(key(consensus).public, 120))
    return state


@pytest.mark.parametrize(
    ("me", "who", "where"),
    [
        (1, "'h2' (member 2) has", "rotate-key consensus' at that hospital."),
        (2, "This hospital has", "rotate-key consensus'."),
        (None, "'h2' (member 2) has", "rotate-key consensus' at that hospital."),
    ],
)
def test_everybody_reads_who_has_signed_twice(me, who, where):
    (said,) = find_double_signs(held_against_h2("h2/consensus"), me)
    assert said.startswith(f"{who} signed two blocks of height 120: its home runs twice")
    assert said.endswith(where)


def test_a_key_that_was_replaced_is_no_problem():
    assert find_double_signs(held_against_h2("former"), 2) == []


@pytest.mark.parametrize(
    ("me", "who", "todo"),
    [(1, "'h2' (member 2)", "consortium remove 2')."), (2, "This hospital", "and no other.")],
)
def test_everybody_reads_who_replaced_a_key_in_time(me, who, todo):
    state = Overlay(Consortium().state)
    keys = (FormerKey("k1", 90, 80), FormerKey("k2", 130, 120, late=True), FormerKey("k3", 140))
    FORMER_KEYS.put(state, 2, record=FormerKeys(keys))
    (said,) = find_double_signs(state, me)
    assert said.startswith(f"{who} has signed two blocks of height 120 with a consensus key that")
    assert said.endswith(todo)
