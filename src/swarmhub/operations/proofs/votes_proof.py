"""Making a proof by votes, from the archive of a member's ledger or from its engine."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from swarmhub.contract import State
from swarmhub.contract.envelope import write_text
from swarmhub.contract.state import Overlay
from swarmhub.errors import BadInput, LedgerError
from swarmhub.ledger import Committed
from swarmhub.ledger.blocks import agree_on_genesis
from swarmhub.ledger.cometbft.header_source import (
    fetch_validators,
    read_set,
    read_signed_header,
)
from swarmhub.ledger.cometbft.rpc import Rpc, RpcError
from swarmhub.ledger.cometbft.settings import RPC_SOCKET, STATE_FILE
from swarmhub.ledger.cometbft.store import Store
from swarmhub.merkle import leaf_of, path_of
from swarmhub.operations.evidence.extract import leaf_of_result
from swarmhub.operations.proofs.forms import Beside, VotedHeader, VotesProof
from swarmhub.types import Digest


class Headers:
    """Signed headers of a member's ledger: of its archive, else of its engine, if that runs."""

    def __init__(self, folder: Path, store: Store) -> None:
        self._store, self._rpc = store, Rpc(folder / RPC_SOCKET)

    async def get(self, height: int) -> VotedHeader:
        """Return a signed header. Raises RpcError if neither has it."""
        found = self._store.proof(height)
        if found is None:
            told = await self._rpc.call("commit", height=str(height))
            who = await fetch_validators(self._rpc, height)
            found = {"signed_header": told["signed_header"], "validators": who}
        return _read(found["signed_header"], found["validators"])

    async def close(self) -> None:
        """Close the connection."""
        await self._rpc.close()


async def make_votes_proof(folder: Path, tx: Digest) -> VotesProof:
    """Return the proof of a transaction (its id or the beginning of it) on a member's ledger.
    Raises BadInput if there is none, or no proof of its block yet."""
    store = Store.open(folder / STATE_FILE)
    headers = Headers(folder, store)
    try:
        height, tx = find_transaction(store, tx)
        (committed,) = store.blocks(height, height + 1)
        try:
            before, signed = await headers.get(height), await headers.get(height + 1)
        except RpcError:
            raise BadInput(
                f"No signed header of block {height} or {height + 1} is here: the block is new, or "
                "it is of no milestone and the node does not run, or it was forgotten. Start the "
                "node, or try again in a moment."
            ) from None
        index = choose(committed, tx)
        with store.one_moment():
            genesis = store.blocks(0, 1)[0].block.txs[0]
            changes = store.changes(height)
        handovers = await _find_handovers(headers, changes, signed, store)
        return VotesProof(
            "votes", genesis.decode(), handovers, before.header, signed,
            write_text(committed.block.txs[index]), committed.results[index].code,
            find_path(committed, index),
        )  # fmt: skip
    finally:
        await headers.close()
        store.close()


def find_transaction(store: Store, tx: str) -> tuple[int, Digest]:
    """Return height and id of a transaction, by the beginning of its id. Raises BadInput if there
    is none, or more than one."""
    found = store.find_results(tx)
    ids = {identity for _, identity, _ in found}
    if len(ids) != 1:
        raise say_none(tx, len(ids))
    height, identity, _ = next((f for f in found if f[2] == "ok"), found[0])
    return height, identity


def say_none(tx: str, count: int) -> BadInput:
    """Return the error for an id that none or several transactions have."""
    have = "no transaction of the kept blocks has" if not count else f"{count} transactions have"
    return BadInput(f"There is no one transaction '{tx[:64]}': {have} an id that begins so.")


def choose(committed: Committed, tx: Digest) -> int:
    """Return the place of a transaction in its block: of the accepted copy, if there are more."""
    places = [i for i, r in enumerate(committed.results) if r.id == tx]
    return next((i for i in places if committed.results[i].ok), places[0])


def find_path(committed: Committed, index: int) -> tuple[Beside, ...]:
    """Return the hashes beside the ways of a transaction and of its result to their roots."""
    txs = [leaf_of(hashlib.sha256(tx).digest()) for tx in committed.block.txs]
    results = [leaf_of_result(r) for r in committed.results]
    pairs = zip(path_of(txs, index), path_of(results, index), strict=True)
    sides, place, count = [], index, len(txs)
    while count > 1:
        if place ^ 1 < count:
            sides.append(bool(place & 1))
        place, count = place // 2, (count + 1) // 2
    return tuple(
        Beside(left, tx.hex(), result.hex())
        for left, (tx, result) in zip(sides, pairs, strict=True)
    )


async def _find_handovers(
    headers: Headers, changes: Sequence[int], signed: VotedHeader, store: Store
) -> tuple[VotedHeader, ...]:
    """Return the headers by which the validators that have signed follow from those of block 0;
    none if one of them is not here. A change in block h is named by the header of block h + 1."""
    found: list[VotedHeader] = []
    with contextlib.suppress(RpcError):
        for height in changes:
            if height + 1 < signed.header.height:
                header = await headers.get(height + 1)
                if header.header.next_validators_hash != header.header.validators_hash:
                    found.append(header)
    _, first = agree_on_genesis(store.genesis(), Overlay(State()))
    steps = [*found, signed]
    is_begun = {(v.key, v.power) for v in steps[0].validators} == set(first.validators)
    follows = all(
        a.header.next_validators_hash == b.header.validators_hash
        for a, b in itertools.pairwise(steps)
    )
    return tuple(found) if is_begun and follows else ()


def _read(told: Any, validators: list[Any]) -> VotedHeader:
    """Return a signed header from what the engine answers to `commit` and `validators`. Raises
    LedgerError for answers of another form."""
    try:
        one = read_signed_header(told)
        assert one.commit is not None
        return VotedHeader(one.header, one.commit, read_set(validators).validators)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise LedgerError(f"CometBFT gave a header that cannot be read ({error!r}).") from None
