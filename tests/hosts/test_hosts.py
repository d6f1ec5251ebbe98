"""Hospitals on hosts of their own: real engines, nodes, trainers and data; the network is cut."""

from __future__ import annotations

import asyncio
import base64
import os
import random
import time

import pytest
from bed import STUDY_NAME, Bed, needs_namespaces
from engines import needs_cometbft
from long_runs import long_run

from swarmhub.clock import CLOCK_VARIABLE
from swarmhub.contract.envelope import read_transaction
from swarmhub.contract.execution import MAX_TXS_PER_MEMBER
from swarmhub.contract.records import MOTIONS
from swarmhub.contract.round.election import compute_leader_order
from swarmhub.contract.transactions import Poke, Remove
from swarmhub.errors import BadInput
from swarmhub.failpoints import VARIABLE as DIE_AT
from swarmhub.ledger import sign_transaction
from swarmhub.ledger.cometbft import verify_comet_ledger
from swarmhub.ledger.cometbft.rpc import Rpc
from swarmhub.ledger.cometbft.settings import RPC_SOCKET, STATE_FILE
from swarmhub.ledger.cometbft.store import Store

pytestmark = [needs_namespaces, needs_cometbft, pytest.mark.campaign]

FOUR = (1, 2, 3, 4)
PHASES = (
    "submit.round.contribute", "receipt.begun", "agreed.executed", "agreed.committed",
    "merge.begun", "merge.stored", "submit.round.settle",
)  # fmt: skip
long = pytest.mark.skipif(
    not os.environ.get("SWARMHUB_LONG"), reason="a longer run: 'just hosts', or SWARMHUB_LONG=1"
)


def started(bed, **options):
    """Four hosts with a study under way."""
    bed.found()
    bed.open_study(**options)
    bed.wait_until(lambda: bed.number(1) >= 4 and len(bed.merged(1)) == 4)


def test_1_four_hosts_found_a_network_and_settle_the_same_twenty_rounds(tmp_path):
    with Bed(tmp_path, 4) as bed:
        bed.found()
        bed.open_study(rounds=20)
        bed.wait_until(bed.finished)
        models = bed.agree()
        assert len(models) >= 20
        heads = {verify_comet_ledger(h.engine_path)[0].height for h in bed.homes}
        assert min(heads) > 40


@long_run
def test_2_a_fifth_joins_by_invitation_in_the_middle_and_contributes(tmp_path):
    with Bed(tmp_path, 4) as bed:
        started(bed, rounds=1000)
        five = bed.join(token_of=2)
        bed.up(five)
        (motion,) = MOTIONS.get(bed.state(1)).open
        for i in (1, 3, 4):
            if motion in (MOTIONS.get(bed.state(i)) or MOTIONS.cls()).open:
                bed.at_desk(i, lambda d: d.vote(motion, True))
        bed.wait_until(lambda: "Hospital 5" in bed.members(five))
        bed.take_part(five)
        bed.train(five)
        bed.wait_until(lambda: five in bed.merged(1))
        bed.wait_until(
            lambda: "validates from now on" in (bed.homes[4].root / "logs/node.log").read_text()
        )
        since = bed.number(1)
        bed.wait_until(lambda: bed.number(five) > since + 2)
        bed.agree()


@long
def test_3_a_host_is_killed_in_every_phase_of_a_round_and_comes_back(tmp_path):
    with Bed(tmp_path, 4) as bed:
        started(bed, rounds=1000)
        bed.kill(2)
        for moment in PHASES:
            bed.up(2, **{DIE_AT: moment})  # is back in the round, and dies when it comes there
            bed.wait_until(lambda: not bed.children.is_running("node 2"))
            since = bed.number(1)
            bed.wait_until(lambda n=since: bed.number(1) >= n + 2)
        bed.up(2)
        bed.wait_until(lambda: 2 in bed.merged(1))
        since = bed.number(1)
        bed.wait_until(lambda: all(bed.number(i) > since for i in FOUR))
        bed.agree()


def test_4_a_host_that_was_cut_off_catches_up_and_a_minority_settles_nothing(tmp_path):
    with Bed(tmp_path, 4) as bed:
        started(bed, rounds=1000)
        bed.cut(3)
        bed.wait_until(lambda: 3 not in bed.merged(1))
        since, alone = bed.number(1), bed.height(3)
        bed.wait_until(lambda: bed.number(1) >= since + 5)
        assert bed.height(3) <= alone + 2
        assert bed.number(3) <= since
        bed.heal(3)
        bed.wait_until(lambda: 3 in bed.merged(1))
        bed.agree()


@long
def test_5_half_of_the_hosts_decide_nothing_and_go_on_when_healed(tmp_path):
    with Bed(tmp_path, 4) as bed:
        started(bed, rounds=1000)
        bed.cut(3)
        bed.cut(4)
        bed.wait_until(lambda: bed.height(1) == bed.height(2))
        before = bed.number(1)
        quiet = time.monotonic() + 5  # nothing is to happen in it
        bed.wait_until(lambda: time.monotonic() > quiet)
        assert all(bed.number(i) <= before + 1 for i in FOUR)
        bed.heal(3)
        bed.heal(4)
        bed.wait_until(lambda: bed.number(1) >= before + 5 and len(bed.merged(1)) == 4)
        bed.agree()


@long
def test_6_a_removed_member_is_out_of_everything(tmp_path):
    with Bed(tmp_path, 4) as bed:
        started(bed, rounds=1000)
        bed.at_desk(1, lambda d: d.submit(Remove(4)))
        (motion,) = MOTIONS.get(bed.state(1)).open
        for i in (2, 3):
            bed.wait_until(lambda i=i: bed.height(i) >= bed.height(1) - 1)
            if MOTIONS.get(bed.state(i)) and motion in MOTIONS.get(bed.state(i)).open:
                bed.at_desk(i, lambda d: d.vote(motion, True))
        bed.wait_until(lambda: "Hospital 4" not in bed.members(1))
        bed.wait_until(lambda: bed.merged(1) == {1, 2, 3})
        with pytest.raises(BadInput, match="NotAMember"):
            bed.at_desk(4, lambda d: d.submit(Poke(STUDY_NAME)))
        since = bed.number(1)
        bed.wait_until(lambda: bed.number(1) >= since + 3)
        bed.agree(1, 2, 3)


@long
def test_7_the_others_go_on_without_a_host_that_hangs_for_thirty_seconds(tmp_path):
    with Bed(tmp_path, 4) as bed:
        started(bed, rounds=2000)
        frozen, until = bed.freeze(3), time.monotonic() + 30
        since = bed.number(1)
        bed.wait_until(lambda: time.monotonic() > until)
        assert bed.number(1) >= since + 10
        assert 3 not in bed.merged(1)
        bed.thaw(frozen)
        bed.wait_until(lambda: 3 in bed.merged(1))
        bed.agree()


@long
def test_8_hosts_that_only_dial_out_take_part_and_lead_over_a_relay(tmp_path):
    with Bed(tmp_path, 4, hidden=(3, 4)) as bed:
        bed.found()
        bed.relay()
        bed.open_study(rounds=1000, min_peers=2)
        bed.wait_until(lambda: len(bed.merged(1)) == 4)
        for i in (3, 4):  # really closed: nobody gets through to any port of theirs
            assert not bed.connects(1, i, 7400)
            assert not bed.connects(2, i, 7401)
        first = bed.number(1)
        led = {compute_leader_order(STUDY_NAME, first + k, FOUR)[0] for k in range(8)}
        assert {3, 4} <= led  # each has to take the other's parameters, and to give the merged
        bed.wait_until(lambda: bed.number(1) >= first + 10)
        assert len(bed.merged(1)) == 4
        bed.children.kill("relay")
        bed.wait_until(lambda: bed.merged(1) == {1, 2})  # the open ones go on
        bed.relay()
        bed.wait_until(lambda: len(bed.merged(1)) == 4)
        bed.agree()


@long
def test_9_a_wrong_clock_and_a_flood_disturb_nobody(tmp_path):
    with Bed(tmp_path, 4) as bed:
        started(bed, rounds=2000)
        bed.kill(3)
        bed.up(3, **{CLOCK_VARIABLE: "300000"})
        back = bed.number(1) + 10
        bed.wait_until(lambda: bed.number(3) >= back and 3 in bed.merged(1))
        before, started_s = bed.number(1), time.monotonic()
        answers = asyncio.run(flood(bed.homes[1], 3000))
        assert set(answers) <= {"taken", "BlockQuotaExceeded"}, answers
        during = bed.number(1) - before
        assert during >= 1, (answers, time.monotonic() - started_s)
        since = bed.number(1)
        bed.wait_until(lambda: bed.number(1) >= since + 5 and len(bed.merged(1)) == 4)
        bed.agree()
        store = Store.open(bed.homes[0].engine_path / STATE_FILE)
        blocks = store.blocks(1, 1 << 60)
        store.close()
        two = bed.homes[1].key("account").public
        most = max(sum(read_transaction(t).signer == two for t in c.block.txs) for c in blocks)
        assert 1 < most <= MAX_TXS_PER_MEMBER


async def flood(home, count):
    """So many transactions of one member, as fast as its engine takes them; refusals by code."""
    account, rpc = home.key("account"), Rpc(home.engine_path / RPC_SOCKET)
    store = Store.open(home.engine_path / STATE_FILE)
    tip = store.load()[0]
    store.close()
    codes = {}

    async def send(i):
        tx = sign_transaction(Poke(f"s{i}"), tip.chain_id, tip.time_ms, account)
        answer = await rpc.call("broadcast_tx_sync", tx=base64.b64encode(tx).decode())
        code = bytes.fromhex(answer["data"]).decode() or "taken"
        codes[code] = codes.get(code, 0) + 1

    for start in range(0, count, 100):
        await asyncio.gather(*(send(i) for i in range(start, start + 100)))
    await rpc.close()
    return codes


@long
def test_10_a_hundred_random_kills_over_a_hundred_rounds(tmp_path):
    chance = random.Random(10)
    with Bed(tmp_path, 4) as bed:
        started(bed, rounds=100_000)
        first = bed.number(1)
        for _ in range(100):
            victim = chance.choice(FOUR)
            others = [i for i in FOUR if i != victim]
            bed.kill(victim)
            since = bed.number(others[0])
            bed.wait_until(lambda o=others[0], n=since: bed.number(o) > n)
            bed.up(victim)
            bed.wait_until(lambda v=victim, n=since: bed.number(v) > n)
        bed.wait_until(lambda: min(bed.number(i) for i in FOUR) >= first + 100)
        models = bed.agree()
        assert set(range(1, first + 100)) <= set(models)


@long
def test_slow_links_that_lose_pieces_only_make_rounds_longer(tmp_path):
    with Bed(tmp_path, 4, delay_ms=20, loss=0.01, mbit_per_s=100) as bed:
        bed.found()
        bed.open_study(rounds=10)
        bed.wait_until(bed.finished)
        assert len(bed.agree()) >= 10


@long
def test_11_half_of_the_hosts_are_gone_for_good_and_the_others_restart(tmp_path):
    with Bed(tmp_path, 4) as bed:
        started(bed, rounds=1000, min_peers=2)
        for i in (3, 4):
            bed.kill(i)
        bed.wait_until(lambda: bed.height(1) == bed.height(2))
        for i in (1, 2):
            bed.children.kill(f"trainer {i}")
            bed.kill(i)
        before, lineage = bed.number(1), bed.settled(1)
        newest = max((1, 2), key=bed.height)
        file = tmp_path / "restart.json"
        said = bed.type(newest, "consortium", "restart", file, "--without", "Hospital 3",
                        "--without", "Hospital 4")  # fmt: skip
        assert "Missing: " in said
        said = bed.type(3 - newest, "consortium", "restart", file)
        assert "The new chain is" in said
        assert "The new chain is" in bed.type(newest, "consortium", "restart", file)
        for i in (1, 2):
            bed.up(i)
            bed.train(i)
        bed.wait_until(lambda: bed.number(1) >= before + 5 and bed.number(2) >= before + 5)
        assert bed.members(1) == ["Hospital 1", "Hospital 2"]
        later = bed.agree(1, 2)
        assert not set(lineage) & set(later)
        said = bed.type(1, "ledger", "verify")
        assert "verified" in said
