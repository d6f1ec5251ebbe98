"""The store of blocks and state under CometBFT, and block time."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from ledger_tools import GENESIS, change, done, played, signed

from swarmhub.contract import State
from swarmhub.errors import LedgerDamaged, LedgerError
from swarmhub.ledger.cometbft import (
    create_comet_ledger,
    verify_comet_ledger,
)
from swarmhub.ledger.cometbft.clock import BlockClock
from swarmhub.ledger.cometbft.settings import STATE_FILE
from swarmhub.ledger.cometbft.store import Store

ROOT = Path(__file__).parents[2]


# the store


@pytest.mark.process
def test_a_state_that_was_altered_is_never_used(tmp_path):
    async def story(ledger):
        await done(ledger, signed(ledger, change("a")))

    played(tmp_path / "x", story)
    path = tmp_path / "x" / STATE_FILE
    db = sqlite3.connect(path)
    db.execute("UPDATE state SET value = x'31' WHERE path = 'member/1'")
    db.commit()
    db.close()
    with pytest.raises(LedgerError, match="not the state whose hash is noted"):
        Store.open(path).load()


@pytest.mark.process
def test_an_auditor_executes_everything_again_and_names_the_block(tmp_path):
    async def story(ledger):
        for name in "abc":
            await done(ledger, signed(ledger, change(name)))

    played(tmp_path / "x", story)
    tip, state, blocks = verify_comet_ledger(tmp_path / "x")
    assert (tip.height, len(blocks)) == (3, 4)
    assert State(state.values).app_hash == state.app_hash
    db = sqlite3.connect(tmp_path / "x" / STATE_FILE)
    db.execute("UPDATE blocks SET txs = (SELECT txs FROM blocks WHERE height = 1) WHERE height = 2")
    db.commit()
    db.close()
    with pytest.raises(LedgerDamaged, match="block 2"):
        verify_comet_ledger(tmp_path / "x")


@pytest.mark.parametrize("content", [b"", b"nonsense" * 999])
def test_a_file_that_is_no_state_is_one_sentence(tmp_path, content):
    (tmp_path / STATE_FILE).write_bytes(content)
    with pytest.raises(LedgerError, match=r"Expected a ledger of format|is damaged"):
        Store.open(tmp_path / STATE_FILE)
    with pytest.raises(LedgerError, match="never overwritten"):
        create_comet_ledger(tmp_path, GENESIS)


# time


def test_block_time_is_estimated_with_a_wrong_clock_and_after_a_long_pause():
    now = [1_000_000]
    wrong = 300_000
    clock = BlockClock(lambda: now[0] + wrong)

    class Tip:
        time_ms = 0

    last_ms = now[0]
    for pause in (10, 20, 3_600_000, 15, 10):
        now[0] += pause  # a block is made now, and has the time of the votes for the last
        Tip.time_ms = last_ms
        clock.saw(last_ms)
        last_ms = now[0]
    assert abs(clock.estimate_ms(Tip) - now[0]) <= 20
    now[0] += 5_000
    assert abs(clock.estimate_ms(Tip) - now[0]) <= 20
