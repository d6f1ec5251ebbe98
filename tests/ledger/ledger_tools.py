"""What the ledger's tests share: open a chain with either driver, and wait without sleeping."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import itertools
import json
import shutil
import sqlite3
from typing import Any

import engines
import pytest
from builders import START_MS, card_of, genesis_of, key
from engines import needs_cometbft

from swarmhub.contract.envelope import write_transaction
from swarmhub.contract.records import Spec, get_chain, get_member_of_key
from swarmhub.contract.transactions import Invite, Poke, Propose, Rotate, card_message
from swarmhub.errors import LedgerDamaged
from swarmhub.ledger import MemoryChain, MemoryLedger, SqliteLedger, create_ledger
from swarmhub.ledger.blocks import MAX_BLOCK_TXS
from swarmhub.types import ROTATE_DOMAIN, TX_DOMAIN

NAMES = ["h1", "h2", "h3"]
GENESIS = genesis_of(NAMES)
DRIVERS = ["memory", "sqlite", "abci"]  # the last is the application of the next, see engines.py
ALL_DRIVERS = [*DRIVERS, pytest.param("cometbft", marks=needs_cometbft)]
WAIT_S = 20  # for an event that comes within milliseconds, on a busy machine too


class Clock:
    """A wall clock that stands still unless it is moved."""

    def __init__(self):
        self.now_ms = START_MS

    def __call__(self):
        return self.now_ms


@contextlib.asynccontextmanager
async def opened(driver, folder, clock=None, handles=1, genesis=GENESIS):
    """So many handles on a new chain; "h1" writes by all of them."""
    clock = clock or Clock()
    ledgers: list[Any]
    if driver == "memory":
        chain = MemoryChain(genesis, key("h1"))
        ledgers = [MemoryLedger(chain, clock) for _ in range(handles)]
    elif driver == "abci":
        ledgers = [await engines.StandIn.open(folder / "abci", genesis, clock, handles)]
        ledgers += ledgers[0].others
    elif driver == "cometbft":
        ledgers = await engines.start(folder, genesis)
    else:
        path = folder / "ledger.db"
        create_ledger(path, genesis, key("h1"))
        ledgers = [await SqliteLedger.open(path, key("h1"), clock=clock) for _ in range(handles)]
    try:
        yield ledgers[:handles]
    finally:
        await asyncio.gather(*(ledger.close() for ledger in ledgers))


@dataclasses.dataclass(frozen=True)
class Change:
    """A change that marks no deadline and uses up no quota: the signer's node moves elsewhere. Its
    engine stays where it is, or the others' engines would let it go."""

    word: str

    def of(self, who, engine=""):
        card = card_of(who, address=f"{self.word}.{who}.example:7000", ledger=engine)
        return Rotate(card, key(who).sign(ROTATE_DOMAIN, card_message(card)))


def change(word="heart"):
    return Change(word)


def is_changed(ledger, word, who="h1"):
    """Whether the ledger has the change."""
    member = get_member_of_key(ledger.state, key(who).public)
    return member.address == Change(word).of(who).card.address


def signed(ledger_or_chain, body, who="h1", expires_in_ms=600_000, **changes):
    """Bytes of a transaction of a hospital."""
    if isinstance(body, Change):
        state = getattr(ledger_or_chain, "state", None)
        member = get_member_of_key(state, key(who).public) if state else None
        body = body.of(who, member.ledger if member else "")
    known = not isinstance(ledger_or_chain, str)
    now_ms = ledger_or_chain.estimate_ms() if known and ledger_or_chain.sleeps else START_MS
    fields = {
        "chain": ledger_or_chain.tip.chain_id if known else ledger_or_chain,
        "expires_ms": now_ms + expires_in_ms,
        "signer": key(who).public,
        "sign": functools.partial(key(who).sign, TX_DOMAIN),
        **changes,
    }
    return write_transaction(body, **fields)


def invite(word="x"):
    return Invite(key(f"invitation {word}").public, START_MS + 3_600_000)


def propose(name="heart", **changes):
    return Propose(Spec(name=name, rounds=1, min_peers=1, **changes))


async def done(ledger, *txs):
    """Submit one after the other and give the results."""
    return [await (await ledger.submit(tx)).result(WAIT_S) for tx in txs]


async def until(condition, changed):
    """Wait for events until the condition holds."""
    async with asyncio.timeout(WAIT_S):
        while not condition():
            changed.clear()
            await changed.wait()


def rows(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute(
            "SELECT height, header, signature, txs FROM blocks ORDER BY height"
        ).fetchall()


copies = itertools.count()


def altered(path, statement, *values):
    """A copy of the file to which something was done behind the ledger's back."""
    copy = path.with_name(f"altered-{next(copies)}.db")
    shutil.copy(path, copy)
    alter(copy, statement, *values)
    return copy


def alter(path, statement, *values):
    """Do something to the file behind the ledger's back."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute(statement, values).rowcount != 0
        db.commit()


async def write_chain(path, blocks=5, writer="h1"):
    """A chain of `blocks` blocks after the genesis; the third one pokes the study 'lock'."""
    create_ledger(path, GENESIS, key(writer))
    ledger = await SqliteLedger.open(path, key(writer), clock=Clock())
    try:
        for i in range(1, blocks + 1):
            body = Poke("lock") if i == 3 else change(f"s{i}")
            (result,) = await done(ledger, signed(ledger, body, writer))
            assert result.code == ("UnknownThing" if i == 3 else "ok")
        assert ledger.tip.height == blocks
        return ledger.tip
    finally:
        await ledger.close()


def members(ledger):
    return get_chain(ledger.state).active


def header_of(row):
    return json.loads(row[1])


async def open_and_close(path, **options):
    """The tip and the state of a file."""
    ledger = await SqliteLedger.open(path, **options)
    tip, state = ledger.tip, ledger.state
    await ledger.close()
    return tip, state


def failing(path, error=LedgerDamaged, **options):
    """The error of opening the file."""

    async def story():
        with pytest.raises(error) as caught:
            await SqliteLedger.open(path, **options)
        return caught.value

    return asyncio.run(story())


def taken(pool, most=MAX_BLOCK_TXS, most_bytes=1 << 23, only=None):
    """What a block would take, and it is gone then."""
    found = pool.waiting(most, most_bytes, {key(w).public for w in ("h1", "h2", "h3")}, only)
    pool.remove([place for place, _ in found])
    return [tx for _, tx in found]


def poke(who, i):
    """A transaction that differs from every other in `i`."""
    return signed("chain", Poke(f"s{i}"), who)


def played(folder, story, clock=None):
    """Run a story over an application whose engine is played."""

    async def main():
        ledger = await engines.StandIn.open(folder, GENESIS, clock or Clock())
        try:
            return await story(ledger)
        finally:
            await ledger.close()

    return asyncio.run(main())


async def player(ledger):
    """Connect to the application of a ledger, as its engine would."""
    return await engines.Player.connect(ledger._store.path.with_name("abci.sock"))
