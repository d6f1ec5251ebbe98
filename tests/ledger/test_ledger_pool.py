"""The pool that the nodes of a machine share: who writes, and whose transactions a block takes."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter

from builders import card_of, key
from ledger_tools import (
    GENESIS,
    WAIT_S,
    Clock,
    change,
    done,
    invite,
    members,
    open_and_close,
    opened,
    poke,
    signed,
    taken,
)

from swarmhub.contract.envelope import MAX_TX_BYTES, read_transaction
from swarmhub.contract.execution import MAX_TXS_OF_STRANGERS, MAX_TXS_PER_MEMBER
from swarmhub.contract.transactions import Apply, Leave, Poke, card_message
from swarmhub.errors import LedgerError
from swarmhub.ledger import SqliteLedger, create_ledger
from swarmhub.ledger.sqlite import mempool as pool_module
from swarmhub.ledger.sqlite.mempool import Mempool
from swarmhub.types import INVITE_DOMAIN


def test_who_has_the_turn_takes_what_all_others_wait_for(path, no_safety_look):
    async def story():
        async with opened("sqlite", path.parent, handles=3) as ledgers:
            for i, ledger in enumerate(ledgers):  # as if each were about to take its turn
                ledger._pool.put(signed(ledger, change(f"other{i}")))
            (result,) = await done(ledgers[0], signed(ledgers[0], change("mine")))
            assert result.ok
            return ledgers[0].tip.height, [r for b in await ledgers[0].blocks(1, 9) for r in b.txs]

    height, txs = asyncio.run(story())
    assert (height, len(txs)) == (1, 4)
    assert not list(Mempool(path).waiting(100, 1 << 20, ()))


def test_what_a_dead_process_left_in_the_pool_reaches_a_block(path):
    async def story():
        async with opened("sqlite", path.parent) as (ledger,):
            left = signed(ledger, change("left"))
            Mempool(path).put(left)
            assert (await done(ledger, signed(ledger, change("mine"))))[0].ok
            # it comes back and submits the same bytes again: they count once
            assert (await (await ledger.submit(left)).result(WAIT_S)).ok
            assert len([tx for b in await ledger.blocks(1, 9) for tx in b.txs if tx == left]) == 1

    asyncio.run(story())


def test_rubbish_in_the_pool_stops_nobody(path):
    async def story():
        async with opened("sqlite", path.parent) as (ledger,):
            pool = Mempool(path)
            pool.put(b"{")
            pool.put(b"x" * (MAX_TX_BYTES + 1))
            assert (await done(ledger, signed(ledger, change("mine"))))[0].ok
            (block,) = await ledger.blocks(1, 9)
            assert len(block.txs) == 2  # malformed, and good; what is too large is thrown away
            assert not pool.waiting(100, 1 << 20, ())

    asyncio.run(story())


def count_of(txs):
    """How many of each name's."""
    names = {key(w).public: w for w in ("h1", "h2", "h3")}
    return Counter(names.get(read_transaction(tx).signer, "stranger") for tx in txs)


def test_a_block_takes_of_each_member_what_the_contract_takes(path):
    pool = Mempool(path)
    for i in range(3 * MAX_TXS_PER_MEMBER):
        pool.put(poke("h1", i))
    late = [poke(who, i) for i in range(2) for who in ("h2", "h3")]
    for tx in late:
        pool.put(tx)
    first = taken(pool)
    assert count_of(first) == {"h1": MAX_TXS_PER_MEMBER, "h2": 2, "h3": 2}
    assert first[-4:] == late, "in the order in which they came"
    assert [count_of(taken(pool)) for _ in range(3)] == [
        {"h1": MAX_TXS_PER_MEMBER}, {"h1": MAX_TXS_PER_MEMBER}, {},
    ]  # fmt: skip


def test_a_block_that_is_too_small_for_all_is_shared_in_turn(path):
    pool = Mempool(path)
    for who, n in (("h1", 50), ("h2", 3), ("h3", 50)):
        for i in range(n):
            pool.put(poke(who, i))
    assert count_of(taken(pool, most=11)) == {"h1": 4, "h2": 3, "h3": 4}
    size = len(poke("h1", 10))
    counts = count_of(taken(pool, most_bytes=10 * size))
    assert counts == {"h1": 5, "h3": 5}


def test_strangers_share_one_small_part_of_a_block_however_many_they_are(path):
    pool = Mempool(path)
    for i in range(3 * MAX_TXS_OF_STRANGERS):
        pool.put(poke(f"stranger {i}", i))
    pool.put(poke("h1", 1))
    assert count_of(taken(pool)) == {"stranger": MAX_TXS_OF_STRANGERS, "h1": 1}


def test_who_forges_a_members_name_uses_the_strangers_share(path):
    pool = Mempool(path)
    for i in range(2 * MAX_TXS_PER_MEMBER):
        pool.put(signed("chain", Poke(f"s{i}"), "h1", sign=lambda data: "00" * 64))
    genuine = poke("h1", 1)
    pool.put(genuine)
    found = taken(pool)
    assert len(found) == MAX_TXS_OF_STRANGERS + 1
    assert found[-1] == genuine


def test_a_flood_costs_no_more_reads_than_a_block_has_room_for(path, monkeypatch):
    monkeypatch.setattr(pool_module, "MAX_WAITING", 300)
    pool = Mempool(path)
    for i in range(400):
        pool.put(poke("h1", i))
    reads = []
    real = pool._read
    monkeypatch.setattr(pool, "_read", lambda place: reads.append(place) or real(place))
    assert len(taken(pool)) == MAX_TXS_PER_MEMBER
    assert len(reads) == MAX_TXS_PER_MEMBER
    left = sum(1 for _ in path.with_name(path.name + ".pool").iterdir())
    assert left == 300 - MAX_TXS_PER_MEMBER, "the newest beyond the limit are thrown away"


def test_a_flood_of_one_member_does_not_hold_up_another(path):
    async def story():
        async with opened("sqlite", path.parent) as (ledger,):
            flood = [signed(ledger, Poke(f"s{i}")) for i in range(5 * MAX_TXS_PER_MEMBER)]
            for tx in flood:
                Mempool(path).put(tx)
            other = await SqliteLedger.open(path, key("h2"), clock=Clock())
            (result,) = await done(other, signed(ledger, change(), "h2"))
            height = other.tip.height
            await other.close()
            return result, height, len((await ledger.blocks(1, 2))[0].txs)

    result, height, size = asyncio.run(story())
    assert result.ok
    assert (height, size) == (1, MAX_TXS_PER_MEMBER + 1), "it was in the very next block"


def test_an_applicant_is_not_held_up_by_other_strangers(path):
    async def story():
        async with opened("sqlite", path.parent) as (ledger,):
            await done(ledger, signed(ledger, invite("newcomer")))
            for i in range(3 * MAX_TXS_OF_STRANGERS):
                Mempool(path).put(signed(ledger, Poke("x"), f"stranger {i}"))
            applicant = await SqliteLedger.open(path, key("newcomer"), clock=Clock())
            card, token = card_of("newcomer"), key("invitation newcomer")
            body = Apply(card, token.public, token.sign(INVITE_DOMAIN, card_message(card)))
            assert (await done(applicant, signed(ledger, body, "newcomer")))[0].ok
            await applicant.close()

    asyncio.run(story())


def test_a_stranger_leaves_what_others_wait_for_in_the_pool(path):
    async def story():
        async with opened("sqlite", path.parent) as (ledger,):
            await done(ledger, signed(ledger, invite("newcomer")))
            Mempool(path).put(signed(ledger, change("others")))
            applicant = await SqliteLedger.open(path, key("newcomer"), clock=Clock())
            card, token = card_of("newcomer"), key("invitation newcomer")
            body = Apply(card, token.public, token.sign(INVITE_DOMAIN, card_message(card)))
            assert (await done(applicant, signed(ledger, body, "newcomer")))[0].ok
            await applicant.close()
        assert len(Mempool(path).waiting(100, 1 << 20, ())) == 1
        await open_and_close(path)  # and the file is good

    asyncio.run(story())


# who may write


def test_an_applicant_writes_the_block_with_its_own_application(path):
    async def story():
        async with opened("sqlite", path.parent) as (ledger,):
            await done(ledger, signed(ledger, invite("newcomer")))
            applicant = await SqliteLedger.open(path, key("newcomer"), clock=Clock())
            card, token = card_of("newcomer"), key("invitation newcomer")
            body = Apply(card, token.public, token.sign(INVITE_DOMAIN, card_message(card)))
            (result,) = await done(applicant, signed(ledger, body, "newcomer"))
            assert result.ok, result
            await applicant.close()
        tip, _ = await open_and_close(path)
        assert tip.height == 3  # invitation, application, follow-up

    asyncio.run(story())


def test_a_stranger_does_not_write_what_others_signed_into_the_file(path):
    async def story():
        create_ledger(path, GENESIS, key("h1"))
        stranger = await SqliteLedger.open(path, key("stranger"), clock=Clock())
        with contextlib.suppress(LedgerError, TimeoutError):
            submission = await stranger.submit(signed(stranger, change(), "h1"))
            await submission.result(0.2)
        await stranger.close()
        tip, _ = await open_and_close(path)  # the file is still good
        assert tip.height == 0

    asyncio.run(story())


def test_who_has_left_cannot_damage_the_file_by_what_it_still_has_to_send(path):
    async def story():
        create_ledger(path, GENESIS, key("h1"))
        ledger = await SqliteLedger.open(path, key("h3"), clock=Clock())
        await done(ledger, signed(ledger, Leave(), "h3"))
        assert members(ledger) == (1, 2)
        with contextlib.suppress(LedgerError, TimeoutError):
            submission = await ledger.submit(signed(ledger, Poke("lung"), "h3"))
            assert (await submission.result(WAIT_S)).code == "NotAMember"
        await ledger.close()
        await open_and_close(path)

    asyncio.run(story())
