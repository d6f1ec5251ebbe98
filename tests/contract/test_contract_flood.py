"""Floods: the share of a block that one signer may have, in blocks of anybody."""

from __future__ import annotations

from builders import HEART, Consortium, card_of, key, running
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmhub import contract, keys
from swarmhub.contract.context import BlockQuota
from swarmhub.contract.envelope import read_transaction
from swarmhub.contract.execution import MAX_TXS_OF_STRANGERS, MAX_TXS_PER_MEMBER
from swarmhub.contract.state import Overlay
from swarmhub.contract.transactions import Leave, Poke, Ready, Vote
from swarmhub.ledger.blocks import build, replay


def codes(c, txs):
    return [r.code for r in c.block(*txs)[0].results]


def pokes(c, who, n):
    return [c.write(who, Poke(HEART)) for _ in range(n)]


def test_of_a_flood_a_block_takes_the_first_and_refuses_the_rest():
    c = running(3)
    found = codes(c, pokes(c, 1, MAX_TXS_PER_MEMBER + 5))
    assert found == ["ok"] * MAX_TXS_PER_MEMBER + ["BlockQuotaExceeded"] * 5


def test_the_refusal_says_both_numbers_and_what_to_do():
    c = running(3)
    result = c.block(*pokes(c, 1, MAX_TXS_PER_MEMBER + 2))[0].results[-1]
    assert result.message == (
        f"Member 1 may have {MAX_TXS_PER_MEMBER} transactions in a block, and this is number "
        f"{MAX_TXS_PER_MEMBER + 2}; send it again in a later block."
    )


def test_what_was_too_much_leaves_nothing_and_may_come_in_the_next_block():
    flooded, quiet = running(3), running(3)
    txs = pokes(flooded, 1, MAX_TXS_PER_MEMBER + 1)
    flooded.block(*txs)
    quiet.block(*txs[:-1])
    assert flooded.app_hash == quiet.app_hash
    assert codes(flooded, txs[-1:]) == ["ok"]


def test_others_in_the_same_block_are_unharmed():
    c = running(3)
    txs = [*pokes(c, 1, 300), c.write(2, Ready(HEART)), c.write(3, Ready(HEART))]
    assert codes(c, txs)[-2:] == ["ok", "ok"]


def test_refused_transactions_count_too():
    c = running(3)
    txs = [c.write(1, Poke("lung")) for _ in range(MAX_TXS_PER_MEMBER)]
    assert codes(c, [*txs, c.write(1, Ready(HEART))])[-1] == "BlockQuotaExceeded"


def test_nobody_can_use_up_another_ones_share():
    """Neither with a forged signature, nor with copies of bytes that the other has signed."""
    c = running(3)
    forged = [c.write(2, Poke(HEART), sign=lambda _: "00" * 64) for _ in range(100)]
    accepted = [c.write(2, Poke(HEART))] * 100
    refused = [c.write(2, Vote(7, True))] * 100
    found = codes(c, [*forged, *accepted, *refused, c.write(2, Ready(HEART))])
    assert set(found[:100]) == {"BadValue"}
    assert found[100:200] == ["ok"] + ["AlreadyDone"] * 99
    assert set(found[200:300]) == {"UnknownThing"}
    assert found[-1] == "ok"


def test_strangers_share_one_small_part_however_many_keys_they_make():
    c = Consortium(3)
    strangers = [c.write(key(f"stranger {i}"), Leave()) for i in range(MAX_TXS_OF_STRANGERS + 9)]
    found = codes(c, [*strangers, c.write(1, Leave())])
    assert found == ["NotAMember"] * MAX_TXS_OF_STRANGERS + ["BlockQuotaExceeded"] * 9 + ["ok"]
    result = c.block(*[c.write(key(f"s{i}"), Leave()) for i in range(30)])[0].results[-1]
    assert result.message.startswith(f"All who are no members together may have "
                                     f"{MAX_TXS_OF_STRANGERS} transactions")  # fmt: skip


def test_an_applicant_comes_in_where_strangers_have_left_room():
    c = Consortium(3)
    token = c.invite(1, "n")
    txs = [c.write(key(f"stranger {i}"), Leave()) for i in range(MAX_TXS_OF_STRANGERS - 1)]
    apply = c.write(key("n"), c.application(token, card_of("n")))
    assert codes(c, [*txs, apply])[-1] == "ok"


def test_a_member_that_leaves_in_a_block_is_a_stranger_from_there_on():
    c = Consortium(3)
    after = [c.write(1, Leave()) for _ in range(MAX_TXS_OF_STRANGERS + 1)]
    found = codes(c, [c.write(1, Leave()), *after])
    assert found == ["ok"] + ["NotAMember"] * MAX_TXS_OF_STRANGERS + ["BlockQuotaExceeded"]


def test_a_flooded_block_is_the_same_for_who_builds_it_and_who_checks_it():
    c = running(3)
    tip, state = c.ledger.tip, c.state
    txs = pokes(c, 1, MAX_TXS_PER_MEMBER + 3)
    built, made = build(tip, Overlay(state), txs, c.now_ms, key("h1"))
    for _ in range(2):  # nothing is left over from one execution to the next
        checked, seen = replay(tip, Overlay(state), made.block)
        assert (checked, seen.results) == (built, made.results)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 3), st.booleans()), max_size=250))
def test_no_mixture_gives_a_member_more_than_its_share(mixture):
    c = running(3)
    env = contract.Env(9, c.now_ms + 1, keys.verify)
    taken = dict.fromkeys((1, 2, 3), 0)
    for who, good in mixture:
        tx = read_transaction(c.write(who, Poke(HEART if good else "lung")))
        result = contract.apply(Overlay(c.state), tx, env)
        taken[who] += 1
        assert (result.code == "BlockQuotaExceeded") == (taken[who] > MAX_TXS_PER_MEMBER)


def test_shares_count_ids_by_member():
    shares = BlockQuota()
    assert [shares.take(1, "a"), shares.take(1, "a"), shares.take(1, "b"), shares.take(2, "a")] == [
        1, 1, 2, 1,
    ]  # fmt: skip
