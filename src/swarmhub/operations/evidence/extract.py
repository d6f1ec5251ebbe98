"""The ledger's blocks as excerpts for one study.

A block that has nothing of another study is there in full ("whole"); one that has something of
both has its header, and the transactions and events of this study and of the consortium ("part");
one that is about others alone has its header ("header"). Headers are chained and signed, so each
block is in its place; the transactions of a part are signed by their members, while its results
rest on the block's writer.

A block that validators have agreed on has no signature of a writer, but the hash that they signed
("agreed"); its header has no digests of transactions, results and events, which validators do not
sign in this form; and a part names the transactions that it leaves out ("hidden") by their hashes,
so that the others are proven to be in the block (`many_machines`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from swarmhub.contract import Result
from swarmhub.contract.envelope import read_transaction
from swarmhub.contract.events import Event, ReleaseMoved, get_study
from swarmhub.contract.events.consortium import MotionClosed, MotionWaits, VoteCast
from swarmhub.contract.transactions import Vote
from swarmhub.errors import Malformed
from swarmhub.ledger import Block, Committed
from swarmhub.ledger.blocks import Header
from swarmhub.ledger.cometbft.application import OK, REFUSED
from swarmhub.ledger.cometbft.headers import compute_result_leaf
from swarmhub.types import Digest

Level = Literal["whole", "part", "header"]


@dataclass(frozen=True)
class Hidden:
    """A transaction that is left out: its place, its sha256, the leaf of its result."""

    place: int
    tx: Digest
    result: Digest


@dataclass(frozen=True)
class Excerpt:
    """A block as far as it is shown: `committed` has only what is."""

    level: Level
    committed: Committed
    hidden: tuple[Hidden, ...] = ()  # of a part of a block that validators agreed on

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
        if is_agreed(committed.block):
            committed = _without_digests(committed)
        full = Excerpt("whole", committed)
        subjects = {self._of_event(event) for event in committed.events}
        subjects |= {self._of_transaction(tx) for tx in committed.block.txs if committed.results}
        others = subjects - {"", self._study}
        if self._whole or not others:
            return full
        begun = [e for e in full.begun if not self._is_foreign(self._of_event(e))]
        kept, hidden = [], []
        pairs = zip(committed.block.txs, committed.results, strict=True)
        for place, (tx, r) in enumerate(pairs):
            if self._is_foreign(self._of_transaction(tx)):
                hidden.append(_hide(place, tx, r))
                continue
            ours = tuple(e for e in r.events if not self._is_foreign(self._of_event(e)))
            kept.append((tx, Result(r.id, r.code, "", ours)))
        if not kept and not begun:
            return cut("header", committed.block, (), ())
        return cut("part", committed.block, begun, kept, hidden)

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
    level: Level, block: Block, begun: Sequence[Event], kept: Sequence[tuple[bytes, Result]],
    hidden: Sequence[Hidden] = (),
) -> Excerpt:  # fmt: skip
    """Return an excerpt of a block with these transactions, results and events."""
    results = tuple(r for _, r in kept)
    events = (*begun, *(e for r in results for e in r.events))
    seen = block.misbehaviour if level != "header" else ()
    shown = Block(block.header, block.signature, tuple(tx for tx, _ in kept), block.agreed, seen)
    found = tuple(hidden) if is_agreed(block) else ()
    return Excerpt(level, Committed(shown, results, events), found)


def is_agreed(block: Block) -> bool:
    """Return whether validators have agreed on a block; otherwise its writer has signed it."""
    return not block.signature


def _without_digests(committed: Committed) -> Committed:
    block = committed.block
    if not block.agreed:
        return committed  # block 0, which everybody makes of the genesis
    header = replace(block.header, txs="", results="")
    return replace(committed, block=replace(block, header=header))


def _hide(place: int, tx: bytes, result: Result) -> Hidden:
    return Hidden(place, hashlib.sha256(tx).hexdigest(), leaf_of_result(result).hex())


def leaf_of_result(result: Result) -> bytes:
    """Return the leaf of a result in the hash that the validators sign."""
    return compute_result_leaf(OK if result.ok else REFUSED, result.code.encode())
