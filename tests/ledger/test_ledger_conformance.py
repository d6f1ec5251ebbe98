"""What every driver does. The next driver is another entry of DRIVERS."""

from __future__ import annotations

import asyncio
import itertools
import json

import pytest
from builders import START_MS, genesis_of, key
from ledger_tools import (
    ALL_DRIVERS,
    DRIVERS,
    GENESIS,
    WAIT_S,
    Clock,
    change,
    done,
    invite,
    is_changed,
    opened,
    signed,
    until,
)

from swarmhub import codec
from swarmhub.contract import State, compute_chain_id
from swarmhub.contract.compact import shrink
from swarmhub.contract.deadlines import get_deadlines, is_waiting
from swarmhub.contract.envelope import read_transaction, write_text
from swarmhub.contract.events import Rotated
from swarmhub.contract.records import Genesis
from swarmhub.contract.transactions import Leave, Poke, Remove, Vote
from swarmhub.errors import BadInput, Malformed
from swarmhub.ledger import create_ledger, make_genesis_block
from swarmhub.ledger.base import Subscriptions
from swarmhub.ledger.blocks import Committed

pytestmark = pytest.mark.process

on_all = pytest.mark.parametrize("driver", ALL_DRIVERS)
with_a_clock = pytest.mark.parametrize("driver", DRIVERS)  # whose block time a test can set


def run(story, driver, folder, **options):
    """Run a coroutine over a fresh chain."""

    async def main():
        async with opened(driver, folder, **options) as ledgers:
            return await story(*ledgers)

    return asyncio.run(main())


@on_all
def test_a_new_chain_stands_at_its_genesis(driver, tmp_path):
    async def story(ledger):
        tip = ledger.tip
        (block,) = await ledger.blocks(0, 10)
        genesis = codec.unpack(Genesis, block.txs[0])
        assert genesis.name == GENESIS.name
        told = (tip.chain_id, tip.height, tip.time_ms)
        assert told == (compute_chain_id(genesis), 0, genesis.time_ms)
        assert block.id == tip.head
        assert block.header.app_hash == ledger.state.app_hash.hex()

    run(story, driver, tmp_path)


@on_all
def test_a_submission_gives_a_result(driver, tmp_path):
    async def story(ledger):
        tx = signed(ledger, change())
        submission = await ledger.submit(tx)
        assert submission.id == read_transaction(tx).id
        result = await submission.result(WAIT_S)
        assert (result.id, result.code) == (submission.id, "ok")
        assert [type(event) for event in result.events] == [Rotated]
        assert is_changed(ledger, "heart")
        assert ledger.tip.height >= 1

    run(story, driver, tmp_path)


@on_all
def test_a_refused_transaction_is_recorded_and_changes_no_app_hash(driver, tmp_path):
    async def story(ledger):
        before = ledger.state.app_hash
        tx = signed(ledger, Poke("lung"))
        (result,) = await done(ledger, tx)
        assert result.code == "UnknownThing"
        assert "lung" in result.message
        assert ledger.tip.height >= 1
        assert ledger.state.app_hash == before
        blocks = await ledger.blocks(1, ledger.tip.height + 1)
        assert [b.txs for b in blocks if b.txs] == [(tx,)]  # an engine may begin with an empty one

    run(story, driver, tmp_path)


@on_all
@pytest.mark.parametrize("data", [b"", b"{}", b"\xff\xfe", b"[" * 10_000, b"x" * 300_000])
def test_malformed_bytes_are_refused_at_once_and_make_no_block(driver, tmp_path, data):
    async def story(ledger):
        with pytest.raises(Malformed):
            await ledger.submit(data)
        (result,) = await done(ledger, signed(ledger, change()))
        assert result.ok
        assert ledger.tip.height >= 1

    run(story, driver, tmp_path)


@on_all
def test_transactions_are_applied_in_the_order_of_submission(driver, tmp_path):
    async def story(ledger):
        txs = [signed(ledger, change(f"s{i}")) for i in range(20)]
        submissions = [await ledger.submit(tx) for tx in txs]
        results = [await s.result(WAIT_S) for s in submissions]
        assert all(r.ok for r in results)
        written = [tx for block in await ledger.blocks(1, 100) for tx in block.txs]
        assert written == txs

    run(story, driver, tmp_path)


@on_all
def test_blocks_are_numbered_chained_and_later_than_each_other(driver, tmp_path):
    async def story(ledger):
        for i in range(5):
            await done(ledger, signed(ledger, change(f"s{i}")))
        blocks = await ledger.blocks(0, 100)
        assert [b.header.height for b in blocks] == list(range(len(blocks)))
        assert sum(len(b.txs) for b in blocks[1:]) == 5
        for before, after in itertools.pairwise(blocks):
            assert after.header.previous == before.id
            assert after.header.time_ms > before.header.time_ms
        assert [b.header.height for b in await ledger.blocks(2, 4)] == [2, 3]
        assert await ledger.blocks(60, 100) == []

    run(story, driver, tmp_path)


@with_a_clock
def test_block_time_follows_the_clock_and_never_stands_still(driver, tmp_path):
    clock = Clock()

    async def story(ledger):
        clock.now_ms = START_MS + 5000
        assert ledger.estimate_ms() == START_MS + 5000
        await done(ledger, signed(ledger, change("a")))
        assert ledger.tip.time_ms == START_MS + 5000
        clock.now_ms = START_MS
        assert ledger.estimate_ms() == START_MS + 5001
        await done(ledger, signed(ledger, change("b")))
        assert ledger.tip.time_ms == START_MS + 5001

    run(story, driver, tmp_path, clock=clock)


@on_all
def test_a_deadline_is_stamped_by_a_follow_up_block(driver, tmp_path):
    async def story(ledger):
        made, news = [], asyncio.Event()
        ledger.subscribe(lambda c: (made.append(c), news.set()))
        (result,) = await done(ledger, signed(ledger, Remove(3)))
        assert result.ok
        marked = next(i for i, c in enumerate(made) if c.block.txs)  # an engine may begin with none
        await until(lambda: len(made) > marked + 1, news)
        assert [len(c.block.txs) for c in made[marked:][:2]] == [1, 0]
        assert not is_waiting(ledger.state)
        (deadline,) = get_deadlines(ledger.state)
        assert deadline.due_ms == made[marked + 1].block.header.time_ms + GENESIS.vote_period_ms

    run(story, driver, tmp_path)


@on_all
def test_subscribers_see_each_block_once_in_order_until_they_unsubscribe(driver, tmp_path):
    async def story(one, two):
        seen: dict[str, list[Committed]] = {"one": [], "two": [], "gone": []}
        both = asyncio.Event()

        def heard(name):
            def listener(committed):
                seen[name].append(committed)
                if all(sum(len(c.results) for c in seen[n]) == 6 for n in ("one", "two")):
                    both.set()

            return listener

        one.subscribe(heard("one"))
        two.subscribe(heard("two"))
        unsubscribe = one.subscribe(heard("gone"))
        await done(one, signed(one, change("a")))
        unsubscribe()
        left_at = one.tip.height  # an engine may have made an empty block by now
        for ledger, name in ((two, "b"), (one, "c"), (two, "d"), (two, "e"), (one, "f")):
            await done(ledger, signed(ledger, change(name)))
        await asyncio.wait_for(both.wait(), WAIT_S)
        for name in ("one", "two"):
            assert [c.height for c in seen[name]] == list(range(1, len(seen[name]) + 1))
        assert [c.height for c in seen["gone"]] == list(range(1, left_at + 1))
        assert left_at < len(seen["one"])
        events = [type(event) for c in seen["one"] for event in c.events]
        assert events == [Rotated] * 6
        for ours, theirs in zip(seen["one"], seen["two"], strict=False):
            assert ours.block.header.app_hash == theirs.block.header.app_hash
            assert ours.block.id == theirs.block.id

    run(story, driver, tmp_path, handles=2)


@on_all
def test_identical_bytes_may_be_submitted_again_at_any_time(driver, tmp_path):
    async def story(ledger):
        tx = signed(ledger, change())
        first, second = await ledger.submit(tx), await ledger.submit(tx)
        assert first.id == second.id
        assert (await first.result(WAIT_S)).ok
        assert (await second.result(WAIT_S)).ok
        app_hash = ledger.state.app_hash
        for _ in range(3):
            (again,) = await done(ledger, tx)
            assert again.ok, "the act was accepted, whoever asks and how often"
            await done(ledger, signed(ledger, Poke("lung")))
            assert ledger.state.app_hash == app_hash

    run(story, driver, tmp_path)


@on_all
def test_a_refused_transaction_may_be_submitted_again_and_be_accepted(driver, tmp_path):
    async def story(ledger):
        poke = signed(ledger, Vote(1, True), "h2")
        (result,) = await done(ledger, poke)
        assert result.code == "UnknownThing"
        await done(ledger, signed(ledger, Remove(3)))
        (result,) = await done(ledger, poke)
        assert result.ok

    run(story, driver, tmp_path)


@on_all
def test_the_result_is_known_to_every_handle_that_waits_for_it(driver, tmp_path):
    async def story(one, two):
        tx = signed(one, change())
        submissions = [await one.submit(tx), await two.submit(tx)]
        codes = sorted([(await s.result(WAIT_S)).code for s in submissions])
        assert codes == ["ok", "ok"]

    run(story, driver, tmp_path, handles=2)


@on_all
def test_who_waits_too_short_hears_so_and_may_wait_on(driver, tmp_path):
    async def story(ledger):
        submission = await ledger.submit(signed(ledger, change()))
        with pytest.raises(TimeoutError):
            await submission.result(0)
        assert (await submission.result(WAIT_S)).ok

    run(story, driver, tmp_path)


@on_all
def test_a_transaction_for_another_chain_is_refused_by_the_contract(driver, tmp_path):
    async def story(ledger):
        (result,) = await done(ledger, signed(ledger, change(), chain="other-chain"))
        assert result.code == "BadValue"

    run(story, driver, tmp_path)


@on_all
def test_another_genesis_is_another_chain(driver, tmp_path):
    async def story(ledger):
        return ledger.tip.chain_id, ledger.state.app_hash

    other = genesis_of(["h1", "h2", "h3"], time_ms=START_MS + 1)
    for name in "ab":
        (tmp_path / name).mkdir()
    one = run(story, driver, tmp_path / "a")
    two = run(story, driver, tmp_path / "b", genesis=other)
    assert one[0] != two[0]
    assert one[1] != two[1]


@on_all
def test_a_genesis_that_the_contract_refuses_founds_nothing(driver, tmp_path):
    with pytest.raises(BadInput, match="cannot be founded"):
        run(lambda ledger: None, driver, tmp_path, genesis=genesis_of([]))
    assert not (tmp_path / "ledger.db").exists()


@with_a_clock
def test_the_drivers_agree_to_the_byte(driver, tmp_path):
    """Every driver is compared with the first: blocks, app hashes and results."""

    async def story(ledger):
        clock.now_ms = START_MS
        heard = []
        ledger.subscribe(heard.append)
        chain = ledger.tip.chain_id
        for body, who in (
            (change(), "h1"), (invite(), "h2"), (Remove(3), "h1"), (Poke("lung"), "h1"),
            (Vote(1, True), "h1"), (Vote(1, True), "h2"), (Remove(9), "h1"), (Leave(), "h2"),
        ):  # fmt: skip
            clock.now_ms += 1000
            await done(ledger, signed(chain, body, who))
        blocks = await ledger.blocks(0, 100)
        results = [(r.id, r.code, r.events) for c in heard for r in c.results]
        validators = [c.validators for c in heard]
        assert State(ledger.state.values).app_hash == ledger.state.app_hash
        made = [(b.header.height, b.header.time_ms, b.txs, b.header.app_hash) for b in blocks]
        heads = [b.id for b in blocks]
        return ledger.state.app_hash, made, results, validators, heads

    clock = Clock()
    for name in ("reference", "tested"):
        (tmp_path / name).mkdir()
    reference = run(story, DRIVERS[0], tmp_path / "reference", clock=clock)
    tested = run(story, driver, tmp_path / "tested", clock=clock)
    assert tested[:4] == reference[:4]
    assert tested[4] == reference[4] or driver == "abci"  # where an engine gives blocks their ids
    assert any(reference[3])


def forged(tx):
    """A copy of the bytes, with the same id and a signature that is none."""
    envelope = json.loads(write_text(tx))
    copy = shrink(codec.encode({**envelope, "signature": "00" * 64}))
    assert read_transaction(copy).id == read_transaction(tx).id
    return copy


@on_all
def test_a_forged_copy_on_its_way_at_the_same_time_reaches_no_honest_waiter(driver, tmp_path):
    async def story(one, two):
        for i, order in enumerate([(0, 1), (1, 0)]):
            tx = signed(one, change(f"s{i}"))
            copies = [(one, tx), (two, forged(tx))]
            sent = {k: await copies[k][0].submit(copies[k][1]) for k in order}
            assert (await sent[0].result(WAIT_S)).ok
            assert (await sent[1].result(WAIT_S)).code in ("BadValue", "AlreadyDone")

    run(story, driver, tmp_path, handles=2)


@on_all
def test_a_forged_copy_before_and_after_changes_nothing_for_the_genuine_one(driver, tmp_path):
    async def story(ledger):
        tx = signed(ledger, change())
        (result,) = await done(ledger, forged(tx))
        assert result.code == "BadValue"
        (result,) = await done(ledger, tx)
        assert result.ok
        await done(ledger, forged(tx))
        (result,) = await done(ledger, tx)
        assert result.ok, "the act was accepted, whatever came with its id since"

    run(story, driver, tmp_path)


@on_all
def test_a_board_remembers_the_newest_results(driver, tmp_path, monkeypatch):
    monkeypatch.setattr(Subscriptions, "RECENT", 2)

    async def story(ledger):
        for i in range(4):
            await done(ledger, signed(ledger, change(f"s{i}")))
        board = ledger.board if driver in ("memory", "abci") else ledger._board
        assert len(board._recent) == 2

    run(story, driver, tmp_path)


@on_all
def test_a_genesis_block_is_the_same_whoever_makes_it_again(driver, tmp_path):
    assert make_genesis_block(GENESIS, key("h1")) == make_genesis_block(GENESIS, key("h1"))
    if driver == "sqlite":
        path = tmp_path / "ledger.db"
        assert create_ledger(path, GENESIS, key("h1")) == compute_chain_id(GENESIS)
        with pytest.raises(BadInput, match="never overwritten"):
            create_ledger(path, GENESIS, key("h1"))
