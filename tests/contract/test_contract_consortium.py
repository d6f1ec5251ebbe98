"""Founding, invitations and applications."""

from __future__ import annotations

import dataclasses

import pytest
from builders import Consortium, card_of, genesis_of, key, sign_card

from swarmhub import contract, keys
from swarmhub.contract.consortium.membership import MAX_INVITATION_MS
from swarmhub.contract.envelope import read_transaction
from swarmhub.contract.events import Admitted
from swarmhub.contract.records import INVITATION, get_member_of_key
from swarmhub.contract.refusals import Refusal
from swarmhub.contract.state import Overlay
from swarmhub.contract.transactions import Apply, Invite, Leave, Vote, card_message

DAY_MS = 86_400_000


def found(**changes):
    genesis = genesis_of(["h1", "h2"], **changes)
    overlay = Overlay(contract.State())
    return contract.found(overlay, genesis, contract.Env(0, genesis.time_ms, keys.verify))


# founding


def test_founders_are_members_in_order_with_full_power():
    c = Consortium(3)
    assert c.chain.active == (1, 2, 3)
    assert [c.member(i).name for i in (1, 2, 3)] == ["h1", "h2", "h3"]
    assert [c.member(i).power for i in (1, 2, 3)] == [1, 1, 1]
    assert get_member_of_key(c.state, key("h2").public) == c.member(2)


def test_founding_gives_every_founder_a_vote_in_block_agreement():
    updates = contract.end_block(found())
    assert updates == tuple(sorted((key(f"h{i}/consensus").public, 1) for i in (1, 2)))


def test_the_chain_id_names_the_consortium_and_depends_on_its_whole_genesis():
    one, other = genesis_of(["h1"], name="Åse's Hearts"), genesis_of(["h1"], name="Åse's hearts")
    assert contract.compute_chain_id(one).startswith("-se-s-hearts-")
    assert contract.compute_chain_id(one) != contract.compute_chain_id(other)


@pytest.mark.parametrize(
    "changes",
    [
        {"founders": ()},
        {"founders": (card_of("h1"), card_of("h1"))},
        {"founders": (card_of("h1"), dataclasses.replace(card_of("h2"), address="other:1"))},
    ],
    ids=["nobody", "twice", "unsigned"],
)
def test_a_genesis_that_cannot_be_used_is_refused(changes):
    with pytest.raises(Refusal):
        found(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"time_ms": 0},
        {"horizon_ms": 0},
        {"vote_period_ms": 0},
        {"vote_period_ms": 2**53 - 1},
        {"max_members": 1},
    ],
    ids=str,
)
def test_a_genesis_with_terms_that_cannot_work_is_refused(changes):
    with pytest.raises(Refusal):
        found(**changes)


# invitations and applications


def test_an_invitation_admits_nobody_by_itself():
    c = Consortium()
    token = c.invite(2, "newcomer")
    assert c.chain.active == (1, 2, 3, 4)
    assert INVITATION.need(c.state, token.public).sponsor == 2


def test_a_stranger_cannot_invite():
    c = Consortium()
    c.refused("NotAMember", key("stranger"), Invite(key("x").public, c.now_ms + 1000))


@pytest.mark.parametrize("word", ["", "ab" * 31, "zz" * 32, "AB" * 32, "ab" * 33])
def test_an_invitation_is_a_public_key(word):
    c = Consortium()
    c.refused("BadValue", 1, Invite(word, c.now_ms + 1000))


def test_an_invitation_is_registered_once():
    c = Consortium()
    token = c.invite(1, "newcomer")
    c.refused("AlreadyDone", 2, Invite(token.public, c.now_ms + 1000))


@pytest.mark.parametrize("ahead_ms", [-1, 0, MAX_INVITATION_MS + 1000])
def test_an_invitation_ends_within_ninety_days(ahead_ms):
    c = Consortium()
    c.refused("BadValue", 1, Invite(key("x").public, c.now_ms + ahead_ms))


def test_an_invitation_that_is_over_is_forgotten():
    c = Consortium()
    token = c.invite(1, "newcomer", ms=5000)
    c.idle(5000)
    assert INVITATION.get(c.state, token.public) is None
    assert c.deadlines == []
    c.refused("UnknownThing", key("newcomer"), c.application(token, card_of("newcomer")))


def test_an_invitation_past_its_time_is_refused_even_before_it_is_forgotten():
    c = Consortium()
    token = c.invite(1, "newcomer", ms=5000)
    c.now_ms += 5001
    tx = read_transaction(c.write(key("newcomer"), c.application(token, card_of("newcomer"))))
    env = contract.Env(9, c.now_ms, keys.verify)  # no begin_block
    assert contract.apply(Overlay(c.state), tx, env).code == "Expired"


def test_an_application_uses_its_invitation_and_opens_a_motion():
    c = Consortium()
    token = c.invite(1, "newcomer")
    c.ok(key("newcomer"), c.application(token, card_of("newcomer")))
    motion = c.motion(c.open_motions[0])
    assert (motion.kind, motion.by, motion.ayes) == ("admit", 1, ())
    assert c.deadlines == [f"motion/{motion.id}"]
    c.refused("UnknownThing", key("newcomer"), c.application(token, card_of("newcomer")))


def test_only_the_hospital_itself_applies_with_its_card():
    c = Consortium()
    token = c.invite(1, "newcomer")
    c.refused("NotAllowed", 1, c.application(token, card_of("newcomer")))


def test_an_application_proves_that_it_holds_the_invitation():
    c = Consortium()
    token = c.invite(1, "newcomer")
    card = card_of("newcomer")
    wrong = Apply(card, token.public, key("other").sign("swarmhub/invite/1", card_message(card)))
    c.refused("BadValue", key("newcomer"), wrong)


def test_an_invitation_carries_one_card_only():
    c = Consortium()
    token = c.invite(1, "newcomer")
    proof = c.application(token, card_of("newcomer")).proof
    c.refused("BadValue", key("thief"), Apply(card_of("thief"), token.public, proof))


BAD_CARDS = {
    "no name": {"name": ""},
    "long name": {"name": "n" * 61},
    "control character": {"name": "a\nb"},
    "account": {"consensus": "ab"},
    "consensus upper case": {"consensus": "AB" * 32},
    "no release key": {"release": ""},
    "an ed25519 release key": {"release": key("h9").public},
    "no point of the curve": {"release": "02" + "5" * 64},
    "a release key beyond the field": {"release": "02" + "f" * 64},
    "a point that is not compressed": {"release": "04" + card_of("h9").release[2:]},
    "no certificate": {"tls": ""},
    "odd certificate": {"tls": "abc"},
    "certificate not hex": {"tls": "zz"},
    "long certificate": {"tls": "ab" * 4097},
    "no port": {"address": "host"},
    "no host": {"address": ":7000"},
    "port 0": {"address": "host:0"},
    "port 65536": {"address": "host:65536"},
    "port in words": {"address": "host:http"},
    "IPv6 without brackets": {"address": "::1:7000"},
    "half a bracket": {"address": "[::1:7000"},
    "empty brackets": {"address": "[]:7000"},
    "a name in brackets": {"address": "[host]:7000"},
    "long host": {"address": "h" * 254 + ":7000"},
    "port with more digits than a port has": {"address": "host:0001230000"},
    "port in other digits": {"address": "host:７０００"},
}


@pytest.mark.parametrize("changes", BAD_CARDS.values(), ids=BAD_CARDS)
def test_a_card_that_cannot_be_used_is_refused(changes):
    c = Consortium()
    token = c.invite(1, "newcomer")
    card = sign_card(dataclasses.replace(card_of("newcomer"), **changes), key("newcomer"))
    c.refused("BadValue", key("newcomer"), c.application(token, card))


def test_an_ipv6_address_has_a_port_too():
    c = Consortium()
    token = c.invite(1, "newcomer")
    c.ok(key("newcomer"), c.application(token, card_of("newcomer", address="[::1]:7000")))


def test_an_account_key_is_64_hex_digits():
    c = Consortium()
    token = c.invite(1, "newcomer")
    account = key("newcomer")
    card = sign_card(dataclasses.replace(card_of("newcomer"), account="x" * 64), account)
    body = c.application(token, card)
    result = c.act(account, body, signer="x" * 64)
    assert result.code == "BadValue"


def test_nobody_can_alter_a_card():
    c = Consortium()
    token = c.invite(1, "newcomer")
    card = dataclasses.replace(card_of("newcomer"), address="evil.example:7000")
    c.refused("BadValue", key("newcomer"), c.application(token, card))
    elsewhere = key("newcomer").sign("another/domain", card_message(card))
    card = dataclasses.replace(card, signature=elsewhere)
    c.refused("BadValue", key("newcomer"), c.application(token, card))


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "h2"},
        {"tls": card_of("h2").tls},
        {"consensus": card_of("h2").consensus},
        {"release": card_of("h2").release},
    ],
    ids=lambda c: next(iter(c)),
)
def test_a_card_does_not_collide_with_a_member(changes):
    c = Consortium()
    token = c.invite(1, "newcomer")
    card = card_of(**{"name": "newcomer", "account": key("newcomer")} | changes)
    c.refused("AlreadyDone", key("newcomer"), c.application(token, card))


def test_a_member_cannot_apply_again():
    c = Consortium()
    token = c.invite(1, "again")
    card = card_of("other name", key("h2"))
    c.refused("AlreadyDone", 2, c.application(token, card))


def test_a_full_consortium_takes_no_applications():
    c = Consortium(2, max_members=2)
    token = c.invite(1, "newcomer")
    c.refused("BadValue", key("newcomer"), c.application(token, card_of("newcomer")))


def test_two_applications_for_the_last_seat_admit_one():
    c = Consortium(2, max_members=3)
    motions = [c.apply("a"), c.apply("b")]
    for motion in motions:
        c.ok(1, Vote(motion, True))
        c.ok(2, Vote(motion, True))
    c.ok(key("a"), Vote(motions[1], True))
    assert len(c.chain.active) == 3
    assert c.motion(motions[1]).waits == "all 3 seats are taken"
    c.ok(2, Leave())
    assert c.happened(Admitted)[-1] == Admitted(4, "b")


def test_the_invitations_of_a_member_are_bounded():
    c = Consortium(2)
    for i in range(200):
        if not c.act(1, Invite(key(f"i{i}").public, c.now_ms + DAY_MS)).ok:
            break
    assert len(c.deadlines) <= 100, "each block reads all of these deadlines"
