"""A key that signs two blocks of one height loses its vote until its owner replaces it."""

from __future__ import annotations

import dataclasses

import pytest
from builders import Consortium, card_of, key

from swarmhub import contract, keys
from swarmhub.contract import Misbehaviour
from swarmhub.contract.consortium.misbehaviour import (
    FORMER_KEY_BLOCKS,
    MAX_FORMER_KEYS,
    compute_address,
)
from swarmhub.contract.context import Context
from swarmhub.contract.events import DoubleSigned, PowerChanged
from swarmhub.contract.inheritance import inherit, will_message
from swarmhub.contract.records import (
    DOUBLE_SIGN,
    FORMER_KEYS,
    MEMBER,
    ForkGenesis,
    InheritedState,
    get_double_sign,
    get_former_keys,
    get_members,
)
from swarmhub.contract.transactions import Leave, Revoke, Rotate, Validate, card_message
from swarmhub.ledger.cometbft import compute_peer_id
from swarmhub.ledger.cometbft.snapshots import pack_state
from swarmhub.types import RESTART_DOMAIN, ROTATE_DOMAIN


class Validators(Consortium):
    """Members, and blocks that show what some of them did."""

    def show(self, *names, height=7):
        """A block that shows double votes of these members' first consensus keys; its events."""
        seen = [Misbehaviour(compute_address(key(f"{n}/consensus").public), height) for n in names]
        overlay = contract.Overlay(self.state)
        env = contract.Env(9, self.now_ms, keys.verify, misbehaviour=tuple(seen))
        events = contract.begin_block(overlay, env)
        self.state.commit(overlay.writes)
        return events

    def rotation(self, i, consensus, **changes):
        """Another card of member i, with this consensus key and the account key that it has."""
        card = card_of(f"h{i}", consensus=key(consensus).public, **changes)
        return Rotate(card, key(f"h{i}").sign(ROTATE_DOMAIN, card_message(card)))

    def rekey(self, i, consensus):
        """Member i replaces its consensus key."""
        self.ok(i, self.rotation(i, consensus))

    @property
    def powers(self):
        return [m.power for m in get_members(self.state)]

    def held_against(self, i):
        return get_double_sign(self.state, MEMBER.need(self.state, i))


def test_a_double_vote_takes_the_power_of_its_key():
    c = Validators()
    events = c.show("h2")
    assert [type(event) for event in events] == [DoubleSigned, PowerChanged]
    assert events[0] == DoubleSigned(2, 7)
    assert contract.end_block(events) == ((key("h2/consensus").public, 0),)
    assert c.powers == [1, 0, 1, 1]
    assert c.held_against(2).height == 7


def test_what_is_held_against_a_key_is_recorded_once():
    c = Validators()
    c.show("h2")
    before = c.app_hash
    assert c.show("h2", height=8) == ()
    assert c.app_hash == before


def test_a_key_of_nobody_changes_nothing():
    c = Validators()
    before = c.app_hash
    assert c.show("nobody") == ()
    assert c.app_hash == before


def test_only_another_consensus_key_gives_the_vote_back():
    c = Validators()
    c.show("h2")
    c.refused("NotAllowed", 2, Validate())
    c.rekey(2, "new")
    assert c.held_against(2) is None
    c.ok(2, Validate())
    assert c.powers == [1, 1, 1, 1]


def test_the_key_that_signed_twice_never_votes_again():
    c = Validators()
    c.show("h2")
    c.rekey(2, "new")
    c.refused("AlreadyDone", 2, c.rotation(2, "h2/consensus"))
    c.rekey(2, "newer")
    c.refused("AlreadyDone", 2, c.rotation(2, "h2/consensus"))


def test_evidence_of_a_replaced_key_is_recorded_and_takes_no_vote():
    c = Validators()
    c.rekey(2, "new")
    c.ok(2, Validate())
    assert c.show("h2") == (DoubleSigned(2, 7),)
    assert c.powers == [1, 1, 1, 1]
    (former,) = get_former_keys(c.state, 2)
    assert (former.key, former.double_signed) == (key("h2/consensus").public, 7)
    assert former.late
    assert c.show("h2", height=8) == (), "once"


def test_evidence_outlives_further_rotations():
    c = Validators()
    c.show("h2")
    for i in range(MAX_FORMER_KEYS - 1):
        c.rekey(2, f"new {i}")
    first = get_former_keys(c.state, 2)[0]
    assert (first.double_signed, first.late) == (7, False)
    assert c.held_against(2) is None


@pytest.mark.parametrize("before", [Revoke(), None], ids=["revoked", "at once"])
def test_no_way_of_rotating_hides_a_double_signing(before):
    c = Validators()
    if before:
        c.ok(2, before)
    for i in range(MAX_FORMER_KEYS):
        c.rekey(2, f"new {i}")
    said = c.refused("AlreadyDone", 2, c.rotation(2, "one more")).message
    assert said.endswith("8 times within 100 blocks; replace it again later.")
    assert c.show("h2") == (DoubleSigned(2, 7),)


def test_keys_of_a_hundred_blocks_ago_make_room():
    c = Validators()
    for i in range(MAX_FORMER_KEYS):
        c.rekey(2, f"new {i}")
    while c.ledger.tip.height < FORMER_KEY_BLOCKS:
        c.idle(1)
    c.rekey(2, "one more")
    assert len(get_former_keys(c.state, 2)) == MAX_FORMER_KEYS
    assert c.show("h2") == ()


def test_a_key_that_a_member_replaced_is_good_for_nobody():
    c = Validators()
    c.rekey(2, "new")
    former = key("h2/consensus").public
    c.refused("AlreadyDone", 3, c.rotation(3, "h2/consensus"))
    token = c.invite(1, "newcomer")
    card = card_of("newcomer", consensus=former)
    c.refused("AlreadyDone", key("newcomer"), c.application(token, card))


def test_a_rotation_without_another_consensus_key_remembers_none():
    c = Validators()
    c.ok(2, c.rotation(2, "h2/consensus", address="elsewhere:1"))
    assert get_former_keys(c.state, 2) == ()


def test_the_last_validator_keeps_its_vote():
    c = Validators()
    events = c.show("h1", "h2", "h3", "h4")
    assert c.powers == [0, 0, 0, 1]
    assert sum(isinstance(event, DoubleSigned) for event in events) == 4
    assert len(contract.end_block(events)) == 3


@pytest.mark.parametrize("gone", [Leave(), Revoke()])
def test_the_last_validators_power_goes_to_good_keys(gone):
    c = Validators()
    c.show("h1", "h2")
    c.rekey(3, "new")  # and has not validated
    assert c.powers == [0, 0, 0, 1]
    c.ok(4, gone)
    assert c.powers[:3] == [0, 0, 1]


def test_a_member_that_goes_leaves_nothing_held_against_it():
    c = Validators()
    c.show("h2")
    c.rekey(2, "new")
    c.show("new")
    c.ok(2, Leave())
    assert DOUBLE_SIGN.get(c.state, 2) is None
    assert FORMER_KEYS.get(c.state, 2) is None


def test_a_restart_gives_no_vote_to_a_key_that_signed_twice():
    c = Validators()
    c.rekey(1, "new")
    c.show("h1", "h2")
    will = InheritedState(
        c.chain.chain_id, 9, c.app_hash.hex(), (1, 2), pack_state(c.state.values).decode(), ("", "")
    )
    genesis = ForkGenesis(c.chain.name, (), c.now_ms, inherits=will)
    signed = tuple(key(f"h{i}").sign(RESTART_DOMAIN, will_message(genesis)) for i in (1, 2))
    genesis = dataclasses.replace(genesis, inherits=dataclasses.replace(will, signatures=signed))
    state = contract.Overlay(contract.State())
    ctx = Context(state, contract.Env(0, c.now_ms, keys.verify))
    inherit(ctx, genesis, "new")
    assert [m.power for m in get_members(state)] == [1, 0]
    (former,) = get_former_keys(state, 1)
    assert (former.double_signed, former.late, former.replaced) == (7, True, 0)


def test_validators_are_named_as_their_engines_name_them():
    public = key("h1").public
    assert compute_address(public) == compute_peer_id(public)
