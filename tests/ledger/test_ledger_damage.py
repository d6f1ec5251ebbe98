"""A ledger's file that was altered: what is wrong is found where it is, and never used."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3

import pytest
from builders import key
from ledger_tools import (
    Clock,
    alter,
    altered,
    change,
    done,
    failing,
    header_of,
    open_and_close,
    opened,
    rows,
    signed,
    write_chain,
)

from swarmhub import codec
from swarmhub.contract import State
from swarmhub.errors import LedgerDamaged, LedgerError
from swarmhub.ledger import SqliteLedger


def flipped(text, at):
    other = "0" if text[at] != "0" else "1"
    return text[:at] + other + text[at + 1 :]


def header_with(path, at, **changes):
    header = {**header_of(rows(path)[at]), **changes}
    return codec.encode(header).decode()


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
        await done(ledger, *[signed(ledger, change(f"late{i}")) for i in range(3)])
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
            submission = await ledger.submit(signed(ledger, change("late")))
            for _ in range(500):
                if told:
                    break
                await asyncio.sleep(0.01)
            assert [e.height for e in told] == [6]
            with pytest.raises(LedgerDamaged):
                await ledger.submit(signed(ledger, change("later")))
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
            await ledger.submit(signed(ledger, change()))
            for _ in range(500):
                if told:
                    break
                await asyncio.sleep(0.01)
            assert "cannot be written" in str(told[0])

    asyncio.run(story())
