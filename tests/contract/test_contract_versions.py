"""The versions of the contract: who has which, the vote, the crossing, and nodes that lag."""

from __future__ import annotations

import dataclasses
import json

import pytest
from builders import Consortium, card_of, genesis_of, key
from crossing import BOTH, cross, replay_all, scheduled, updated
from hypothesis import given, settings
from hypothesis import strategies as st
from test_contract_inheritance import begin, heir_of
from version2 import NOTED, Note, Reasoned, ReasonedVote

from swarmhub import contract, keys
from swarmhub.contract import State, events
from swarmhub.contract.consortium.upgrades import MAX_AFTER_BLOCKS, MAX_VERSIONS, find_behind
from swarmhub.contract.envelope import read_transaction
from swarmhub.contract.records import Motion, NextVersion, get_chain
from swarmhub.contract.refusals import BadValue
from swarmhub.contract.since import find_newer
from swarmhub.contract.state import Overlay
from swarmhub.contract.transactions import (
    Announce,
    Leave,
    Remove,
    Revoke,
    Rotate,
    Upgrade,
    Validate,
    Vote,
)
from swarmhub.contract.versions import find_gap, need_next, need_present
from swarmhub.errors import VersionMissing
from swarmhub.ledger.cometbft.proposals import choose, is_within_bounds

OLD = (1,)


# announcing


@pytest.mark.parametrize(
    "versions", [(), (2,), (2, 1), (1, 1), (0, 1), (1, 10_001), tuple(range(1, MAX_VERSIONS + 2))]
)
def test_only_a_few_versions_with_the_present_one_are_announced(versions):
    Consortium().refused("BadValue", 1, Announce(versions))


def test_an_announcement_is_stored_and_made_once():
    c = Consortium()
    c.ok(2, Announce(BOTH))
    assert c.member(2).versions == BOTH
    assert c.happened(events.Announced) == [events.Announced(2, (1, 2))]
    c.refused("AlreadyDone", 2, Announce(BOTH))
    c.ok(2, Announce(OLD))
    assert b"versions" not in c.state.get("member/2"), "a default is not packed"


# the motion


@pytest.mark.parametrize("tx", [Upgrade(1, 5), Upgrade(3, 5), Upgrade(2, 0), Upgrade(2, 1 << 30)])
def test_only_the_next_version_at_a_height_to_come_is_moved(tx):
    Consortium().refused("BadValue", 1, tx)


def test_an_upgrade_waits_for_the_nodes_of_all_voting_members():
    c = Consortium(3)
    c.ok(1, Announce(BOTH))
    motion = c.ok(1, Upgrade(2, 5)) and c.open_motions[-1]
    c.ok(2, Vote(motion, True))
    c.ok(3, Vote(motion, True))
    assert c.motion(motion).waits.startswith("the nodes of members 2, 3 must announce")
    c.ok(3, Announce(BOTH))
    assert [e.why.count("2") for e in c.happened(events.MotionWaits)] == [2, 2]
    assert c.chain.next_version is None
    c.ok(2, Announce(BOTH))
    assert c.open_motions == ()
    assert c.chain.next_version == NextVersion(2, c.ledger.tip.height + 5)


def test_announcements_without_votes_carry_nothing():
    c = Consortium(4)
    for member in (1, 2, 3, 4):
        c.ok(member, Announce(BOTH))
    c.ok(1, Upgrade(2, 5))
    c.ok(2, Vote(c.open_motions[-1], True))
    assert c.chain.next_version is None, "two of four votes; three are needed"
    c.ok(3, Vote(c.open_motions[-1], True))
    scheduled_one = c.chain.next_version
    assert scheduled_one is not None
    assert scheduled_one.number == 2


def waiting_for_4():
    """An upgrade that has the votes and waits for member 4's node alone."""
    c = Consortium(4)
    for member in (1, 2, 3):
        c.ok(member, Announce(BOTH))
    c.ok(1, Upgrade(2, MAX_AFTER_BLOCKS))
    for member in (2, 3):
        c.ok(member, Vote(c.open_motions[-1], True))
    assert c.motion(c.open_motions[-1]).waits
    return c


@pytest.mark.parametrize("act", [Leave(), Revoke(), Announce(BOTH)])
def test_an_upgrade_waits_no_longer_than_it_has_to(act):
    c = waiting_for_4()
    c.ok(4, act)
    assert c.chain.next_version.number == 2


def test_a_member_without_a_vote_on_blocks_holds_no_upgrade_up():
    c = waiting_for_4()
    engine = "ab" * 20 + "@h4.example:7001"
    card, proof = c.rotated(4, by=key("h4"), consensus=key("k").public, ledger=engine)
    c.ok(4, Rotate(card, proof))
    assert c.member(4).power == 0
    assert c.chain.next_version.number == 2


def test_without_validators_an_upgrade_waits_for_newcomers_too():
    c = Consortium(1)
    late = c.admit("late")
    assert c.member(late).power == 0
    c.ok(1, Announce(BOTH))
    c.ok(1, Upgrade(2, 5))
    c.ok(late, Vote(c.open_motions[-1], True))
    assert c.motion(c.open_motions[-1]).waits.startswith("the node of member 2 must announce")


def test_one_upgrade_is_moved_at_a_time():
    c = Consortium(3)
    c.ok(1, Upgrade(2, 5))
    c.refused("AlreadyDone", 2, Upgrade(2, 7))
    c.refused("AlreadyDone", 1, Upgrade(2, 5))
    c = scheduled(3, after=30)
    c.refused("AlreadyDone", 2, Upgrade(2, 5))


ACTS = st.one_of(
    st.builds(Announce, st.sampled_from([OLD, BOTH, BOTH, (1, 3)])),
    st.just(Upgrade(2, 1_000)), st.builds(Vote, st.integers(1, 3), st.booleans()),
    st.sampled_from([Leave(), Revoke(), Validate(), Remove(2)]),
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(1, 5), ACTS), min_size=10, max_size=40))
def test_no_voting_node_lacks_a_version_that_is_decided(acts):
    c = Consortium(5)
    for who, act in [*acts, *[(m, Announce(BOTH)) for m in range(1, 6)]]:
        c.act(who, act)
        if c.happened(events.UpgradeScheduled):
            assert find_behind(c.state, 2) == []
            return
    assert c.chain.next_version is None


# newcomers


def application(c, name, versions):
    token = c.invite(1, name)
    return key(name), c.application(token, card_of(name, versions=versions))


def test_nobody_applies_without_the_version_that_follows():
    c = scheduled(3, after=100)
    c.refused("BadValue", *application(c, "late", OLD))
    c.ok(*application(c, "new", BOTH))


def test_an_applicant_that_an_upgrade_overtakes_is_not_admitted():
    c = Consortium(1)
    c.ok(*application(c, "late", OLD))
    motion = c.open_motions[-1]
    c.ok(1, Announce(BOTH))
    c.ok(1, Upgrade(2, 50))
    c.ok(1, Vote(motion, True))
    assert c.motion(motion).waits.startswith("its node lacks contract version 2")
    assert c.chain.active == (1,)


def test_a_newcomers_versions_come_from_its_card():
    c = Consortium(1)
    c.ok(*application(c, "new", BOTH))
    c.ok(1, Vote(c.open_motions[-1], True))
    assert c.member(2).versions == BOTH


@pytest.mark.parametrize("versions", [(), (2, 1), (0,)])
def test_a_card_with_odd_versions_is_refused(versions):
    c = Consortium(1)
    c.refused("BadValue", *application(c, "odd", versions))


def test_nobody_votes_on_blocks_without_the_version_that_follows():
    c = scheduled(3, after=100)
    card, proof = c.rotated(3, by=key("h3"), consensus=key("k").public)
    c.ok(3, Rotate(card, proof))
    c.ok(3, Announce(OLD))
    c.refused("BadValue", 3, Validate())
    c.ok(3, Announce(BOTH))
    c.ok(3, Validate())


# crossing


def test_the_version_begins_with_the_block_of_its_height():
    with updated():
        c = scheduled(3, after=3)
        height = c.chain.next_version.height
        while c.ledger.tip.height < height - 1:
            assert c.act(1, Note("early")).code == "Malformed"
        assert c.chain.contract_version == 1
        c.ok(1, Note("now"))
        assert (c.chain.contract_version, c.chain.version_since) == (2, height)
        assert c.chain.next_version is None
        assert NOTED.need(c.state, 1).text == "now"
        assert c.happened(events.Upgraded) == [events.Upgraded(2)]


def test_records_are_migrated_before_the_blocks_transactions():
    with updated():
        c = cross(scheduled(3))
        assert NOTED.need(c.state, 0).text == "3 members came here"


def test_a_changed_rule_begins_with_its_version():
    with updated():
        c = scheduled(3)
        c.ok(*application(c, "new", BOTH))
        motion = c.open_motions[-1]
        cross(c)
        c.ok(1, ReasonedVote(motion, True, "a friend"))
        c.ok(2, Vote(motion, True))
        assert c.happened(Reasoned) == [Reasoned(motion, "a friend")]


def test_another_version_may_follow_the_second():
    with updated():
        c = cross(scheduled(3))
        c.refused("BadValue", 1, Upgrade(2, 5))
        c.ok(1, Upgrade(3, 5))
        assert c.motion(c.open_motions[-1]).version == 3


# nodes that lag


def story():
    """A chain of updated nodes that crosses, with acts of version 2 before and after."""
    c = scheduled(3, after=6)
    early = [c.write(1, Note("early")), c.write(2, ReasonedVote(7, True, "why"))]
    c.block(*early, c.write(1, Vote(7, True)))
    cross(c)
    c.ok(2, Note("late"))
    c.idle(1000)
    return c


def test_old_blocks_replay_under_their_own_rules():
    with updated():
        c = story()
        tip, state = replay_all(c.ledger.blocks)
        assert (tip.head, state.app_hash) == (c.ledger.tip.head, c.app_hash)


def test_old_and_updated_nodes_agree_on_every_block_before_it():
    with updated():
        c = story()
        crossed = c.chain.version_since
        _, ours = replay_all(c.ledger.blocks, crossed)
    tip, theirs = replay_all(c.ledger.blocks, crossed)
    assert tip.height == crossed - 1
    assert theirs.app_hash == ours.app_hash


def test_a_node_that_was_not_updated_stops_before_the_height():
    with updated():
        c = story()
        crossed = c.chain.version_since
    _, state = replay_all(c.ledger.blocks, crossed)
    with pytest.raises(VersionMissing) as caught:
        replay_all(c.ledger.blocks)
    assert (caught.value.version, caught.value.height) == (2, crossed)
    assert str(caught.value) == str(find_gap(state))
    with pytest.raises(VersionMissing):
        need_next(state, crossed - 1)
    need_next(state, crossed - 2)


def test_the_sentence_says_which_version_which_block_and_what_to_do():
    said = str(VersionMissing(3, 12, (1, 2)))
    assert said == (
        "The ledger follows contract version 3 from block 12 on, and this swarmhub has versions 1 "
        "and 2: no block is used from there on. Update swarmhub, then start the node again."
    )


def test_a_state_of_a_version_that_is_missing_is_not_used():
    with updated():
        c = story()
        need_present(c.state)
    with pytest.raises(VersionMissing, match="from block"):
        need_present(c.state)


def test_a_record_of_a_later_version_still_says_which_it_is():
    state = State({"chain": json.dumps({"contract_version": 7, "new": 1}).encode()})
    with pytest.raises(VersionMissing, match="version 7"):
        need_present(state)


def test_a_proposal_has_what_the_version_of_its_height_has():
    with updated():
        c = scheduled(3, after=5)
        at = c.chain.next_version.height
        txs = [c.write(1, Note("early")), c.write(2, Vote(7, True))]
        assert choose(c.state, at - 1, txs, 1 << 20) == txs[1:]
        assert choose(c.state, at, txs, 1 << 20) == txs
        assert not is_within_bounds(c.state, at - 1, txs)
        assert is_within_bounds(c.state, at, txs)


def test_what_a_version_lacks_takes_no_share_of_a_block():
    with updated():
        c = Consortium(1)
        many = [c.write(1, Note(str(i))) for i in range(64)]
        made = c.block(*many, c.write(1, Announce(BOTH)))
        codes = [r.code for r in made[0].results]
    assert codes == ["Malformed"] * 64 + ["ok"]
    replay_all(c.ledger.blocks)


def test_a_strangers_block_with_what_a_version_lacks_is_taken_by_all():
    with updated():
        c = Consortium(1)
        c.ledger.writer = key("stranger")
        c.block(c.write(1, Note("of another signer")))
        replay_all(c.ledger.blocks)
    replay_all(c.ledger.blocks)


# fields and values of later versions


@dataclasses.dataclass(frozen=True)
class Inner:
    level: str = dataclasses.field(default="low", metadata={"newer": {"high": 3}})
    extra: tuple[int, ...] = dataclasses.field(default=(), metadata={"since": 2})


@dataclasses.dataclass(frozen=True)
class Outer:
    one: Inner | None = None
    many: tuple[Inner, ...] = ()
    named: dict[str, Inner] = dataclasses.field(default_factory=dict)


@pytest.mark.parametrize(
    ("record", "needs"),
    [
        (Outer(), 1), (Outer(Inner()), 1), (Outer(Inner(extra=(1,))), 2),
        (Outer(many=(Inner(), Inner(extra=(1,)))), 2), (Outer(named={"a": Inner("high")}), 3),
        (Motion(1, "admit", 1, applicant=card_of("h1")), 1),
    ],
)  # fmt: skip
def test_a_newer_part_is_found_at_any_depth(record, needs):
    found = [bool(find_newer(record, version)) for version in (1, 2, 3)]
    assert found == [version < needs for version in (1, 2, 3)]


# founding and going on


def found(genesis):
    overlay = Overlay(State())
    contract.found(overlay, genesis, contract.Env(0, genesis.time_ms, keys.verify))
    return overlay


def test_a_chain_may_be_founded_at_the_second_version():
    cards = tuple(card_of(name, versions=BOTH) for name in ("h1", "h2"))
    genesis = genesis_of([], founders=cards, contract_version=2)
    with pytest.raises(VersionMissing, match="version 2 from block 0 on"):
        found(genesis)
    with updated():
        assert NOTED.need(found(genesis), 0).text == "2 members came here"


def test_founders_without_the_version_found_nothing():
    with updated(), pytest.raises(BadValue, match="versions"):
        found(genesis_of(["h1"], contract_version=2))


def test_what_was_written_for_another_version_is_read_again():
    c = Consortium(1)
    data = c.write(1, Vote(1, True))
    with updated():
        assert type(read_transaction(data).body) is ReasonedVote
    assert type(read_transaction(data).body) is Vote


def test_a_restart_keeps_the_version_and_what_is_scheduled():
    with updated():
        c = scheduled(4, after=50)
        left = c.chain.next_version.height - c.ledger.tip.height
        state, _ = begin(heir_of(c, 1, 2, 3))
        assert get_chain(state).next_version == NextVersion(2, left)
        state, _ = begin(heir_of(cross(c), 1, 2, 3, contract_version=2))
        chain = get_chain(state)
        assert (chain.contract_version, chain.version_since) == (2, 0)
        with pytest.raises(BadValue, match="contract_version"):
            begin(heir_of(c, 1, 2, 3))


def test_a_restart_drops_what_a_survivors_node_lacks():
    c = scheduled(4, after=50)
    c.ok(3, Announce(OLD))
    state, _ = begin(heir_of(c, 1, 2, 3))
    assert get_chain(state).next_version is None
