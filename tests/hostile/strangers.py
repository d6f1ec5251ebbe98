"""Tools of the attacker: certificates that are wrong in one way, and raw TLS without manners."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import NameOID

WAIT_S = 20  # for what comes within milliseconds, on a busy machine too
NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


def certificate(name, key, issuer_name=None, issuer_key=None, start=-1, end=3650):
    """A certificate like a node's own, wrong in what is given; days from today."""

    def words(text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    made = (
        x509.CertificateBuilder()
        .subject_name(words(name))
        .issuer_name(words(issuer_name or name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + start * DAY)
        .not_valid_after(NOW + end * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(issuer_key or key, None)
    )
    return made.public_bytes(serialization.Encoding.DER)


def subject_of(der):
    """The common name in a certificate."""
    found = x509.load_der_x509_certificate(der).subject
    return found.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value


def replace_certificate(end, der, key):
    """Give an end another certificate with its key, on disk as well."""
    end.der = der
    end.certificate.write_bytes(
        x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM)
    )
    end.key.unlink()
    end.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def new_key():
    return Ed25519PrivateKey.generate()


def key_of(end):
    return serialization.load_pem_private_key(end.key.read_bytes(), None)


def knocking(end=None, version=None):
    """A client's context that believes any server; with an end's certificate where one is given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if version is not None:
        context.maximum_version = version
    if end is not None:
        context.load_cert_chain(end.certificate, end.key)
    return context


async def connect(port, context, local="127.0.0.1"):
    """A raw TLS connection."""
    return await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, local_addr=(local, 0), limit=1 << 24
    )


async def hear(reader):
    """Everything until the other side ends the connection; what broke off counts."""
    heard = bytearray()
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                piece = await reader.read(1 << 16)
            except OSError:  # an alert, a reset
                return bytes(heard)
            if not piece:
                return bytes(heard)
            heard += piece


async def say(port, context, *parts, local="127.0.0.1"):
    """Connect, say the parts, hear the answer to the end. b"" where nobody listens."""
    try:
        reader, writer = await connect(port, context, local)
    except OSError:
        return b""
    try:
        with contextlib.suppress(OSError):  # cut off while speaking
            for part in parts:
                writer.write(part)
                await writer.drain()
        return await hear(reader)
    finally:
        writer.transport.abort()


def get(path, *headers, method="GET", close=True):
    """A request's bytes."""
    lines = [f"{method} {path} HTTP/1.1", "Host: x", *headers]
    lines += ["Connection: close"] if close else []
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def status_of(answer):
    """The number of an answer's first line; 0 for none."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else 0
