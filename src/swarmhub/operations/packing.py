"""Packing a study's evidence, or a model's folder, as a download."""

from __future__ import annotations

import asyncio
from pathlib import Path

from swarmhub.home.home import Home
from swarmhub.operations.acting import note_taken
from swarmhub.operations.downloads import make_download
from swarmhub.operations.evidence.export import EvidenceWritten, Wanted, export_evidence
from swarmhub.operations.models import ModelExported, Target, export_model
from swarmhub.operations.results import Choice, EvidencePacked, ModelPacked, WantedEvidence


def pack_evidence(home: Home, given: WantedEvidence) -> EvidencePacked:
    """Write a study's evidence, signed with this hospital's release key, as a download. Raises
    BadInput as `export_evidence` does."""

    def write(folder: Path) -> EvidenceWritten:
        return export_evidence(home, Wanted(given.study, folder, given.whole))

    download, made = make_download(home, f"{given.study}-evidence", write)
    note_taken(home, "evidence.export", given.study, made.manifest)
    return EvidencePacked(
        download, made.study, made.chain, made.genesis, made.files, made.blocks, made.parts,
        made.headers, made.manifest,
    )  # fmt: skip


def pack_model(home: Home, given: Choice) -> ModelPacked:
    """Write a model's folder as a download. Raises BadInput as `export_model` does."""

    def write(folder: Path) -> ModelExported:
        return asyncio.run(export_model(home, given.study, Target(folder, model=given.model)))

    download, made = make_download(home, f"{given.study}-model", write)
    note_taken(home, "model.export", given.study, made.digest)
    return ModelPacked(
        download, made.study, made.digest, made.architecture, made.round, made.recipe,
        made.features, made.positive, made.kind, made.method, made.gives,
    )  # fmt: skip
