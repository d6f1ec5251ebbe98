"""Signing a released model for tools outside of the consortium, and the keys to check it with.

The folder gets `release.json`, the vote that released the model, as the ledger has it, and
`model.sig`, a signature of this hospital's release key over all of the folder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from swarmhub import keys
from swarmhub.contract.records import MEMBER, STUDY
from swarmhub.errors import BadInput, plain
from swarmhub.files import write_durably
from swarmhub.home.home import Home
from swarmhub.models.exported import ExportedModel
from swarmhub.models.folder import FILES, read_model
from swarmhub.models.signature import SIGNATURE, make_signature
from swarmhub.operations.evidence.derived import list_releases
from swarmhub.operations.evidence.export import Signer, find_signer
from swarmhub.operations.models import remake_exported
from swarmhub.operations.record import Record, find_genesis, read_record
from swarmhub.types import Digest, MemberId

ATTESTATION = "release.json"
FORM = "swarmhub/release/1"


@dataclass(frozen=True)
class ModelSigned:
    """A signed folder, and the member that signed it."""

    folder: str
    study: str
    model: Digest
    motion: int
    member: MemberId
    signed_by: str
    key: str  # the release key's public half


@dataclass(frozen=True)
class KeysWritten:
    """PEM files of release keys by member; `lacking` are members that have none at present."""

    study: str
    files: dict[str, str]
    lacking: tuple[str, ...]


def sign_model(home: Home, study: str, folder: Path) -> ModelSigned:
    """Sign the folder of a released model. Raises BadInput if its model is not released, it is not
    the model that this node holds, or the folder is signed already."""
    place = folder.expanduser()
    exported = read_model(place)
    _need_unsigned(place)
    record = read_record(None, home.root)
    found = _find_release(record, study, exported)
    signer = find_signer(home, record.state)
    _need_same(exported, remake_exported(home, study, exported.origin.digest,
                                         exported.declaration.outcome.column))  # fmt: skip
    attestation = make_attestation(record, study, found, signer)
    write_durably(place / ATTESTATION, attestation)
    write_durably(place / SIGNATURE, make_signature(place, signer.key))
    return ModelSigned(
        str(folder), study, exported.origin.digest, found["motion"], signer.member.id,
        signer.member.name, signer.key.public,
    )  # fmt: skip


def make_attestation(
    record: Record, study: str, release: Mapping[str, Any], signer: Signer
) -> bytes:
    """Return the vote that released a model, as JSON."""
    block = next(b for b in record.blocks if b.height == release["released_block"])
    model = next(
        m for m in STUDY.need(record.state, study).released if m.digest == release["model"]
    )
    tree = {
        "form": FORM, "study": study, "terms": model.spec, "chain": record.tip.chain_id,
        "genesis": find_genesis(record), **release, "released_block_id": block.block.id,
        "signed_by": {"member": signer.member.id, "name": signer.member.name,
                      "release_key": signer.key.public},
    }  # fmt: skip
    return json.dumps(tree, indent=1, ensure_ascii=False).encode(errors="backslashreplace")


def _need_unsigned(place: Path) -> None:
    others = sorted({path.name for path in place.iterdir()} - FILES)
    if others:
        raise BadInput(
            f"The folder {place} has '{plain(others[0], 60)}' besides the model's files; sign the "
            "folder as 'swarmhub model export' has written it."
        )


def _find_release(record: Record, study: str, exported: ExportedModel) -> dict[str, Any]:
    """Return the release of a model. Raises BadInput if there is none."""
    origin = exported.origin
    if (origin.study, origin.chain) != (study, record.tip.chain_id):
        raise BadInput(
            f"The folder has a model of '{plain(origin.study, 40)}' on {plain(origin.chain, 60)}, "
            f"not of '{plain(study, 40)}' on {record.tip.chain_id}."
        )
    for row in list_releases(record.state, record.blocks, study):
        if row["model"] == origin.digest and row["released_block"]:
            return row
    raise BadInput(
        f"The model {origin.digest[:16]}… of '{study}' is not released, or the blocks of its vote "
        "are not kept here; 'swarmhub study release' moves to release it."
    )


def _need_same(exported: ExportedModel, ours: ExportedModel) -> None:
    """Raise BadInput unless a folder's model is the one that this node holds."""
    same = exported.architecture == ours.architecture and all(
        np.array_equal(exported.arrays[name], array) for name, array in ours.arrays.items()
    )
    if not same:
        raise BadInput(
            "The folder's numbers are not those of the released model that this node holds; export "
            "the model here with 'swarmhub model export', then sign that folder."
        )


def write_keys(home: Home, study: str, out: Path) -> KeysWritten:
    """Write the release keys of the members that are enrolled in a study, as PEM files in a new
    folder."""
    place = out.expanduser()
    if place.exists():
        raise BadInput(f"{place} exists, and is not overwritten; choose another folder.")
    if not place.absolute().parent.is_dir():
        raise BadInput(f"There is no folder {place.absolute().parent}; make it first.")
    record = read_record(None, home.root)
    found = STUDY.get(record.state, study)
    if found is None:
        raise BadInput(
            f"There is no study {study[:60]!r} on the ledger; see 'swarmhub study list'."
        )
    members = [MEMBER.need(record.state, e.member) for e in found.enrolled]
    place.mkdir()
    files = {}
    for member in members:
        if member.release:
            files[member.name] = name_key(member.id, member.name)
            pem = keys.release_to_pem(member.release)
            write_durably(place / files[member.name], pem)
    return KeysWritten(study, files, tuple(m.name for m in members if not m.release))


def name_key(member: MemberId, name: str) -> str:
    """Return the name of a member's PEM file."""
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40]
    return f"{member}-{words}.pem" if words else f"{member}.pem"
