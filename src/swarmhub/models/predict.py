"""Scores of new patients, by an exported model alone: no node, no network, no training code.

    model = swarmhub.load_model("heart-model")
    scores = model.predict(frame)        # a DataFrame, a mapping of columns, or paths of files
    scores.probability                   # (n,) in the order of the rows; of a binary outcome
    scores.classes                       # words, and
    scores.probabilities                 # (n, K), of an outcome with classes
    scores.values                        # (n,) in scores.unit, of a continuous outcome
    scores.risk                          # (n,) up to scores.horizon, of a time to an event, and
    scores.survival([90, 180])           # (n, 2)

The same values give the same bits on every machine (`arithmetic`), whatever other rows there are
(`rows`). Words and missing values that the model does not know are said, never guessed.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.contract.records.declaration import OutcomeKind
from swarmhub.data.check.merged import gaps, outliers
from swarmhub.data.dataset import Dataset
from swarmhub.data.design import MAX_DEVIATIONS, NUMBER, Design
from swarmhub.data.frames import Floats, Words
from swarmhub.data.reading import Files
from swarmhub.data.schema import Schema
from swarmhub.errors import BadInput
from swarmhub.models.architecture import need_architecture
from swarmhub.models.exported import ExportedModel
from swarmhub.models.folder import need_own_place, read_model, write_beside
from swarmhub.models.response import PARTS, Response
from swarmhub.models.rows import Rows, read_rows
from swarmhub.models.survival import Baseline

VALUES_AT_ONCE = 1 << 18  # of a matrix of inputs: 2 MB stay in the processor's cache
ROWS_AT_ONCE = 64  # at least: each part costs some time for each feature
LISTED = 6  # sentences on single columns


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of patients, in the order of their rows. A binary outcome has `probability` (n,), that
    of the positive word, and `is_positive` (n,) from the study's threshold on; one of K classes
    `probabilities` (n, K), and `most_probable` (n,), places in `classes`; a continuous one `values`
    (n,) in `unit`; a time to an event `risk` (n,) of the event up to `horizon`, `log_hazard` (n,)
    and `survival`. Another kind's raise BadInput. `names` are those of the rows, out of `column`
    ("row": numbers from 1 on). `notes` are sentences on values that are missing, unknown or far
    from the study's."""

    response: Response
    predicted: Floats
    column: str
    names: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def probability(self) -> Floats:
        """Probability of the positive word, (n,)."""
        return self._of("binary", "probability")

    @property
    def is_positive(self) -> npt.NDArray[np.bool_]:
        """Whether a patient counts as positive, (n,)."""
        return self._of("binary", "is_positive") >= self.response.threshold

    @property
    def probabilities(self) -> Floats:
        """Probability of each class, (n, K)."""
        return self._of("classes", "probabilities")

    @property
    def most_probable(self) -> npt.NDArray[np.int64]:
        """Place in `classes` of the most probable one, (n,); the first of equals."""
        return self.response.choose(self._of("classes", "most_probable"))

    @property
    def values(self) -> Floats:
        """Predicted values in `unit`, (n,)."""
        return self._of("continuous", "values")

    @property
    def classes(self) -> tuple[str, ...]:
        """The outcome's words in order; the negative and the positive one of a binary outcome,
        those without and with the event of a time to it; none of a continuous one."""
        return self.response.classes

    @property
    def unit(self) -> str:
        """The unit of a continuous outcome or of times, if it is declared."""
        return self.response.unit

    @property
    def risk(self) -> Floats:
        """Probability of the event up to `horizon`, (n,)."""
        return self._baseline("risk").risk(self.predicted)

    @property
    def log_hazard(self) -> Floats:
        """Logarithm of the hazard over that of a patient with the mean of every input, (n,); from
        -20 to 20."""
        return self._of("time_to_event", "log_hazard")

    @property
    def horizon(self) -> float:
        """The time up to which `risk` is predicted, in `unit`."""
        return self._baseline("horizon").horizon

    @property
    def times(self) -> Floats:
        """The grid times that the model knows, (T,) in `unit`, ascending."""
        return np.array(self._baseline("times").times)

    def survival(self, times: npt.ArrayLike | None = None) -> Floats:
        """Return the probability of no event up to each of some times (k,) in `unit`, by default
        the model's grid times: (n, k). Between two grid times it is that of the first. Raises
        BadInput for times beyond the last one."""
        baseline = self._baseline("survival")
        places = baseline.find(baseline.times if times is None else times, self.unit)
        return baseline.survive(self.predicted, places)

    def _baseline(self, name: str) -> Baseline:
        self._of("time_to_event", name)
        assert self.response.baseline is not None
        return self.response.baseline

    def _of(self, kind: OutcomeKind, name: str) -> Floats:
        if self.response.kind != kind:
            raise BadInput(
                f"Expected an outcome that is {kind} for '{name}', got a model of one that is "
                f"{self.response.kind}; read '{PARTS[self.response.kind]}'."
            )
        return self.predicted


@dataclass(frozen=True, eq=False)
class Model:
    """An exported model, ready to score patients."""

    exported: ExportedModel

    @property
    def design(self) -> Design:
        """The features, and the columns they are made of."""
        return self.exported.design

    @property
    def schema(self) -> Schema:
        """The study's declaration of its data."""
        return self.exported.schema

    def predict(self, data: Any, allow_missing: bool = False) -> Scores:
        """Score patients: a DataFrame, a mapping of column names to values, a path, several paths,
        or `Files`. A column of the model that is absent raises BadInput, unless `allow_missing`; a
        block that is absent as a whole is only said if the model has a feature for that."""
        rows = self.read(data, allow_missing=allow_missing)
        predicted = self.score(rows.dataset)
        notes = (*self.exported.notes, *rows.notes, *look_at(self.design, rows.dataset))
        return Scores(self.exported.response, predicted, rows.column, tuple(rows.names), notes)

    def read(self, data: Any, needs_outcome: bool = False, allow_missing: bool = False) -> Rows:
        """Return patients' rows as `predict` takes them, with the outcome if it is needed."""
        if isinstance(data, str | os.PathLike):
            data = Files((Path(data),))
        elif isinstance(data, list | tuple) and all(isinstance(p, str | os.PathLike) for p in data):
            data = Files(tuple(map(Path, data)))
        return read_rows(data, self.exported, needs_outcome, allow_missing)

    def score(self, dataset: Dataset) -> Floats:
        """Return the predictions of a dataset's rows: the probability of the positive class (n,),
        that of each class (n, K), values in the outcome's unit (n,), or logarithms of hazards over
        the baseline's (n,)."""
        response = self.exported.response
        is_wide = response.kind == "classes"
        found = np.empty((dataset.rows, len(response.classes)) if is_wide else dataset.rows)
        for part, margins in self._by_parts(dataset):
            found[part] = response.predict(margins)
        return found

    def margins(self, dataset: Dataset) -> Floats:
        """Return the margins of a dataset's rows, (outputs, n), before the response."""
        found = np.empty((self.exported.response.outputs, dataset.rows))
        for part, margins in self._by_parts(dataset):
            found[:, part] = margins
        return found

    def _by_parts(self, dataset: Dataset) -> Iterator[tuple[slice, Floats]]:
        """Yield the margins of some rows at a time."""
        exported = self.exported
        architecture = need_architecture(exported.recipe, self.design)
        width = len(self.design.sources) * exported.response.outputs
        step = max(ROWS_AT_ONCE, VALUES_AT_ONCE // width)
        for start in range(0, dataset.rows, step):
            part = slice(start, start + step)
            x = self.design.matrix(_take(dataset, part))
            yield part, architecture.score(exported.arrays, x)

    def word(self, is_positive: bool) -> str:
        """Return a binary outcome's word for a class."""
        return self.exported.positive if is_positive else self.exported.negative


def load_model(path: Path | str) -> Model:
    """Load the folder that 'swarmhub model export' has written. Raises BadInput, in one sentence,
    if it is none or has been damaged."""
    return Model(read_model(Path(path)))


def _take(dataset: Dataset, rows: slice) -> Dataset:
    """Return the inputs of some rows that follow each other."""
    return Dataset(
        dataset.x[rows],
        dataset.features,
        dataset.blocks,
        {name: Words(w.codes[rows], w.words) for name, w in dataset.categories.items()},
    )


def look_at(design: Design, dataset: Dataset) -> tuple[str, ...]:
    """Return sentences on values that are missing, unknown to the model or far from the
    study's."""
    suspects = dataset if dataset.is_sparse else _keep_suspects(design, dataset)
    found = gaps(design, suspects)
    if len(found) > LISTED:
        found[LISTED:] = [f"The same holds for {len(found) - LISTED} more columns."]
    return (*design.mismatched(dataset), *found, *outliers(design, suspects))


def _keep_suspects(design: Design, dataset: Dataset) -> Dataset:
    """Return the dataset with those columns of numbers only that have missing or far values:
    sentences are made column by column, which takes time if there are thousands."""
    place = {name: k for k, name in enumerate(dataset.features)}
    known = [(j, place[s.column]) for j, s in enumerate(design.sources)
             if s.kind == NUMBER and s.column in place]  # fmt: skip
    mine, theirs = np.array(known, dtype=np.int64).reshape(-1, 2).T
    reach = MAX_DEVIATIONS * design.sd[mine]
    suspect = np.zeros(len(theirs), dtype=bool)
    step = max(ROWS_AT_ONCE, VALUES_AT_ONCE // max(1, len(dataset.features)))
    for start in range(0, dataset.rows, step):
        part = dataset.x[start : start + step, theirs]
        suspect |= ~(np.abs(part - design.mean[mine]) <= reach).all(axis=0)
    kept = np.unique(theirs[suspect])
    return replace(
        dataset, x=dataset.x[:, kept], features=tuple(dataset.features[k] for k in kept), blocks=()
    )


def predict_files(model: Model, files: Files, out: Path, allow_missing: bool = False) -> Scores:
    """Score the patients in files, and write them as a CSV (`write_scores`), which appears as a
    whole or not at all."""
    need_own_place(out, files.paths)
    scores = model.predict(files, allow_missing)
    write_beside(out, write_scores(scores).encode())
    return scores


def write_scores(scores: Scores) -> str:
    """Return scores as CSV, a row each; a number's text is one from which every program reads the
    same number. The columns after the rows' names:

        binary       probability, class
        classes      class, "probability of WORD" for each word
        continuous   value; "value (UNIT)" if a unit is declared
        time_to_event
                     "risk by HORIZON UNIT", log hazard ratio
    """
    response, texts = scores.response, _texts(scores.predicted)
    if response.kind == "continuous":
        header, columns = [f"value ({response.unit})" if response.unit else "value"], texts
    elif response.kind == "time_to_event":
        header = [f"risk by {response.horizon}", "log hazard ratio"]
        columns = [*_texts(scores.risk), *texts]
    else:
        words = [response.classes[k] for k in response.choose(scores.predicted).tolist()]
        header, columns = ["probability", "class"], [*texts, words]
        if response.kind == "classes":
            header = ["class", *(f"probability of {word}" for word in response.classes)]
            columns = [words, *texts]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([scores.column, *header])
    writer.writerows(zip(scores.names, *columns, strict=True))
    return text.getvalue()


def _texts(predicted: Floats) -> list[list[str]]:
    """Return numbers as text, column by column."""
    return [list(map(repr, column)) for column in np.atleast_2d(predicted.T).tolist()]
