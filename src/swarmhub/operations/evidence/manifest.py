"""The list of a folder's files, and the signature over it.

The list has the sha256 of each file; of a file of JSON lines also the beginning of that of each
line, so that a damaged line is found by its number. The signature is of a member's release key,
which its record on the ledger has.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from swarmhub import codec, keys
from swarmhub.errors import Malformed
from swarmhub.operations.evidence.faults import Altered
from swarmhub.operations.evidence.lines import split_lines
from swarmhub.types import EVIDENCE_DOMAIN, Digest, MemberId, ReleaseKey, Signature

MANIFEST, SIGNATURE = "manifest.json", "signature.json"
FORM = "swarmhub/evidence/1"
MAX_MANIFEST_BYTES = 64 << 20
MAX_SIGNATURE_BYTES = 4096
MAX_FILES = 256
MAX_BYTES = 1 << 30  # of all files together
LINES = ".jsonl"
LINE_DIGITS = 16  # 64 bits tell lines apart; the file's sha256 proves


@dataclass(frozen=True)
class Listed:
    """A file: its path with '/', its size, its sha256; of JSON lines, the first digits of each
    line's."""

    path: str
    nbytes: int
    sha256: Digest
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """All files but this one and its signature, with the evidence's subject."""

    study: str
    chain: str
    genesis: Digest
    height: int  # of the last block
    head: Digest
    made_ms: int  # by the clock of the machine that wrote it
    software: str
    files: tuple[Listed, ...]
    form: str = ""


@dataclass(frozen=True)
class Signed:
    """A member's signature over the sha256 of the manifest."""

    manifest: Digest
    member: MemberId
    name: str
    key: ReleaseKey
    signature: Signature = ""


def list_file(path: str, data: bytes) -> Listed:
    """Return a file's entry."""
    lines = tuple(map(_digest_line, split_lines(data))) if path.endswith(LINES) else ()
    return Listed(path, len(data), hashlib.sha256(data).hexdigest(), lines)


def _digest_line(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()[:LINE_DIGITS]


def sign(manifest: bytes, member: MemberId, name: str, key: keys.ReleaseKey) -> bytes:
    """Return the signature's file."""
    signed = Signed(hashlib.sha256(manifest).hexdigest(), member, name, key.public)
    signature = key.sign(EVIDENCE_DOMAIN, codec.pack(signed))
    return codec.pack(replace(signed, signature=signature))


def check_signature(manifest: bytes, data: bytes) -> Signed:
    """Return the signature. Raises Altered if it, or the manifest, is not as it was written. That
    the key is the member's is for the ledger to tell."""
    try:
        signed = codec.unpack(Signed, data, MAX_SIGNATURE_BYTES)
    except Malformed as error:
        raise Altered(SIGNATURE, 0, f"it does not decode ({error})") from None
    message = codec.pack(replace(signed, signature=""))
    if not keys.verify_release(signed.key, EVIDENCE_DOMAIN, message, signed.signature):
        raise Altered(SIGNATURE, 0, "the signature is not that of its key")
    if hashlib.sha256(manifest).hexdigest() != signed.manifest:
        raise Altered(MANIFEST, 0, "it is not what was signed (another sha256)")
    return signed


def read_manifest(data: bytes) -> Manifest:
    """Return a manifest. Raises Altered unless it lists proper files, each once."""
    try:
        found = codec.unpack(Manifest, data, MAX_MANIFEST_BYTES)
    except Malformed as error:
        raise Altered(MANIFEST, 0, f"it does not decode ({error})") from None
    if found.form != FORM:
        raise Altered(MANIFEST, 0, f"expected the form {FORM}, got {found.form[:40]!r}")
    paths = [listed.path for listed in found.files]
    if found.made_ms < 0 or sum(listed.nbytes for listed in found.files) > MAX_BYTES:
        raise Altered(MANIFEST, 0, "its time or its sizes are none that a folder may have")
    if len(paths) > MAX_FILES or len(set(paths)) != len(paths):
        raise Altered(MANIFEST, 0, "it lists too many files, or one twice")
    for listed in found.files:
        if not _is_proper(listed.path) or not 0 <= listed.nbytes <= MAX_BYTES:
            raise Altered(MANIFEST, 0, f"it lists {listed.path[:60]!r}, which no folder may have")
    return found


def _is_proper(path: str) -> bool:
    """Return whether a path stays in the folder."""
    pure = PurePosixPath(path)
    proper = path.isascii() and path.isprintable() and "\\" not in path and str(pure) == path
    return proper and not pure.is_absolute() and ".." not in pure.parts and 0 < len(path) <= 200


def check_file(listed: Listed, data: bytes) -> None:
    """Raise Altered if a file is not the listed one, with its first line that is not."""
    if len(data) == listed.nbytes and hashlib.sha256(data).hexdigest() == listed.sha256:
        return
    why = "it is not what was listed (another sha256)"
    if not listed.path.endswith(LINES):
        raise Altered(listed.path, 0, why)
    ours = [_digest_line(line) for line in split_lines(data)]
    for record, (found, expected) in enumerate(zip(ours, listed.lines, strict=False), 1):
        if found != expected:
            raise Altered(listed.path, record, why)
    if len(ours) != len(listed.lines):
        most = min(len(ours), len(listed.lines)) + 1
        raise Altered(listed.path, most, "a record is missing, or one was added")
    raise Altered(listed.path, len(ours), "its last line does not end as it did")
