"""Documents of studies at this hospital: kept before they are proposed, seen before they are
approved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from swarmhub import codec
from swarmhub.contract.records import SPEC, Spec
from swarmhub.contract.state import Reader
from swarmhub.documents import (
    MAX_ETHICS_BYTES,
    Bundle,
    DocumentStore,
    Ethics,
    collect_code,
    digest_of,
    read_bundle,
    read_ethics,
)
from swarmhub.documents.store import ApprovedHere
from swarmhub.errors import BadInput, Malformed, plain
from swarmhub.home.home import Home
from swarmhub.types import Digest

Kind = Literal["code", "ethics"]
NAMES: dict[Kind, str] = {"code": "code", "ethics": "ethics document"}


@dataclass(frozen=True)
class Attached:
    """The bytes of documents that go with terms; None without one."""

    code: bytes | None = None
    ethics: bytes | None = None

    def all(self) -> list[bytes]:
        """Return the documents that there are."""
        return [data for data in (self.code, self.ethics) if data is not None]


NOTHING = Attached()


def attach(
    spec: Spec, code: Path | None = None, ethics: Path | None = None
) -> tuple[Spec, Attached]:
    """Return the terms with the digests of the code in a folder (or file) and of a document, and
    both. Raises BadInput if one cannot be read, or the terms name another one already."""
    found = Attached(collect_code(code) if code else None, _read_file(ethics) if ethics else None)
    if found.code is not None:
        spec = replace(spec, code=_bind("code", spec.code, found.code))
    if found.ethics is not None:
        read_ethics(found.ethics)
        spec = replace(spec, ethics=_bind("ethics", spec.ethics, found.ethics))
    return spec, found


def _bind(kind: Kind, named: Digest, data: bytes) -> Digest:
    digest = digest_of(data)
    if named not in ("", digest):
        raise BadInput(
            f"The terms say {kind} = '{plain(named, 70)}', and the {NAMES[kind]} that was given "
            f"has the sha256 {digest}; leave one of them out."
        )
    return digest


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_ETHICS_BYTES + 1)
    except OSError as error:
        raise BadInput(f"Cannot read the ethics document {path} ({error.strerror}).") from None


def store_of(home: Home) -> DocumentStore:
    """Return the documents of a home."""
    return DocumentStore(home.documents_path)


def note_approved(store: DocumentStore, spec: Spec, digest: Digest) -> None:
    """Remember which documents this hospital has approved with the terms of this digest."""
    store.note_approval(spec.name, ApprovedHere(digest, spec.code, spec.ethics))


def tidy(store: DocumentStore, state: Reader, study: str) -> None:
    """Remove the documents of a study that are not needed any more; all if it is not on the
    ledger."""
    spec = SPEC.get(state, study)
    if spec is None:
        store.forget(study)
    else:
        store.tidy(study, [spec.code, spec.ethics])


def find_code(store: DocumentStore, study: str, digest: Digest) -> Bundle | None:
    """Return the code of a study; None if it is not here. Raises Malformed if it is no bundle."""
    data = store.read(study, digest)
    return None if data is None else read_bundle(data)


def find_ethics(store: DocumentStore, study: str, digest: Digest) -> Ethics | None:
    """Return the ethics document of a study; None if it is not here. Raises Malformed if it is
    neither PDF nor text."""
    data = store.read(study, digest)
    return None if data is None else read_ethics(data)


def find_unseen(store: DocumentStore, spec: Spec) -> dict[Kind, str]:
    """Return the documents that terms name and nobody can have read here, each with the reason."""
    found: dict[Kind, str] = {}
    for kind, digest in named_by(spec).items():
        try:
            find = find_code if kind == "code" else find_ethics
            if find(store, spec.name, digest) is None:
                found[kind] = "it has not come yet"
        except Malformed as error:
            found[kind] = str(error).rstrip(".")
    return found


def named_by(spec: Spec) -> dict[Kind, Digest]:
    """Return the digests of the documents that terms name."""
    both: dict[Kind, Digest] = {"code": spec.code, "ethics": spec.ethics}
    return {kind: digest for kind, digest in both.items() if codec.is_digest(digest)}


def need_seen(store: DocumentStore, spec: Spec) -> None:
    """Raise BadInput if a document that the terms name cannot have been read here."""
    for kind, why in find_unseen(store, spec).items():
        digest = named_by(spec)[kind]
        raise BadInput(
            f"Expected the {NAMES[kind]} of '{spec.name}' (sha256 {digest[:16]}…) to be here "
            f"before it is approved: {why}. The running node fetches it from the other members; "
            f"read it with 'swarmhub study show {spec.name} --code', or approve with --unseen if "
            "you have read it elsewhere."
        )
