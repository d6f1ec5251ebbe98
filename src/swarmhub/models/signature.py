"""Signatures over a model's folder in the form of OpenSSF Model Signing 1.0: an in-toto statement
with the sha256 of every file, in a DSSE envelope, in a Sigstore bundle with a key.

https://github.com/sigstore/model-transparency; `model_signing verify key` checks them.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

from swarmhub import keys
from swarmhub.errors import BadInput, plain

SIGNATURE = "model.sig"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://model_signing/signature/v1.0"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
IGNORED = [".git", ".gitattributes", ".github", ".gitignore", SIGNATURE]


def make_signature(folder: Path, key: keys.ReleaseKey) -> bytes:
    """Return the bundle over all files of a folder without folders in it. Raises BadInput if there
    is anything else in it."""
    payload = json.dumps(make_statement(folder), indent=2).encode()
    signed = key.sign_bytes(encode_for_signing(payload))
    pem = keys.release_to_pem(key.public)
    bundle = {
        "mediaType": BUNDLE,
        "verificationMaterial": {
            "publicKey": {"hint": hashlib.sha256(pem).hexdigest()}, "tlogEntries": [],
        },
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(), "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(signed).decode(), "keyid": ""}],
        },
    }  # fmt: skip
    return json.dumps(bundle).encode()


def encode_for_signing(payload: bytes) -> bytes:
    """Return the pre-authentication encoding of DSSE 1.0: type and payload with their lengths."""
    return f"DSSEv1 {len(PAYLOAD_TYPE)} {PAYLOAD_TYPE} {len(payload)} ".encode() + payload


def make_statement(folder: Path) -> dict[str, object]:
    """Return the statement: the digest of each file, and the sha256 over all of these in order."""
    digests = {path.name: _digest(path) for path in sorted(folder.iterdir())
               if path.name not in IGNORED}  # fmt: skip
    whole = hashlib.sha256(b"".join(bytes.fromhex(d) for d in digests.values())).hexdigest()
    return {
        "_type": STATEMENT,
        "subject": [{"name": folder.resolve().name, "digest": {"sha256": whole}}],
        "predicateType": PREDICATE,
        "predicate": {
            "serialization": {
                "method": "files", "hash_type": "sha256", "allow_symlinks": False,
                "ignore_paths": IGNORED,
            },
            "resources": [
                {"name": name, "algorithm": "sha256", "digest": d} for name, d in digests.items()
            ],
        },
    }  # fmt: skip


def _digest(path: Path) -> str:
    if path.is_symlink() or not path.is_file():
        raise BadInput(f"Expected only files in the model's folder, found '{plain(path.name)}'.")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
