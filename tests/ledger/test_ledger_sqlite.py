"""One file, many processes: one chain, woken without polling, and damage found where it is."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path

import pytest
from builders import card_of, key
from ledger_tools import (
    GENESIS,
    WAIT_S,
    Clock,
    alter,
    altered,
    done,
    header_of,
    invite,
    members,
    opened,
    propose,
    rows,
    signed,
    until,
    write_chain,
)

from swarmhub import codec
from swarmhub.contract import State
from swarmhub.contract.execution import MAX_TXS_OF_STRANGERS, MAX_TXS_PER_MEMBER
from swarmhub.contract.records import STUDY
from swarmhub.contract.state import Overlay
from swarmhub.contract.transactions import (
    MAX_TX_BYTES,
    Apply,
    Leave,
    Poke,
    card_message,
    read_transaction,
)
from swarmhub.errors import LedgerDamaged, LedgerError, Malformed
from swarmhub.ledger import SqliteLedger, create_ledger, sqlite
from swarmhub.ledger import pool as pool_module
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
from swarmhub.ledger.doorbell import Doorbell
from swarmhub.ledger.pool import Pool
from swarmhub.types import INVITE_DOMAIN

TESTS = Path(__file__).parent


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


@pytest.fixture
def no_safety_look(monkeypatch):
    """What arrives, arrives because somebody rang."""
    monkeypatch.setattr(sqlite, "SAFETY_LOOK_S", 1e6)


async def open_and_close(path, **options):
    ledger = await SqliteLedger.open(path, **options)
    tip, state = ledger.tip, ledger.state
    await ledger.close()
    return tip, state


# several handles, several processes


def test_two_handles_that_write_at_once_make_one_chain(path, no_safety_look):
    async def story():
        async with opened("sqlite", path.parent, handles=2) as (one, two):
            changed = asyncio.Event()
            one.subscribe(lambda c: changed.set())
            two.subscribe(lambda c: changed.set())
            submissions = []
            for i in range(20):
                submissions.append(await one.submit(signed(one, propose(f"a{i}"))))
                submissions.append(await two.submit(signed(two, propose(f"b{i}"), "h2")))
            assert all([(await s.result(WAIT_S)).ok for s in submissions])
            await until(lambda: one.tip.height == two.tip.height, changed)
            assert one.tip.head == two.tip.head
            assert one.state.app_hash == two.state.app_hash
            assert one.state.values == two.state.values
            return one.tip

    tip = asyncio.run(story())
    assert asyncio.run(open_and_close(path))[0] == tip


PROCESS = """
    import asyncio, sys
    from pathlib import Path
    from builders import key
    from ledger_tools import propose, signed, WAIT_S
    from swarmhub.ledger import SqliteLedger, sqlite

    sqlite.SAFETY_LOOK_S = 1e6
    path, who, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])

    async def main():
        ledger = await SqliteLedger.open(path, key(who))
        changed = asyncio.Event()
        seen = []
        ledger.subscribe(lambda c: (seen.append(c.height), changed.set()))
        start = ledger.tip.height
        print("open", flush=True)
        sys.stdin.readline()
        for i in range(count):
            tx = signed(ledger, propose(f"{who}-{i}"), who, expires_in_ms=LIFE)
            result = await (await ledger.submit(tx)).result(WAIT_S)
            assert result.ok, result
        print("written", flush=True)
        line = await asyncio.to_thread(sys.stdin.readline)
        while ledger.tip.height < int(line):
            changed.clear()
            await asyncio.wait_for(changed.wait(), WAIT_S)
        assert seen == list(range(start + 1, ledger.tip.height + 1)), seen
        print(ledger.tip.height, ledger.tip.head, ledger.state.app_hash.hex(), flush=True)
        await ledger.close()

    import time
    from builders import START_MS
    LIFE = time.time_ns() // 1_000_000 - START_MS + 600_000
    asyncio.run(main())
"""


@contextlib.contextmanager
def process(path, who, count):
    """Another process with a handle of its own; it goes when we go."""
    environment = {**os.environ, "PYTHONPATH": f"{TESTS.parent}:{TESTS}"}
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROCESS), str(path), who, str(count)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, bufsize=1,
    )  # fmt: skip
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def test_real_processes_that_write_at_once_agree_on_one_chain(path):
    create_ledger(path, GENESIS, key("h1"))
    with process(path, "h1", 15) as one, process(path, "h2", 15) as two:
        for child in (one, two):
            assert child.stdout.readline() == "open\n"
        for child in (one, two):
            child.stdin.write("go\n")
        for child in (one, two):
            assert child.stdout.readline() == "written\n"
        height = len(rows(path)) - 1
        for child in (one, two):
            child.stdin.write(f"{height}\n")
        ends = [child.stdout.readline().split() for child in (one, two)]
        assert ends[0] == ends[1]
        assert int(ends[0][0]) == height
        assert {one.wait(WAIT_S), two.wait(WAIT_S)} == {0}
    tip, state = asyncio.run(open_and_close(path))
    assert [str(tip.height), tip.head, state.app_hash.hex()] == ends[0]
    assert sum(p.startswith("study/") for p in state.values) == 30


def test_a_block_of_another_process_arrives_without_polling(path, no_safety_look):
    create_ledger(path, GENESIS, key("h1"))

    async def story():
        ledger = await SqliteLedger.open(path)
        changed = asyncio.Event()
        ledger.subscribe(lambda c: changed.set())
        with process(path, "h2", 1) as child:
            assert await asyncio.to_thread(child.stdout.readline) == "open\n"
            child.stdin.write("go\n")
            await until(lambda: STUDY.get(ledger.state, "h2-0") is not None, changed)
        await ledger.close()

    asyncio.run(story())


def test_a_lost_ring_does_no_harm(path, monkeypatch):
    monkeypatch.setattr(sqlite, "SAFETY_LOOK_S", 0.02)
    monkeypatch.setattr(Doorbell, "ring", lambda self: None)

    async def story():
        async with opened("sqlite", path.parent, handles=2) as (one, two):
            changed = asyncio.Event()
            two.subscribe(lambda c: changed.set())
            await done(one, signed(one, propose()))
            await until(lambda: two.tip == one.tip, changed)

    asyncio.run(story())


def test_closing_takes_the_bells_down_and_a_dead_process_bell_is_removed(path):
    async def story():
        bells = path.with_name("ledger.db.bells")
        async with opened("sqlite", path.parent, handles=2) as (one, _):
            assert len(list(bells.iterdir())) == 2
            os.mkfifo(bells / "dead")
            await done(one, signed(one, propose()))
            assert len(list(bells.iterdir())) == 2
        assert list(bells.iterdir()) == []

    asyncio.run(story())


def test_a_bell_that_is_rung_while_it_is_hung_up_rings_afterwards(path, monkeypatch):
    """A writer that rings between the making and the opening of the pipe must not remove it."""
    real = os.mkfifo
    hanging = []

    def mkfifo(*args, **kwargs):
        real(*args, **kwargs)
        if not hanging:
            hanging.append(True)
            Doorbell(path).ring()

    async def story():
        rung = asyncio.Event()
        bell = Doorbell(path)
        monkeypatch.setattr(os, "mkfifo", mkfifo)
        bell.listen(rung.set)
        Doorbell(path).ring()
        try:
            await asyncio.wait_for(rung.wait(), WAIT_S)
        finally:
            bell.close()

    asyncio.run(story())


def test_ringing_where_nobody_listens_is_nothing(path):
    Doorbell(path).ring()


def test_many_transactions_at_once_share_blocks(path):
    async def story():
        async with opened("sqlite", path.parent) as (ledger,):
            submissions = [await ledger.submit(signed(ledger, propose(f"s{i}"))) for i in range(50)]
            assert all([(await s.result(WAIT_S)).ok for s in submissions])
            assert ledger.tip.height < 10

    asyncio.run(story())


# opening


def test_a_chain_is_the_same_when_it_is_opened_again(path):
    tip = asyncio.run(write_chain(path))
    heard = []
    again, state = asyncio.run(open_and_close(path, listener=lambda c: heard.append(c.height)))
    assert again == tip
    assert heard == [0, 1, 2, 3, 4, 5]
    assert state.app_hash == State(state.values).app_hash


def test_a_handle_without_a_key_reads_and_does_not_write(path):
    asyncio.run(write_chain(path))

    async def story():
        ledger = await SqliteLedger.open(path)
        try:
            assert len(await ledger.blocks(0, 100)) == 6
            with pytest.raises(LedgerError, match="reading only"):
                await ledger.submit(signed(ledger, propose("late")))
        finally:
            await ledger.close()

    asyncio.run(story())


def failing(path, error=LedgerDamaged, **options):
    """The error of opening the file."""

    async def story():
        with pytest.raises(error) as caught:
            await SqliteLedger.open(path, **options)
        return caught.value

    return asyncio.run(story())


def test_a_missing_file_is_one_sentence(path):
    error = failing(path, LedgerError)
    assert not isinstance(error, LedgerDamaged)
    assert "found no file" in str(error)
    assert not path.exists()


def test_another_format_is_not_damage(five):
    error = failing(altered(five, "UPDATE meta SET value = '2'"), LedgerError)
    assert not isinstance(error, LedgerDamaged)
    assert "format" in str(error)


def test_a_file_without_its_format_is_not_used(five):
    failing(altered(five, "DELETE FROM meta"), LedgerError)


# damage


def flipped(text, at):
    other = "0" if text[at] != "0" else "1"
    return text[:at] + other + text[at + 1 :]


def header_with(path, at, **changes):
    header = {**header_of(rows(path)[at]), **changes}
    return codec.encode(header).decode()


@pytest.fixture(scope="module")
def five(tmp_path_factory):
    """A good file of five blocks after the genesis; tests damage copies of it."""
    path = tmp_path_factory.mktemp("five") / "ledger.db"
    asyncio.run(write_chain(path))
    return path


def column_of(path, height, column):
    return dict(zip(("height", "header", "signature", "txs"), rows(path)[height], strict=True))[
        column
    ]


COLUMNS = pytest.mark.parametrize("column", ["header", "signature", "txs"])


@pytest.mark.parametrize("height", [0, 3, 5])
def test_a_changed_field_of_a_header_is_found_at_its_height(five, height):
    for field, value in header_of(rows(five)[height]).items():
        if value == "":
            changed = "0" * 64
        else:
            changed = flipped(value, 7) if isinstance(value, str) else value + 1
        header = header_with(five, height, **{field: changed})
        bad = altered(five, "UPDATE blocks SET header = ? WHERE height = ?", header, height)
        error = failing(bad)
        assert error.height == height, (field, str(error))
        assert f"block {height}" in str(error)


@pytest.mark.parametrize("height", [0, 1, 3, 5])
@COLUMNS
def test_any_flipped_character_of_a_row_is_found_at_its_height(five, height, column):
    text = column_of(five, height, column)
    for at in range(0, len(text), max(1, len(text) // 8)):
        statement = f"UPDATE blocks SET {column} = ? WHERE height = ?"
        assert failing(altered(five, statement, flipped(text, at), height)).height == height, at


@pytest.mark.parametrize("height", [0, 3])
@COLUMNS
@pytest.mark.parametrize("value", [7, b"blob", "", "x", "[", "[1]", '{"height":1}'])
def test_another_value_in_a_row_is_found_at_its_height(five, height, column, value):
    bad = altered(five, f"UPDATE blocks SET {column} = ? WHERE height = ?", value, height)
    assert failing(bad).height == height


@pytest.mark.parametrize("height", [0, 1, 3, 5])
@COLUMNS
def test_bytes_that_are_no_text_are_found_at_their_height(five, height, column):
    """Block 3 names a study 'lock': the message of the database engine quotes it."""
    text = column_of(five, height, column).encode()
    bad = altered(
        five, f"UPDATE blocks SET {column} = CAST(? AS TEXT) WHERE height = ?",
        text[:-3] + b"\xff" + text[-2:], height,
    )  # fmt: skip
    assert failing(bad).height == height


@pytest.mark.parametrize("height", [0, 1, 3])
def test_a_missing_block_is_found_where_it_is_missing(five, height):
    assert failing(altered(five, "DELETE FROM blocks WHERE height = ?", height)).height == height


def test_a_file_without_blocks_is_damaged_from_the_beginning(five):
    assert failing(altered(five, "DELETE FROM blocks")).height == 0


REPLACE = "UPDATE blocks SET header = ?, signature = ?, txs = ? WHERE height = ?"


def test_blocks_in_another_order_are_found_at_the_first_of_them(five):
    two, four = rows(five)[2], rows(five)[4]
    bad = altered(five, REPLACE, *four[1:], 2)
    alter(bad, REPLACE, *two[1:], 4)
    assert failing(bad).height == 2


def test_transactions_of_another_block_are_found(five):
    txs = column_of(five, 3, "txs")
    assert failing(altered(five, "UPDATE blocks SET txs = ? WHERE height = 2", txs)).height == 2


def test_a_block_of_another_chain_is_found(five, tmp_path):
    there = tmp_path / "b.db"
    asyncio.run(write_chain(there, 3, "h2"))
    assert failing(altered(five, REPLACE, *rows(there)[2][1:], 2)).height == 2


def test_a_file_that_was_rolled_back_is_found_by_what_the_node_has_seen(path):
    early = asyncio.run(write_chain(path, 3))
    old = path.with_name("backup.db")
    shutil.copy(path, old)

    async def go_on():
        ledger = await SqliteLedger.open(path, key("h1"), clock=Clock())
        await done(ledger, *[signed(ledger, propose(f"late{i}")) for i in range(3)])
        await ledger.close()
        return ledger.tip

    late = asyncio.run(go_on())
    asyncio.run(open_and_close(path, seen=(early.height, early.head)))
    asyncio.run(open_and_close(path, seen=(late.height, late.head)))
    shutil.copy(old, path)
    error = failing(path, seen=(late.height, late.head))
    assert error.height == early.height + 1
    assert "rolled back" in str(error)


def test_another_history_is_found_by_what_the_node_has_seen(path):
    tip = asyncio.run(write_chain(path, 3))
    error = failing(path, seen=(2, tip.head))
    assert error.height == 2


@pytest.mark.parametrize("content", [b"", b"garbage" * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_ledger_is_damaged_from_the_beginning(path, content):
    path.write_bytes(content)
    assert failing(path).height == 0


def test_a_database_of_something_else_is_damaged_from_the_beginning(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE patients (name TEXT)")
    assert failing(path).height == 0


def test_a_truncated_file_is_never_used_silently(path):
    tip = asyncio.run(write_chain(path, 40))
    whole = path.read_bytes()
    assert len(whole) > 10 * 4096
    for size in range(0, len(whole), len(whole) // 15):
        bad = path.with_name(f"{size}.db")
        bad.write_bytes(whole[:size])
        assert 0 <= failing(bad).height <= tip.height
    assert asyncio.run(open_and_close(path))[0] == tip


def test_a_flipped_byte_anywhere_in_the_file_is_found_or_does_not_matter(path):
    tip = asyncio.run(write_chain(path, 40))
    whole = path.read_bytes()
    found = 0
    for at in range(101, len(whole), len(whole) // 60):
        bad = path.with_name(f"{at}.db")
        bad.write_bytes(whole[:at] + bytes([whole[at] ^ 0x40]) + whole[at + 1 :])
        try:
            again, state = asyncio.run(open_and_close(bad, seen=(tip.height, tip.head)))
        except LedgerError:
            found += 1
        else:
            assert again == tip
            assert state.app_hash == State(state.values).app_hash
    assert found > 20  # the rest hit free space


def test_the_good_blocks_before_the_damage_are_not_served(five):
    bad = altered(five, "UPDATE blocks SET signature = ? WHERE height = 4", "00" * 64)
    heard = []
    failing(bad, listener=lambda c: heard.append(c.height))
    assert heard == []


def test_damage_under_an_open_ledger_is_reported_once_and_ends_submissions(path):
    asyncio.run(write_chain(path))

    async def story():
        ledger = await SqliteLedger.open(path, key("h1"), clock=Clock())
        try:
            told = []
            ledger.on_failure = told.append
            bad = list(rows(path)[5])
            alter(path, "INSERT INTO blocks VALUES (6, ?, ?, ?)", *bad[1:])
            submission = await ledger.submit(signed(ledger, propose("late")))
            for _ in range(500):
                if told:
                    break
                await asyncio.sleep(0.01)
            assert [e.height for e in told] == [6]
            with pytest.raises(LedgerDamaged):
                await ledger.submit(signed(ledger, propose("later")))
            assert ledger.tip.height == 5
            with pytest.raises((TimeoutError, LedgerDamaged)):
                await submission.result(0.05)
            with pytest.raises(LedgerDamaged):
                [b async for b in aiter_blocks(ledger)]
        finally:
            await ledger.close()
        assert len(rows(path)) == 7

    async def aiter_blocks(ledger):
        alter(path, "UPDATE blocks SET header = 'x' WHERE height = 3")
        for block in await ledger.blocks(0, 10):
            yield block

    asyncio.run(story())


def test_a_file_that_cannot_be_written_is_one_sentence(path):
    async def story():
        async with opened("sqlite", path.parent) as (ledger,):
            told = []
            ledger.on_failure = told.append
            ledger._db.execute("PRAGMA query_only = 1")
            await ledger.submit(signed(ledger, propose()))
            for _ in range(500):
                if told:
                    break
                await asyncio.sleep(0.01)
            assert "cannot be written" in str(told[0])

    asyncio.run(story())


# a machine that is short of something, and has it again


def sqlite_error(code):
    error = sqlite3.OperationalError("as SQLite says it")
    error.sqlite_errorcode = code
    return error


NO_DESCRIPTOR = OSError(errno.EMFILE, "Too many open files", "0123")
NO_SPACE = OSError(errno.ENOSPC, "No space left on device")
SHORTAGES = {  # what fails, and how
    "pool, descriptors": (Pool, "put", NO_DESCRIPTOR),
    "pool, space": (Pool, "put", NO_SPACE),
    "turn, descriptors": (sqlite, "_turn", NO_DESCRIPTOR),
    "queues, descriptors": (Pool, "_queues", NO_DESCRIPTOR),
    "reading, descriptors": (Pool, "_read", NO_DESCRIPTOR),
    "rows, space": (sqlite, "_insert", sqlite_error(sqlite3.SQLITE_FULL)),
    "rows, no file": (sqlite, "_insert", sqlite_error(sqlite3.SQLITE_CANTOPEN)),
    "rows, disk": (sqlite, "_insert", sqlite_error(sqlite3.SQLITE_IOERR | 3 << 8)),
    "rows, locked": (sqlite, "_insert", sqlite_error(sqlite3.SQLITE_BUSY)),
    "bells, descriptors": (Doorbell, "count", NO_DESCRIPTOR),
}


def fail_while(monkeypatch, place, name, error, short):
    """Have `place.name` raise the error as long as there is something in `short`."""
    real = getattr(place, name)

    def work(*given):
        if short:
            raise error
        return real(*given)

    monkeypatch.setattr(place, name, work)


@pytest.mark.parametrize("what", SHORTAGES)
def test_what_waits_is_written_once_when_the_machine_has_what_it_was_short_of(
    path, monkeypatch, what
):
    monkeypatch.setattr(sqlite, "AGAIN_S", 0.01)
    short, told = [], []
    place, name, error = SHORTAGES[what]
    fail_while(monkeypatch, place, name, error, short)

    async def story():
        async with opened("sqlite", path.parent) as (ledger,):
            again = asyncio.Event()
            ledger.on_trouble = lambda error: (told.append(str(error)), again.set())
            ledger.on_failure = pytest.fail
            short.append(True)
            tx = signed(ledger, propose())
            submissions = [await ledger.submit(tx)]
            await until(lambda: len(told) >= 3, again)
            assert ledger.trouble is not None
            submissions += [await ledger.submit(tx) for _ in range(5)]  # a node does, meanwhile
            short.clear()
            assert all([(await s.result(WAIT_S)).ok for s in submissions])
            async with asyncio.timeout(WAIT_S):
                while ledger.trouble:
                    await asyncio.sleep(0.01)
            assert ledger.failure is None
            blocks = await ledger.blocks(0, 100)
            return [tx for block in blocks[1:] for tx in block.txs]

    assert len(asyncio.run(story())) <= 2, "at most the one that was submitted again"
    assert len(set(told)) == 1, "always the same sentence"
    assert "cannot be written" in told[0]
    assert list(path.with_name(path.name + ".pool").iterdir()) == []


def test_a_database_without_space_is_written_when_there_is_some(path, monkeypatch):
    """SQLite's own error, in the middle of a transaction of several pages."""
    monkeypatch.setattr(sqlite, "AGAIN_S", 0.01)

    async def story():
        async with opened("sqlite", path.parent) as (ledger,):
            told, again = [], asyncio.Event()
            ledger.on_trouble = lambda error: (told.append(str(error)), again.set())
            ledger.on_failure = pytest.fail
            (pages,) = ledger._db.execute("PRAGMA page_count").fetchone()
            ledger._db.execute(f"PRAGMA max_page_count = {pages}")
            submissions = [await ledger.submit(signed(ledger, propose(f"s{i}"))) for i in range(50)]
            await until(lambda: len(told) >= 3, again)
            assert ledger.tip.height == 0
            ledger._db.execute("PRAGMA max_page_count = 100000")
            assert all([(await s.result(WAIT_S)).ok for s in submissions])
            return ledger.tip, told

    tip, told = asyncio.run(story())
    assert asyncio.run(open_and_close(path))[0] == tip
    assert "is full); free disk space" in told[0]


def test_a_pool_without_space_keeps_no_litter(path, monkeypatch):
    """A new name at every try: what is left behind would fill the disk by itself."""
    pool = Pool(path)
    path.with_name(path.name + ".pool").mkdir()

    def fill(place, data):
        place.touch()
        raise NO_SPACE

    monkeypatch.setattr(Path, "write_bytes", fill)
    with pytest.raises(OSError, match="No space"):
        pool.put(poke("h1", 1))
    assert list(path.with_name(path.name + ".pool").iterdir()) == []


def test_a_pool_without_descriptors_says_so_instead_of_passing_over_what_waits(path, monkeypatch):
    pool = Pool(path)
    pool.put(poke("h1", 1))

    def no_descriptor(*given, **options):
        raise NO_DESCRIPTOR

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", no_descriptor)
        with pytest.raises(OSError, match="Too many"):
            taken(pool, path)
    assert len(taken(pool, path)) == 1


def test_a_block_whose_bells_could_not_be_rung_is_written(path, monkeypatch):
    monkeypatch.setattr(sqlite, "SAFETY_LOOK_S", 0.02)
    fail_while(monkeypatch, Doorbell, "ring", NO_DESCRIPTOR, [True])

    async def story():
        async with opened("sqlite", path.parent, handles=2) as (one, two):
            changed, told = asyncio.Event(), []
            one.on_trouble = told.append
            two.subscribe(lambda c: changed.set())
            (result,) = await done(one, signed(one, propose()))
            assert result.ok
            await until(lambda: two.tip == one.tip, changed)  # it has looked by itself
            assert told == []

    asyncio.run(story())


def test_a_look_that_fails_for_want_of_something_is_done_again(path, monkeypatch):
    monkeypatch.setattr(sqlite, "SAFETY_LOOK_S", 0.02)

    async def story():
        async with opened("sqlite", path.parent, handles=2) as (one, two):
            told, changed, short = [], asyncio.Event(), []
            two.on_trouble = lambda error: (told.append(error), changed.set())
            two.subscribe(lambda c: changed.set())
            fail_while(monkeypatch, two, "_catch_up", sqlite_error(sqlite3.SQLITE_CANTOPEN), short)
            short.append(True)
            await done(one, signed(one, propose()))
            await until(lambda: len(told) >= 2, changed)
            short.clear()
            await until(lambda: two.tip == one.tip, changed)
            assert two.failure is None

    asyncio.run(story())


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOENT])
def test_what_does_not_pass_by_itself_ends_the_ledger_with_a_sentence(path, monkeypatch, number):
    fail_while(monkeypatch, sqlite, "_turn", OSError(number, os.strerror(number)), [True])

    async def story():
        async with opened("sqlite", path.parent) as (ledger,):
            told, changed = [], asyncio.Event()
            ledger.on_failure = lambda error: (told.append(error), changed.set())
            submission = await ledger.submit(signed(ledger, propose()))
            await until(lambda: told, changed)
            assert os.strerror(number) in str(told[0])
            with pytest.raises(LedgerError, match="cannot be written"):
                await submission.result(WAIT_S)

    asyncio.run(story())


# the pool


def test_who_has_the_turn_takes_what_all_others_wait_for(path, no_safety_look):
    async def story():
        async with opened("sqlite", path.parent, handles=3) as ledgers:
            for i, ledger in enumerate(ledgers):  # as if each were about to take its turn
                ledger._pool.put(signed(ledger, propose(f"other{i}")))
            (result,) = await done(ledgers[0], signed(ledgers[0], propose("mine")))
            assert result.ok
            return ledgers[0].tip.height, [r for b in await ledgers[0].blocks(1, 9) for r in b.txs]

    height, txs = asyncio.run(story())
    assert (height, len(txs)) == (1, 4)
    assert not list(Pool(path).waiting(100, 1 << 20, ()))


def test_what_a_dead_process_left_in_the_pool_reaches_a_block(path):
    async def story():
        async with opened("sqlite", path.parent) as (ledger,):
            left = signed(ledger, propose("left"))
            Pool(path).put(left)
            assert (await done(ledger, signed(ledger, propose("mine"))))[0].ok
            # it comes back and submits the same bytes again: they count once
            assert (await (await ledger.submit(left)).result(WAIT_S)).ok
            assert STUDY.get(ledger.state, "left") is not None

    asyncio.run(story())


def test_rubbish_in_the_pool_stops_nobody(path):
    async def story():
        async with opened("sqlite", path.parent) as (ledger,):
            pool = Pool(path)
            pool.put(b"{")
            pool.put(b"x" * (MAX_TX_BYTES + 1))
            assert (await done(ledger, signed(ledger, propose("mine"))))[0].ok
            (block,) = await ledger.blocks(1, 9)
            assert len(block.txs) == 2  # malformed, and good; what is too large is thrown away
            assert not pool.waiting(100, 1 << 20, ())

    asyncio.run(story())


def taken(pool, path, most=MAX_BLOCK_TXS, most_bytes=1 << 23, only=None):
    """What a block would take, and it is gone then."""
    found = pool.waiting(most, most_bytes, {key(w).public for w in ("h1", "h2", "h3")}, only)
    pool.remove([place for place, _ in found])
    return [tx for _, tx in found]


def count_of(txs):
    """How many of each name's."""
    names = {key(w).public: w for w in ("h1", "h2", "h3")}
    return Counter(names.get(read_transaction(tx).signer, "stranger") for tx in txs)


def poke(who, i):
    return signed("chain", Poke(f"s{i}"), who)


def test_a_block_takes_of_each_member_what_the_contract_takes(path):
    pool = Pool(path)
    for i in range(3 * MAX_TXS_PER_MEMBER):
        pool.put(poke("h1", i))
    late = [poke(who, i) for i in range(2) for who in ("h2", "h3")]
    for tx in late:
        pool.put(tx)
    first = taken(pool, path)
    assert count_of(first) == {"h1": MAX_TXS_PER_MEMBER, "h2": 2, "h3": 2}
    assert first[-4:] == late, "in the order in which they came"
    assert [count_of(taken(pool, path)) for _ in range(3)] == [
        {"h1": MAX_TXS_PER_MEMBER}, {"h1": MAX_TXS_PER_MEMBER}, {},
    ]  # fmt: skip


def test_a_block_that_is_too_small_for_all_is_shared_in_turn(path):
    pool = Pool(path)
    for who, n in (("h1", 50), ("h2", 3), ("h3", 50)):
        for i in range(n):
            pool.put(poke(who, i))
    assert count_of(taken(pool, path, most=11)) == {"h1": 4, "h2": 3, "h3": 4}
    size = len(poke("h1", 10))
    counts = count_of(taken(pool, path, most_bytes=10 * size))
    assert counts == {"h1": 5, "h3": 5}


def test_strangers_share_one_small_part_of_a_block_however_many_they_are(path):
    pool = Pool(path)
    for i in range(3 * MAX_TXS_OF_STRANGERS):
        pool.put(poke(f"stranger {i}", i))
    pool.put(poke("h1", 1))
    assert count_of(taken(pool, path)) == {"stranger": MAX_TXS_OF_STRANGERS, "h1": 1}


def test_who_forges_a_members_name_uses_the_strangers_share(path):
    pool = Pool(path)
    for i in range(2 * MAX_TXS_PER_MEMBER):
        pool.put(signed("chain", Poke(f"s{i}"), "h1", sign=lambda data: "00" * 64))
    genuine = poke("h1", 1)
    pool.put(genuine)
    found = taken(pool, path)
    assert len(found) == MAX_TXS_OF_STRANGERS + 1
    assert found[-1] == genuine


def test_a_flood_costs_no_more_reads_than_a_block_has_room_for(path, monkeypatch):
    monkeypatch.setattr(pool_module, "MAX_WAITING", 300)
    pool = Pool(path)
    for i in range(400):
        pool.put(poke("h1", i))
    reads = []
    real = pool._read
    monkeypatch.setattr(pool, "_read", lambda place: reads.append(place) or real(place))
    assert len(taken(pool, path)) == MAX_TXS_PER_MEMBER
    assert len(reads) == MAX_TXS_PER_MEMBER
    left = sum(1 for _ in path.with_name(path.name + ".pool").iterdir())
    assert left == 300 - MAX_TXS_PER_MEMBER, "the newest beyond the limit are thrown away"


def test_a_flood_of_one_member_does_not_hold_up_another(path):
    async def story():
        async with opened("sqlite", path.parent) as (ledger,):
            flood = [signed(ledger, Poke(f"s{i}")) for i in range(5 * MAX_TXS_PER_MEMBER)]
            for tx in flood:
                Pool(path).put(tx)
            other = await SqliteLedger.open(path, key("h2"), clock=Clock())
            (result,) = await done(other, signed(ledger, propose(), "h2"))
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
                Pool(path).put(signed(ledger, Poke("x"), f"stranger {i}"))
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
            Pool(path).put(signed(ledger, propose("others")))
            applicant = await SqliteLedger.open(path, key("newcomer"), clock=Clock())
            card, token = card_of("newcomer"), key("invitation newcomer")
            body = Apply(card, token.public, token.sign(INVITE_DOMAIN, card_message(card)))
            assert (await done(applicant, signed(ledger, body, "newcomer")))[0].ok
            await applicant.close()
        assert len(Pool(path).waiting(100, 1 << 20, ())) == 1
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
            submission = await stranger.submit(signed(stranger, propose(), "h1"))
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


# replay, without a file


def chain_of(n=1):
    """A tip, its state and the next good block."""
    overlay = Overlay(State())
    tip, _ = replay_genesis(make_genesis_block(GENESIS, key("h1")), overlay)
    tx = signed(tip.chain_id, propose())
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
            (codec.pack(dataclasses.replace(GENESIS, contract_version=9)),),
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
    from swarmhub.ledger import sqlite

    clock = sqlite.make_steady_clock()
    before_ms = clock()
    monkeypatch.setattr(sqlite.time, "time_ns", lambda: 0)
    assert 0 <= clock() - before_ms < 60_000
