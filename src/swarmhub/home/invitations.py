"""Invitation tokens, as one word or as a file that contains it.

A token's secret is an ed25519 key with its public half on the ledger. It signs the application. On
a networked ledger it also admits a newcomer to members' peer ports before it is a member: the
sponsor's TLS key has issued a certificate for it, valid for as long as the invitation.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from pathlib import Path

from swarmhub import codec
from swarmhub.errors import BadInput, Malformed
from swarmhub.types import Digest

PREFIX = "swarmhub1."
MAX_TOKEN_BYTES = 64 * 1024
MAX_ENDPOINTS = 4  # members that a token names


@dataclass(frozen=True)
class Endpoint:
    """A member's address, and the sha256 of its TLS certificate."""

    address: str
    tls: Digest


@dataclass(frozen=True)
class InvitationToken:
    """An invitation. Single use; keep it secret. `ledger` is a path, or "cometbft"; the fields from
    `genesis` on are for a networked ledger."""

    chain: str
    ledger: str
    sponsor: str
    expires_ms: int
    secret: str
    genesis: Digest = ""  # sha256 of its canonical bytes
    certificate: str = ""  # DER in hex, for the secret's key
    doors: tuple[Endpoint, ...] = ()
    trusted_height: int = 0  # a block at the time of the invitation, and its hash:
    trusted_hash: Digest = ""  # the trust anchor of the light client


def write_token(token: InvitationToken) -> str:
    """Return the token as one word."""
    return PREFIX + base64.urlsafe_b64encode(codec.pack(token)).decode().rstrip("=")


def read_token(source: Path | str) -> InvitationToken:
    """Read a token from its text, or from a file that contains it (or its JSON)."""
    text = str(source)
    if text.startswith(PREFIX):
        return parse_token(text.encode())
    try:
        path = Path(source)
        if path.stat().st_size > MAX_TOKEN_BYTES:
            raise BadInput(f"Expected an invitation in {path}, got a file that is too large.")
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise BadInput(
            f"Cannot read the invitation {text[:80]} ({why}); give the token (it begins with "
            f"{PREFIX}) or the file that has it."
        ) from None
    return parse_token(data)


def parse_token(data: bytes) -> InvitationToken:
    """Parse a token from its text or its JSON. Raises BadInput if it is not a token, or cut off."""
    text = data.decode("utf-8-sig", "replace").strip()
    if text.startswith(PREFIX):
        packed = "".join(text.removeprefix(PREFIX).split())  # a mail program may have wrapped it
        try:
            data = base64.b64decode(packed + "=" * (-len(packed) % 4), b"-_", validate=True)
            return codec.from_json(InvitationToken, codec.parse(data, MAX_TOKEN_BYTES))
        except (binascii.Error, ValueError, Malformed):
            raise BadInput(
                "The invitation's token is damaged or cut off; copy it again, whole and on one "
                "line."
            ) from None
    if not text.startswith("{"):
        raise BadInput(f"Expected an invitation (it begins with {PREFIX}), got {text[:20]!r}.")
    return codec.from_json(InvitationToken, codec.parse(text.encode(), MAX_TOKEN_BYTES))


def fingerprint_of(certificate: bytes) -> Digest:
    """Return the sha256 of a certificate (DER) in hex."""
    return hashlib.sha256(certificate).hexdigest()
