"""Deletion of a node's data of a study that is over and forgotten here.

A marker in the home is written first and stays: if a crash interrupts the deletion, it is completed
when the node starts, and a node neither fetches nor serves data of a marked study.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from swarmhub import codec
from swarmhub.blobs import BlobStore
from swarmhub.contract.records import ROUND, SPEC, STUDY, Model, Result
from swarmhub.contract.results import get_results
from swarmhub.contract.state import Reader, State
from swarmhub.documents import DocumentStore
from swarmhub.errors import BadInput
from swarmhub.files import unseal
from swarmhub.home.home import Home
from swarmhub.node.vault import Roots
from swarmhub.protocol import FetchedBlobs, PreparedContribution, Signed
from swarmhub.protocol.retention import get_model_digests
from swarmhub.types import Digest

JOURNAL: dict[str, Any] = {
    "prepared": PreparedContribution,
    "signed": Signed,
    "obtained": FetchedBlobs,
    "masks": Roots,
}


@dataclass(frozen=True)
class Removed:
    """Totals of a deletion: bytes of models and documents, files of trainers and journal."""

    nbytes: int = 0
    files: int = 0


def forget_here(
    home: Home, state: State, store: BlobStore, name: str, more: Collection[Digest] = ()
) -> Removed:
    """Delete a study's blobs (and `more`) unless another study needs them, its journal and its
    trainers' private state. Safe to repeat."""
    wanted: set[Digest] = set()
    layouts: set[Digest] = set()
    for path in [p for p in state.values if p.startswith("study/")]:
        other = path.removeprefix("study/")
        if other != name and not home.is_forgotten(other):
            wanted |= digests_of(home, state, other)
            layouts |= layouts_of(state, other)
    blobs = {*more} | digests_of(home, state, name)
    nbytes = store.forget(blobs - wanted, layouts_of(state, name) - layouts)
    return Removed(nbytes, remove_files(home, name))


def digests_of(home: Home, state: Reader, name: str) -> set[Digest]:
    """Return the blobs of a study: its settled models, its open round's, and those in the
    journal."""
    study, r = STUDY.get(state, name), ROUND.get(state, name)
    found = get_model_digests(state, study) if study else set()
    found |= {c.digest for c in r.contributions} if r else set()
    for ending, kind in JOURNAL.items():
        try:
            data = unseal(home.state_path(f"{name}.{ending}").read_bytes())
            kept = codec.unpack(kind, data or b"")
        except (OSError, BadInput):
            continue
        match kept:
            case PreparedContribution():
                found.add(kept.digest)
            case Roots():
                found |= {kept.masked.digest} if kept.masked else set()
            case _:
                found |= set(kept.digests)
    return found - {""}


def layouts_of(state: Reader, name: str) -> set[Digest]:
    """Return the layouts of a study's models."""
    study, spec = STUDY.get(state, name), SPEC.get(state, name)
    models: list[Model | Result | None] = [*get_results(state, name).values()]
    models += [study.current, study.best, *study.released] if study else []
    return {m.layout for m in models if m} | ({spec.layout} if spec and spec.layout else set())


def remove_files(home: Home, name: str) -> int:
    """Delete a study's journal, its documents and its trainers' private state; returns how many
    files."""
    local, count = home.local_path(name), DocumentStore(home.documents_path).forget(name)
    files = [path for path in local.rglob("*") if path.is_file()] if local.is_dir() else []
    shutil.rmtree(local, ignore_errors=True)
    journal = [home.state_path(f"{name}.{ending}") for ending in JOURNAL]
    journal = [path for path in journal if path.exists()]
    for path in journal:
        path.unlink(missing_ok=True)
    home.run_path(f"{name}.lease").unlink(missing_ok=True)
    return len(files) + len(journal) + count
