"""Dealings of tests: honest ones, and false ones made of the same parts."""

from __future__ import annotations

import random
from dataclasses import dataclass

from swarmhub import x25519
from swarmhub.errors import MaskError
from swarmhub.secret_sharing import (
    ORDER,
    Dealing,
    Share,
    Terms,
    challenges,
    check_part,
    deal,
    make_seed,
)
from swarmhub.secret_sharing import dealing as parts


@dataclass(frozen=True)
class Dealt:
    """A dealing with all that its dealer knows."""

    terms: Terms
    seed: bytes
    key: bytes
    dealing: Dealing
    shares: dict[int, Share]


def make_dealt(seed: int = 0, members: int = 4, threshold: int = 3) -> Dealt:
    """An honest dealing to members 1, 2, ..."""
    rng = random.Random(seed)
    key, own = rng.randbytes(32), make_seed(rng.randbytes(64))
    recipients = tuple(range(1, members + 1))
    terms = Terms(b"study, round 1, member 1", x25519.public_of(key), recipients, threshold)
    return Dealt(terms, own, key, *deal(terms, own, key, rng.randbytes(32)))


def passes(terms: Terms, dealing: Dealing, member: int, part: str, value: bytes) -> bool:
    """Whether a revealed share is accepted."""
    try:
        check_part(terms, dealing, member, part, value)
    except MaskError:
        return False
    return True


def deal_values(dealt: Dealt, values: dict[int, int]) -> Dealing:
    """A dealing of arbitrary self shares, as well as a false dealer can do it: its blinding is
    right, and the combination is drawn through its first t members."""
    members, t = dealt.terms.recipients, dealt.terms.threshold
    rng = random.Random(5)
    blinds = {m: rng.randrange(ORDER) for m in members}
    digest = dealt.terms.digest()
    found = tuple(parts._commit(digest, "self", m, values[m], blinds[m]) for m in members)
    commitments = (found, dealt.dealing.commitments[1])
    factor = challenges(dealt.terms, dealt.dealing.proof, commitments)[0]
    through = {m + 1: (blinds[m] + factor * values[m]) % ORDER for m in members[:t]}
    combinations = (coefficients_of(through), dealt.dealing.combinations[1])
    return Dealing(dealt.dealing.proof, commitments, combinations)


def coefficients_of(points: dict[int, int]) -> tuple[int, ...]:
    """The polynomial through some points."""
    total = [0] * len(points)
    for x, y in points.items():
        term, scale = [1], y
        for other in points:
            if other != x:
                term = [a - other * b for a, b in zip([0, *term], [*term, 0], strict=True)]
                scale = scale * pow(x - other, -1, ORDER) % ORDER
        total = [(a + scale * b) % ORDER for a, b in zip(total, term, strict=True)]
    return tuple(total)
