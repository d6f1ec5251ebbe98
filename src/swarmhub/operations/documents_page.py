"""Documents of a study as people see them before they approve it: files, texts, differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from swarmhub.documents import (
    Bundle,
    DocumentStore,
    FileDiff,
    diff_bundles,
    escape_text,
)
from swarmhub.errors import BadInput, Malformed
from swarmhub.home.home import Home
from swarmhub.operations.documents import (
    NAMES,
    Kind,
    find_code,
    find_ethics,
    find_unseen,
    named_by,
    store_of,
)
from swarmhub.operations.ledger_client import open_client
from swarmhub.operations.studies import StudyShown, look_at_study
from swarmhub.types import Digest

MAX_FILE_CHARS = 64 << 10  # shown of one file
MAX_CHARS = 1 << 20  # shown of all files, and of all differences
MAX_ETHICS_CHARS = 256 << 10
MAX_REQUIREMENTS = 200
REQUIREMENTS = ("requirements*.txt", "*/requirements*.txt")
CUT = "…"  # after a text that is not shown to its end


@dataclass(frozen=True)
class FileShown:
    """A file of the code. `text` has escapes for characters that cannot be seen, and ends with CUT
    if it is not whole."""

    name: str
    nbytes: int
    text: str = ""


@dataclass(frozen=True)
class DocumentShown:
    """A document that the terms name. `why` says why it cannot be read here; "" if it can."""

    kind: Kind
    digest: Digest
    why: str = ""
    media: Literal["", "code", "pdf", "text"] = ""
    nbytes: int = 0
    files: tuple[FileShown, ...] = ()  # of code
    requirements: tuple[str, ...] = ()  # lines of requirements.txt
    text: str = ""  # of an ethics document that is text


@dataclass(frozen=True)
class StudyDocuments:
    """The documents of a study. `before` are the digests that this hospital approved before the
    present terms ("" if there are none); `changes` what differs from that code, if it is here."""

    study: str
    documents: tuple[DocumentShown, ...]
    code_before: Digest = ""
    ethics_before: Digest = ""
    changes: tuple[FileDiff, ...] = ()

    def find(self, kind: Kind) -> DocumentShown | None:
        """Return the document of a kind; None if the terms name none."""
        return next((d for d in self.documents if d.kind == kind), None)

    @property
    def is_changed(self) -> bool:
        """Whether the code is another one than that which was approved here before."""
        code = self.find("code")
        return bool(self.code_before) and self.code_before != (code.digest if code else "")

    @property
    def is_seen(self) -> bool:
        """Whether all documents can be read here."""
        return not any(document.why for document in self.documents)


async def look_at_documents(home: Home, name: str) -> StudyDocuments:
    """Return the documents of a study, as far as they are here. Raises BadInput if there is none of
    this name."""
    async with open_client(home) as client:
        return show_documents(store_of(home), look_at_study(client, name))


def show_documents(store: DocumentStore, shown: StudyShown, whole: bool = True) -> StudyDocuments:
    """Return the documents of a study, as far as they are here; without their texts and changes
    if not `whole`."""
    spec, study = shown.spec, shown.study
    why = find_unseen(store, spec)
    waits = f"this node asks that of {shown.name(study.proposer)} for it, then the other members"
    found = []
    for kind, digest in named_by(spec).items():
        if kind in why:
            missing = not store.has(spec.name, digest)
            said = f"{why[kind]}: {waits}" if missing else why[kind]
            found.append(DocumentShown(kind, digest, said))
        else:
            found.append(_show(store, spec.name, kind, digest, whole))
    before = next((a for a in store.approvals(spec.name) if a.spec != study.spec), None)
    if before is None:
        return StudyDocuments(spec.name, tuple(found))
    changes = _compare(store, spec.name, before.code, spec.code) if whole else ()
    return StudyDocuments(spec.name, tuple(found), before.code, before.ethics, changes)


def _show(
    store: DocumentStore, study: str, kind: Kind, digest: Digest, whole: bool
) -> DocumentShown:
    if kind == "ethics":
        ethics = find_ethics(store, study, digest)
        assert ethics is not None
        text = _cut(escape_text(ethics.text), MAX_ETHICS_CHARS) if whole else ""
        return DocumentShown(kind, digest, "", ethics.kind, len(ethics.data), text=text)
    code = find_code(store, study, digest)
    assert code is not None
    files = tuple(_show_files(code, whole))
    return DocumentShown(kind, digest, "", "code", code.nbytes, files, _list_requirements(code))


def _show_files(code: Bundle, whole: bool) -> list[FileShown]:
    if not whole:
        return [FileShown(file.name, len(file.data)) for file in code.files]
    left, found = MAX_CHARS, []
    for file in code.files:
        text = _cut(escape_text(file.text), min(left, MAX_FILE_CHARS))
        left -= len(text)
        found.append(FileShown(file.name, len(file.data), text))
    return found


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: max(0, most)] + CUT


def _list_requirements(code: Bundle) -> tuple[str, ...]:
    """Return the lines that name packages, without comments."""
    found = []
    for file in code.files:
        if any(fnmatchcase(file.name, pattern) for pattern in REQUIREMENTS):
            lines = (escape_text(line.split(" #")[0].strip()) for line in file.text.splitlines())
            found += [_cut(line, 200) for line in lines if line and not line.startswith("#")]
    return tuple(found[:MAX_REQUIREMENTS])


def _compare(store: DocumentStore, study: str, before: Digest, now: Digest) -> tuple[FileDiff, ...]:
    if not before or before == now:
        return ()
    try:
        old = find_code(store, study, before)
        new = find_code(store, study, now) if now else Bundle(())
    except Malformed:
        return ()
    return () if old is None or new is None else _cut_changes(diff_bundles(old, new))


def _cut_changes(changes: Sequence[FileDiff]) -> tuple[FileDiff, ...]:
    left, found = MAX_CHARS, []
    for change in changes:
        lines = []
        for line in change.lines:
            left -= len(line) + 1
            if left < 0:
                lines.append(CUT)
                break
            lines.append(line)
        found.append(FileDiff(change.name, change.change, tuple(lines)))
    return tuple(found)


@dataclass(frozen=True)
class DocumentBytes:
    """A document of a study, byte for byte."""

    study: str
    digest: Digest
    media: Literal["code", "pdf", "text"]
    data: bytes


def get_document(store: DocumentStore, shown: StudyShown, digest: Digest) -> DocumentBytes:
    """Return a document that the terms of a study name. Raises BadInput if it is not here."""
    for kind, named in named_by(shown.spec).items():
        if named != digest:
            continue
        data = store.read(shown.spec.name, digest)
        if data is None:
            break
        if kind == "code":
            return DocumentBytes(shown.spec.name, digest, "code", data)
        ethics = find_ethics(store, shown.spec.name, digest)
        assert ethics is not None
        return DocumentBytes(shown.spec.name, digest, ethics.kind, data)
    raise BadInput("There is no document with this digest here that the terms of the study name.")


async def write_documents(home: Home, name: str, out: Path) -> tuple[str, ...]:
    """Write the documents of a study that are here to a new folder: the code as its files, the
    ethics document as one file. Return the paths in it. Raises BadInput if the folder exists, or
    none is here."""
    async with open_client(home) as client:
        spec = client.need_spec(name)
    store, files = store_of(home), dict[str, bytes]()
    code = find_code(store, name, spec.code) if spec.code else None
    ethics = find_ethics(store, name, spec.ethics) if spec.ethics else None
    for file in code.files if code else ():
        files[f"code/{file.name}"] = file.data
    if ethics is not None:
        files[f"ethics.{'pdf' if ethics.kind == 'pdf' else 'txt'}"] = ethics.data
    if not files:
        raise BadInput(f"There is no document of '{name}' here (yet).")
    try:
        out.mkdir()
        for path, data in files.items():
            target = out / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    except FileExistsError:
        raise BadInput(f"{out} exists; give --out another name.") from None
    except OSError as error:
        raise BadInput(f"Cannot write {out} ({error.strerror}).") from None
    return tuple(files)


def say_documents(found: StudyDocuments) -> list[tuple[str, str]]:
    """Return the documents in words: subject, sentence."""
    said: list[tuple[str, str]] = []
    for document in found.documents:
        name = NAMES[document.kind]
        said.append((name, f"sha256 {document.digest}"))
        if document.why:
            said.append(("", f"cannot be read here: {document.why}"))
            continue
        if document.kind == "ethics":
            said.append(("", f"{document.media}, {document.nbytes} bytes"))
        said += [("file", f"{file.name}, {file.nbytes} bytes") for file in document.files]
        said += [("needs", line) for line in document.requirements]
    return said or [("documents", "the terms name none")]
