"""The records of a dealing: its terms, what is published, what a recipient gets.

Encodings have one length for a number of recipients n and a threshold t, and one spelling:

    dealing   32 + 40 n + 64 t bytes: point, n + n commitments, t + t coefficients
    share     64 bytes: value of the self seed, value of the pair key
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from swarmhub.errors import MaskError
from swarmhub.secret_sharing.edwards import POINT_BYTES
from swarmhub.secret_sharing.field import ELEMENT_BYTES, decode_element, encode_element

PARTS = ("self", "pair")  # the two secrets of a dealing: of these, a share reveals one
COMMITMENT_BYTES = 20
SHARE_BYTES = 2 * ELEMENT_BYTES
MIN_THRESHOLD, MAX_RECIPIENTS = 2, 512
MAX_MEMBER = 2**53 - 1


@dataclass(frozen=True)
class Terms:
    """The binding of a dealing: the study, round and dealer (`context`, any bytes that no other
    dealing has), the X25519 public key of the dealer's pair key, the recipients' member ids in
    ascending order (the dealer among them), and how many shares recover a secret."""

    context: bytes
    public_key: bytes
    recipients: tuple[int, ...]
    threshold: int

    def __post_init__(self) -> None:
        members, n = self.recipients, len(self.recipients)
        if list(members) != sorted(set(members)) or any(
            type(m) is not int or not 0 <= m <= MAX_MEMBER for m in members
        ):
            raise MaskError("Expected recipients as distinct member ids in ascending order.")
        if n > MAX_RECIPIENTS:
            raise MaskError(f"Expected at most {MAX_RECIPIENTS} recipients of shares, got {n}.")
        if type(self.threshold) is not int or not MIN_THRESHOLD <= self.threshold <= n:
            raise MaskError(
                f"Expected a threshold from {MIN_THRESHOLD} to the {n} recipients, got "
                f"{self.threshold}."
            )
        if len(self.public_key) != POINT_BYTES:
            raise MaskError(
                f"Expected {POINT_BYTES} bytes as a public key, got {len(self.public_key)}."
            )

    def digest(self) -> bytes:
        """Return SHA-256 (32 bytes) over all fields, each with its length."""
        numbers = b"".join(m.to_bytes(8, "big") for m in (self.threshold, *self.recipients))
        fields = (b"swarmhub dealing terms 1", self.context, self.public_key, numbers)
        return hashlib.sha256(b"".join(len(f).to_bytes(8, "big") + f for f in fields)).digest()

    def place_of(self, recipient: int) -> int:
        """Return a recipient's index. Raises MaskError for a member that is none."""
        if recipient not in self.recipients:
            raise MaskError(f"Expected a recipient of this dealing, got member {recipient}.")
        return self.recipients.index(recipient)


def point_of(member: int) -> int:
    """Return the point at which a member's shares are taken; 0 belongs to the secrets."""
    return member + 1


@dataclass(frozen=True)
class Dealing:
    """The public part of a dealing.

    `proof` is the blinding polynomial's constant term times the base point (pair part);
    `commitments` and `combinations` are by part: 20 bytes for each recipient, and the coefficients
    of blinding polynomial + challenge x sharing polynomial, constant term first.
    """

    proof: bytes
    commitments: tuple[tuple[bytes, ...], tuple[bytes, ...]]
    combinations: tuple[tuple[int, ...], tuple[int, ...]]

    def to_bytes(self) -> bytes:
        """Return the encoding."""
        hashes = b"".join(c for part in self.commitments for c in part)
        numbers = b"".join(encode_element(c) for part in self.combinations for c in part)
        return self.proof + hashes + numbers

    @classmethod
    def from_bytes(cls, data: bytes, recipients: int, threshold: int) -> Dealing:
        """Return the dealing to `recipients` members. Raises MaskError for another length or a
        coefficient that is not canonical."""
        if len(data) != dealing_bytes(recipients, threshold):
            raise MaskError(
                f"Expected {dealing_bytes(recipients, threshold)} bytes of a dealing to "
                f"{recipients} members with threshold {threshold}, got {len(data)}."
            )
        hashes = POINT_BYTES + 2 * recipients * COMMITMENT_BYTES
        found = _split(data[POINT_BYTES:hashes], COMMITMENT_BYTES)
        numbers = [decode_element(n, "a coefficient") for n in _split(data[hashes:], ELEMENT_BYTES)]
        return cls(
            data[:POINT_BYTES],
            (tuple(found[:recipients]), tuple(found[recipients:])),
            (tuple(numbers[:threshold]), tuple(numbers[threshold:])),
        )


def dealing_bytes(recipients: int, threshold: int) -> int:
    """Return the length of a dealing's encoding."""
    return POINT_BYTES + 2 * recipients * COMMITMENT_BYTES + 2 * threshold * ELEMENT_BYTES


def _split(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@dataclass(frozen=True)
class Share:
    """A recipient's share of both secrets, as encoded elements. Only one of the two may ever be
    revealed: `value(part)`."""

    self_value: bytes
    pair_value: bytes

    def value(self, part: str) -> bytes:
        """Return the share of one secret (32 bytes). Raises MaskError for an unknown part."""
        return (self.self_value, self.pair_value)[part_index(part)]

    def to_bytes(self) -> bytes:
        """Return the encoding (64 bytes), which is to be sealed."""
        return self.self_value + self.pair_value

    @classmethod
    def from_bytes(cls, data: bytes) -> Share:
        """Return the share of 64 bytes. Raises MaskError if they are not canonical."""
        if len(data) != SHARE_BYTES:
            raise MaskError(f"Expected {SHARE_BYTES} bytes of a share, got {len(data)}.")
        halves = _split(data, ELEMENT_BYTES)
        for half in halves:
            decode_element(half, "a share")
        return cls(*halves)


def part_index(part: str) -> int:
    """Return 0 for the self seed, 1 for the pair key. Raises MaskError for anything else."""
    if part not in PARTS:
        raise MaskError(f"Expected a part of {' or '.join(PARTS)}, got {str(part)[:20]!r}.")
    return PARTS.index(part)
