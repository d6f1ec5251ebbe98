"""Excerpts of blocks as lines of canonical JSON, and files of such lines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

from swarmhub import codec
from swarmhub.contract import Misbehaviour, Result
from swarmhub.contract.envelope import MAX_TX_BYTES, read_text, write_text
from swarmhub.contract.events import Event, read_event, with_name
from swarmhub.errors import Malformed
from swarmhub.ledger import Block, Committed
from swarmhub.ledger.blocks import MAX_BLOCK_BYTES, MAX_BLOCK_TXS, Header
from swarmhub.operations.evidence.extract import Excerpt, Hidden, Level, is_agreed

KEYS = {"begun", "header", "level", "results", "txs"}
WRITTEN, AGREED = {"signature"}, {"agreed", "hidden", "misbehaviour"}  # besides, by kind of ledger
MAX_LINE_BYTES = 12 * MAX_BLOCK_BYTES  # text within text, and the events
MAX_TEXT = 2 * MAX_TX_BYTES + 8  # letters of one that is no transaction, in hex


def write_line(excerpt: Excerpt) -> bytes:
    """Return an excerpt as canonical JSON."""
    block = excerpt.committed.block
    proven: dict[str, Any] = {"signature": block.signature}
    if is_agreed(block):
        proven = {
            "agreed": block.agreed, "hidden": excerpt.hidden,
            "misbehaviour": [[m.address, m.height] for m in block.misbehaviour],
        }  # fmt: skip
    return codec.encode({
        "begun": [with_name(e) for e in excerpt.begun],
        "header": block.header,
        "level": excerpt.level,
        "results": [
            [r.id, r.code, [with_name(e) for e in r.events]] for r in excerpt.committed.results
        ],
        "txs": [write_text(tx) for tx in block.txs],
        **proven,
    })  # fmt: skip


def read_line(data: bytes) -> Excerpt:
    """Return the excerpt of a line. Raises Malformed on anything else."""
    found = codec.decode(data, MAX_LINE_BYTES)
    kinds = (KEYS | WRITTEN, KEYS | AGREED)
    if not isinstance(found, dict) or set(found) not in kinds:
        raise Malformed("it is no excerpt of a block")
    if found["level"] not in get_args(Level):
        raise Malformed("it is no excerpt of a block")
    block = _read_block(found)
    results = tuple(map(_read_result, _list_of(found["results"])))
    begun = _read_events(found["begun"])
    events = (*begun, *(e for r in results for e in r.events))
    hidden = tuple(codec.from_json(Hidden, h) for h in _list_of(found.get("hidden", [])))
    made = Excerpt(found["level"], Committed(block, results, events), hidden)
    if write_line(made) != data:
        raise Malformed("it is not in the form in which it is written")
    return made


def _read_block(found: dict[str, Any]) -> Block:
    header = codec.from_json(Header, found["header"])
    signature, agreed = found.get("signature", ""), found.get("agreed", "")
    if not isinstance(signature, str) or not isinstance(agreed, str):
        raise Malformed("its signature, or its hash, is no text")
    txs = tuple(_to_bytes(text) for text in _list_of(found["txs"]))
    seen = tuple(map(_read_misbehaviour, _list_of(found.get("misbehaviour", []))))
    return Block(header, signature, txs, agreed, seen)


def _read_misbehaviour(value: Any) -> Misbehaviour:
    match value:
        case [str(), int()] if value[1] is not True and value[1] is not False:
            return Misbehaviour(value[0], value[1])
    raise Malformed("misbehaviour has an address and a height")


def split_lines(data: bytes) -> list[bytes]:
    """Return the lines of a file of JSON lines, each of which ends with a newline."""
    return data.split(b"\n")[:-1] if data.endswith(b"\n") else data.split(b"\n")


def join_lines(lines: Iterable[bytes]) -> bytes:
    """Return a file of lines."""
    return b"".join(line + b"\n" for line in lines)


def _to_bytes(text: Any) -> bytes:
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        raise Malformed("a transaction is no text, or too long")
    return read_text(text)


def _list_of(value: Any) -> list[Any]:
    if not isinstance(value, list) or len(value) > MAX_BLOCK_TXS:
        raise Malformed("its lists are none, or too long")
    return value


def _read_result(value: Any) -> Result:
    match value:
        case [str(), str(), list()]:
            return Result(value[0], value[1], "", _read_events(value[2]))
    raise Malformed("a result has an id, a code and events")


def _read_events(value: Any) -> tuple[Event, ...]:
    if not isinstance(value, list):
        raise Malformed("its events are no list")
    found = []
    for pair in value:
        match pair:
            case [str(), dict()]:
                found.append(read_event(pair[0], pair[1]))
            case _:
                raise Malformed("an event has a name and fields")
    return tuple(found)
