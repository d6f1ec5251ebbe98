"""Shares sealed for their recipients, and complaints that everybody can check.

A share is 64 bytes, as is SHA-512: it is sealed by adding (xor) the hash of the dealer's and the
recipient's X25519 secret, both public keys, the dealing and the recipient. Nothing is used twice:
another dealing has another hash, the same one the same share. A sealed share has no tag, since the
dealing's commitments show whether it is the right one; an altered one fails `check_share`.

So that one dishonest dealer cannot block a round by sealing nonsense to one member, that member can
prove it: it reveals the secret of this pair of keys, of this round, with a proof that it is the
right one (Chaum and Pedersen 1992: equal logarithms to the bases B and the dealer's key). Everybody
then opens the sealed share. Honest members lose nothing: the one share of theirs that this secret
seals was known to the other of the pair already.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from swarmhub.errors import MaskError
from swarmhub.secret_sharing import edwards
from swarmhub.secret_sharing.dealing import SEED_BYTES, check_share
from swarmhub.secret_sharing.field import ORDER, decode_element, encode_element, reduce_wide
from swarmhub.secret_sharing.records import SHARE_BYTES, Dealing, Share, Terms

COMPLAINT_BYTES = 96


@dataclass(frozen=True)
class Channel:
    """One sealed share's way: its dealing, its recipient, and both X25519 public sealing keys."""

    terms: Terms
    dealing: Dealing
    recipient: int
    dealer_key: bytes
    recipient_key: bytes

    def digest(self) -> bytes:
        """Return SHA-512 (64 bytes) over all fields."""
        dealt = hashlib.sha512(self.dealing.to_bytes()).digest()
        text = self.terms.digest() + dealt + self.recipient.to_bytes(8, "big")
        return hashlib.sha512(text + self.dealer_key + self.recipient_key).digest()


def seal(channel: Channel, secret: bytes, share: Share) -> bytes:
    """Return the sealed share (64 bytes); `secret` is the X25519 secret of the two keys."""
    pad = hashlib.sha512(b"swarmhub sealed share 1" + secret + channel.digest()).digest()
    return bytes(a ^ b for a, b in zip(pad, share.to_bytes(), strict=True))


def unseal(channel: Channel, secret: bytes, sealed: bytes) -> Share:
    """Return the share that was sealed, checked. Raises MaskError if it is not the one that was
    committed to."""
    if len(sealed) != SHARE_BYTES:
        raise MaskError(f"Expected {SHARE_BYTES} bytes of a sealed share, got {len(sealed)}.")
    pad = hashlib.sha512(b"swarmhub sealed share 1" + secret + channel.digest()).digest()
    share = Share.from_bytes(bytes(a ^ b for a, b in zip(pad, sealed, strict=True)))
    check_share(channel.terms, channel.dealing, channel.recipient, share)
    return share


@dataclass(frozen=True)
class Complaint:
    """The secret of a channel's two keys, as a point, and the proof: challenge and response."""

    point: bytes
    challenge: int
    response: int

    def to_bytes(self) -> bytes:
        """Return the encoding (96 bytes)."""
        return self.point + encode_element(self.challenge) + encode_element(self.response)

    @classmethod
    def from_bytes(cls, data: bytes) -> Complaint:
        """Return the complaint of 96 bytes. Raises MaskError if they are not canonical."""
        if len(data) != COMPLAINT_BYTES:
            raise MaskError(f"Expected {COMPLAINT_BYTES} bytes of a complaint, got {len(data)}.")
        numbers = [decode_element(data[at : at + 32], "a complaint's proof") for at in (32, 64)]
        return cls(data[:32], numbers[0], numbers[1])


def complain(channel: Channel, own_private: bytes, randomness: bytes) -> Complaint:
    """Return the proof of a channel's secret by its recipient, with 32 uniform secret bytes. Raises
    MaskError for keys that do not fit."""
    if len(randomness) != SEED_BYTES:
        raise MaskError(f"Expected {SEED_BYTES} random bytes, got {len(randomness)}.")
    scalar, public = edwards.scalar_of_key(own_private)
    if public != channel.recipient_key:
        raise MaskError("Expected the private key of the recipient's sealing key, got another.")
    dealer = edwards.clear(edwards.point_of_key(channel.dealer_key, "a sealing key"))
    point = edwards.encode_point(edwards.multiply(scalar, dealer))
    seed = randomness + own_private + channel.digest()
    nonce = reduce_wide(hashlib.sha512(b"swarmhub complaint nonce 1" + seed).digest())
    images = [edwards.multiply(nonce, base) for base in (edwards.BASE, dealer)]
    factor = _challenge(channel, point, images)
    return Complaint(point, factor, (nonce + factor * scalar) % ORDER)


def is_justified(channel: Channel, sealed: bytes, complaint: Complaint) -> bool:
    """Return whether the dealer has sealed something else than the share that it committed to: it
    is then shown to be dishonest. Raises MaskError if the complaint's proof is false, or the member
    no recipient.

    About 8 ms in Python. For the contract, which has checked the dealing and the sealed length.
    """
    channel.terms.place_of(channel.recipient)
    own = edwards.clear(edwards.point_of_key(channel.recipient_key, "a sealing key"))
    dealer = edwards.clear(edwards.point_of_key(channel.dealer_key, "a sealing key"))
    secret = edwards.clear(edwards.decode_point(complaint.point, "a complaint's secret"))
    minus = -complaint.challenge % ORDER
    images = [
        edwards.combine(complaint.response, base, minus, image)
        for base, image in ((edwards.BASE, own), (dealer, secret))
    ]
    if _challenge(channel, complaint.point, images) != complaint.challenge:
        raise MaskError("Expected a complaint with the secret of the two keys, got another one.")
    try:
        unseal(channel, edwards.key_of_point(secret), sealed)
    except MaskError:
        return True
    return False


def _challenge(channel: Channel, point: bytes, images: list[edwards.Point]) -> int:
    text = b"swarmhub complaint challenge 1" + channel.digest() + point
    text += b"".join(map(edwards.encode_point, images))
    return reduce_wide(hashlib.sha512(text).digest())
