"""A machine that is short of something, and has it again."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import sqlite3
from pathlib import Path

import pytest
from ledger_tools import (
    WAIT_S,
    change,
    done,
    open_and_close,
    opened,
    poke,
    signed,
    taken,
    until,
)

from swarmhub.errors import LedgerError
from swarmhub.ledger.database import shortage_of
from swarmhub.ledger.notify import Notifier
from swarmhub.ledger.sqlite import driver
from swarmhub.ledger.sqlite import mempool as pool_room
from swarmhub.ledger.sqlite.mempool import Mempool


def sqlite_error(code):
    error = sqlite3.OperationalError("as SQLite says it")
    error.sqlite_errorcode = code
    return error


NO_DESCRIPTOR = OSError(errno.EMFILE, "Too many open files", "0123")
NO_SPACE = OSError(errno.ENOSPC, "No space left on device")
SHORTAGES = {  # what fails, and how
    "pool, descriptors": (Mempool, "put", NO_DESCRIPTOR),
    "pool, space": (Mempool, "put", NO_SPACE),
    "turn, descriptors": (driver, "take_turn", NO_DESCRIPTOR),
    "queues, descriptors": (Mempool, "_queues", NO_DESCRIPTOR),
    "reading, descriptors": (Mempool, "_read", NO_DESCRIPTOR),
    "rows, space": (driver, "insert_block", sqlite_error(sqlite3.SQLITE_FULL)),
    "rows, no file": (driver, "insert_block", sqlite_error(sqlite3.SQLITE_CANTOPEN)),
    "rows, disk": (driver, "insert_block", sqlite_error(sqlite3.SQLITE_IOERR | 3 << 8)),
    "rows, locked": (driver, "insert_block", sqlite_error(sqlite3.SQLITE_BUSY)),
    "bells, descriptors": (Notifier, "count", NO_DESCRIPTOR),
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
    monkeypatch.setattr(driver, "SHORTAGE_PAUSE_S", 0.01)
    short, told = [], []
    place, name, error = SHORTAGES[what]
    fail_while(monkeypatch, place, name, error, short)

    async def story():
        async with opened("sqlite", path.parent) as (ledger,):
            again = asyncio.Event()
            ledger.on_trouble = lambda error: (told.append(str(error)), again.set())
            ledger.on_failure = pytest.fail
            short.append(True)
            tx = signed(ledger, change())
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
    monkeypatch.setattr(driver, "SHORTAGE_PAUSE_S", 0.01)

    async def story():
        async with opened("sqlite", path.parent) as (ledger,):
            told, again = [], asyncio.Event()
            ledger.on_trouble = lambda error: (told.append(str(error)), again.set())
            ledger.on_failure = pytest.fail
            (pages,) = ledger._db.execute("PRAGMA page_count").fetchone()
            ledger._db.execute(f"PRAGMA max_page_count = {pages}")
            submissions = [await ledger.submit(signed(ledger, change(f"s{i}"))) for i in range(50)]
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
    pool = Mempool(path)
    path.with_name(path.name + ".pool").mkdir()

    def fill(moment):
        if moment == "pool.hidden":
            raise NO_SPACE

    monkeypatch.setattr(pool_room, "failpoint", fill)
    with pytest.raises(OSError, match="No space"):
        pool.put(poke("h1", 1))
    assert list(path.with_name(path.name + ".pool").iterdir()) == []


def test_a_pool_without_descriptors_says_so_instead_of_passing_over_what_waits(path, monkeypatch):
    pool = Mempool(path)
    pool.put(poke("h1", 1))

    def no_descriptor(*given, **options):
        raise NO_DESCRIPTOR

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", no_descriptor)
        with pytest.raises(OSError, match="Too many"):
            taken(pool)
    assert len(taken(pool)) == 1


def test_a_block_whose_bells_could_not_be_rung_is_written(path, monkeypatch):
    monkeypatch.setattr(driver, "SAFETY_LOOK_S", 0.02)
    fail_while(monkeypatch, Notifier, "ring", NO_DESCRIPTOR, [True])

    async def story():
        async with opened("sqlite", path.parent, handles=2) as (one, two):
            changed, told = asyncio.Event(), []
            one.on_trouble = told.append
            two.subscribe(lambda c: changed.set())
            (result,) = await done(one, signed(one, change()))
            assert result.ok
            await until(lambda: two.tip == one.tip, changed)  # it has looked by itself
            assert told == []

    asyncio.run(story())


def test_a_look_that_fails_for_want_of_something_is_done_again(path, monkeypatch):
    monkeypatch.setattr(driver, "SAFETY_LOOK_S", 0.02)

    async def story():
        async with opened("sqlite", path.parent, handles=2) as (one, two):
            told, changed, short = [], asyncio.Event(), []
            two.on_trouble = lambda error: (told.append(error), changed.set())
            two.subscribe(lambda c: changed.set())
            fail_while(monkeypatch, two, "_catch_up", sqlite_error(sqlite3.SQLITE_CANTOPEN), short)
            short.append(True)
            await done(one, signed(one, change()))
            await until(lambda: len(told) >= 2, changed)
            short.clear()
            await until(lambda: two.tip == one.tip, changed)
            assert two.failure is None

    asyncio.run(story())


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOENT])
def test_what_does_not_pass_by_itself_ends_the_ledger_with_a_sentence(path, monkeypatch, number):
    fail_while(monkeypatch, driver, "take_turn", OSError(number, os.strerror(number)), [True])

    async def story():
        async with opened("sqlite", path.parent) as (ledger,):
            told, changed = [], asyncio.Event()
            ledger.on_failure = lambda error: (told.append(error), changed.set())
            submission = await ledger.submit(signed(ledger, change()))
            await until(lambda: told, changed)
            assert os.strerror(number) in str(told[0])
            with pytest.raises(LedgerError, match="cannot be written"):
                await submission.result(WAIT_S)

    asyncio.run(story())


def test_a_ledger_that_another_program_holds_is_no_fault_of_the_disk(path):
    one, other = (sqlite3.connect(path, timeout=0, isolation_level=None) for _ in range(2))
    with contextlib.closing(one), contextlib.closing(other):
        one.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError) as held:
            other.execute("BEGIN IMMEDIATE")
    found = shortage_of(held.value, path)
    assert "a program that has it open and stands still" in str(found)
    assert found.is_passing
