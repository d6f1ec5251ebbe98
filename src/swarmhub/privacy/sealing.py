"""Shares, sealed by their dealer for one recipient, with a private key at hand."""

from __future__ import annotations

from swarmhub import x25519
from swarmhub.secret_sharing import Channel, Share, seal, unseal


def seal_share(channel: Channel, dealer_private: bytes, share: Share) -> bytes:
    """Return a share sealed by its dealer (64 bytes). Raises MaskError for a recipient's key that
    cannot be used."""
    return seal(channel, x25519.shared_secret(dealer_private, channel.recipient_key), share)


def open_share(channel: Channel, recipient_private: bytes, sealed: bytes) -> Share:
    """Return the share that was sealed for this recipient, checked against the dealing. Raises
    MaskError if it is another one: then `secret_sharing.complain` proves it."""
    return unseal(channel, x25519.shared_secret(recipient_private, channel.dealer_key), sealed)
