"""Authentication by the members' self-signed certificates as the ledger has them.

There is no certificate authority. Each member's certificate is its own trust anchor, and after
every handshake the certificate is compared byte by byte with the one that the ledger has for a
member that is active *now*; so a removal or rotation takes effect with the block that has it.

The certificate's own dates hold as well: one that has expired (after ten years) or is not yet valid
is refused on both sides although the ledger has it. Its owner must rotate its keys in time.
"""

from __future__ import annotations

import asyncio
import ssl
from asyncio import sslproto
from collections.abc import Callable
from pathlib import Path

from swarmhub import keys
from swarmhub.contract.records import Member
from swarmhub.errors import BadInput, HomeError
from swarmhub.types import MemberId, PublicKey

# Bytes that asyncio reads at a time of every TLS connection, and keeps: its 256 KiB would be
# resident twice (read, and in OpenSSL), for as long as a connection is open; a record has 16 KiB.
READ_BYTES, MODEL_READ_BYTES = 1 << 14, 1 << 16
sslproto.SSLProtocol.max_size = READ_BYTES


def widen(transport: asyncio.BaseTransport) -> None:
    """Set a connection that carries models to read MODEL_READ_BYTES at a time from now on."""
    protocol = getattr(transport, "_ssl_protocol", None)
    if isinstance(protocol, sslproto.SSLProtocol):
        protocol.max_size = MODEL_READ_BYTES  # type: ignore[misc]  # not of the class: of this one


def abort(transport: asyncio.WriteTransport) -> None:
    """Close a connection at once. In Python 3.11.2, a TLS connection that has been closed twice has
    no protocol left for that, and raises AttributeError."""
    if getattr(transport, "_ssl_protocol", transport) is not None:
        transport.abort()


class Peers:
    """Active members by id and by certificate; kept up to date from the ledger."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate, self._key = certificate, key
        self._by_certificate: dict[bytes, Member] = {}
        self._members: list[Member] = []
        self.members: dict[MemberId, Member] = {}
        self._trusted: set[bytes] = set()
        self._anchors: list[ssl.SSLContext] = []
        # returns the member that registered the open invitation with this key, by the ledger
        self.sponsor_of: Callable[[PublicKey], MemberId | None] = lambda key: None
        # certificates of applicants, with the member that has invited each
        self._applicants: dict[bytes, MemberId] = {}
        self.on_gone: list[Callable[[set[bytes]], None]] = []  # given certificates no longer valid

    def update(self, members: list[Member]) -> list[MemberId]:
        """Set the ledger's active members; returns those with a new certificate."""
        if members == self._members:
            return []  # as after most blocks
        self._members = members
        by_certificate = {bytes.fromhex(m.tls): m for m in members if m.tls}  # not revoked
        gone = set(self._by_certificate) - set(by_certificate)
        new = [m.id for der, m in by_certificate.items() if der not in self._by_certificate]
        self._by_certificate = by_certificate
        self.members = {m.id: m for m in members}
        self._trust(set(by_certificate))
        self._tell_gone(gone - set(self._applicants))
        return new

    def update_applicants(self, applicants: dict[bytes, MemberId]) -> None:
        """Set the applicants: certificate (DER) and the member that has invited each. They may ask
        whether their application is still open, and nothing else."""
        if applicants == self._applicants:
            return
        gone = set(self._applicants) - set(applicants) - set(self._by_certificate)
        self._applicants = applicants
        self._trust(set(applicants))
        self._tell_gone(gone)

    def _trust(self, certificates: set[bytes]) -> None:
        for der in certificates - self._trusted:
            self._trusted.add(der)
            for context in self._anchors:
                _trust(context, der)

    def _tell_gone(self, certificates: set[bytes]) -> None:
        if certificates:
            for tell in self.on_gone:
                tell(certificates)

    def member_of(self, certificate: bytes | None) -> Member | None:
        """Return the active member with exactly this certificate (DER)."""
        return self._by_certificate.get(certificate) if certificate else None

    def host_of(self, certificate: bytes | None) -> MemberId | None:
        """Return the member that has invited the applicant with this certificate (DER), or that has
        registered the open invitation for its key. The guest proved in the handshake that
        it has the key; a member issued the certificate, or OpenSSL would have refused it."""
        if self.is_applicant(certificate):
            return self._applicants[certificate or b""]
        key = keys.read_public(certificate) if certificate else None
        return None if key is None else self.sponsor_of(key)

    def is_applicant(self, certificate: bytes | None) -> bool:
        """Return whether this certificate (DER) is of an application that the members vote on."""
        return certificate in self._applicants

    def own(self) -> bytes:
        """Return this node's own certificate (DER)."""
        return ssl.PEM_cert_to_DER_cert(self._certificate.read_text())

    def server_context(self) -> ssl.SSLContext:
        """Return a server context: TLS 1.3 only, client certificate required."""
        context = self._make(ssl.PROTOCOL_TLS_SERVER)
        context.num_tickets = 0  # no resumption: every handshake checks the certificate
        return context

    def client_context(self) -> ssl.SSLContext:
        """Return a client context: TLS 1.3 only; the server's certificate is pinned after the
        handshake, its name is not checked."""
        context = self._make(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        return context

    def _make(self, protocol: int) -> ssl.SSLContext:
        context = ssl.SSLContext(protocol)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_REQUIRED
        # a member's certificate is trusted for itself. Without this OpenSSL looks for an issuer by
        # name, and a member that registers a certificate with another member's name locks that one
        # out
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        try:
            keys.check_certificate(self.own())
            context.load_cert_chain(self._certificate, self._key)
        except (OSError, ValueError, BadInput):  # an SSLError is an OSError
            raise HomeError(
                f"The certificate {self._certificate} is damaged or not that of {self._key}; "
                "restore both from a backup."
            ) from None
        for der in self._trusted:
            _trust(context, der)
        self._anchors.append(context)
        return context


def _trust(context: ssl.SSLContext, der: bytes) -> None:
    try:
        keys.check_certificate(der)
        context.load_verify_locations(cadata=der)
    except (BadInput, ssl.SSLError, ValueError):
        pass  # a member with an unusable certificate cannot connect; no other is affected
