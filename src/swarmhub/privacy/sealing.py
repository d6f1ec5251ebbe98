"""Shares, sealed for one recipient: X25519, HKDF-SHA256, AES-SIV (RFC 5297).

AES-SIV is deterministic: a node that restarts and seals the same share again gives the same bytes,
and if it seals another one, no keystream is used twice. The key is derived from the shared secret,
both public keys (dealer first) and the context; so a sealed share opens only for that dealer, that
recipient and that context. Sealed: 16 bytes more than the plaintext.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from swarmhub import x25519
from swarmhub.errors import MaskError
from swarmhub.secret_sharing import SHARE_BYTES, Share

TAG_BYTES = 16
SEALED_BYTES = SHARE_BYTES + TAG_BYTES


def seal_share(own_private: bytes, recipient_public: bytes, context: bytes, share: Share) -> bytes:
    """Return a share sealed by its dealer (80 bytes). `context` names study, round, dealer and
    recipient. Raises MaskError for a key that cannot be used."""
    dealer_public = x25519.public_of(own_private)
    secret = x25519.shared_secret(own_private, recipient_public)
    return _cipher(secret, dealer_public + recipient_public, context).encrypt(
        share.to_bytes(), [context]
    )


def open_share(own_private: bytes, dealer_public: bytes, context: bytes, sealed: bytes) -> Share:
    """Return the share that was sealed for this recipient. Raises MaskError if it was altered, or
    sealed for another recipient or context, or by another dealer."""
    if len(sealed) != SEALED_BYTES:
        raise MaskError(f"Expected {SEALED_BYTES} bytes of a sealed share, got {len(sealed)}.")
    secret = x25519.shared_secret(own_private, dealer_public)
    cipher = _cipher(secret, dealer_public + x25519.public_of(own_private), context)
    try:
        return Share.from_bytes(cipher.decrypt(sealed, [context]))
    except InvalidTag:
        raise MaskError(
            "Expected a share that the dealer sealed for this member and round, got other bytes."
        ) from None


def _cipher(secret: bytes, keys: bytes, context: bytes) -> AESSIV:
    info = b"swarmhub sealed share 1\0" + keys + context
    return AESSIV(HKDF(hashes.SHA256(), 64, salt=None, info=info).derive(secret))
