"""Merges that depend on the model from which the round started: it is held first, and named."""

import pytest
from builders import HEART, LAYOUT, MODEL_BYTES, digest, merging

from swarmhub.contract.records import MergeRule
from swarmhub.merge import CHUNK_LOCAL, NAMES, NEEDS_BASE, WEIGHTED
from swarmhub.protocol import Audit, BlobStored, LocalState, Offered, compute_kept, decide
from swarmhub.protocol.effects import Merge
from swarmhub.protocol.recompute import to_rule


def holding_all(c, member):
    """Notes of a member that holds all contributions, and the leader's offer."""
    r, local = c.round(), LocalState(HEART, member, held={digest("m")})
    for one in r.contributions:
        local.learn(BlobStored(one.digest), c.now_ms)
    offer = Offered(c.leader(), r.number, r.revision, digest("m"), MODEL_BYTES, LAYOUT, "")
    local.learn(offer, c.now_ms)
    return local


def wanted(c, local, kind):
    return [w for w in decide(c.state, local, c.now_ms) if isinstance(w, kind)]


def test_a_leader_merges_from_the_base_once_it_is_here():
    c = merging(4, merge=MergeRule("clipped_mean"))
    local = holding_all(c, c.leader())
    assert not wanted(c, local, Merge)
    local.learn(BlobStored(c.round().base), c.now_ms)
    (effect,) = wanted(c, local, Merge)
    assert effect.base == c.round().base != ""
    assert effect.base in compute_kept(c.state, local)


def test_an_auditor_recomputes_from_the_base_once_it_is_here():
    c = merging(4, merge=MergeRule("clipped_mean"))
    local = holding_all(c, c.followers()[0])
    assert not wanted(c, local, Audit)
    local.learn(BlobStored(c.round().base), c.now_ms)
    (effect,) = wanted(c, local, Audit)
    assert (effect.base, effect.full) == (c.round().base, True)


@pytest.mark.parametrize("name", sorted(set(NAMES) - NEEDS_BASE))
def test_a_merge_under_another_rule_does_not_wait_for_the_base(name):
    c = merging(4, merge=MergeRule(name))
    (effect,) = wanted(c, holding_all(c, c.leader()), Merge)
    assert effect.base == ""


@pytest.mark.parametrize("name", NAMES)
def test_contract_and_arithmetic_agree_on_what_a_rule_needs(name):
    rule = MergeRule(name)
    assert rule.is_chunk_local == (name in CHUNK_LOCAL)
    assert rule.needs_base == (name in NEEDS_BASE)
    assert rule.has_weights == (name in WEIGHTED)


def test_the_cap_reaches_the_arithmetic():
    assert to_rule(MergeRule("clipped_mean", 100, 250)).max_share_permille == 250
