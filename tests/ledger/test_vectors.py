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
from swarmhub.contract.records import Genesis
from swarmhub.errors import Malformed

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "tests" / "vectors").glob("*.json"))


def test_there_is_a_vector_for_every_kind_of_transaction_accepted_and_refused():
    from swarmhub.contract.transactions import BODIES

    accepted, refused = set(), set()
    for path in FILES:
        for block in json.loads(path.read_text())["blocks"]:
            for tx, result in zip(block["txs"], block["results"], strict=True):
                if result["code"] != "Malformed":
                    kind = json.loads(tx)["kind"]
                    (accepted if result["code"] == "ok" else refused).add(kind)
    assert accepted | refused == set(BODIES)
    assert set(BODIES) - accepted == set()
    assert len(refused) > 15


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
    vector = json.loads(path.read_text())
    genesis = codec.from_json(Genesis, vector["genesis"])

    blocks = [block for block in vector["blocks"] if makes_a_block(block, vector["blocks"])]

    async def story():
        clock, made = Clock(), []
        async with opened(driver, tmp_path, clock, genesis=genesis) as (ledger,):
            ledger.subscribe(made.append)
            ledger.has_mempool = False  # refusals are recorded as if a proposer let them through
            state = dict(ledger.state.values)
            for block in blocks:
                clock.now_ms = block["time_ms"]
                submissions = [await ledger.submit(tx.encode()) for tx in block["txs"]]
                for submission in submissions:
                    await submission.result(WAIT_S)
            for block in vector["blocks"]:
                if [r["code"] for r in block["results"]] == ["Malformed"]:
                    with pytest.raises(Malformed):
                        await ledger.submit(block["txs"][0].encode())
            await ledger.blocks(0, 1)  # when the last block's follower is made, too
            return made, state, dict(ledger.state.values)

    made, before, after = asyncio.run(story())
    expected = [b for b in vector["blocks"] if b in blocks or not b["txs"]]
    assert len(made) == len(expected)
    for committed, block in zip(made, expected, strict=True):
        said = [{"code": r.code, "message": r.message} for r in committed.results]
        assert said == block["results"]
        assert committed.block.header.app_hash == block["app_hash"]
        assert [[n, codec.to_json(f)] for n, f in committed.events] == block["events"]
    whole = dict(before)
    for block in expected:
        for place, record in block.get("changes", {}).items():
            whole.pop(place, None) if record is None else whole.update(
                {place: codec.encode(record)}
            )
    plain = {p: v for p, v in after.items() if p.split("/")[0] not in ("seen", "due", "expiring")}
    assert plain == whole


def test_a_writer_is_a_founder_in_every_vector():
    for path in FILES:
        founders = json.loads(path.read_text())["genesis"]["founders"]
        assert founders[0]["account"] == key("h1").public
