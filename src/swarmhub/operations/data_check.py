"""A look at a hospital's files against a study's declaration, before anything is promised."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from swarmhub.contract.records import Spec
from swarmhub.data.check.declared import check_declared
from swarmhub.data.findings import Finding, Findings
from swarmhub.data.reading import propose_decimal
from swarmhub.data.schema import Schema
from swarmhub.errors import BadInput
from swarmhub.home.home import Home
from swarmhub.operations.ledger_client import open_client
from swarmhub.operations.studies import read_spec
from swarmhub.recipes import plan
from swarmhub.recipes.designing import make_declared_design
from swarmhub.recipes.preparing import Prepared, Sources, prepare
from swarmhub.recipes.private import say_wide
from swarmhub.recipes.registry import BUILT_IN, find_recipe, need_packages


@dataclass(frozen=True)
class DataChecked:
    """All that was found. `document` is, byte for byte, what would leave the hospital before
    training ("" if the data cannot be used); `sha256` is its digest. `is_private`: the data can be
    used, and no such document leaves, since the study has differential privacy."""

    study: str
    files: tuple[str, ...]
    findings: tuple[Finding, ...]
    rows: int = 0  # with an outcome
    patients: int = 0
    training_rows: int = 0
    test_rows: int = 0
    classes: dict[str, int] | None = None  # rows of each class
    columns: int = 0  # inputs of numbers and of words
    document: str = ""
    sha256: str = ""
    is_private: bool = False

    @property
    def is_usable(self) -> bool:
        """Whether the hospital can take part with these files."""
        is_read = bool(self.document) or self.is_private
        return is_read and all(f.level != "error" for f in self.findings)


async def find_spec(study: str, home: Path) -> Spec:
    """Return a study's terms: those of a TOML file, if `study` is the path of one, else those on
    the ledger of the node's home."""
    path = Path(study)
    if path.suffix == ".toml" or path.exists():
        return read_spec(path)
    async with open_client(Home.open(home)) as client:
        client.need_study(study)
        return client.need_spec(study)


def check_data(spec: Spec, sources: Sources) -> DataChecked:
    """Read a hospital's files as the study declares, and look at them. Nothing leaves the
    machine, nothing is promised."""
    found = Findings(strict=False)
    sources = _propose_decimals(sources, found)
    files = tuple(path.name for path in sources.data.paths)
    try:
        prepared = prepare(spec, sources, found)
    except BadInput as error:
        if not found.has_errors or found.found[-1].sentence != str(error):
            found.found.append(Finding("error", "file", str(error)))
        return DataChecked(spec.name, files, tuple(found.found))
    _look_for_packages(spec, found)
    if spec.privacy.dp is not None and spec.data is not None:
        _check_declared(spec, prepared, found)
    return _describe(spec, files, prepared, found)


def _propose_decimals(sources: Sources, found: Findings) -> Sources:
    """Return the files with the decimal marks that they look to have; what was not stated is a
    warning."""
    data, said = propose_decimal(sources.data)
    test, more = propose_decimal(sources.test) if sources.test else (None, "")
    for sentence in filter(None, (said, more)):
        found.warn("decimal", sentence)
    return replace(sources, data=data, test=test)


def _look_for_packages(spec: Spec, found: Findings) -> None:
    """Warn of a package that training will need and that is not installed here."""
    try:
        if spec.data is not None and plan.get_model(spec) in BUILT_IN:
            need_packages(find_recipe(plan.get_model(spec)))
    except BadInput as error:
        found.warn("software", str(error))


def _check_declared(spec: Spec, prepared: Prepared, found: Findings) -> None:
    """Compare the data with the features that the terms alone give."""
    try:
        design = make_declared_design(prepared.schema)
        check_declared(prepared.training, design, found)
        if why := say_wide(spec, design, prepared):
            found.warn("more features than patients", why)
    except BadInput as error:
        found.found.append(Finding("error", "columns", str(error)))


def _name(schema: Schema, code: float) -> str:
    """Return the words of a class of the outcome."""
    outcome = schema.outcome
    words = {1.0: outcome.positive, 0.0: outcome.negative or ("other",)}.get(code, ())
    if outcome.kind == "classes":
        words = outcome.classes[int(code) : int(code) + 1]
    return words[0] if words else f"{code:g}"


def _describe(
    spec: Spec, files: tuple[str, ...], prepared: Prepared, found: Findings
) -> DataChecked:
    training, held = prepared.training, prepared.held
    y = training.y
    assert y is not None
    all_y = y if held is None or held.y is None else np.concatenate([y, held.y])
    is_private = spec.privacy.dp is not None
    document = b"" if is_private else prepared.statistics
    labels, counts = np.unique(all_y, return_counts=True) if training.has_classes else ([], [])
    return DataChecked(
        study=spec.name,
        files=files,
        findings=tuple(found.found),
        rows=training.rows + (held.rows if held else 0),
        patients=training.count_patients() + (held.count_patients() if held else 0),
        training_rows=training.rows,
        test_rows=held.rows if held else 0,
        classes={_name(prepared.schema, k): int(n) for k, n in zip(labels, counts, strict=True)},
        columns=len(training.columns),
        document=document.decode(),
        sha256="" if is_private else hashlib.sha256(document).hexdigest(),
        is_private=is_private,
    )
