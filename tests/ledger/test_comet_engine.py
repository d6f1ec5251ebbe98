"""The engine CometBFT as a child process, also on a machine that lacks something."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import errno
import os
import random
import shutil
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
from builders import genesis_of, key
from engines import Player, needs_cometbft, networked, start
from ledger_tools import GENESIS, WAIT_S, Clock, done, members, propose, signed, until
from swarm import PROGRAMS

from swarmhub import codec
from swarmhub.contract.execution import (
    compute_chain_id,
)
from swarmhub.contract.transactions import Remove, Vote
from swarmhub.errors import LedgerError
from swarmhub.ledger import create_ledger
from swarmhub.ledger.cometbft import (
    CometLedger,
    CometReadClient,
    Settings,
    application,
    create_comet_ledger,
    verify_comet_ledger,
)
from swarmhub.ledger.cometbft import engine as engine_room
from swarmhub.ledger.cometbft import folder as comet_folder
from swarmhub.ledger.cometbft.binary import VARIABLE, VERSION, find_binary
from swarmhub.ledger.cometbft.engine_files import write_files
from swarmhub.ledger.cometbft.settings import STATE_FILE
from swarmhub.ledger.cometbft.store import Store
from swarmhub.ledger.notify import Notifier

pytestmark = pytest.mark.engine

ROOT = Path(__file__).parents[2]


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


def create_sqlite_ledger(folder, genesis):
    create_ledger(folder / STATE_FILE, genesis, key(genesis.founders[0].name))


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


@pytest.mark.parametrize("words", ["write wal: no space left on device", "something else"])
@pytest.mark.parametrize(
    "then", ["exit 2", "echo 'E[x] CONSENSUS FAILURE!!! err=x'; exec sleep 99"]
)
def test_an_engine_is_started_again_for_as_long_as_the_machine_is_short(
    tmp_path, monkeypatch, words, then
):
    binary, runs = tmp_path / "cometbft", tmp_path / "runs"
    shutil.copy(PROGRAMS / "engine_that_ends.sh", binary)
    binary.chmod(0o755)
    told = {"VERSION": VERSION, "RUNS": str(runs), "WORDS": words, "THEN": then}
    for name, value in told.items():
        monkeypatch.setenv(f"ENGINE_{name}", value)
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
