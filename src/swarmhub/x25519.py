"""X25519 (RFC 7748): key pairs and shared secrets, as bytes."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from swarmhub.errors import MaskError

KEY_BYTES = 32


def public_of(private: bytes) -> bytes:
    """Return the public key (32 bytes) of a private key: any 32 secret random bytes."""
    return _private(private).public_key().public_bytes_raw()


def shared_secret(private: bytes, public: bytes) -> bytes:
    """Return the secret (32 bytes) that two key pairs share. Raises MaskError for keys of another
    length, and for a public key of small order, with which every secret would be zero."""
    if len(public) != KEY_BYTES:
        raise MaskError(f"Expected an X25519 key of {KEY_BYTES} bytes, got {len(public)}.")
    try:
        return _private(private).exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        raise MaskError("Expected an X25519 key of large order, got one of small order.") from None


def _private(private: bytes) -> X25519PrivateKey:
    if len(private) != KEY_BYTES:
        raise MaskError(f"Expected a private key of {KEY_BYTES} bytes, got {len(private)}.")
    return X25519PrivateKey.from_private_bytes(private)
