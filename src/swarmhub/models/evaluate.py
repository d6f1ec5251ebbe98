"""External validation: an exported model on patients with a known outcome, at a hospital that need
not have been part of the study.

    validated = evaluate_files(swarmhub.load_model("heart-model"), Files((path,)))

Figures and counts are those of `swarmhub.evaluation`, by the kind of the outcome: `figures` and
`counts`, `classes`, `regression`, or `survival`; these modules say what counts withhold. The
baseline of a continuous outcome is the mean of all training patients; a mean of this hospital's is
not known, so there are no figures of it, and counts have the one of all in its place. Times to an
event are evaluated on the model's own grid, horizon, curves and cuts of risk; all pairs are of one
hospital, so that the C-index is the one within hospitals.
Nothing leaves the machine: `counts` are made to be shared by a person, and all else is shown there
only. `data_digest` is made of the patients' values: with it a guess of the data could be tested, so
it is not among the parts that are shared.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from swarmhub.evaluation import classes, regression, survival
from swarmhub.evaluation.counts import make_counts
from swarmhub.evaluation.figures import Figure, evaluate_scores
from swarmhub.evaluation.regression import Baseline
from swarmhub.evaluation.sums import Counts
from swarmhub.evaluation.survival import Agreed, Group
from swarmhub.models.drift import LEAST, Drift, find_drift
from swarmhub.models.folder import need_own_place, write_beside
from swarmhub.models.predict import Model, look_at
from swarmhub.models.response import Response
from swarmhub.models.rows import Rows
from swarmhub.models.survival import say_time
from swarmhub.recipes.survival.times import observe
from swarmhub.types import Digest

COUNTS_FORMAT = 1


@dataclass(frozen=True, eq=False)
class Validated:
    """A model's figures on a hospital's patients, with their conditions. `model_digest` is that of
    the settled parameters on the ledger, `architecture` that of all else of the model;
    `data_digest` is sha256 over the values read, and stays at the hospital. `evaluation` is an
    `Evaluation`, a `ClassEvaluation`, a `NumberEvaluation` or a `SurvivalEvaluation`, by the kind
    of the outcome; `agreed` are the terms of the last. `drift` says what has moved since the
    study."""

    model_digest: Digest
    architecture: Digest
    data_digest: Digest
    protocol: str
    evaluation: Any
    response: Response
    counts: Mapping[str, npt.NDArray[np.int64]]
    notes: tuple[str, ...] = field(default=())
    agreed: Agreed | None = None
    drift: tuple[Drift, ...] = ()

    def to_json(self) -> Json:
        """Return the figures and their conditions."""
        evaluation = self.evaluation
        return {
            "model": self.model_digest, "architecture": self.architecture,
            "data": self.data_digest, "protocol": self.protocol, "kind": self.response.kind,
            **_describe(evaluation, self.response), "is_descriptive": evaluation.is_descriptive,
            "figures": _to_json(evaluation.figures), "notes": list(self.notes),
            "drift": [codec.to_json(one) for one in self.drift],
        }  # fmt: skip

    def to_shared(self) -> Json:
        """Return what may be shared with other hospitals: the counts and their conditions."""
        return {
            "format": COUNTS_FORMAT, "model": self.model_digest, "architecture": self.architecture,
            "protocol": self.protocol, **_condition(self.response), **_describe_terms(self.agreed),
            "counts": {name: counts.tolist() for name, counts in self.counts.items()},
        }  # fmt: skip


def _describe(evaluation: Any, response: Response) -> dict[str, Json]:
    """Return the parts of an evaluation that only its kind has."""
    if response.kind == "binary":
        return {
            "positives": evaluation.positives, "negatives": evaluation.negatives,
            "threshold": evaluation.threshold,
        }  # fmt: skip
    if response.kind == "time_to_event":
        return {
            "rows": evaluation.patients, "events": evaluation.events, **_condition(response),
            "groups": [_describe_group(group) for group in evaluation.groups],
        }  # fmt: skip
    found: dict[str, Json] = {"rows": evaluation.rows, **_condition(response)}
    if response.kind == "classes":
        each = [{"rows": c.support, "figures": _to_json(c.figures)} for c in evaluation.classes]
        found |= {"by_class": each, "confusion": evaluation.confusion.tolist()}
    return found


def _condition(response: Response) -> dict[str, Json]:
    """Return the terms without which counts say nothing: words of classes, or unit, and mean and
    standard deviation or horizon."""
    if response.kind == "classes":
        return {"classes": list(response.classes)}
    if response.kind == "continuous":
        return {"unit": response.unit, "mean": response.mean, "sd": response.sd}
    if response.baseline is not None:
        return {"unit": response.unit, "horizon": response.baseline.horizon}
    return {}


def _describe_terms(agreed: Agreed | None) -> dict[str, Json]:
    """Return the terms on which times to an event are counted."""
    if agreed is None:
        return {}
    return {
        "times": agreed.grid.ends.tolist(), "cuts": agreed.cuts.tolist(),
        "censoring": agreed.censoring.tolist(), "survival": agreed.survival.tolist(),
    }  # fmt: skip


def _describe_group(group: Group) -> Json:
    return {
        "rows": group.curve.rows, "predicted": group.predicted, "found": codec.to_json(group.found),
    }  # fmt: skip


def _to_json(figures: Mapping[str, Figure]) -> Json:
    return {name: codec.to_json(figure) for name, figure in figures.items()}


def evaluate_files(
    model: Model, files: Any, allow_missing: bool = False, earlier: Any = None
) -> Validated:
    """Score the patients in files (anything that `Model.predict` takes), compare with their
    outcome, and look for drift: since `earlier` patients of the same place that the model was not
    trained on, or since the study's own evaluation. Raises BadInput if they have no outcome, or if
    a column of the model is absent."""
    rows = _read(model, files, allow_missing)
    dataset = rows.dataset
    before = None if earlier is None else _read(model, earlier, allow_missing).dataset
    is_looked_for = before is not None or (dataset.rows >= LEAST and model.exported.measures)
    evaluation, counts = _compare(model, dataset)
    return Validated(
        model_digest=model.exported.origin.digest,
        architecture=model.exported.architecture,
        data_digest=digest_data(dataset, model.design),
        protocol=say_protocol(model),
        evaluation=evaluation,
        response=model.exported.response,
        counts=counts,
        notes=(*model.exported.notes, *rows.notes, *look_at(model.design, dataset)),
        agreed=model.exported.agreed if dataset.time is not None else None,
        drift=find_drift(model, dataset, before) if is_looked_for else (),
    )


def _read(model: Model, files: Any, allow_missing: bool) -> Rows:
    rows = model.read(files, needs_outcome=True, allow_missing=allow_missing)
    y = rows.dataset.y
    if y is None or not len(y):
        source = rows.dataset.source
        raise BadInput(f"{source} has no row with an outcome; there is nothing to compare.")
    return rows


def _compare(model: Model, dataset: Dataset) -> tuple[Any, Counts]:
    """Return figures with nothing withheld, and counts that may be shared."""
    if dataset.time is not None:
        return _compare_times(model, dataset)
    response, y, predicted = model.exported.response, dataset.y, model.score(dataset)
    assert y is not None
    patients = None if dataset.patient is None else dataset.patient_codes()
    least = model.schema.declaration.min_count
    if response.kind == "binary":
        counts = make_counts(y, predicted, response.threshold, patients, least)
        return evaluate_scores(y, predicted, response.threshold), counts
    if response.kind == "classes":
        whole = classes.make_counts(y, predicted, None, 1, 0)
        counts = classes.make_counts(y, predicted, patients, least)
        return classes.evaluate_counts(whole), counts
    base = Baseline(response.mean, response.sd, response.mean)
    whole = regression.make_counts(y, predicted, base, None, 1, 0)
    found = regression.evaluate_counts(whole, response.sd)
    figures = {name: f for name, f in found.figures.items() if not name.endswith("_site")}
    counts = regression.make_counts(y, predicted, base, patients, least)
    return replace(found, figures=figures), counts


def _compare_times(model: Model, dataset: Dataset) -> tuple[Any, Counts]:
    """Return the same of times to an event. Raises BadInput if the rows are too many."""
    y, time, baseline = dataset.y, dataset.time, model.exported.response.baseline
    assert y is not None
    assert time is not None
    assert baseline is not None
    most = survival.MAX_PATIENTS
    if len(y) > most:
        raise BadInput(f"Expected up to {most} rows with an outcome, got {len(y)}; take a sample.")
    agreed, score = model.exported.agreed, model.score(dataset)
    observed = observe(agreed.grid, time, y)
    alive = baseline.survive(score, range(len(agreed.grid)))
    whole = survival.make_counts(agreed, observed, score, alive, 0)
    is_enough = dataset.count_patients() >= max(survival.FEW, model.schema.declaration.min_count)
    counts = survival.make_counts(agreed, observed, score, alive, 0 if is_enough else len(y) + 1)
    found = survival.evaluate_counts(agreed, whole)
    figures = {"c_index": found.figures["c_index_within"]}
    figures |= {n: f for n, f in found.figures.items() if not n.startswith("c_index")}
    return replace(found, figures=figures), counts


def say_protocol(model: Model) -> str:
    """Return how figures come about, in one sentence."""
    outcome, response = model.schema.outcome, model.exported.response
    rows = "a number" if response.kind == "continuous" else "a word that the study knows"
    last = say_time(response.baseline.times[-1], response.unit) if response.baseline else ""
    reading = {
        "binary": f", and counts as '{model.exported.positive}' from "
        f"{model.schema.declaration.threshold} on",
        "classes": ", and counts as its most probable class (the first of equals)",
        "time_to_event": f", and its time in '{outcome.time}' is rounded up to the model's grid "
        f"(after its end, {last}, nobody is followed); risks are those by {response.horizon}",
    }
    return (
        f"External validation: each row with {rows} for '{outcome.column}' is scored once by the "
        f"model as exported{reading.get(response.kind, '')}; rows without an outcome are left out; "
        "nothing is fitted here."
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
    if dataset.time is not None:
        parts += [b"time", _pack_numbers(dataset.time)]
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
