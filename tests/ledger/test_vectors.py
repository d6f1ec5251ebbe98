"""The contract's published vectors: every ledger driver gets the same results and the same hash."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from builders import key
from ledger_tools import DRIVERS, WAIT_S, Clock, opened

from swarmhub import codec
from swarmhub.contract import State
from swarmhub.contract.envelope import read_text
from swarmhub.contract.events import with_name
from swarmhub.contract.records import Genesis
from swarmhub.contract.transactions import BODIES
from swarmhub.errors import Malformed

pytestmark = pytest.mark.process

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "tests" / "vectors").glob("*.json"))


def read(path):
    return json.loads(path.read_text())


def test_every_kind_of_transaction_is_accepted_and_refused_in_the_vectors():
    accepted, refused = set(), set()
    for vector in map(read, FILES):
        for block in vector["blocks"]:
            for tx, result in zip(block["txs"], block["results"], strict=True):
                if result["code"] == "ok":
                    accepted.add(json.loads(tx)["kind"])
                elif vector["name"] != "envelopes":  # for its own sake, not its envelope's
                    refused.add(json.loads(tx)["kind"])
    assert accepted == set(BODIES)
    assert refused == set(BODIES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_root_in_a_vector_follows_from_what_stands_there(path):
    vector = read(path)
    state = State(values_of(vector["founded"]["changes"]))
    assert state.app_hash.hex() == vector["founded"]["app_hash"]
    for block in vector["blocks"]:
        state.commit(values_of(block["begun"]["changes"]))
        assert state.app_hash.hex() == block["begun"]["app_hash"]
        assert len(block["results"]) == len(block["txs"])
        for result in block["results"]:
            assert state.app_hash.hex() == result["before"]
            state.commit(values_of(result["changes"]))
            assert state.app_hash.hex() == result["after"]
            assert (result["code"] == "ok") == bool(result["changes"])
        assert state.app_hash.hex() == block["app_hash"]


def values_of(changes):
    """The bytes in the state; a record stands as JSON in the file."""
    return {p: None if v is None else bytes_of(p, v) for p, v in changes.items()}


def bytes_of(path, value):
    return value.encode() if path.split("/")[0] in ("seen", "due") else codec.encode(value)


def test_the_vectors_are_what_the_contract_makes():
    script = [sys.executable, str(ROOT / "scripts" / "make_vectors.py"), "--check"]
    done = subprocess.run(script, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def makes_a_block(block, blocks):
    """Not a follow-up block (a driver makes it by itself), nor what no driver takes: bytes that
    do not parse, and bytes whose result is known already."""
    done = {tx for b in blocks if b["height"] < block["height"] for tx in b["txs"]}
    readable = any(r["code"] != "Malformed" for r in block["results"])
    return readable and not set(block["txs"]) <= done


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_driver_replays_a_vector(driver, path, tmp_path):
    vector = read(path)
    genesis = codec.from_json(Genesis, vector["genesis"])

    blocks = [block for block in vector["blocks"] if makes_a_block(block, vector["blocks"])]

    async def story():
        clock, made = Clock(), []
        async with opened(driver, tmp_path, clock, genesis=genesis) as (ledger,):
            ledger.subscribe(made.append)
            ledger.has_mempool = False  # refusals are recorded as if a proposer let them through
            assert ledger.state.app_hash.hex() == vector["founded"]["app_hash"]
            for block in blocks:
                clock.now_ms = block["time_ms"]
                submissions = [await ledger.submit(read_text(tx)) for tx in block["txs"]]
                for submission in submissions:
                    await submission.result(WAIT_S)
            for block in vector["blocks"]:
                if [r["code"] for r in block["results"]] == ["Malformed"]:
                    with pytest.raises(Malformed):
                        await ledger.submit(read_text(block["txs"][0]))
            await ledger.blocks(0, 1)  # when the last block's follower is made, too
            return made, dict(ledger.state.values)

    made, after = asyncio.run(story())
    expected = [b for b in vector["blocks"] if b in blocks or not b["txs"]]
    assert len(made) == len(expected)
    for committed, block in zip(made, expected, strict=True):
        said = [{"code": r.code, "message": r.message} for r in committed.results]
        assert said == [{"code": r["code"], "message": r["message"]} for r in block["results"]]
        assert committed.block.header.app_hash == block["app_hash"]
        assert codec.to_json([with_name(event) for event in committed.events]) == block["events"]
    assert after == state_after(vector["founded"], expected)


def state_after(founded, blocks):
    """The state's map, put together from the steps in the file."""
    state = State(values_of(founded["changes"]))
    for block in blocks:
        for step in (block["begun"], *block["results"]):
            state.commit(values_of(step["changes"]))
    return state.values


def test_a_writer_is_a_founder_in_every_vector():
    for path in FILES:
        founders = read(path)["genesis"]["founders"]
        assert founders[0]["account"] == key("h1").public
