"""A consortium goes on from a halted one's state by the word of all that are left."""

import dataclasses
import json

import pytest
from builders import HEART, START_MS, Consortium, merging

from swarmhub import contract, keys
from swarmhub.contract import State
from swarmhub.contract.events import Departed, Inherited, MotionClosed
from swarmhub.contract.inheritance import get_heritage, will_message
from swarmhub.contract.records import (
    ForkGenesis,
    InheritedState,
    get_chain,
    get_member_of_key,
    get_members,
    read_genesis_json,
)
from swarmhub.contract.refusals import BadValue
from swarmhub.contract.state import Overlay
from swarmhub.types import RESTART_DOMAIN


def heir_of(c: Consortium, *survivors: int, **changes) -> ForkGenesis:
    """The restart of a consortium, signed by these members."""
    values = get_heritage(c.state.values)
    text = json.dumps({k: v.decode() for k, v in values.items()})
    will = InheritedState(
        c.chain.chain_id, c.ledger.tip.height, State(values).app_hash.hex(), survivors, text
    )
    version = changes.pop("contract_version", 1)
    will = dataclasses.replace(will, **changes)
    began = {"time_ms": START_MS + 10_000_000, "contract_version": version}
    genesis = ForkGenesis(c.chain.name, (), **began, inherits=will)
    message = will_message(genesis)
    signed = tuple(c.accounts[m].sign(RESTART_DOMAIN, message) for m in survivors)
    if "signatures" in changes:
        return genesis
    return dataclasses.replace(genesis, inherits=dataclasses.replace(will, signatures=signed))


def begin(genesis):
    overlay = Overlay(State())
    env = contract.Env(0, genesis.time_ms, keys.verify)
    events = contract.found(overlay, genesis, env)
    state = State()
    state.commit(overlay.writes)
    return state, events


def test_who_is_left_goes_on_with_members_studies_and_lineage():
    c = merging(4, min_peers=2)
    state, events = begin(heir_of(c, 1, 3))
    chain = get_chain(state)
    assert chain.chain_id == contract.compute_chain_id(heir_of(c, 1, 3)) != c.chain.chain_id
    assert [(m.id, m.power) for m in get_members(state)] == [(1, 1), (3, 1)]
    assert get_member_of_key(state, c.accounts[2].public) is None
    assert chain.running == (HEART,)
    powers = contract.end_block(events)
    assert {k for k, p in powers if p} == {m.consensus for m in get_members(state)}
    kinds = [type(event) for event in events]
    assert kinds[0] == Inherited
    assert kinds.count(Departed) == 2
    study = contract.records.STUDY.need(state, HEART)
    assert study.current == c.study().current
    r = contract.records.ROUND.need(state, HEART)
    assert set(r.contributors) <= {1, 3}


def test_a_revived_genesis_is_read_as_what_it_is():
    c = Consortium(4)
    genesis = heir_of(c, 1, 2)
    from swarmhub import codec

    again = read_genesis_json(codec.decode(codec.pack(genesis), 1 << 24))
    assert again == genesis
    assert type(again) is ForkGenesis


def with_state(c, change):
    values = {k: v.decode() for k, v in c.state.values.items()}
    change(values)
    return json.dumps(values)


@pytest.mark.parametrize(
    ("field", "forge"),
    [
        ("state", lambda c: heir_of(c, 1, 2, state="[]")),
        ("state", lambda c: heir_of(c, 1, 2, state="{")),
        ("state", lambda c: heir_of(c, 1, 2, state='{"x":"\\ud800"}')),
        ("state", lambda c: heir_of(c, 1, 2, state=with_state(c, lambda v: v.pop("member/4")))),
        ("state", lambda c: heir_of(c, 1, 2, chain="another")),
        ("state", lambda c: heir_of(c, 1, 2, state="{}", app_hash="00" * 32)),
        ("survivors", lambda c: heir_of(c)),
        ("survivors", lambda c: heir_of(c, 2, 1)),
        ("survivors", lambda c: heir_of(c, 1, 1)),
        ("signatures", lambda c: heir_of(c, 1, 2, signatures=())),
        ("signatures", lambda c: heir_of(c, 1, 2, signatures=("00" * 64,) * 2)),
        ("name", lambda c: dataclasses.replace(heir_of(c, 1, 2), name="Another")),
        ("signatures", lambda c: dataclasses.replace(heir_of(c, 1, 2), time_ms=START_MS)),
        ("time_ms", lambda c: dataclasses.replace(heir_of(c, 1, 2), time_ms=0)),
    ],
)
def test_an_inheritance_that_is_not_theirs_is_refused(field, forge):
    with pytest.raises(BadValue) as refused:
        begin(forge(Consortium(4)))
    assert refused.value.field == field


def test_a_signature_of_somebody_else_is_refused():
    c = Consortium(4)
    genesis = heir_of(c, 1, 2)
    one, _ = genesis.inherits.signatures
    will = dataclasses.replace(genesis.inherits, signatures=(one, one))
    with pytest.raises(BadValue, match="member 2"):
        begin(dataclasses.replace(genesis, inherits=will))


def test_a_member_that_is_gone_inherits_nothing():
    c = Consortium(4)
    accounts = dict(c.accounts)
    c.ok(4, contract.transactions.Leave())
    c.accounts = accounts
    with pytest.raises(BadValue) as refused:
        begin(heir_of(c, 1, 4))
    assert refused.value.field == "survivors"


def test_a_vote_that_was_open_decides_nothing_in_the_new_chain():
    c = Consortium(5)
    c.ok(3, contract.transactions.Remove(5))
    for elector in (3, 4):
        if c.open_motions and elector not in c.motion(1).ayes:
            c.ok(elector, contract.transactions.Vote(1, True))
    assert c.open_motions == (1,)  # without 1 and 2 it would be carried
    state, events = begin(heir_of(c, 3, 4, 5))
    assert [m.id for m in get_members(state)] == [3, 4, 5]
    assert all(p == 1 for _, p in contract.end_block(events) if _ in {
        m.consensus for m in get_members(state)
    })  # fmt: skip
    assert MotionClosed(1, "remove", "lapsed") in events
