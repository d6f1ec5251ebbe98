"""Tables of the application's storage, and blocks as rows."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from swarmhub import codec
from swarmhub.contract import Misbehaviour, Result
from swarmhub.contract.events import Event, read_event, with_name
from swarmhub.ledger.blocks import Block, Committed, Header, pack_txs, unpack_txs
from swarmhub.types import Digest

FORMAT = "1"
SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE state (path TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE blocks (
  height INTEGER PRIMARY KEY, header TEXT NOT NULL, agreed TEXT NOT NULL, txs TEXT NOT NULL,
  results TEXT NOT NULL, events TEXT NOT NULL, validators TEXT NOT NULL,
  misbehaviour TEXT NOT NULL
);
CREATE TABLE snapshots (
  height INTEGER, chunk INTEGER, head TEXT NOT NULL, time_ms INTEGER NOT NULL, data BLOB NOT NULL,
  PRIMARY KEY (height, chunk)
);
CREATE TABLE proofs (height INTEGER PRIMARY KEY, signed TEXT NOT NULL, validators TEXT NOT NULL);
CREATE TABLE validator_sets (hash TEXT PRIMARY KEY, validators TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Snapshot:
    """The state at a height, in chunks, and the parts of the tip that are not in the state."""

    height: int
    head: Digest
    time_ms: int
    chunks: list[bytes]


def dump(value: Any) -> str:
    return json.dumps(codec.to_json(value), ensure_ascii=True, separators=(",", ":"))


def named(events: Iterable[Event]) -> list[tuple[str, Event]]:
    return [with_name(event) for event in events]


def committed_of(*row: str) -> Committed:
    """Return a block from the columns of its row."""
    header, agreed, txs, results, events, validators, misbehaviour = row
    found = tuple(
        Result(tx, code, message, tuple(read_event(*event) for event in its))
        for tx, code, message, its in json.loads(results)
    )
    begun = [read_event(*event) for event in json.loads(events)]
    shown = tuple(Misbehaviour(str(a), int(height)) for a, height in json.loads(misbehaviour))
    return Committed(
        Block(codec.unpack(Header, header.encode()), "", unpack_txs(txs.encode()), agreed, shown),
        found,
        (*begun, *(e for r in found for e in r.events)),
        tuple((key, power) for key, power in json.loads(validators)),
    )


def row_of(committed: Committed) -> tuple[int | str, ...]:
    """Return a block as its row."""
    block = committed.block
    begun = len(committed.events) - sum(len(r.events) for r in committed.results)
    return (
        committed.height,
        codec.pack(block.header).decode(),
        block.agreed,
        pack_txs(block.txs).decode(),
        dump(
            [[r.id, r.code, r.message, [with_name(e) for e in r.events]] for r in committed.results]
        ),
        dump([with_name(event) for event in committed.events[:begun]]),
        dump(committed.validators),
        dump([[m.address, m.height] for m in block.misbehaviour]),
    )
