"""The documents of this hospital's studies on disk.

<root>/STUDY/DIGEST          the bytes of a document, by their sha256
<root>/STUDY/approved.json   what the terms named that were approved here last, newest first
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from swarmhub import codec
from swarmhub.contract.names import is_study_name
from swarmhub.documents.bundle import MAX_BUNDLE_BYTES
from swarmhub.documents.ethics import MAX_ETHICS_BYTES
from swarmhub.errors import Malformed
from swarmhub.files import write_durably
from swarmhub.types import Digest

APPROVED = "approved.json"
MAX_DOCUMENT_BYTES = max(MAX_BUNDLE_BYTES, MAX_ETHICS_BYTES)
MAX_APPROVED_BYTES = 4096
APPROVALS_KEPT = 2  # the present terms, and those before, for the difference between them


def digest_of(data: bytes) -> Digest:
    """Return the digest by which terms name a document: the sha256 of its bytes."""
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class ApprovedHere:
    """The documents of terms that this hospital approved; "" if the terms name none."""

    spec: Digest
    code: Digest
    ethics: Digest


@dataclass(frozen=True)
class ApprovalsHere:
    """The newest approvals of this hospital, the last one first."""

    newest: tuple[ApprovedHere, ...] = ()


class DocumentStore:
    """The documents in one folder. Several processes of a hospital may use it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, study: str, data: bytes) -> Digest:
        """Store a document; on disk when this returns. Raises Malformed for a name that no study
        has."""
        digest = digest_of(data)
        path = self._path(study, digest)
        self._make_folder(study)
        write_durably(path, data)
        return digest

    def has(self, study: str, digest: Digest) -> bool:
        """Return whether a study's document is here (its bytes are checked when they are read)."""
        return self._path(study, digest).is_file()

    def read(self, study: str, digest: Digest) -> bytes | None:
        """Return a study's document; None if it is not here. A damaged one is removed: the node
        fetches it again."""
        path = self._path(study, digest)
        try:
            with path.open("rb") as file:
                data = file.read(MAX_DOCUMENT_BYTES + 1)
        except OSError:
            return None
        if digest_of(data) != digest:
            path.unlink(missing_ok=True)
            return None
        return data

    def approvals(self, study: str) -> tuple[ApprovedHere, ...]:
        """Return what this hospital approved of a study, the newest first."""
        try:
            data = self._folder(study).joinpath(APPROVED).read_bytes()[: MAX_APPROVED_BYTES + 1]
            return codec.unpack(ApprovalsHere, data, MAX_APPROVED_BYTES).newest
        except (OSError, Malformed):
            return ()

    def note_approval(self, study: str, approved: ApprovedHere) -> None:
        """Remember the documents of terms that this hospital has approved."""
        others = [a for a in self.approvals(study) if a.spec != approved.spec]
        kept = ApprovalsHere((approved, *others)[:APPROVALS_KEPT])
        self._make_folder(study)
        write_durably(self._folder(study) / APPROVED, codec.pack(kept))

    def tidy(self, study: str, needed: Iterable[Digest]) -> None:
        """Remove the documents of a study that neither the present terms nor the newest approvals
        name."""
        kept = {APPROVED, *needed}
        for approved in self.approvals(study):
            kept |= {approved.code, approved.ethics}
        for name in self._names(study):
            if name not in kept and codec.is_digest(name):
                self._path(study, name).unlink(missing_ok=True)

    def studies(self) -> list[str]:
        """Return the studies of which there is anything here."""
        if not self.root.is_dir():
            return []
        return sorted(p.name for p in self.root.iterdir() if p.is_dir() and is_study_name(p.name))

    def forget(self, study: str) -> int:
        """Remove all of a study; return the number of its documents."""
        count = sum(codec.is_digest(name) for name in self._names(study))
        shutil.rmtree(self._folder(study), ignore_errors=True)
        return count

    def path(self, study: str, digest: Digest) -> Path | None:
        """Return the path of a study's document; None if it is not here."""
        path = self._path(study, digest)
        return path if path.is_file() else None

    def _make_folder(self, study: str) -> None:
        for folder in (self.root, self._folder(study)):  # `parents` would ignore the mode
            folder.mkdir(exist_ok=True, mode=0o700)

    def _names(self, study: str) -> list[str]:
        folder = self._folder(study)
        return [path.name for path in folder.iterdir()] if folder.is_dir() else []

    def _folder(self, study: str) -> Path:
        if not is_study_name(study):
            raise Malformed(f"Expected a study's name, got {study[:60]!r}.")
        return self.root / study

    def _path(self, study: str, digest: Digest) -> Path:
        if not codec.is_digest(digest):
            raise Malformed("Expected a sha256 digest of 64 hex digits.")
        return self._folder(study) / digest
