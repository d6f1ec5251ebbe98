"""Identities: ed25519 keys made at the hospital, a P-256 key for what other tools check (models),
and the node's self-signed TLS certificate.

A signature is over `domain || 0x00 || message`, so that bytes signed for one purpose can never
be presented for another. Keys are 64 hex digits (32 bytes) in public records; private keys are
PKCS#8 PEM files of mode 0600 that never leave the node's home.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import os
import secrets
import threading
import warnings
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InternalError, InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import NameOID

from swarmhub.errors import BadInput, HomeError
from swarmhub.files import sync

HEADING = "public half: "
RELEASE = "release"  # the key with this name is a ReleaseKey, all others are ed25519
REMEMBERED = 1024  # signatures that need no second check


class PrivateKey:
    """An ed25519 private key: `public` is its public half in hex, `sign` gives 128 hex digits."""

    def __init__(self, seed: bytes | None = None) -> None:
        made = Ed25519PrivateKey.generate()
        self._key = made if seed is None else Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._key.public_key().public_bytes_raw().hex()

    @property
    def seed(self) -> bytes:
        """The 32 secret bytes."""
        return self._key.private_bytes_raw()

    def sign(self, domain: str, message: bytes) -> str:
        """Return the ed25519 signature over `domain || 0x00 || message`, in hex."""
        signed = domain.encode() + b"\0" + message
        signature = self._key.sign(signed).hex()
        _remember(_fingerprint(self.public, signed, signature))
        return signature

    def save(self, path: Path) -> None:
        """Write as PKCS#8 PEM, readable by the owner only. An existing key is never replaced."""
        _write_key(path, self._key, self.public)

    @classmethod
    def load(cls, path: Path) -> PrivateKey:
        """Read a key written by `save`; HomeError if it is missing or damaged."""
        key, heading = _read_key(path)
        if not isinstance(key, Ed25519PrivateKey):
            raise HomeError(f"Expected an ed25519 key in {path}, got another kind; restore it.")
        found = cls(key.private_bytes_raw())
        _check_heading(path, heading, found.public)
        return found


class ReleaseKey:
    """A P-256 private key, for signatures on models that common tools can check. `public` is its
    compressed point, 66 hex digits."""

    def __init__(self, number: int | None = None) -> None:
        """`number` is the secret (1 to 2^256 - 2^224), random by default."""
        curve = ec.SECP256R1()
        made = ec.derive_private_key(number, curve) if number else ec.generate_private_key(curve)
        self._key = made
        point = serialization.PublicFormat.CompressedPoint
        self.public = made.public_key().public_bytes(serialization.Encoding.X962, point).hex()

    def sign_bytes(self, message: bytes) -> bytes:
        """Return the ECDSA signature with SHA-256 of the message alone, in DER, as other tools read
        it."""
        return self._key.sign(message, ec.ECDSA(hashes.SHA256()))

    def sign(self, domain: str, message: bytes) -> str:
        """Return the signature over `domain || 0x00 || message`: r and s, 128 hex digits."""
        r, s = decode_dss_signature(self.sign_bytes(domain.encode() + b"\0" + message))
        return (r.to_bytes(32, "big") + s.to_bytes(32, "big")).hex()

    def save(self, path: Path) -> None:
        """Write as PKCS#8 PEM, readable by the owner only. An existing key is never replaced."""
        _write_key(path, self._key, self.public)

    @classmethod
    def load(cls, path: Path) -> ReleaseKey:
        """Read a key written by `save`; HomeError if it is missing or damaged."""
        key, heading = _read_key(path)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
            raise HomeError(f"Expected a P-256 key in {path}, got another kind; restore it.")
        found = cls(key.private_numbers().private_value)
        _check_heading(path, heading, found.public)
        return found


def verify_release(public: str, domain: str, message: bytes, signature: str) -> bool:
    """Return whether `signature` (hex) by the release key `public` (hex) is valid. Never raises on
    hostile input."""
    try:
        if len(signature) != 128 or signature.strip("0123456789abcdef"):
            return False
        r, s = int(signature[:64], 16), int(signature[64:], 16)
        signed = domain.encode() + b"\0" + message
        _point(public).verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError, InternalError):
        return False
    return True


def release_to_pem(public: str) -> bytes:
    """Return the PEM text (SubjectPublicKeyInfo) of a release key's public half."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return _point(public).public_bytes(serialization.Encoding.PEM, form)


def _point(public: str) -> ec.EllipticCurvePublicKey:
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bytes.fromhex(public))


def make_key(name: str) -> PrivateKey | ReleaseKey:
    """Return a new key for the use of this name."""
    return ReleaseKey() if name == RELEASE else PrivateKey()


def load_key(name: str, path: Path) -> PrivateKey | ReleaseKey:
    """Read the key for the use of this name; HomeError if it is missing or damaged."""
    return ReleaseKey.load(path) if name == RELEASE else PrivateKey.load(path)


def _write_key(
    path: Path, key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey, public: str
) -> None:
    """Write a key. The line above it names the public half: otherwise a changed byte in the secret
    one would be another key, and not be noticed."""
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_secret(path, f"{HEADING}{public}\n".encode() + pem)


def _read_key(path: Path) -> tuple[object, bytes]:
    """Return the private key in a file, and what is written above it."""
    try:
        text = path.read_bytes()
        key = serialization.load_pem_private_key(text, password=None)
    except FileNotFoundError:
        raise HomeError(
            f"Expected the key {path}, found none; run 'swarmhub init' or restore the home."
        ) from None
    except OSError as error:
        raise HomeError(f"Cannot read the key {path} ({error.strerror}).") from None
    except (ValueError, TypeError, UnsupportedAlgorithm, InternalError):
        raise _damaged(path) from None
    return key, text.partition(b"-----BEGIN")[0]


def _check_heading(path: Path, heading: bytes, public: str) -> None:
    if heading not in (b"", f"{HEADING}{public}\n".encode()):
        raise _damaged(path)


def _damaged(path: Path) -> HomeError:
    if path.stem.endswith(".next"):
        return HomeError(
            f"The key {path} of a rotation that has begun is damaged; restore it from a backup, or "
            "remove it and rotate the key again."
        )
    return HomeError(f"The key {path} is damaged; restore it from a backup or rotate the key.")


def write_secret(path: Path, data: bytes) -> None:
    """Create a file of mode 0600 with the data, whole or not at all; FileExistsError if it
    exists."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(partial, path)
        except FileExistsError:
            raise
        except OSError:  # a memory stick's file system has no links
            if path.exists():
                raise FileExistsError(path) from None
            partial.rename(path)
        sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)


@functools.lru_cache(maxsize=1024)
def _public(public: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))


def verify(public: str, domain: str, message: bytes, signature: str) -> bool:
    """Return whether `signature` (hex) by `public` (hex) is valid. Never raises on hostile
    input."""
    try:
        if len(public) != 64 or len(signature) != 128:
            return False
        signed = domain.encode() + b"\0" + message
        fingerprint = _fingerprint(public, signed, signature)
        if fingerprint not in _valid:
            _public(public).verify(bytes.fromhex(signature), signed)
            _remember(fingerprint)
    except (InvalidSignature, ValueError, InternalError):
        return False
    return True


def verify_bytes(public: str, message: bytes, signature: str) -> bool:
    """Return whether `signature` (hex) by `public` (hex) is valid for the message alone, as other
    programs sign. Never raises on hostile input."""
    try:
        if len(public) != 64 or len(signature) != 128:
            return False
        _public(public).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError, InternalError):
        return False
    return True


# Signatures that were made here or found valid: a node meets a transaction when it arrives and in
# its block, and a receipt at every decision of a leader.

_valid: dict[bytes, None] = {}  # fingerprints, oldest first
_remembering = threading.Lock()


def _fingerprint(public: str, signed: bytes, signature: str) -> bytes:
    return hashlib.sha256(f"{public} {signature} ".encode() + signed).digest()


def _remember(fingerprint: bytes) -> None:
    with _remembering:  # a node checks receipts while its ledger's thread executes blocks
        _valid[fingerprint] = None
        if len(_valid) > REMEMBERED:
            del _valid[next(iter(_valid))]


def make_certificate(key: PrivateKey) -> bytes:
    """Return a self-signed TLS certificate (DER) for the key, valid for ten years.

    Trust comes from its registration on the ledger. A server shows its certificate to every client,
    so its name is the key's and reveals nothing about the hospital.
    """
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, key.public[:16])])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key._key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key._key, None)
    )
    return certificate.public_bytes(serialization.Encoding.DER)


def issue_certificate(
    issuer: PrivateKey, issuer_certificate: bytes, subject: PrivateKey, until_ms: int
) -> bytes:
    """Return a certificate (DER) for the subject's key, valid until then, issued by the owner of a
    self-signed one: a peer that trusts that one accepts this one in a handshake."""
    now = datetime.datetime.now(datetime.UTC)
    until = datetime.datetime.fromtimestamp(until_ms / 1000, datetime.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject.public[:16])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(x509.load_der_x509_certificate(issuer_certificate).subject)
        .public_key(subject._key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(issuer._key, None)
    )
    return certificate.public_bytes(serialization.Encoding.DER)


def days_left(pem: str) -> int:
    """Return the days for which a certificate is still valid, by this machine's clock; ValueError
    if the text is no certificate."""
    until = x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc
    return (until - datetime.datetime.now(datetime.UTC)).days


def read_public(certificate: bytes) -> str | None:
    """Return the ed25519 key (hex) of a certificate (DER); None if it has none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", CryptographyDeprecationWarning)
            key = x509.load_der_x509_certificate(certificate).public_key()
    except _NO_CERTIFICATE:
        return None
    return key.public_bytes_raw().hex() if isinstance(key, Ed25519PublicKey) else None


# the library's errors for bytes that are no certificate (InvalidVersion is no ValueError)
_NO_CERTIFICATE = (
    ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.InvalidVersion,
    CryptographyDeprecationWarning, InternalError,
)  # fmt: skip


def check_certificate(der: bytes) -> None:
    """Raise BadInput unless the bytes are a self-signed ed25519 certificate of at most 4 KiB."""
    try:
        if len(der) > 4096:
            raise ValueError("too long")
        with warnings.catch_warnings():  # refuse now what the library will refuse one day
            warnings.simplefilter("error", CryptographyDeprecationWarning)
            certificate = x509.load_der_x509_certificate(der)
        key = certificate.public_key()
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("not ed25519")
        key.verify(certificate.signature, certificate.tbs_certificate_bytes)
    except _NO_CERTIFICATE as error:
        raise BadInput(
            f"Expected a self-signed ed25519 TLS certificate, got something else ({error}); "
            "make the card again with 'swarmhub node card'."
        ) from None


def to_pem(der: bytes) -> str:
    """Return the PEM text of a DER certificate."""
    return x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM).decode()
