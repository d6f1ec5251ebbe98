"""A light client for a whole chain of headers, without a network.

Every header names the hash of the one before, so the votes for a header prove all before it, and
votes are needed only of the last header of each set of validators: more than two thirds of that
set's power have signed it. The first set is that of the genesis; the next one is the one that such
a header names as `next_validators_hash`, so no set is trusted that the one before did not agree on.
This is sequential verification (https://docs.cometbft.com/v0.38/spec/light-client/verification/)
with one trust assumption at every height: more than two thirds of each set's power were honest.
Skipping verification, with an overlap of a third, would trust less of them, and headers of all
blocks are here anyway.

Unlike the engine (ZIP-215) this counts only signatures that RFC 8032 accepts; honest ones are such.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from swarmhub import keys
from swarmhub.errors import Malformed
from swarmhub.ledger.cometbft.headers import (
    EngineHeader,
    SignedHeader,
    ValidatorSet,
    compute_header_hash,
    compute_set_hash,
    write_vote,
)
from swarmhub.types import Digest


@dataclass(frozen=True)
class Root:
    """The trusted beginning: the chain, its first validators, and the state of its genesis."""

    chain_id: str
    validators: ValidatorSet
    app_hash: Digest


class NotAgreed(Exception):
    """Raised for the first header, or set of validators (`is_set`), that does not hold; `place`
    counts from 0."""

    def __init__(self, place: int, why: str, is_set: bool = False) -> None:
        super().__init__(why)
        self.place, self.why, self.is_set = place, why, is_set


def check_headers(
    root: Root, signed: Sequence[SignedHeader], sets: Sequence[ValidatorSet]
) -> tuple[Digest, ...]:
    """Return the hashes of all headers from height 1 on, on which the validators have agreed;
    `sets` are their sets in order, each once for all headers in a row that have it. Raises
    NotAgreed."""
    found = _link(root, signed)
    ends = [place for place in range(len(signed)) if needs_votes(signed, place)]
    voted = [place for place, one in enumerate(signed) if one.commit is not None]
    for place in voted:
        if not needs_votes(signed, place):
            raise NotAgreed(place, "it has votes although a later one proves it")
    for number, place in enumerate(ends):
        one = signed[place]
        known = number < len(sets) and _hash_of_set(sets[number], number)
        if known != one.header.validators_hash:
            raise NotAgreed(number, "it is not the set that the headers name", is_set=True)
        _check_votes(one, found[place], sets[number], place)
    if len(sets) > len(ends):
        raise NotAgreed(len(ends), "no header names it", is_set=True)
    return tuple(found)


def _link(root: Root, signed: Sequence[SignedHeader]) -> list[Digest]:
    """Return the hashes of headers, each of which names the one before and has the validators that
    that one names as the next."""
    found: list[Digest] = []
    expected = _hash_of_set(root.validators, 0)
    for place, one in enumerate(signed):
        _check_link(root, one.header, found, place)
        if one.header.validators_hash != expected:
            raise NotAgreed(place, "it names other validators than the header before it")
        expected = one.header.next_validators_hash
        try:
            found.append(compute_header_hash(one.header))
        except Malformed as error:
            raise NotAgreed(place, str(error)) from None
    return found


def needs_votes(signed: Sequence[SignedHeader], place: int) -> bool:
    """Return whether a header is the last one of its set of validators."""
    following = signed[place + 1 : place + 2]
    mine = signed[place].header.validators_hash
    return not following or following[0].header.validators_hash != mine


def count_power(one: SignedHeader, digest: Digest, found: ValidatorSet) -> int:
    """Return the power of the validators with votes that hold. Raises Malformed if the votes are
    not of the set, each once and in order."""
    commit, before, power = one.commit, -1, 0
    for vote in commit.votes if commit else ():
        if not before < vote.validator < len(found.validators):
            raise Malformed("Its votes are not in order, or not of its validators.")
        assert commit is not None
        before, voter = vote.validator, found.validators[vote.validator]
        if keys.verify_bytes(
            voter.key, write_vote(one.header, digest, commit, vote), vote.signature
        ):
            power += voter.power
    return power


def _check_link(root: Root, header: EngineHeader, found: Sequence[Digest], place: int) -> None:
    if header.height != place + 1:
        raise NotAgreed(place, f"header {header.height} stands in its place")
    if header.chain_id != root.chain_id:
        raise NotAgreed(place, "it is of another chain")
    if header.last_block_id.hash != (found[-1] if found else ""):
        raise NotAgreed(place, "it does not follow the header before it")
    if not found and header.app_hash != root.app_hash:
        raise NotAgreed(place, "it does not begin with the state of the genesis")


def _hash_of_set(found: ValidatorSet, place: int) -> Digest:
    try:
        return compute_set_hash(found)
    except Malformed as error:
        raise NotAgreed(place, str(error), is_set=True) from None


def _check_votes(one: SignedHeader, digest: Digest, found: ValidatorSet, place: int) -> None:
    """Check that more than two thirds of the power have voted for a header."""
    total = sum(v.power for v in found.validators)
    try:
        power = count_power(one, digest, found)
    except Malformed as error:
        raise NotAgreed(place, str(error)) from None
    if 3 * power <= 2 * total:
        why = f"it has votes of {power} of {total} validators, and needs more than two thirds"
        raise NotAgreed(place, why)
