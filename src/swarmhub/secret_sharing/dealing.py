"""Dealing two secrets, and checking what was dealt; the theory is in the package's docstring."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

from swarmhub.errors import MaskError
from swarmhub.secret_sharing import edwards
from swarmhub.secret_sharing.field import (
    ORDER,
    WIDE_BYTES,
    decode_element,
    encode_element,
    evaluate,
    recover,
    reduce_wide,
)
from swarmhub.secret_sharing.records import (
    COMMITMENT_BYTES,
    PARTS,
    Dealing,
    Share,
    Terms,
    part_index,
    point_of,
)

SEED_BYTES = 32


def make_seed(random: bytes) -> bytes:
    """Return a self seed (32 bytes, an element) from 64 uniform random bytes."""
    return encode_element(reduce_wide(random))


def deal(
    terms: Terms, self_seed: bytes, pair_key: bytes, randomness: bytes
) -> tuple[Dealing, dict[int, Share]]:
    """Share a self seed (32 bytes by `make_seed`) and an X25519 private key (32 bytes) among the
    recipients; return what is published, and each recipient's share.

    The same arguments give the same dealing, so a node that restarts repeats it. `randomness` is 32
    uniform secret bytes; terms and secrets are hashed with it, so no two dealings have a polynomial
    in common. Raises MaskError for arguments of another form, or if the public key in the terms is
    not that of the private key.
    """
    if len(randomness) != SEED_BYTES:
        raise MaskError(f"Expected {SEED_BYTES} random bytes, got {len(randomness)}.")
    secrets = (decode_element(self_seed, "a self seed"), _signed_scalar(terms, pair_key))
    stream = _elements(terms, secrets, randomness)
    t = terms.threshold
    sharing = [[secret, *(next(stream) for _ in range(t - 1))] for secret in secrets]
    blinding = [[next(stream) for _ in range(t)] for _ in secrets]
    proof = edwards.encode_point(edwards.multiply(blinding[1][0], edwards.BASE))
    commitments = _commit_all(terms, sharing, blinding)
    factors = challenges(terms, proof, commitments)
    combinations = [
        tuple((g + factor * f) % ORDER for g, f in zip(blind, secret, strict=True))
        for factor, blind, secret in zip(factors, blinding, sharing, strict=True)
    ]
    shares = {
        m: Share(*(encode_element(evaluate(f, point_of(m))) for f in sharing))
        for m in terms.recipients
    }
    return Dealing(proof, commitments, (combinations[0], combinations[1])), shares


def _signed_scalar(terms: Terms, pair_key: bytes) -> int:
    """Return the key's scalar, with the sign of `edwards.scalar_of_key`."""
    scalar, public = edwards.scalar_of_key(pair_key)
    if public != terms.public_key:
        raise MaskError("Expected the public key of the private key that is shared, got another.")
    return scalar


def _elements(terms: Terms, secrets: Sequence[int], randomness: bytes) -> Iterator[int]:
    """Yield uniform elements, a different sequence for each dealing."""
    prefix = b"swarmhub dealing coefficients 1" + randomness + terms.digest()
    prefix += b"".join(map(encode_element, secrets))
    number = 0
    while True:
        yield reduce_wide(hashlib.sha512(prefix + number.to_bytes(8, "big")).digest())
        number += 1


def _commit_all(
    terms: Terms, sharing: Sequence[Sequence[int]], blinding: Sequence[Sequence[int]]
) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    digest = terms.digest()
    found = [
        tuple(
            _commit(digest, part, m, evaluate(f, point_of(m)), evaluate(g, point_of(m)))
            for m in terms.recipients
        )
        for part, f, g in zip(PARTS, sharing, blinding, strict=True)
    ]
    return found[0], found[1]


def _commit(digest: bytes, part: str, member: int, value: int, blind: int) -> bytes:
    """Return the commitment (20 bytes) to a share and the blinding polynomial's value there."""
    text = b"swarmhub share commitment 1" + digest + part.encode() + member.to_bytes(8, "big")
    return hashlib.sha256(text + encode_element(value) + encode_element(blind)).digest()[
        :COMMITMENT_BYTES
    ]


def challenges(
    terms: Terms, proof: bytes, commitments: tuple[tuple[bytes, ...], tuple[bytes, ...]]
) -> tuple[int, int]:
    """Return the challenges of both parts: hashes of everything that was fixed before them."""
    text = b"swarmhub dealing challenge 1" + terms.digest() + proof
    text += b"".join(c for part in commitments for c in part)
    wide = [hashlib.sha512(text + part.encode()).digest() for part in PARTS]
    assert len(wide[0]) == WIDE_BYTES
    return reduce_wide(wide[0]), reduce_wide(wide[1])


def check_dealing(terms: Terms, dealing: Dealing) -> None:
    """Raise MaskError unless the dealing fits its terms and proves that the pair key that it shares
    is that of the public key: combination(0) B = proof + challenge A, up to points of order 8.

    About 2 ms in Python: the contract may call it once for each key transaction.
    """
    n, t = len(terms.recipients), terms.threshold
    if any(len(part) != n for part in dealing.commitments) or any(
        len(part) != t for part in dealing.combinations
    ):
        raise MaskError(f"Expected a dealing to {n} members with threshold {t}, got another.")
    public = edwards.point_of_key(terms.public_key, "a pair key")
    proof = edwards.decode_point(dealing.proof, "a dealing's proof")
    factor = challenges(terms, dealing.proof, dealing.commitments)[1]
    expected = edwards.combine(dealing.combinations[1][0], edwards.BASE, -factor % ORDER, public)
    if not edwards.is_small(edwards.add(expected, edwards.negate(proof))):
        raise MaskError("Expected a dealing of the key that is published, got one of another key.")


def check_part(terms: Terms, dealing: Dealing, recipient: int, part: str, value: bytes) -> None:
    """Raise MaskError unless a revealed share of one secret (32 bytes) is the one that was
    committed to, and lies on the dealt polynomial.

    The commitment is to the share and the blinding value; here the latter follows from the public
    combination, so that one comparison checks both. For the contract.
    """
    share = decode_element(value, "a share")
    place, index = terms.place_of(recipient), part_index(part)
    factor = challenges(terms, dealing.proof, dealing.commitments)[index]
    blind = evaluate(dealing.combinations[index], point_of(recipient)) - factor * share
    found = _commit(terms.digest(), part, recipient, share, blind % ORDER)
    if found != dealing.commitments[index][place]:
        raise MaskError(
            f"Expected the share of the {part} secret that was dealt to member {recipient}, got "
            "another value."
        )


def check_share(terms: Terms, dealing: Dealing, recipient: int, share: Share) -> None:
    """Raise MaskError unless both parts of a received share will pass `check_part`. For a
    recipient, before it counts the dealer among the keyed."""
    for part in PARTS:
        check_part(terms, dealing, recipient, part, share.value(part))


def recover_secret(values: Mapping[int, bytes], threshold: int) -> bytes:
    """Return a secret (32 bytes) from checked shares of it by member id; any `threshold` of them
    give the same. Raises MaskError for fewer."""
    shares = {point_of(m): decode_element(value, "a share") for m, value in values.items()}
    return encode_element(recover(shares, threshold))


def pair_key_of(secret: bytes) -> bytes:
    """Return the X25519 private key (32 bytes, clamped) of a recovered pair secret. Its public key
    may differ from a false dealer's by a point of small order, which changes no shared secret.

    The secret is the key's scalar or its negative modulo the order (both have one public key). Of
    the multiples of 8 below 8 L that equal either, one lies in the range of clamped scalars.
    """
    scalar = decode_element(secret, "a pair secret")
    for candidate in (scalar, -scalar % ORDER):
        found = 8 * (candidate * edwards.EIGHTH % ORDER)
        if 1 << 254 <= found < 1 << 255:
            return found.to_bytes(edwards.POINT_BYTES, "little")
    raise MaskError("Expected the secret of a pair key, got a number that belongs to none.")
