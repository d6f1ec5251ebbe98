"""The ledger's blocks as lines of canonical JSON.

A block that has nothing of another study is there in full ("whole"); one that has something of
both has its header, and the transactions and events of this study and of the consortium ("part");
one that is about others alone has its header ("header"). Headers are chained and signed, so each
block is in its place; the transactions of a part are signed by their members, while its results
rest on the block's writer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from swarmhub import codec
from swarmhub.contract import Result
from swarmhub.contract.envelope import MAX_TX_BYTES, read_transaction
from swarmhub.contract.events import Event, ReleaseMoved, get_study, read_event, with_name
from swarmhub.contract.events.consortium import MotionClosed, MotionWaits, VoteCast
from swarmhub.contract.transactions import Vote
from swarmhub.errors import Malformed
from swarmhub.ledger import Block, Committed
from swarmhub.ledger.blocks import MAX_BLOCK_BYTES, MAX_BLOCK_TXS, Header
from swarmhub.types import Signature

Level = Literal["whole", "part", "header"]
KEYS = {"begun", "header", "level", "results", "signature", "txs"}
MAX_LINE_BYTES = 8 * MAX_BLOCK_BYTES  # text within text, and the events
HEX = "hex:"  # before bytes that are no text; a transaction begins with a brace


@dataclass(frozen=True)
class Excerpt:
    """A block as far as it is shown: `committed` has only what is."""

    level: Level
    committed: Committed

    @property
    def header(self) -> Header:
        return self.committed.block.header

    @property
    def begun(self) -> tuple[Event, ...]:
        """The events of the block's beginning."""
        found = self.committed
        return found.events[: len(found.events) - sum(len(r.events) for r in found.results)]


class Excerpts:
    """Makes excerpts for one study, from blocks in order. `whole`: of all blocks in full."""

    def __init__(self, study: str, whole: bool = False) -> None:
        self._study = study
        self._whole = whole
        self._motions: dict[int, str] = {}  # number -> study, of motions to release

    def take(self, committed: Committed) -> Excerpt:
        """Return the excerpt of the next block."""
        for event in committed.events:
            if isinstance(event, ReleaseMoved):
                self._motions[event.motion] = event.study
        full = Excerpt("whole", committed)
        subjects = {self._of_event(event) for event in committed.events}
        subjects |= {self._of_transaction(tx) for tx in committed.block.txs if committed.results}
        others = subjects - {"", self._study}
        if self._whole or not others:
            return full
        begun = [e for e in full.begun if not self._is_foreign(self._of_event(e))]
        kept = [
            (tx, Result(r.id, r.code, "", tuple(
                e for e in r.events if not self._is_foreign(self._of_event(e)))))
            for tx, r in zip(committed.block.txs, committed.results, strict=True)
            if not self._is_foreign(self._of_transaction(tx))
        ]  # fmt: skip
        level: Level = "part" if kept or begun else "header"
        return cut(level, committed.block, begun, kept)

    def _is_foreign(self, subject: str) -> bool:
        return subject not in ("", self._study)

    def _of_event(self, event: Event) -> str:
        if isinstance(event, VoteCast | MotionClosed | MotionWaits):
            return self._motions.get(event.motion, "")
        return get_study(event)

    def _of_transaction(self, tx: bytes) -> str:
        """Return the study of a transaction; "" if it is about none, or is none."""
        try:
            body = read_transaction(tx).body
        except Malformed:
            return ""
        if isinstance(body, Vote):
            return self._motions.get(body.motion, "")
        place = getattr(body, "ref", body)
        return getattr(place, "study", "") or getattr(getattr(body, "spec", None), "name", "")


def cut(
    level: Level, block: Block, begun: Sequence[Event], kept: Sequence[tuple[bytes, Result]]
) -> Excerpt:
    """Return an excerpt of a block with these transactions, results and events."""
    results = tuple(r for _, r in kept)
    events = (*begun, *(e for r in results for e in r.events))
    shown = Block(block.header, block.signature, tuple(tx for tx, _ in kept))
    return Excerpt(level, Committed(shown, results, events))


# lines


def write_line(excerpt: Excerpt) -> bytes:
    """Return an excerpt as canonical JSON."""
    block = excerpt.committed.block
    return codec.encode({
        "begun": [with_name(e) for e in excerpt.begun],
        "header": block.header,
        "level": excerpt.level,
        "results": [
            [r.id, r.code, [with_name(e) for e in r.events]] for r in excerpt.committed.results
        ],
        "signature": block.signature,
        "txs": [_to_text(tx) for tx in block.txs],
    })  # fmt: skip


def read_line(data: bytes) -> Excerpt:
    """Return the excerpt of a line. Raises Malformed on anything else."""
    found = codec.decode(data, MAX_LINE_BYTES)
    if not isinstance(found, dict) or set(found) != KEYS or found["level"] not in get_args(Level):
        raise Malformed("it is no excerpt of a block")
    header = codec.from_json(Header, found["header"])
    if not isinstance(found["signature"], str):
        raise Malformed("its signature is no text")
    txs = tuple(_to_bytes(text) for text in _list_of(found["txs"]))
    results = tuple(map(_read_result, _list_of(found["results"])))
    begun = _read_events(found["begun"])
    events = (*begun, *(e for r in results for e in r.events))
    signature: Signature = found["signature"]
    made = Excerpt(found["level"], Committed(Block(header, signature, txs), results, events))
    if write_line(made) != data:
        raise Malformed("it is not in the form in which it is written")
    return made


def split_lines(data: bytes) -> list[bytes]:
    """Return the lines of a file of JSON lines, each of which ends with a newline."""
    return data.split(b"\n")[:-1] if data.endswith(b"\n") else data.split(b"\n")


def join_lines(lines: Iterable[bytes]) -> bytes:
    """Return a file of lines."""
    return b"".join(line + b"\n" for line in lines)


def _to_text(tx: bytes) -> str:
    try:
        return tx.decode()
    except UnicodeDecodeError:
        return HEX + tx.hex()


def _to_bytes(text: Any) -> bytes:
    if not isinstance(text, str) or len(text) > 2 * MAX_TX_BYTES + len(HEX):
        raise Malformed("a transaction is no text, or too long")
    if not text.startswith(HEX):
        return text.encode()
    try:
        return bytes.fromhex(text.removeprefix(HEX))
    except ValueError:
        raise Malformed("a transaction is not in hex") from None


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
