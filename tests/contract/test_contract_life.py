"""A study's life: refusals with a reason, pauses, approvals that lapse, a start from a model."""

from __future__ import annotations

import pytest
from builders import HEART, proposed

from swarmhub.contract import events
from swarmhub.contract.names import MAX_REASON
from swarmhub.contract.transactions import Refuse
from swarmhub.ledger.sentences import say_event

NAMES = {1: "Cleveland", 2: "Hungary", 3: "Zurich"}
HIDDEN = ("a\nb", "a\x1b[2J", "a\u202eb", "a\u200bb", "\u2028", "\ufeff", "\x7f", "\U000e0041")

# refusals


@pytest.mark.parametrize("reason", ["x" * MAX_REASON, "Ethikvotum fehlt — “später”", "倫理", "§ 40"])
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
