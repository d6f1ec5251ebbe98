"""The ledger of many machines: the application under its engine, real and played."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import errno
import hashlib
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import tomllib
import types
from pathlib import Path

import pytest
from builders import START_MS, genesis_of, key
from engines import Player, StandIn, needs_cometbft, networked, start
from ledger_tools import GENESIS, WAIT_S, Clock, change, done, members, propose, signed, until

from swarmhub import codec
from swarmhub.contract import State
from swarmhub.contract.execution import (
    MAX_TXS_OF_STRANGERS,
    MAX_TXS_PER_MEMBER,
    compute_chain_id,
)
from swarmhub.contract.transactions import Apply, Poke, Remove, Vote
from swarmhub.contract.trie import check_proof
from swarmhub.errors import LedgerDamaged, LedgerError
from swarmhub.ledger import create_ledger
from swarmhub.ledger.cometbft import (
    CometLedger,
    CometReadClient,
    Settings,
    application,
    create_comet_ledger,
    snapshots,
    verify_comet_ledger,
)
from swarmhub.ledger.cometbft import engine as engine_room
from swarmhub.ledger.cometbft import folder as comet_folder
from swarmhub.ledger.cometbft import messages as m
from swarmhub.ledger.cometbft.abci import AbciServer
from swarmhub.ledger.cometbft.application import MAX_WAITING
from swarmhub.ledger.cometbft.binary import VARIABLE, VERSION, find_binary
from swarmhub.ledger.cometbft.clock import BlockClock
from swarmhub.ledger.cometbft.engine_files import write_files
from swarmhub.ledger.cometbft.proposals import choose, is_within_bounds
from swarmhub.ledger.cometbft.rpc import short_path
from swarmhub.ledger.cometbft.settings import STATE_FILE
from swarmhub.ledger.cometbft.store import Store
from swarmhub.ledger.notify import Notifier

pytestmark = pytest.mark.engine

ROOT = Path(__file__).parents[2]


def played(folder, story, clock=None):
    """Run a story over an application whose engine is played."""

    async def main():
        ledger = await StandIn.open(folder, GENESIS, clock or Clock())
        try:
            return await story(ledger)
        finally:
            await ledger.close()

    return asyncio.run(main())


def create_sqlite_ledger(folder, genesis):
    create_ledger(folder / STATE_FILE, genesis, key(genesis.founders[0].name))


async def player(ledger):
    return await Player.connect(ledger._store.path.with_name("abci.sock"))


# the application


def test_a_block_that_was_not_committed_is_handed_over_again(tmp_path):
    """Killed between FinalizeBlock and Commit: the state is that of the block before."""

    async def begin(ledger):
        await done(ledger, signed(ledger, propose("a")))
        before = ledger.state.app_hash
        engine = await player(ledger)
        txs = [signed(ledger, propose("b"))]
        answer = await engine.ask("finalize_block", txs=txs, height=2, time_ms=START_MS + 9)
        assert answer.app_hash != before
        await engine.hang_up()
        return txs, before, answer.app_hash

    txs, before, after = played(tmp_path / "x", begin)

    async def go_on():
        store = Store.open(tmp_path / "x" / STATE_FILE)
        app = application.Application(store, lambda committed: None)
        server = AbciServer(app.handle, lambda error: None)
        await server.start(tmp_path / "again.sock")
        engine = await Player.connect(tmp_path / "again.sock")
        info = await engine.ask("info")
        assert (info.last_block_height, info.last_block_app_hash) == (1, before)
        answer = await engine.ask("finalize_block", txs=txs, height=2, time_ms=START_MS + 9)
        assert answer.app_hash == after
        await engine.ask("commit")
        assert app.state.app_hash == after
        await engine.hang_up()
        await server.close()
        store.close()

    asyncio.run(go_on())
    assert Store.open(tmp_path / "x" / STATE_FILE).load()[1].app_hash == after


def test_every_value_of_the_state_can_be_proven_and_no_other(tmp_path):
    async def story(ledger):
        for name in "abcdef":
            await done(ledger, signed(ledger, change(name)))
        engine = await player(ledger)
        root = ledger.state.app_hash
        for place, value in ledger.state.values.items():
            answer = await engine.ask("query", path=f"/state/{place}", prove=True)
            (op,) = answer.proof_ops.ops
            proof = [op.data[i : i + 32] for i in range(0, len(op.data), 32)]
            assert (answer.value, op.type) == (value, "swarmhub:trie")
            assert check_proof(root, place, value, proof)
            assert not check_proof(root, place, value + b" ", proof)
            assert not check_proof(root, place + "x", value, proof)
            assert not check_proof(bytes(32), place, value, proof)
            assert not check_proof(root, place, value, [*proof, bytes(32)])
        await engine.hang_up()

    played(tmp_path / "x", story)


def test_who_floods_is_refused_with_a_sentence_and_harms_nobody(tmp_path):
    async def story(ledger):
        engine = await player(ledger)
        flood = [signed(ledger, Poke(f"s{i}"), "h2") for i in range(MAX_WAITING + 5)]
        answers = [await engine.ask("check_tx", tx=tx) for tx in flood]
        assert [a.code for a in answers] == [0] * MAX_WAITING + [1] * 5
        assert (answers[-1].data, answers[-1].log) == (
            b"BlockQuotaExceeded",
            f"At most {MAX_WAITING} transactions of member 2 may wait for a block.",
        )
        honest = signed(ledger, propose(), "h1")
        assert (await engine.ask("check_tx", tx=honest)).code == 0
        waiting = [*flood[:MAX_WAITING], honest]
        chosen = list((await engine.ask("prepare_proposal", txs=waiting, max_tx_bytes=8 << 20)).txs)
        assert chosen == [*flood[:MAX_TXS_PER_MEMBER], honest]
        assert (await engine.ask("process_proposal", txs=chosen)).status == 1
        assert (await engine.ask("process_proposal", txs=waiting)).status == 2
        await engine.hang_up()

    played(tmp_path / "x", story)


@pytest.mark.parametrize("junk", [b"", b"{}", b"\xff", b"[" * 9999])
def test_bytes_that_are_no_transaction_get_into_no_mempool_and_no_block(tmp_path, junk):
    async def story(ledger):
        engine = await player(ledger)
        good = signed(ledger, propose())
        answer = await engine.ask("check_tx", tx=junk)
        assert (answer.code, answer.data) == (1, b"Malformed")
        answer = await engine.ask("prepare_proposal", txs=[junk, good], max_tx_bytes=8 << 20)
        assert list(answer.txs) == [good]
        assert (await engine.ask("process_proposal", txs=[good, junk])).status == 2
        await engine.hang_up()

    played(tmp_path / "x", story)


def test_a_proposal_has_no_more_than_fits_and_takes_everybody_in_turn(tmp_path):
    async def story(ledger):
        big = [signed(ledger, Poke(who * 100), who) for who in ("h1", "h1", "h1", "h2", "h3")]
        size = len(big[0]) + 16
        chosen = choose(ledger.state, big, 3 * size)
        assert chosen == [big[0], big[3], big[4]]
        assert choose(ledger.state, big, 0) == []
        strangers = [
            signed(ledger, Poke("x"), f"stranger {i}") for i in range(MAX_TXS_OF_STRANGERS + 1)
        ]
        assert choose(ledger.state, strangers, 8 << 20) == strangers[:-1]
        assert not is_within_bounds(ledger.state, strangers)

    played(tmp_path / "x", story)


def test_strangers_can_only_apply(tmp_path):
    async def story(ledger):
        engine = await player(ledger)
        answer = await engine.ask("check_tx", tx=signed(ledger, Poke("x"), "stranger"))
        assert (answer.code, answer.data) == (1, b"NotAMember")
        card = genesis_of(["stranger"]).founders[0]
        application_ = Apply(card, key("token").public, "00" * 64)
        answer = await engine.ask("check_tx", tx=signed(ledger, application_, "stranger"))
        assert answer.code == 0, answer.log
        await engine.hang_up()

    played(tmp_path / "x", story)


def test_an_engine_with_another_genesis_or_other_blocks_is_refused(tmp_path):
    async def story(ledger):
        engine = await player(ledger)
        other = genesis_of(["h1", "h2", "h3"], time_ms=START_MS + 1)
        with pytest.raises(LedgerError, match="another genesis"):
            await engine.ask(
                "init_chain", chain_id=ledger.tip.chain_id, app_state_bytes=codec.pack(other)
            )
        with pytest.raises(LedgerError, match="has block 7, the state is at 0"):
            await engine.ask("finalize_block", height=7, time_ms=START_MS + 9)
        await engine.hang_up()

    played(tmp_path / "x", story)


def test_only_members_engines_may_connect(tmp_path):
    genesis, _ = networked(GENESIS)

    async def main():
        ledger = await StandIn.open(tmp_path / "x", genesis, Clock())
        engine = await player(ledger)

        async def code(path):
            return (await engine.ask("query", path=path)).code

        mine = genesis.founders[0].ledger.partition("@")[0]
        assert await code(f"/p2p/filter/id/{mine}") == 0
        assert await code(f"/p2p/filter/id/{'ab' * 20}") == 1
        assert await code("/p2p/filter/id/") == 1
        assert await code("/p2p/filter/addr/127.0.0.1:1") == 0
        assert await code("/p2p/filter/other/1") == 1
        await engine.hang_up()
        await ledger.close()

    asyncio.run(main())


# snapshots


def offer_of(snapshot, app_hash):
    return {"snapshot": snapshot, "app_hash": app_hash}


async def with_snapshot(folder, monkeypatch, chunk_bytes=200):
    """A played chain with a snapshot at its newest block."""
    monkeypatch.setattr(application, "SNAPSHOT_EVERY", 4)
    monkeypatch.setattr(application, "SNAPSHOT_CHUNK_BYTES", chunk_bytes)
    monkeypatch.setattr(snapshots, "SNAPSHOT_CHUNK_BYTES", chunk_bytes)
    ledger = await StandIn.open(folder, GENESIS, Clock())
    for name in "abcd":
        await done(ledger, signed(ledger, change(name)))
    engine = await player(ledger)
    (snapshot,) = (await engine.ask("list_snapshots")).snapshots
    assert snapshot.height == ledger.tip.height == 4
    assert snapshot.chunks > 3
    chunks = [
        (await engine.ask("load_snapshot_chunk", height=4, format=1, chunk=i)).chunk
        for i in range(snapshot.chunks)
    ]
    await engine.hang_up()
    return ledger, snapshot, chunks


def test_a_newcomer_takes_over_a_snapshot_that_is_the_agreed_state(tmp_path, monkeypatch):
    async def main():
        old, snapshot, chunks = await with_snapshot(tmp_path / "old", monkeypatch)
        new = await StandIn.open(tmp_path / "new", GENESIS, Clock())
        engine = await player(new)
        offer = offer_of(snapshot, old.state.app_hash)
        assert (await engine.ask("offer_snapshot", **offer)).result == 3  # nobody announced it
        new.app.offered = {snapshot.hash.hex()}
        assert (await engine.ask("offer_snapshot", **offer)).result == 1
        for i, chunk in enumerate(chunks):
            bad = await engine.ask("apply_snapshot_chunk", index=i, chunk=chunk + b" ", sender="x")
            assert (bad.result, bad.refetch_chunks, bad.reject_senders) == (3, [i], ["x"])
            answer = await engine.ask("apply_snapshot_chunk", index=i, chunk=chunk)
            assert answer.result == 1
        assert new.state.app_hash == old.state.app_hash
        assert (new.tip.height, new.tip.head) == (4, old.tip.head)
        info = await engine.ask("info")
        assert (info.last_block_height, info.last_block_app_hash) == (4, old.state.app_hash)
        for ledger in (old, new):  # and the chain goes on from there, the same for both
            txs = [signed("x", propose("e"), chain=old.tip.chain_id)]
            each = await player(ledger)
            await each.ask("finalize_block", txs=txs, height=5, time_ms=START_MS + 50)
            await each.ask("commit")
            await each.hang_up()
        assert new.state.app_hash == old.state.app_hash
        await engine.hang_up()
        await new.close()
        await old.close()
        assert Store.open(tmp_path / "new" / STATE_FILE).load()[1].app_hash == new.state.app_hash

    asyncio.run(main())


def test_a_snapshot_that_is_not_the_agreed_state_is_rejected_and_changes_nothing(
    tmp_path, monkeypatch
):
    async def main():
        old, _, _ = await with_snapshot(tmp_path / "old", monkeypatch)
        data = snapshots.pack_state({**old.state.values, "chain": b"mine"})
        hashes = [hashlib.sha256(data).hexdigest()]
        metadata = codec.encode({"chunks": hashes, "head": "0", "time_ms": 1})
        forged = m.Snapshot(height=4, format=1, chunks=1, metadata=metadata)
        monkeypatch.setattr(snapshots, "SNAPSHOT_CHUNK_BYTES", 1 << 20)
        new = await StandIn.open(tmp_path / "new", GENESIS, Clock())
        before = new.state.app_hash
        new.app.offered = {hashlib.sha256(metadata).hexdigest()}
        engine = await player(new)
        await engine.ask("offer_snapshot", **offer_of(forged, old.state.app_hash))
        assert (await engine.ask("apply_snapshot_chunk", index=0, chunk=data)).result == 5
        assert (new.state.app_hash, new.tip.height) == (before, 0)
        assert (await engine.ask("apply_snapshot_chunk", index=0, chunk=data)).result == 2
        await engine.hang_up()
        await new.close()
        await old.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    "fields",
    [
        {"format": 2, "chunks": 1, "metadata": b'{"chunks":["x"],"head":""}'},
        {"format": 1, "chunks": 0, "metadata": b'{"chunks":[],"head":""}'},
        {"format": 1, "chunks": 2, "metadata": b'{"chunks":["x"],"head":""}'},
        {"format": 1, "chunks": 257, "metadata": b"{}"},
        {"format": 1, "chunks": 1, "metadata": b"[" * 9999},
        {"format": 1, "chunks": 1, "metadata": b"\xff"},
        {"format": 1, "chunks": 1, "metadata": b'{"chunks":7}'},
        {"format": 1, "chunks": 1, "metadata": b'{"chunks":["x"],"head":""}'},
        {"format": 1, "chunks": 1, "metadata": b'{"chunks":["x"],"head":"","time_ms":-1}'},
    ],
)
def test_an_offer_that_makes_no_sense_is_rejected(tmp_path, fields):
    async def story(ledger):
        engine = await player(ledger)
        ledger.app.offered = {hashlib.sha256(fields["metadata"]).hexdigest()}
        answer = await engine.ask("offer_snapshot", snapshot=m.Snapshot(height=4, **fields))
        assert answer.result in (3, 4)
        await engine.hang_up()

    played(tmp_path / "x", story)


# the socket


@pytest.mark.parametrize("junk", [b"\xff" * 9, b"\xff\xff\xff\xff\x0f", b"\x05hello", b"\x00"])
def test_bytes_that_are_no_request_end_the_connection_and_nothing_else(tmp_path, junk):
    async def story(ledger):
        reader, writer = await asyncio.open_unix_connection(
            ledger._store.path.with_name("abci.sock")
        )
        writer.write(junk)
        assert await asyncio.wait_for(reader.read(100), WAIT_S) == b""
        writer.close()
        await writer.wait_closed()
        (result,) = await done(ledger, signed(ledger, propose()))
        assert result.ok

    played(tmp_path / "x", story)


def test_a_socket_in_a_deep_folder_has_a_short_name(tmp_path):
    deep = tmp_path.joinpath(*["a" * 60] * 3)
    deep.mkdir(parents=True)

    async def main():
        server = AbciServer(None, None)
        await server.start(Path(short_path(deep / "abci.sock")))
        _, writer = await asyncio.open_unix_connection(short_path(deep / "abci.sock"))
        writer.close()
        await writer.wait_closed()
        await server.close()

    asyncio.run(main())
    assert (deep / "abci.sock").is_socket()


# the store


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


# the engine


def test_what_others_say_of_peers_gets_nothing_else_into_the_engines_configuration(tmp_path):
    genesis, ((name, peer, address), *_) = networked(GENESIS)
    good = f"{'ab' * 20}@h.example:7401"
    bad = [f'{good}"\nunsafe = "x', "h.example:1", f"{good},{good}", ""]
    settings = Settings(tmp_path, genesis, key(f"{name}/consensus"), peer, address, address)
    write_files(settings, [*bad, good], verbose=False)
    config = tomllib.loads((tmp_path / "config" / "config.toml").read_text())
    assert config["p2p"]["persistent_peers"] == good
    assert (tmp_path / "config" / "node_key.json").stat().st_mode & 0o77 == 0


def test_a_missing_engine_is_one_sentence_that_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(LedgerError, match="swarmhub ledger install"):
        find_binary()


def test_another_release_of_the_engine_is_refused(tmp_path):
    fake = tmp_path / "cometbft"
    fake.write_text("#!/bin/sh\necho 1.0.1\n")
    fake.chmod(0o755)
    from swarmhub.ledger.cometbft.binary import check_version

    with pytest.raises(LedgerError, match=r"Expected CometBFT v0\.38\.25 .* got '1\.0\.1'"):
        check_version(fake)


@needs_cometbft
def test_the_messages_are_those_of_the_engines_own_definitions():
    done_ = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "check_abci.py")], capture_output=True, text=True
    )
    if done_.returncode == 77:
        pytest.skip(done_.stdout.strip())
    assert done_.returncode == 0, done_.stdout + done_.stderr


@needs_cometbft
def test_an_engine_that_is_killed_comes_back_and_nothing_is_lost(tmp_path):
    async def main():
        ledgers = await start(tmp_path, genesis_of(["h1", "h2", "h3", "h4"]))
        one = ledgers[0]
        await done(one, signed(one, propose("a")))
        os.kill(one.engine.pid, signal.SIGKILL)
        results = await done(one, signed(one, propose("b")), signed(one, propose("c")))
        assert [r.code for r in results] == ["ok", "ok"]
        news = asyncio.Event()
        ledgers[3].subscribe(lambda _: news.set())
        await until(lambda: "study/c" in ledgers[3].state.values, news)
        for ledger in ledgers:
            await ledger.close()

    asyncio.run(main())


@needs_cometbft
def test_a_member_that_was_away_catches_up_and_a_minority_decides_nothing(tmp_path):
    async def main():
        ledgers = await start(tmp_path, genesis_of(["h1", "h2", "h3", "h4"]))
        one, two, three, four = ledgers
        await done(one, signed(one, propose("a")))
        settings = [ledger.settings for ledger in ledgers]
        await four.close()
        await done(one, signed(one, propose("b")), signed(two, propose("c"), "h2"))
        await three.close()  # two of four are no quorum
        late = await one.submit(signed(one, propose("d")))
        with pytest.raises(TimeoutError):
            await late.result(2)
        assert "study/d" not in one.state.values
        four = await CometLedger.open(settings[3])
        assert (await late.result(WAIT_S)).ok
        news = asyncio.Event()
        four.subscribe(lambda _: news.set())
        await until(lambda: "study/d" in four.state.values, news)
        for ledger in (one, two, four):
            await ledger.close()
        assert verify_comet_ledger(settings[3].folder)[0].height >= 4

    asyncio.run(main())


@needs_cometbft
def test_a_removed_members_engine_hears_nothing_more(tmp_path):
    async def main():
        ledgers = await start(tmp_path, genesis_of(["h1", "h2", "h3", "h4"]))
        one, two, three, four = ledgers
        await done(one, signed(one, Remove(4)))
        news = asyncio.Event()
        for ledger in ledgers:
            ledger.subscribe(lambda _: news.set())
        engines = [ledger.engine.pid for ledger in (one, two, three)]
        for who in ("h2", "h3"):
            if 4 in members(one):
                await done(one, signed(one, Vote(1, True), who))
        async with asyncio.timeout(60):
            while any(x.engine.pid == e for x, e in zip((one, two, three), engines, strict=True)):
                await asyncio.sleep(0.1)
        async with asyncio.timeout(10):
            while (await four.engine.rpc.call("net_info"))["n_peers"] != "0":
                await asyncio.sleep(0.05)
        results = await done(one, signed(one, propose("a")), signed(one, propose("b")))
        assert [r.code for r in results] == ["ok", "ok"]
        await until(lambda: "study/b" in three.state.values, news)
        assert "study/b" not in four.state.values
        for ledger in ledgers:
            await ledger.close()

    asyncio.run(main())


@needs_cometbft
def test_another_process_reads_and_submits_beside_the_node(tmp_path):
    async def main():
        genesis = genesis_of(["h1"])
        (ledger,) = await start(tmp_path, genesis)
        read_client = await CometReadClient.open(tmp_path / "h1", patience_s=10)
        heard = []
        read_client.subscribe(heard.append)
        (result,) = await done(read_client, signed(read_client, propose("a")))
        assert result.ok
        (result,) = await done(read_client, signed(read_client, Remove(7)))
        assert result.code == "UnknownThing"
        assert read_client.state.app_hash == ledger.state.app_hash
        assert heard[0].height == 1
        said = (await ledger.engine.rpc.call("status"))["node_info"]  # to whoever connects
        assert said["moniker"] == "member"
        assert str(tmp_path) not in str(said)
        assert socket.gethostname() not in str(said)
        await ledger.close()
        await read_client.close()
        alone = await CometReadClient.open(tmp_path / "h1")
        assert "study/a" in alone.state.values
        with pytest.raises(LedgerError, match="No node answers"):
            await alone.submit(signed(alone, propose("b")))
        await alone.close()

    asyncio.run(main())


@needs_cometbft
@pytest.mark.parametrize("host", ["256.0.0.1", "203.0.113.7"])
def test_an_address_where_nobody_can_listen_is_one_sentence(tmp_path, host):
    async def main():
        genesis, places = networked(genesis_of(["h1"]))
        name, peer, address = places[0]
        create_comet_ledger(tmp_path / name, genesis)
        settings = Settings(
            tmp_path / name, genesis, key(f"{name}/consensus"), peer, f"{host}:9999", address
        )
        with pytest.raises(LedgerError, match="Cannot listen on"):
            await CometLedger.open(settings)

    asyncio.run(main())


def test_a_store_is_closed_only_when_its_last_writer_has_finished(tmp_path):
    create_comet_ledger(tmp_path, GENESIS)
    store = Store.open(tmp_path / STATE_FILE)
    inside, order = threading.Event(), []

    def write():
        with store._transaction():
            inside.set()
            for i in range(200):
                store._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (f"x{i}", "y"))
            order.append("written")

    writer = threading.Thread(target=write)
    writer.start()
    inside.wait(10)
    store.close()
    order.append("closed")
    writer.join()
    assert order == ["written", "closed"]


def test_a_takeover_that_a_crash_cut_short_begins_again(tmp_path):
    create_comet_ledger(tmp_path, GENESIS)
    (tmp_path / "data" / "blockstore.db").mkdir(parents=True)
    (tmp_path / "data" / "priv_validator_state.json").write_text("{}")
    store = Store.open(tmp_path / STATE_FILE)
    tip, state = store.load()
    store.replace(dataclasses.replace(tip, height=500), dict(state.values), [b"{}"])
    store.close()
    comet_folder.begin_anew_after_crash(tmp_path)  # no mark: nothing is touched
    assert (tmp_path / "data" / "blockstore.db").exists()
    (tmp_path / comet_folder.TAKING_OVER).touch()
    comet_folder.begin_anew_after_crash(tmp_path)
    store = Store.open(tmp_path / STATE_FILE)
    assert store.load()[0] == tip
    store.close()
    assert not (tmp_path / "data" / "blockstore.db").exists()
    assert (tmp_path / "data" / "priv_validator_state.json").read_text() == "{}"
    assert (tmp_path / comet_folder.TAKING_OVER).exists()  # until a block has followed


def test_a_commands_bell_is_no_file_of_the_state(tmp_path):
    """A client command beside the node makes a folder whose name begins like the state's."""
    create_comet_ledger(tmp_path, GENESIS)
    genesis = comet_folder.read_genesis(tmp_path)
    (tmp_path / f"{STATE_FILE}.bells").mkdir()
    (tmp_path / comet_folder.TAKING_OVER).touch()
    for _ in range(2):
        comet_folder.begin_anew_after_crash(tmp_path)
    assert comet_folder.read_genesis(tmp_path) == genesis


def test_beginning_anew_can_be_cut_short_at_any_moment(tmp_path, monkeypatch):
    create_comet_ledger(tmp_path, GENESIS)
    genesis = comet_folder.read_genesis(tmp_path)
    (tmp_path / comet_folder.TAKING_OVER).touch()
    for room, name in ((Store, "_put_state"), (Store, "_put_block"), (Store, "_settle")):
        with monkeypatch.context() as cut:
            cut.setattr(room, name, lambda *given: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                comet_folder.begin_anew_after_crash(tmp_path)
        assert comet_folder.read_genesis(tmp_path) == genesis


@pytest.mark.parametrize("make", [create_comet_ledger, create_sqlite_ledger])
@pytest.mark.parametrize("step", range(5))
def test_a_ledger_is_made_whole_or_not_at_all(tmp_path, monkeypatch, make, step):
    real, steps = sqlite3.connect, []

    class Connection(sqlite3.Connection):
        def _count(self):
            steps.append(1)
            if len(steps) == step + 1:
                raise sqlite3.OperationalError("database or disk is full")

        def execute(self, *given):
            self._count()
            return super().execute(*given)

        def executescript(self, *given):
            self._count()
            return super().executescript(*given)

    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: real(*a, **k, factory=Connection))
    with pytest.raises(LedgerError, match="cannot be written"):
        make(tmp_path, GENESIS)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    make(tmp_path, GENESIS)
    assert [p.name for p in tmp_path.iterdir()] == [STATE_FILE]


def test_any_altered_byte_of_a_state_is_a_sentence(tmp_path):
    """Whatever SQLite makes of it: nothing but LedgerError, and no other state."""
    create_comet_ledger(tmp_path / "x", GENESIS)
    path, chance = tmp_path / "x" / STATE_FILE, random.Random(0)
    whole = path.read_bytes()
    tip, _ = Store.open(path).load()
    for at in [4067, *(chance.randrange(len(whole)) for _ in range(300))]:
        altered = bytearray(whole)
        altered[at] ^= chance.randrange(1, 256)
        for extra in path.parent.glob(f"{STATE_FILE}-*"):
            extra.unlink()
        path.write_bytes(altered if chance.random() < 0.8 else whole[:at])
        with contextlib.suppress(LedgerError):
            assert verify_comet_ledger(path.parent)[0] == tip
        with contextlib.suppress(LedgerError):
            comet_folder.read_genesis(path.parent)


# a machine that is short of something


def handle_on(folder):
    genesis, places = networked(GENESIS)
    create_comet_ledger(folder, genesis)
    name, peer, address = places[0]
    settings = Settings(folder, genesis, key(f"{name}/consensus"), peer, address, address)
    return genesis, CometLedger(settings, Store.open(folder / STATE_FILE), Clock())


@pytest.mark.parametrize(
    ("code", "is_passing"), [(sqlite3.SQLITE_FULL, True), (sqlite3.SQLITE_READONLY, False)]
)
def test_a_block_waits_for_space_and_is_committed_then(tmp_path, monkeypatch, code, is_passing):
    async def main():
        genesis, ledger = handle_on(tmp_path)
        monkeypatch.setattr(application, "SHORTAGE_PAUSE_S", 0.01)
        (tmp_path / f"{STATE_FILE}.bells").mkdir()
        told, failed, tries, real = [], [], [], Store._put_tip
        ledger.on_trouble, ledger.on_failure = told.append, failed.append

        def put_tip(store, tip):
            tries.append(tip)
            if len(tries) <= 3:
                error = sqlite3.OperationalError("database or disk is full")
                error.sqlite_errorcode = code
                raise error
            real(store, tip)

        def no_descriptor(bell):
            raise OSError(errno.EMFILE, "Too many open files")

        await ledger._abci.start(tmp_path / "abci.sock")
        engine = await Player.connect(tmp_path / "abci.sock")
        await engine.ask(
            "init_chain", chain_id=compute_chain_id(genesis), app_state_bytes=codec.pack(genesis)
        )
        monkeypatch.setattr(Store, "_put_tip", put_tip)
        monkeypatch.setattr(Notifier, "ring", no_descriptor)
        await engine.ask(
            "finalize_block", txs=[], height=1, time_ms=genesis.time_ms + 1, hash=b"a" * 32
        )
        if is_passing:
            await engine.ask("commit")
            assert (len(told), failed, ledger.tip.height) == (3, [], 1)
            assert all(str(e).endswith("free disk space.") for e in told)
            assert ledger._store.load()[0] == ledger.tip
        else:
            with pytest.raises(LedgerError):
                await engine.ask("commit")
            assert (told, len(failed)) == ([], 1)
        await engine.hang_up()
        await ledger._abci.close()
        ledger._store.close()

    asyncio.run(main())


ENGINE = """#!/bin/sh
[ "$1" = version ] && echo {version} && exit
echo x >> {runs}
echo 'panic: {words}'
{then}
"""


@pytest.mark.parametrize("words", ["write wal: no space left on device", "something else"])
@pytest.mark.parametrize(
    "then", ["exit 2", "echo 'E[x] CONSENSUS FAILURE!!! err=x'; exec sleep 99"]
)
def test_an_engine_is_started_again_for_as_long_as_the_machine_is_short(
    tmp_path, monkeypatch, words, then
):
    binary, runs = tmp_path / "cometbft", tmp_path / "runs"
    version = VERSION
    binary.write_text(ENGINE.format(version=version, runs=runs, words=words, then=then))
    binary.chmod(0o755)
    monkeypatch.setenv(VARIABLE, str(binary))
    monkeypatch.setattr(engine_room, "SHORTAGE_PAUSE_S", 0.01)
    monkeypatch.setattr(engine_room, "RESTARTS", 2)
    short = "no space" in words

    async def main():
        _, ledger = handle_on(tmp_path / "x")
        told, failed = [], []
        engine = engine_room.Engine(
            ledger.settings, failed.append, on_trouble=lambda error: told.append(str(error))
        )
        await engine.start(list)
        async with asyncio.timeout(WAIT_S):
            while len(told) < 6 and not failed:
                await asyncio.sleep(0.01)
        await engine.stop()
        ledger._store.close()
        if short:
            assert not failed
            assert "no space left on device" in told[0]
        else:
            assert not told
            assert "ends again and again" in str(failed[0])
            assert runs.read_text().count("x") == 3

    asyncio.run(main())


def test_an_engines_words_are_taken_off_it_also_when_they_cannot_be_kept(tmp_path, monkeypatch):
    async def main():
        said = asyncio.StreamReader()
        said.feed_data(b"one\n" * 10_000 + b"panic: the last words\n goroutine 7")
        said.feed_eof()
        _, ledger = handle_on(tmp_path)
        child = types.SimpleNamespace(stdout=said)
        kept = open("/dev/full", "ab", buffering=0)  # noqa: SIM115 it closes it
        await ledger.engine._listen(child, kept)
        assert kept.closed
        assert said.at_eof()
        assert ledger.engine.last_words() == "panic: the last words"
        ledger._store.close()

    asyncio.run(main())
