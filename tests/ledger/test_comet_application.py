"""The application under CometBFT: its results, snapshots and socket."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest
from builders import START_MS, genesis_of, key
from engines import Player, StandIn, networked
from ledger_tools import GENESIS, WAIT_S, Clock, change, done, played, player, propose, signed

from swarmhub import codec
from swarmhub.contract import State
from swarmhub.contract.execution import (
    MAX_TXS_OF_STRANGERS,
    MAX_TXS_PER_MEMBER,
)
from swarmhub.contract.transactions import Apply, Poke
from swarmhub.contract.trie import check_proof
from swarmhub.errors import LedgerError
from swarmhub.ledger.cometbft import (
    application,
    snapshots,
)
from swarmhub.ledger.cometbft import messages as m
from swarmhub.ledger.cometbft.abci import AbciServer
from swarmhub.ledger.cometbft.application import MAX_WAITING
from swarmhub.ledger.cometbft.proposals import choose, is_within_bounds
from swarmhub.ledger.cometbft.rpc import short_path
from swarmhub.ledger.cometbft.settings import STATE_FILE
from swarmhub.ledger.cometbft.store import Store

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]


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
        chosen = choose(ledger.state, 1, big, 3 * size)
        assert chosen == [big[0], big[3], big[4]]
        assert choose(ledger.state, 1, big, 0) == []
        strangers = [
            signed(ledger, Poke("x"), f"stranger {i}") for i in range(MAX_TXS_OF_STRANGERS + 1)
        ]
        assert choose(ledger.state, 1, strangers, 8 << 20) == strangers[:-1]
        assert not is_within_bounds(ledger.state, 1, strangers)

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


async def offer_whole(new, state, height):
    """Offer a state in one chunk, as agreed on and announced; returns the engine and the chunk."""
    data = snapshots.pack_state(state.values)
    hashes = [hashlib.sha256(data).hexdigest()]
    metadata = codec.encode({"chunks": hashes, "head": "0", "time_ms": 1})
    new.app.offered = {hashlib.sha256(metadata).hexdigest()}
    engine = await player(new)
    offer = m.Snapshot(height=height, format=1, chunks=1, metadata=metadata)
    await engine.ask("offer_snapshot", **offer_of(offer, state.app_hash))
    return engine, data


def test_a_snapshot_of_a_missing_version_is_refused(tmp_path):
    async def main():
        new = await StandIn.open(tmp_path / "new", GENESIS, Clock())
        before = new.state.app_hash
        chain = {"contract_version": 2, "version_since": 3, "new": "field"}
        later = State({**new.state.values, "chain": codec.encode(chain)})
        engine, data = await offer_whole(new, later, 4)
        with pytest.raises(LedgerError, match="contract version 2 from block 3 on"):
            await engine.ask("apply_snapshot_chunk", index=0, chunk=data)
        assert (new.state.app_hash, new.tip.height) == (before, 0)
        await engine.hang_up()
        await new.close()
        assert Store.open(tmp_path / "new" / STATE_FILE).load()[1].app_hash == before

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
