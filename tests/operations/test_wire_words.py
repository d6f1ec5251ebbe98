"""Terms in few bytes, in words."""

from __future__ import annotations

import pytest
from builders import digest, initialised

from swarmhub.operations import terms
from swarmhub.operations.ledger_client import LedgerClient
from swarmhub.operations.studies import look_at_study

FORM = {"layout": digest("wire"), "nbytes": 300}


def say(c):
    """The terms of the study, by subject, and what leaves a hospital."""
    shown = look_at_study(LedgerClient(c, c.accounts[1]), "heart")
    return dict(terms.say_terms(shown)), terms.say_leaving(shown)[0]


@pytest.mark.parametrize(("wire", "part"), [("bf16", "a half"), ("int8", "a quarter")])
def test_terms_say_the_format_and_its_part_of_the_bytes(wire, part):
    said, leaves = say(initialised(3, wire=wire))
    assert f"wire = {wire}" in said["sent as"]
    assert f"about {part} of the bytes" in said["sent as"]
    assert f"(about {part} of 1 kB)" in leaves


def test_once_a_change_is_settled_its_bytes_are_said():
    c = initialised(3, wire="int8")
    c.contribute(1, 2, 3, **FORM)
    c.settle(**FORM, model=digest("model"))
    said, leaves = say(c)
    assert "300 bytes instead of the 1 kB of float32" in said["sent as"]
    assert leaves.endswith("in 8 bits a number (300 bytes)")


def test_plain_terms_have_no_line_about_bytes():
    said, leaves = say(initialised(3))
    assert "sent as" not in said
    assert "the model's parameters after training here (1 kB)" in leaves
