"""Rounds in few bytes: the model of a change is computed before anybody signs for it."""

from __future__ import annotations

import pytest
from builders import HEART, MODEL_BYTES, digest, initialised

from swarmhub.contract.records import Stage
from swarmhub.contract.round.election import get_auditors
from swarmhub.contract.transactions import Computed, Settle
from swarmhub.errors import BadContribution
from swarmhub.protocol import (
    ApplyChange,
    Audited,
    BlobStored,
    ChangeForm,
    Check,
    LocalState,
    MergeDone,
    ModelComputed,
    Offered,
    Pull,
    PullFailed,
    ReceiptCame,
    SendReceipt,
    Signed,
    Submit,
    Sync,
    Synced,
    compute_kept,
    decide,
    may_read,
    recompute,
)
from swarmhub.protocol.changes import find_computed
from swarmhub.sim import contents
from swarmhub.sim.contents import Blob
from swarmhub.sim.disk import Disk

WIRE, MERGED, MODEL = digest("wire"), digest("m"), digest("model of m")
FORM = {"layout": WIRE, "nbytes": 300}


def merging():
    """Four have contributed changes to the first training round."""
    c = initialised(4, wire="int8")
    c.contribute(1, 2, 3, 4, **FORM)
    return c


def settled():
    """The same, and the merged change is settled with its model."""
    c = merging()
    base, change = c.round().base, c.settle(**FORM, model=MODEL)
    return c, base, change


def wished(c, local, kind):
    """The effects of one kind that a node wants now."""
    return [w for w in decide(c.state, local, c.now_ms) if isinstance(w, kind)]


def settlements(c, local):
    """The settlements that a leader wants to submit."""
    bodies = [w.body for w in wished(c, local, Submit)]
    return [body for body in bodies if isinstance(body, Settle)]


def drawn_first(c):
    """The followers, of whom those that are drawn come first."""
    drawn = get_auditors(c.round(), len(c.study().enrolled))
    return [*drawn, *(m for m in c.followers() if m not in drawn)]


def leading(c):
    """The leader, which has merged and holds the base."""
    r = c.round()
    local = LocalState(HEART, c.leader(), held={r.base})
    local.learn(MergeDone(r.number, r.revision, MERGED, 300, WIRE, ""), c.now_ms)
    return local


def following(c):
    """A drawn auditor with the base and the leader's offer, which it has found right."""
    r, local = c.round(), LocalState(HEART, drawn_first(c)[0], held={c.round().base})
    local.learn(Offered(c.leader(), r.number, r.revision, MERGED, 300, WIRE, ""), c.now_ms)
    local.learn(BlobStored(MERGED), c.now_ms)
    local.learn(Audited(r.number, r.revision, MERGED, None), c.now_ms)
    return local


def receipt_of(c, member, model):
    """A receipt for the leader's change and a model of it."""
    r = c.round()
    made = c.receipt(member, c.ref(), MERGED, 300, WIRE, Computed(model=model))
    return ReceiptCame(r.number, r.revision, MERGED, member, made.signature)


def test_a_leader_settles_the_model_that_it_has_computed():
    c = merging()
    local, base = leading(c), c.round().base
    assert find_computed(c.state, local, local.merged[2, 0, 0]) is None
    (effect,) = wished(c, local, ApplyChange)
    assert (effect.change, effect.base, effect.form.wire) == (MERGED, base, "int8")
    local.learn(ModelComputed(MERGED, base, MODEL), c.now_ms)
    assert {w.digest for w in wished(c, local, Sync)} == {MERGED, MODEL}
    for blob in (MERGED, MODEL):
        local.learn(Synced(blob), c.now_ms)
    local.learn(receipt_of(c, drawn_first(c)[0], digest("another")), c.now_ms)
    assert not settlements(c, local)
    local.learn(receipt_of(c, drawn_first(c)[0], MODEL), c.now_ms)
    (body,) = settlements(c, local)
    c.ok(c.leader(), body)
    assert c.study().current.digest == MODEL


def test_a_leader_without_the_base_fetches_it_first():
    c = merging()
    local = leading(c)
    local.held.clear()
    local.held.add(MERGED)
    assert wished(c, local, ApplyChange) == []
    assert [w.digest for w in wished(c, local, Pull)] == [c.round().base]


def test_a_follower_signs_for_the_model_that_it_has_computed():
    c = merging()
    local, base = following(c), c.round().base
    assert [w.change for w in wished(c, local, ApplyChange)] == [MERGED]
    local.learn(Synced(MERGED), c.now_ms)
    assert wished(c, local, SendReceipt) == []
    local.learn(ModelComputed(MERGED, base, MODEL), c.now_ms)
    local.learn(Synced(MODEL), c.now_ms)
    (receipt,) = wished(c, local, SendReceipt)
    assert (receipt.digest, receipt.model) == (MERGED, MODEL)
    assert MODEL in compute_kept(c.state, local)


def test_a_model_that_is_not_settled_is_given_to_nobody():
    c = merging()
    local, base = leading(c), c.round().base
    local.learn(ModelComputed(MERGED, base, MODEL), c.now_ms)
    assert may_read(c.state, local, c.followers()[0], MERGED)
    assert not may_read(c.state, local, c.followers()[0], MODEL)


def test_a_member_with_the_base_computes_the_settled_model():
    c, base, change = settled()
    local = LocalState(HEART, 4, held={base})
    (pull,) = wished(c, local, Pull)
    assert (pull.digest, pull.nbytes, pull.layout, pull.durable) == (change, 300, WIRE, False)
    assert base in compute_kept(c.state, local)
    local.learn(BlobStored(change), c.now_ms)
    assert wished(c, local, Pull) == []
    assert [w.base for w in wished(c, local, ApplyChange)] == [base]
    local.learn(ModelComputed(change, base, MODEL), c.now_ms)
    assert wished(c, local, ApplyChange) == wished(c, local, Pull) == []
    assert base not in compute_kept(c.state, local)


def test_a_newcomer_fetches_the_whole_model():
    c, _, change = settled()
    local = LocalState(HEART, 4)
    (pull,) = wished(c, local, Pull)
    assert (pull.digest, pull.nbytes, pull.durable) == (MODEL, MODEL_BYTES, True)
    assert all(may_read(c.state, local, 3, blob) for blob in (MODEL, change))


@pytest.mark.parametrize("is_false", [False, True], ids=["not to be had", "another model"])
def test_a_change_that_does_not_help_is_passed_over(is_false):
    c, base, change = settled()
    local = LocalState(HEART, 4, held={base})
    if is_false:
        local.learn(BlobStored(change), c.now_ms)
        local.learn(ModelComputed(change, base, digest("another")), c.now_ms)
    else:
        local.learn(PullFailed(change, "nobody had it"), c.now_ms)
    assert [w.digest for w in wished(c, local, Pull)] == [MODEL]


def test_the_change_before_is_deleted_after_the_next_one():
    c, base, change = settled()
    local = LocalState(HEART, 1, held={base, change, MODEL})
    local.learn(Signed(2, (change, MODEL)), c.now_ms)
    assert {change, MODEL} <= compute_kept(c.state, local)
    c.contribute(1, 2, 3, 4, **FORM)
    c.settle(**FORM, model=digest("next"))
    local.forget_before(c.round().number)
    assert change not in compute_kept(c.state, local)


@pytest.mark.parametrize("wire", ["bf16", "int8"])
@pytest.mark.parametrize("data", ["form", "short", "values"])
def test_a_change_that_is_none_of_the_model_is_bad(wire, data):
    forms = contents.Forms(3, wire=wire)
    right = forms.wire.nbytes
    made = {
        "form": Blob(forms.model.digest, bytes(right)),
        "short": Blob(forms.wire.digest, bytes(right - 64)),
        "values": contents.unmergeable(forms.wire.digest, forms),
    }[data]
    form = ChangeForm(wire, forms.model.digest)
    effect = Check(Stage("training", "train"), made.digest, 4, 1, changes=form)
    with pytest.raises(BadContribution) as caught:
        recompute.check(Disk(forms, {made.digest: made}), effect)
    assert caught.value.member == 4
