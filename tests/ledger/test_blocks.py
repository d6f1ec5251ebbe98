"""Blocks without a file: replaying, checking and storing them."""

from __future__ import annotations

import asyncio
import dataclasses
import json

import pytest
from builders import key
from ledger_tools import (
    GENESIS,
    Clock,
    change,
    done,
    invite,
    opened,
    signed,
)

from swarmhub import clock, codec
from swarmhub.contract import State
from swarmhub.contract.state import Overlay
from swarmhub.errors import LedgerDamaged, Malformed
from swarmhub.ledger import SqliteLedger
from swarmhub.ledger.blocks import (
    MAX_BLOCK_TXS,
    Block,
    build,
    make_genesis_block,
    pack_txs,
    replay,
    replay_genesis,
    unpack_txs,
)


def chain_of(n=1):
    """A tip, its state and the next good block."""
    overlay = Overlay(State())
    tip, _ = replay_genesis(make_genesis_block(GENESIS, key("h1")), overlay)
    tx = signed(tip.chain_id, change())
    _, committed = build(tip, Overlay(overlay), [tx] * n, tip.time_ms + 1, key("h1"))
    return tip, overlay, committed.block


def resigned(block, who="h1", **changes):
    """The block with another header, well signed."""
    header = dataclasses.replace(block.header, **changes)
    return Block(header, key(who).sign("swarmhub/block/1", codec.pack(header)), block.txs)


def test_a_good_block_replays_to_what_its_writer_computed():
    tip, overlay, block = chain_of()
    new, committed = replay(tip, overlay, block)
    assert (new.height, new.head) == (1, block.id)
    assert [r.code for r in committed.results] == ["ok"]


@pytest.mark.parametrize(
    "changes",
    [
        {"height": 2},
        {"previous": "0" * 64},
        {"time_ms": GENESIS.time_ms},
        {"time_ms": GENESIS.time_ms + 700_000},
        {"txs": "0" * 64},
        {"results": "0" * 64},
        {"app_hash": "0" * 64},
        {"writer": key("h2").public},
    ],
    ids=str,
)
def test_a_well_signed_block_with_a_wrong_header_is_refused_and_writes_nothing(changes):
    tip, overlay, block = chain_of()
    before = dict(overlay.writes)
    with pytest.raises(LedgerDamaged) as caught:
        replay(tip, overlay, resigned(block, **changes))
    assert caught.value.height == 1
    assert overlay.writes == before


def test_a_block_of_a_stranger_is_refused():
    tip, overlay, block = chain_of()
    with pytest.raises(LedgerDamaged, match="not a member"):
        replay(tip, overlay, resigned(block, "stranger", writer=key("stranger").public))


def test_a_block_signed_in_another_domain_is_refused():
    tip, overlay, block = chain_of()
    signature = key("h1").sign("swarmhub/tx/1", codec.pack(block.header))
    with pytest.raises(LedgerDamaged, match="signature"):
        replay(tip, overlay, Block(block.header, signature, block.txs))


def test_a_block_is_bounded_before_it_is_decoded():
    tip, overlay, block = chain_of()
    for txs in ((b"x",) * (MAX_BLOCK_TXS + 1), (b"x" * (9 << 20),)):
        with pytest.raises(LedgerDamaged, match="larger"):
            replay(tip, overlay, Block(block.header, block.signature, txs))


def test_bytes_that_are_no_transaction_stay_in_the_block_as_malformed():
    tip, overlay, _ = chain_of()
    _, committed = build(tip, Overlay(overlay), [b"\xff\x00", b"{}"], 0, key("h1"))
    assert [r.code for r in committed.results] == ["Malformed"] * 2
    _, again = replay(tip, Overlay(overlay), committed.block)
    assert again.results == committed.results


def test_a_genesis_block_is_checked_like_any_other():
    block = make_genesis_block(GENESIS, key("h1"))
    bad = {
        "height": resigned(block, height=1),
        "previous": resigned(block, previous="0" * 64),
        "stranger": resigned(block, "stranger", writer=key("stranger").public),
        "signature": Block(block.header, "00" * 64, block.txs),
        "two": Block(block.header, block.signature, block.txs * 2),
        "terms": Block(block.header, block.signature, (b"{}",)),
        "time": resigned(block, time_ms=5),
        "app hash": resigned(block, app_hash="0" * 64),
        "refused": Block(
            block.header, block.signature,
            (codec.pack(dataclasses.replace(GENESIS, vote_period_ms=9)),),
        ),
    }  # fmt: skip
    for why, damaged in bad.items():
        with pytest.raises(LedgerDamaged) as caught:
            replay_genesis(damaged, Overlay(State()))
        assert caught.value.height == 0, why


@pytest.mark.parametrize("txs", [(), (b"{}",), (b"\xff\xfe", "é".encode(), b'"\\')])
def test_transactions_are_stored_to_the_byte(txs):
    packed = pack_txs(txs)
    assert unpack_txs(packed) == txs
    json.loads(packed)


@pytest.mark.parametrize("data", [b"", b"{", b"7", b"[1]", b"[null]", b"[" * 100_000])
def test_what_is_no_list_of_texts_is_malformed(data):
    with pytest.raises(Malformed):
        unpack_txs(data)


def test_time_goes_on_for_all_when_a_writer_whose_clock_was_ahead_is_gone(tmp_path):
    async def scenario():
        async with opened("sqlite", tmp_path) as [_]:
            path, ahead, right = tmp_path / "ledger.db", Clock(), Clock()
            ahead.now_ms += 600_000
            wrong = await SqliteLedger.open(path, key("h1"), clock=ahead)
            await done(wrong, signed(wrong, invite("ahead"), expires_in_ms=1_200_000))
            await wrong.close()
            ledger = await SqliteLedger.open(path, key("h1"), clock=right)
            jumped_ms = ledger.tip.time_ms
            right.now_ms += 30_000
            await done(ledger, signed(ledger, invite("later"), expires_in_ms=1_200_000))
            assert 30_000 <= ledger.tip.time_ms - jumped_ms < 30_100
            right.now_ms -= 3_600_000  # a clock that is set back holds nothing up for long
            await done(ledger, signed(ledger, invite("back"), expires_in_ms=1_200_000))
            right.now_ms += 20_000
            before_ms = ledger.tip.time_ms
            await done(ledger, signed(ledger, invite("on"), expires_in_ms=1_200_000))
            assert ledger.tip.time_ms - before_ms >= 20_000
            await ledger.close()

    asyncio.run(scenario())


def test_the_clock_of_a_ledger_takes_no_steps(monkeypatch):
    steady = clock.make_steady_clock()
    before_ms = steady()
    monkeypatch.setattr(clock.time, "time_ns", lambda: 0)
    assert 0 <= steady() - before_ms < 60_000
