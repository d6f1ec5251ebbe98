"""The signed envelope around an act.

A transaction is canonical JSON: `{"body", "chain", "expires_ms", "kind", "signature", "signer"}`;
the signature is over the canonical bytes of the rest. Its id is the digest of those signed bytes.
On the wire and in a block it has its compact form (see `compact`), in other texts its JSON.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from swarmhub import codec
from swarmhub.contract.compact import expand, shrink
from swarmhub.contract.transactions import BODIES, Body
from swarmhub.errors import Malformed
from swarmhub.types import Digest, PublicKey, Signature

MAX_TX_BYTES = 256 * 1024
HEX, PLAIN = "hex:", "plain:"  # before bytes that are no transaction: that begins with a brace
MAX_REMEMBERED_BYTES = 8 * 1024  # so what is remembered stays below some 3 MB


@dataclass(frozen=True)
class Transaction:
    """A decoded transaction; `id` is the digest of its signed bytes."""

    kind: str
    body: Any
    chain: str
    expires_ms: int
    signer: PublicKey
    signature: Signature
    id: Digest
    signed: bytes


def write_transaction(
    body: Body, chain: str, expires_ms: int, signer: PublicKey, sign: Callable[[bytes], Signature]
) -> bytes:
    """Return the bytes of a signed transaction. `sign` signs in the transactions' domain."""
    envelope = {
        "body": body,
        "chain": chain,
        "expires_ms": expires_ms,
        "kind": body.KIND,
        "signer": signer,
    }
    return shrink(codec.encode({**envelope, "signature": sign(codec.encode(envelope))}))


def read_transaction(data: bytes) -> Transaction:
    """Decode hostile bytes; Malformed on anything unexpected. The signature is not checked."""
    return _read_again(data) if len(data) <= MAX_REMEMBERED_BYTES else _read(data)


@functools.lru_cache(maxsize=256)  # a node meets a transaction several times on its way
def _read_again(data: bytes) -> Transaction:
    return _read(data)


def _read(data: bytes) -> Transaction:
    text = expand(data, MAX_TX_BYTES)
    envelope = codec.parse(text, MAX_TX_BYTES)
    expected = {"body", "chain", "expires_ms", "kind", "signature", "signer"}
    if not isinstance(envelope, dict) or set(envelope) != expected:
        raise Malformed(f"A transaction has exactly the keys {', '.join(sorted(expected))}.")
    for name in ("chain", "kind", "signature", "signer"):
        if not isinstance(envelope[name], str):
            raise Malformed(f"Transaction.{name}: expected str.")
    if type(envelope["expires_ms"]) is not int:
        raise Malformed("Transaction.expires_ms: expected int.")
    kind = envelope["kind"]
    if kind not in BODIES:
        raise Malformed(f"Unknown kind of transaction {kind[:60]!r}.")
    body = codec.from_json(BODIES[kind], envelope["body"])
    if codec.encode({**envelope, "body": body}) != text:
        raise Malformed(
            "A transaction is in canonical form (sorted keys, no spaces, no field at its default)."
        )
    signature, signer = envelope["signature"], codec.encode(envelope["signer"])
    # canonical: the keys are in order, so the signature stands before the signer, at the end
    end = b'"signer":' + signer + b"}"
    signed = text[: -len(b'"signature":' + codec.encode(signature) + b"," + end)] + end
    return Transaction(
        kind=kind,
        body=body,
        chain=envelope["chain"],
        expires_ms=envelope["expires_ms"],
        signer=envelope["signer"],
        signature=signature,
        id=codec.digest(b"swarmhub/tx/1", signed),
        signed=signed,
    )


def write_text(data: bytes) -> str:
    """Return bytes as a text from which they can be had again: the JSON of a transaction."""
    try:
        text = expand(data, MAX_TX_BYTES).decode()
        if text.startswith("{"):
            return text
    except (Malformed, UnicodeDecodeError):
        pass
    try:
        return PLAIN + data.decode()
    except UnicodeDecodeError:
        return HEX + data.hex()


def read_text(text: str) -> bytes:
    """Return the bytes of a text that `write_text` has made. Raises Malformed for another."""
    try:
        if text.startswith(HEX):
            return bytes.fromhex(text.removeprefix(HEX))
        if text.startswith(PLAIN):
            return text.removeprefix(PLAIN).encode()
        return shrink(text.encode())
    except ValueError:
        raise Malformed("Expected a transaction as JSON, or bytes as hex.") from None
