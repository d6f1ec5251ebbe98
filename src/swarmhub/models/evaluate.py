"""External validation: an exported model on patients with a known outcome, at a hospital that need
not have been part of the study.

    validated = evaluate_files(swarmhub.load_model("heart-model"), Files((path,)))

Figures and counts are those of `swarmhub.evaluation`; `evaluation.counts` says what they withhold.
Nothing leaves the machine: `counts` are made to be shared by a person, and all else is shown there
only. `data_digest` is made of the patients' values: with it a guess of the data could be tested, so
it is not among the parts that are shared.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub import codec
from swarmhub.codec import Json
from swarmhub.data.dataset import Dataset
from swarmhub.data.design import Design
from swarmhub.data.frames import Words
from swarmhub.errors import BadInput
from swarmhub.evaluation.counts import make_counts
from swarmhub.evaluation.figures import Evaluation, evaluate_scores
from swarmhub.models.predict import Model, look_at, need_own_place, write_beside
from swarmhub.types import Digest

COUNTS_FORMAT = 1


@dataclass(frozen=True, eq=False)
class Validated:
    """A model's figures on a hospital's patients, with their conditions. `model_digest` is that of
    the settled parameters on the ledger, `architecture` that of all else of the model;
    `data_digest` is sha256 over the values read, and stays at the hospital."""

    model_digest: Digest
    architecture: Digest
    data_digest: Digest
    protocol: str
    evaluation: Evaluation
    counts: Mapping[str, npt.NDArray[np.int64]]
    notes: tuple[str, ...] = field(default=())

    def to_json(self) -> Json:
        """Return the figures and their conditions."""
        evaluation = self.evaluation
        return {
            "model": self.model_digest, "architecture": self.architecture,
            "data": self.data_digest, "protocol": self.protocol,
            "positives": evaluation.positives, "negatives": evaluation.negatives,
            "threshold": evaluation.threshold, "is_descriptive": evaluation.is_descriptive,
            "figures": {name: codec.to_json(f) for name, f in evaluation.figures.items()},
            "notes": list(self.notes),
        }  # fmt: skip

    def to_shared(self) -> Json:
        """Return what may be shared with other hospitals: the counts and their conditions."""
        return {
            "format": COUNTS_FORMAT, "model": self.model_digest, "architecture": self.architecture,
            "protocol": self.protocol,
            "counts": {name: counts.tolist() for name, counts in self.counts.items()},
        }  # fmt: skip


def evaluate_files(model: Model, files: Any, allow_missing: bool = False) -> Validated:
    """Score the patients in files (anything that `Model.predict` takes) and compare with their
    outcome. Raises BadInput if they have none, or if a column of the model is absent."""
    rows = model.read(files, needs_outcome=True, allow_missing=allow_missing)
    dataset, schema = rows.dataset, model.schema
    y = dataset.y
    if y is None or not len(y):
        raise BadInput(f"{dataset.source} has no row with an outcome; there is nothing to compare.")
    probability = model.score(dataset)
    patients = None if dataset.patient is None else dataset.patient_codes()
    counts = make_counts(y, probability, schema.threshold, patients, schema.declaration.min_count)
    return Validated(
        model_digest=model.exported.origin.digest,
        architecture=model.exported.architecture,
        data_digest=digest_data(dataset, model.design),
        protocol=say_protocol(model),
        evaluation=evaluate_scores(y, probability, schema.threshold),
        counts=counts,
        notes=(*rows.notes, *look_at(model.design, dataset)),
    )


def say_protocol(model: Model) -> str:
    """Return how figures come about, in one sentence."""
    outcome = model.schema.outcome
    return (
        f"External validation: each row with a word for '{outcome.column}' that the study knows is "
        f"scored once by the model as exported, and counts as '{model.exported.positive}' from "
        f"{model.schema.declaration.threshold} on; rows without an outcome are left out; nothing "
        "is fitted here."
    )


def digest_data(dataset: Dataset, design: Design) -> Digest:
    """Return sha256 over the values that the model saw, the outcome and the patients: the same for
    the same rows in the same order, whatever file they came in."""
    place = {name: k for k, name in enumerate(dataset.features)}
    parts = [b"swarmhub/data/1"]
    for column in sorted(design.kinds):
        parts.append(column.encode())
        if column in dataset.categories:
            parts.append(_pack_words(dataset.categories[column]))
        elif column in place:
            parts.append(_pack_numbers(dataset.x[:, place[column]]))
    assert dataset.y is not None
    parts += [b"outcome", _pack_numbers(dataset.y)]
    parts += [b"patients", _pack_numbers(dataset.patient_codes())]
    return codec.digest(*parts)


def _pack_numbers(values: Any) -> bytes:
    dense = np.asarray(values if isinstance(values, np.ndarray) else values.toarray(), np.float64)
    known = np.where(np.isnan(dense), np.nan, dense + 0.0)  # one NaN, and 0 for -0
    return known.astype("<f8").tobytes()


def _pack_words(words: Words) -> bytes:
    return codec.encode(words.texts())


def write_counts(found: Validated, path: Path, given: Sequence[Path] = ()) -> None:
    """Write the counts that may be shared as JSON. Raises BadInput if the file would be written
    over one of the given ones."""
    need_own_place(path, given)
    text = json.dumps(found.to_shared(), indent=1, ensure_ascii=False)
    write_beside(path, (re.sub(r"\n +(?=\d|\])", "", text) + "\n").encode())  # a list a line
