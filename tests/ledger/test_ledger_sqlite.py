"""One file, many processes: one chain, woken without polling."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from builders import key
from ledger_tools import (
    GENESIS,
    WAIT_S,
    altered,
    change,
    done,
    failing,
    is_changed,
    open_and_close,
    opened,
    rows,
    signed,
    until,
    write_chain,
)
from swarm import PROGRAMS

from swarmhub.contract import State
from swarmhub.errors import LedgerDamaged, LedgerError
from swarmhub.ledger import SqliteLedger, create_ledger
from swarmhub.ledger.notify import Notifier
from swarmhub.ledger.sqlite import driver

TESTS = Path(__file__).parent


def test_two_handles_that_write_at_once_make_one_chain(path, no_safety_look):
    async def story():
        async with opened("sqlite", path.parent, handles=2) as (one, two):
            changed = asyncio.Event()
            one.subscribe(lambda c: changed.set())
            two.subscribe(lambda c: changed.set())
            submissions = []
            for i in range(20):
                submissions.append(await one.submit(signed(one, change(f"a{i}"))))
                submissions.append(await two.submit(signed(two, change(f"b{i}"), "h2")))
            assert all([(await s.result(WAIT_S)).ok for s in submissions])
            await until(lambda: one.tip.height == two.tip.height, changed)
            assert one.tip.head == two.tip.head
            assert one.state.app_hash == two.state.app_hash
            assert one.state.values == two.state.values
            return one.tip

    tip = asyncio.run(story())
    assert asyncio.run(open_and_close(path))[0] == tip


@contextlib.contextmanager
def process(path, who, count):
    """Another process with a handle of its own; it goes when we go."""
    environment = {**os.environ, "PYTHONPATH": f"{TESTS.parent}:{TESTS}"}
    child = subprocess.Popen(
        [sys.executable, str(PROGRAMS / "ledger_process.py"), str(path), who, str(count)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, bufsize=1,
    )  # fmt: skip
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


@pytest.mark.process
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
    assert sum(p.startswith("seen/") for p in state.values) == 30


@pytest.mark.process
def test_a_block_of_another_process_arrives_without_polling(path, no_safety_look):
    create_ledger(path, GENESIS, key("h1"))

    async def story():
        ledger = await SqliteLedger.open(path)
        changed = asyncio.Event()
        ledger.subscribe(lambda c: changed.set())
        with process(path, "h2", 1) as child:
            assert await asyncio.to_thread(child.stdout.readline) == "open\n"
            child.stdin.write("go\n")
            await until(lambda: is_changed(ledger, "h2-0", "h2"), changed)
        await ledger.close()

    asyncio.run(story())


def test_a_lost_ring_does_no_harm(path, monkeypatch):
    monkeypatch.setattr(driver, "SAFETY_LOOK_S", 0.02)
    monkeypatch.setattr(Notifier, "ring", lambda self: None)

    async def story():
        async with opened("sqlite", path.parent, handles=2) as (one, two):
            changed = asyncio.Event()
            two.subscribe(lambda c: changed.set())
            await done(one, signed(one, change()))
            await until(lambda: two.tip == one.tip, changed)

    asyncio.run(story())


def test_closing_takes_the_bells_down_and_a_dead_process_bell_is_removed(path):
    async def story():
        bells = path.with_name("ledger.db.bells")
        async with opened("sqlite", path.parent, handles=2) as (one, _):
            assert len(list(bells.iterdir())) == 2
            os.mkfifo(bells / "dead")
            await done(one, signed(one, change()))
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
            Notifier(path).ring()

    async def story():
        rung = asyncio.Event()
        bell = Notifier(path)
        monkeypatch.setattr(os, "mkfifo", mkfifo)
        bell.listen(rung.set)
        Notifier(path).ring()
        try:
            await asyncio.wait_for(rung.wait(), WAIT_S)
        finally:
            bell.close()

    asyncio.run(story())


def test_ringing_where_nobody_listens_is_nothing(path):
    Notifier(path).ring()


def test_many_transactions_at_once_share_blocks(path):
    async def story():
        async with opened("sqlite", path.parent) as (ledger,):
            submissions = [await ledger.submit(signed(ledger, change(f"s{i}"))) for i in range(50)]
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
                await ledger.submit(signed(ledger, change("late")))
        finally:
            await ledger.close()

    asyncio.run(story())


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
