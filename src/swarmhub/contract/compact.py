"""The compact form of a transaction: its canonical JSON with bytes in place of long strings.

Canonical JSON has no control characters (a string escapes them), so that three of them can stand
for strings that are bytes in the first place:

    01  a string of 64 hex digits (a digest, a key): 32 bytes follow
    02  a string of 128 hex digits (a signature): 64 bytes follow
    03  a string of at least 64 letters of base64: its length in bytes (2 bytes), and the bytes

`shrink` substitutes from left to right, and `expand` puts the same text back, whatever it is; so a
text has one compact form. Signatures and ids are of the text.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from swarmhub.errors import Malformed

HEX32, HEX64, BASE64 = 1, 2, 3
LONG = re.compile(rb'"([0-9a-f]{128})"|"([0-9a-f]{64})"|"([A-Za-z0-9+/]{62,}+={0,2})"')
CONTROL = re.compile(rb"[\x00-\x1f]")
MAX_STRING_BYTES = 0xFFFF


def shrink(text: bytes) -> bytes:
    """Return the compact form of canonical JSON."""
    return LONG.sub(_substitute, text)


def _substitute(found: re.Match[bytes]) -> bytes:
    signature, digest, letters = found.groups()
    if signature or digest:
        kind = HEX64 if signature else HEX32
        return bytes([kind]) + bytes.fromhex((signature or digest).decode())
    data = _read_base64(letters)
    if data is None:
        return found[0]
    return bytes([BASE64]) + len(data).to_bytes(2, "big") + data


def _read_base64(letters: bytes) -> bytes | None:
    """Return the bytes of a text of base64 that has this one spelling; None for another."""
    if len(letters) < 64 or len(letters) % 4:
        return None
    try:
        data = base64.b64decode(letters, validate=True)
    except binascii.Error:
        return None
    is_one = len(data) <= MAX_STRING_BYTES and base64.b64encode(data) == letters
    return data if is_one else None


def expand(data: bytes, limit_bytes: int) -> bytes:
    """Return the text of a compact form, at most twice as long. Raises Malformed for any other
    bytes, and for a text beyond the limit."""
    parts, size = [], 0
    for part in _read(data):
        size += len(part)
        if size > limit_bytes:
            raise Malformed(
                f"Expected at most {limit_bytes} bytes of a transaction's text, got more."
            )
        parts.append(part)
    text = b"".join(parts)
    if shrink(text) != data:
        raise Malformed("A transaction is in its compact form: long strings as bytes.")
    return text


def _read(data: bytes) -> Iterator[bytes]:
    """Yield the parts of the text, one by one."""
    at = 0
    while found := CONTROL.search(data, at):
        yield data[at : found.start()]
        code, at = data[found.start()], found.end()
        if not HEX32 <= code <= BASE64:
            raise Malformed(f"A compact transaction has no code {code}.")
        nbytes = {HEX32: 32, HEX64: 64}.get(code, int.from_bytes(data[at : at + 2], "big"))
        at += 2 if code == BASE64 else 0
        string, at = data[at : at + nbytes], at + nbytes
        if at > len(data):
            raise Malformed("A compact transaction ends within a string.")
        letters = base64.b64encode(string) if code == BASE64 else string.hex().encode()
        yield b'"' + letters + b'"'
    yield data[at:]
