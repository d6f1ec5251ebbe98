"""Results that a person takes along, as records: evidence, a model's folder, a validation.

`packing` and `validation` make them, in a process of their own (`apart`): this module loads nothing
of theirs.
"""

from __future__ import annotations

from dataclasses import dataclass

from swarmhub.contract.records.declaration import OutcomeKind
from swarmhub.operations.downloads import Download
from swarmhub.types import Digest


@dataclass(frozen=True)
class WantedEvidence:
    """A study; `whole`: blocks of other studies in full, too."""

    study: str
    whole: bool = False


@dataclass(frozen=True)
class EvidencePacked:
    """A study's evidence as a download, and figures of it (`evidence.export.EvidenceWritten`)."""

    download: Download
    study: str
    chain: str
    genesis: Digest
    files: int
    blocks: int
    parts: int
    headers: int
    manifest: Digest


@dataclass(frozen=True)
class Choice:
    """A study's newest, best or released model, by its digest or the beginning of it; the newest by
    ""."""

    study: str
    model: str


@dataclass(frozen=True)
class ModelPacked:
    """A model's folder as a download, and its origin (`models.ModelExported`)."""

    download: Download
    study: str
    digest: Digest
    architecture: Digest
    round: int  # training round
    recipe: str
    features: int
    positive: str
    kind: OutcomeKind
    method: str
    gives: str


@dataclass(frozen=True)
class Validating:
    """A model as in `Choice`, and files of this hospital's data folder: `file`, one `joined`
    to it, and one with `earlier` patients, for drift; "" if there is none. `folder`, instead of
    `model`, is one of 'swarmhub model export' there: another hospital has given it to this one."""

    study: str
    model: str
    file: str
    joined: str = ""
    earlier: str = ""
    folder: str = ""


@dataclass(frozen=True)
class Auditing:
    """A model as in `Choice`, and the files of this hospital's data folder that it trained on:
    `file`, one `joined` to it, and one with test patients, `test`; "" if there is none."""

    study: str
    model: str
    file: str
    joined: str = ""
    test: str = ""


@dataclass(frozen=True)
class NamedFigure:
    """A figure with a 95% interval; `support` is the number of rows, or of pairs of them."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    support: int


@dataclass(frozen=True)
class ClassFigures:
    """The figures of a class against the others."""

    word: str
    rows: int
    figures: tuple[NamedFigure, ...]


@dataclass(frozen=True)
class RiskGroup:
    """Patients with similar risks: mean predicted risk up to the horizon, and the risk found."""

    predicted: float | None
    found: NamedFigure


@dataclass(frozen=True)
class Drifted:
    """A finding on drift (`models.drift.Drift`)."""

    part: str
    has_moved: bool
    p: float | None
    sentence: str


@dataclass(frozen=True)
class Validation:
    """A model's figures on this hospital's patients, with their conditions. `data` is the digest of
    the values read, which stays at the hospital; `said` says how many rows were compared;
    `confusion` has rows by true and by predicted class. The `download` has all of it as JSON and as
    a page, and the counts that may be shared."""

    download: Download
    study: str
    model: Digest
    architecture: Digest
    data: Digest
    round: int  # training round
    is_released: bool
    files: tuple[str, ...]
    earlier: str
    kind: str
    protocol: str
    said: str
    is_descriptive: bool
    figures: tuple[NamedFigure, ...]
    classes: tuple[ClassFigures, ...]
    confusion: tuple[tuple[int, ...], ...]
    groups: tuple[RiskGroup, ...]
    drift: tuple[Drifted, ...]
    notes: tuple[str, ...]
