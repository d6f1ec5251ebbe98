"""What the engine says of validators that sign twice: it is in the block, and acted upon."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import sqlite3

import pytest
from builders import genesis_of, key
from engines import Player, StandIn, needs_cometbft, start
from ledger_tools import GENESIS, Clock, change, done, signed

from swarmhub.contract import Misbehaviour
from swarmhub.contract.consortium.misbehaviour import compute_address
from swarmhub.contract.records import MEMBER, get_double_sign
from swarmhub.errors import LedgerDamaged
from swarmhub.ledger.cometbft import CometLedger, CometReadClient, application, verify_comet_ledger
from swarmhub.ledger.cometbft import messages as m
from swarmhub.ledger.cometbft.application import read_misbehaviour
from swarmhub.ledger.cometbft.settings import STATE_FILE

pytestmark = pytest.mark.engine

H2 = compute_address(key("h2/consensus").public)


def evidence(address, height):
    return m.Misbehavior(
        type="DUPLICATE_VOTE", validator=m.Validator(address=bytes.fromhex(address)), height=height
    )


def played(folder):
    """A chain whose second block shows that h2 has signed twice; what a read_client saw of it."""

    async def main():
        ledger = await StandIn.open(folder, GENESIS, Clock())
        await done(ledger, signed(ledger, change("a")))
        read_client = await CometReadClient.open(folder)
        engine = await Player.connect(folder / "abci.sock")
        answer = await engine.ask(
            "finalize_block", txs=[signed(ledger, change("b"))], height=2, hash=b"h" * 32,
            time_ms=ledger.tip.time_ms + 9, misbehavior=[evidence(H2, 1)] * 3,
        )  # fmt: skip
        await engine.ask("commit")
        read_client._look()
        seen, ours = read_client.state.app_hash, ledger.state.app_hash
        await engine.hang_up()
        await read_client.close()
        await ledger.close()
        return answer, seen, ours

    return asyncio.run(main())


def test_a_double_vote_in_a_block_becomes_a_validator_update(tmp_path):
    answer, seen, ours = played(tmp_path)
    (update,) = answer.validator_updates
    assert (update.pub_key.ed25519.hex(), update.power) == (key("h2/consensus").public, 0)
    assert seen == ours == answer.app_hash


def test_an_auditor_executes_misbehaviour_again(tmp_path):
    played(tmp_path)
    tip, state, found = verify_comet_ledger(tmp_path)
    assert found[2].block.misbehaviour == (Misbehaviour(H2, 1),)
    assert get_double_sign(state, MEMBER.need(state, 2)).height == 1
    assert tip.height == 2


@pytest.mark.parametrize("other", ["[]", f'[["{"0" * 40}", 1]]', f'[["{H2}", 2]]', "[[1]]"])
def test_misbehaviour_that_was_changed_on_disk_is_noticed(tmp_path, other):
    played(tmp_path)
    with contextlib.closing(sqlite3.connect(tmp_path / STATE_FILE)) as db, db:
        db.execute("UPDATE blocks SET misbehaviour = ? WHERE height = 2", (other,))
    with pytest.raises((LedgerDamaged, application.LedgerError)):
        verify_comet_ledger(tmp_path)


def test_one_block_can_show_a_hundred_validators_at_most():
    shown = [evidence(f"{i % 300:040x}", 900 - i) for i in range(900)]
    found = read_misbehaviour(m.RequestFinalizeBlock(misbehavior=shown))
    assert found == tuple(Misbehaviour(f"{i:040x}", 300 - i) for i in range(100))


@needs_cometbft
def test_two_engines_with_one_key_lose_its_vote(tmp_path):
    """The engine of h5 is started again with the consensus key of h3."""

    async def main():
        ledgers = await start(tmp_path, genesis_of(["h1", "h2", "h3", "h4", "h5"]))
        one, copy = ledgers[0], ledgers[4]
        await done(one, signed(one, change("a")))
        settings = dataclasses.replace(copy.settings, consensus=key("h3/consensus"))
        await copy.close()
        ledgers[4] = await CometLedger.open(settings)
        for i in range(60):
            await done(one, signed(one, change(f"s{i}")))
            if get_double_sign(one.state, MEMBER.need(one.state, 3)):
                break
        assert MEMBER.need(one.state, 3).power == 0
        await done(one, signed(one, change("after")), signed(one, change("that")))
        await asyncio.gather(*(ledger.close() for ledger in ledgers))
        return verify_comet_ledger(tmp_path / "h1")[1]

    assert asyncio.run(main()).values["double_sign/3"]
