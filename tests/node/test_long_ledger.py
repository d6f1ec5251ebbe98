"""A ledger that has run for long: old blocks are forgotten, what an auditor needs is kept, and a
newcomer begins with a later state. Real nodes and engines; few blocks stand for many."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest
from engines import needs_cometbft
from test_join import init, members, run, wait_until

from swarmhub.contract.events import Admitted
from swarmhub.contract.transactions import Poke
from swarmhub.demo.processes import Processes, free_address
from swarmhub.home.home import Home
from swarmhub.home.ledgers import open_for_desk
from swarmhub.ledger import sign_transaction
from swarmhub.ledger.cometbft.settings import STATE_FILE
from swarmhub.ledger.cometbft.store import Store

pytestmark = [needs_cometbft, pytest.mark.engine]
SCRIPT = Path(__file__).with_name("short_ledger.py")


def up(children, home):
    command = [sys.executable, str(SCRIPT), "up", "--home", str(home)]
    children.start_command(home.name, command, home / "logs" / "node.log")


def log(home):
    return (home / "logs" / "node.log").read_text()


def make_blocks(root, count):
    """One after the other, each of a transaction."""

    async def work():
        home = Home.open(root)
        account = home.key("account")
        ledger = await open_for_desk(home, account, patience_s=30)
        try:
            for i in range(count):
                tx = sign_transaction(
                    Poke(f"s{i}-{ledger.tip.height}"), ledger.tip.chain_id, ledger.estimate_ms(),
                    account,
                )  # fmt: skip
                await (await ledger.submit(tx)).result(30)
        finally:
            await ledger.close()

    asyncio.run(work())


def look(root, question):
    store = Store.open(Home.open(root).engine_path / STATE_FILE)
    try:
        return question(store)
    finally:
        store.close()


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """A consortium of one whose node keeps twenty blocks, and has made a hundred."""
    home = tmp_path_factory.mktemp("old") / "A"
    init(home, "A", "--ledger", "cometbft", "--ledger-address", free_address())
    (home / "node.toml").write_text((home / "node.toml").read_text() + "keep_blocks = 20\n")
    run("consortium", "found", "Hearts", "--home", home)
    with Processes() as children:
        up(children, home)
        wait_until(lambda: "is up" in log(home))
        run("consortium", "invite", "--home", home)  # a milestone is what changes members: no
        make_blocks(home, 100)
        wait_until(lambda: look(home, Store.base) >= 60)
        yield home, children


def test_old_blocks_are_forgotten_and_the_rest_verifies(old):
    home, _ = old
    base = look(home, Store.base)
    kept = [c.height for c in look(home, lambda s: s.blocks(1, 1 << 60))]
    tip = look(home, lambda s: s.load()[0].height)
    assert [h for h in kept if h > base] == list(range(base + 1, tip + 1))
    assert 20 <= tip - base <= 40 + 10
    found = json.loads(run("ledger", "verify", "--json", "--home", home))
    assert found["blocks"] < tip
    gone = next(h for h in range(1, base) if h not in kept)
    assert "is not kept here" in run("ledger", "show", gone, "--home", home, code=2)
    said = run("evidence", "export", "x", "--out", home / "evidence", "--home", home, code=2)
    assert "has not all blocks" in said


def test_a_newcomer_begins_with_a_later_state_and_becomes_a_validator(old, tmp_path):
    home, children = old
    token = run("consortium", "invite", "--home", home).strip()
    new = init(tmp_path / "B", "B")
    run("consortium", "join", token, "--home", new)
    up(children, new)
    wait_until(lambda: "is up" in log(new))
    wait_until(lambda: json.loads(run("status", "--json", "--home", new))["waiting"])
    assert "waits to be let in" in run("status", "--home", new)
    motion = json.loads(run("consortium", "inbox", "--json", "--home", home))[0]["id"]
    run("consortium", "vote", motion, "--aye", "--home", home)
    wait_until(lambda: "begins with a snapshot" in log(new))
    wait_until(lambda: look(new, Store.base) > 0)
    wait_until(lambda: "B" in members(new))
    wait_until(lambda: "validates from now on" in log(new))
    assert look(new, lambda s: min(c.height for c in s.blocks(1, 1 << 60))) > look(new, Store.base)
    make_blocks(home, 5)
    tip = look(home, lambda s: s.load()[0].height)
    wait_until(lambda: look(new, lambda s: s.load()[0].height) >= tip)
    hashes = [look(h, lambda s: s.load()[1].app_hash) for h in (home, new)]
    assert hashes[0] == hashes[1]
    assert json.loads(run("ledger", "verify", "--json", "--home", new))["members"] == ["A", "B"]
    # the admission is a milestone: kept with the validators' signatures, also when it is old
    admitted = next(
        c.height
        for c in look(home, lambda s: s.blocks(1, 1 << 60))
        if any(isinstance(event, Admitted) for event in c.events)
    )
    make_blocks(home, 60)
    wait_until(lambda: look(home, Store.base) > admitted)
    proof = look(home, lambda s: s.proof(admitted))
    assert proof["signed_header"]["header"]["height"] == str(admitted)
    assert len(proof["validators"]) >= 1
    kept = [c.height for c in look(home, lambda s: s.blocks(1, 1 << 60))]
    assert admitted in kept
    assert look(home, lambda s: s.proof(admitted + 1)) is not None  # names the state after it
    run("consortium", "leave", "--yes", "--home", new)
    wait_until(lambda: "B" not in members(home))
