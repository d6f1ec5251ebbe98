"""Training rounds in few bytes: the form of changes, and the model that is settled with them."""

from __future__ import annotations

import dataclasses

import pytest
from builders import CLAIMED, LAYOUT, MODEL_BYTES, digest, initialised, model_of, proposed, spec_of
from test_contract_budget import NOISY

from swarmhub.contract.events import DisputeOpened, LeftOut, Settled
from swarmhub.contract.records import Change, Privacy, Stage, StartModel
from swarmhub.contract.transactions import (
    NOTHING,
    Amend,
    Approve,
    Computed,
    Pause,
    Propose,
    Release,
    Start,
    Vote,
)

FORM = {"layout": digest("wire"), "nbytes": 300}
MODEL = digest("the model of the change")


def collecting(**spec):
    """The first training round of a study with 8-bit changes, after its initial model."""
    return initialised(4, **{"wire": "int8"} | spec)


def contributed(**spec):
    """The same, and all have contributed a change."""
    c = collecting(**spec)
    c.contribute(1, 2, 3, 4, **FORM)
    assert c.round().phase == "MERGING"
    return c


@pytest.mark.parametrize("privacy", [Privacy(masked=True), NOISY])
def test_few_bytes_are_not_for_masked_or_noisy_numbers(privacy):
    terms = spec_of(name="x", wire="bf16", privacy=privacy)
    if privacy.dp is not None:
        stages = (Stage("start", "initial"), Stage("training", "train", 3))
        terms = dataclasses.replace(terms, stages=stages, rounds=0)
    result = proposed().refused("BadValue", 1, Propose(terms))
    assert "wire" in result.message
    assert "float32" in result.message


def test_an_unknown_format_is_malformed():
    proposed().refused("Malformed", 1, Propose(spec_of(name="x", wire="int4")))


def test_a_settled_change_comes_with_its_model():
    c = contributed()
    before = c.study().current
    change = c.settle(**FORM, model=MODEL)
    model = c.happened(Settled)[-1].model
    assert (model.digest, model.nbytes, model.layout) == (MODEL, MODEL_BYTES, LAYOUT)
    assert model.base == before.digest
    assert model.change == Change("int8", change, FORM["nbytes"], FORM["layout"])
    assert (c.study().current, c.round().base) == (model, MODEL)


def test_the_initial_model_is_a_model():
    c = collecting()
    assert c.study().current.change is None
    assert (c.round().kind, c.round().wire) == ("train", "int8")


@pytest.mark.parametrize("model", ["", "f" * 63])
def test_a_change_without_its_model_is_not_settled(model):
    c = contributed()
    body = c.settlement(c.leader(), **FORM, model=model)
    assert "model" in c.refused("BadValue", c.leader(), body).message


def test_a_plain_round_settles_no_second_model():
    c = initialised(4)
    c.contribute(1, 2, 3, 4)
    c.refused("BadValue", c.leader(), c.settlement(c.leader(), model=MODEL))


def test_receipts_sign_the_model_that_their_signer_computed():
    c = contributed()
    good = c.settlement(c.leader(), **FORM, model=MODEL)
    c.refused("BadValue", c.leader(), dataclasses.replace(good, model=digest("another model")))
    for found in (NOTHING, Computed(model=digest("another model"))):
        signer = good.receipts[0].member
        bad = c.receipt(signer, good.ref, good.digest, FORM["nbytes"], FORM["layout"], found)
        receipts = (bad, *good.receipts[1:])
        c.refused("BadValue", c.leader(), dataclasses.replace(good, receipts=receipts))
    c.ok(c.leader(), good)


def test_later_changes_have_the_form_of_the_first():
    c = contributed()
    c.settle(**FORM, model=MODEL)
    for changes in ({"nbytes": 301}, {"layout": digest("other")}):
        body = c.contribution(1, **FORM | changes)
        assert "changes before" in c.refused("BadValue", 1, body).message
    c.contribute(1, 2, **FORM)


def test_a_change_is_not_much_longer_than_its_model():
    c = collecting()
    c.refused("BadValue", 1, c.contribution(1, **FORM | {"nbytes": 4 * MODEL_BYTES + 1}))
    c.contribute(1, **FORM)


def test_a_change_of_another_form_than_most_is_left_out():
    c = collecting()
    c.contribute(1, 2, 3, **FORM)
    c.contribute(4, layout=digest("odd"), nbytes=300)
    assert [e.member for e in c.happened(LeftOut)] == [4]
    assert c.round().contributors == (1, 2, 3)


def test_a_settled_change_has_the_form_of_the_contributions():
    c = contributed()
    for changes in ({"nbytes": 301}, {"layout": LAYOUT}):
        body = c.settlement(c.leader(), **FORM | changes, model=MODEL)
        c.refused("BadValue", c.leader(), body)


def test_an_offered_change_is_disputed_as_a_model_is():
    c = collecting()
    c.contribute(1, 2, 3, 4, nbytes=MODEL_BYTES)  # the builder's form of offers
    c.ok(c.followers()[0], c.doubt())
    assert c.happened(DisputeOpened)[-1].digest == model_of(CLAIMED)


def test_a_suspended_study_may_go_on_with_another_format():
    c = contributed()
    c.settle(**FORM, model=MODEL)
    c.ok(1, Pause("heart"))
    c.ok(1, Amend(dataclasses.replace(c.spec(), wire="bf16")))
    for member in (2, 3, 4):
        c.ok(member, Approve("heart", c.study().spec))
    c.ok(1, Start("heart"))
    c.ready(1, 2, 3, 4)
    assert c.round().wire == "bf16"
    c.contribute(1, **FORM | {"nbytes": 500})


def test_a_study_that_starts_from_the_model_has_no_change():
    c = contributed()
    c.settle(**FORM, model=MODEL)
    c.ok(1, Release("heart", MODEL))
    for member in (2, 3):
        c.ok(member, Vote(c.open_motions[-1], True))
    c.start(name="next", start_from=StartModel("heart", MODEL), wire="bf16")
    assert c.study("next").current.change is None
