"""A hospital's part in a study over tables: its rows as the study's features, and the models that
it has of the others."""

from __future__ import annotations

import functools
import hashlib
import hmac
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.codec import to_json
from swarmhub.contract.records.declaration import OutcomeKind
from swarmhub.data.dataset import Dataset
from swarmhub.data.design import Design
from swarmhub.data.findings import Findings
from swarmhub.data.frames import Floats
from swarmhub.data.matrix import MAX_DENSE, MAX_FORCED, Rows, SparseRows, take_rows
from swarmhub.data.split import fold_patients
from swarmhub.errors import BadInput
from swarmhub.evaluation.survival import Agreed
from swarmhub.files import write_durably
from swarmhub.recipes import plan
from swarmhub.recipes.linear.axes import Axes, SparseAxes
from swarmhub.recipes.linear.folds import FOLDS, Plan
from swarmhub.recipes.linear.losses import Loss, loss_of
from swarmhub.recipes.linear.stack import Models, Stack
from swarmhub.recipes.linear.training import predict
from swarmhub.recipes.preparing import Prepared
from swarmhub.recipes.sampling import choose_rows, compute_share
from swarmhub.recipes.standardise import make_local_design
from swarmhub.train.session import Swarm

Say = Callable[[str], None]
Arrays = dict[str, npt.NDArray[Any]]
AT_ONCE = 1 << 22  # values of a digest in one piece
KEY_FILE, RECORD_FILE, INTERCEPT_FILE = "data.key", "record.json", "intercept.json"


@dataclass(eq=False)
class Site:
    """A hospital in a session: x (n, p) and y (n,) of its training rows in the study's features,
    `fold` (n,) of each row's patient, and the features of its test patients, if there are any."""

    swarm: Swarm
    prepared: Prepared
    design: Design
    say: Say
    findings: Findings = field(default_factory=lambda: Findings(strict=False))

    def __post_init__(self) -> None:
        training, held = self.prepared.training, self.prepared.held
        self.local_design = make_local_design(
            self.swarm.spec, self.design, self.prepared.statistics
        )  # `design`, with this hospital's own means if the terms say so
        self.x: Rows = self.local_design.rows(training)
        self.y = self.code_outcome(training)
        self.fold = fold_patients(training, self.swarm.spec.seed, FOLDS)
        self.test_x: Rows | None = None if held is None else self.local_design.rows(held)
        self.agreed: Agreed | None = None  # of a time to an event, once it is known
        self.hazard: Floats = np.zeros(0)

    @property
    def kind(self) -> OutcomeKind:
        """The kind of the outcome."""
        return self.prepared.schema.outcome.kind

    @functools.cached_property
    def axes(self) -> Axes | SparseAxes:
        """The training rows in coordinates of their own, computed once."""
        return Axes.of(self.x)

    def need_dense(self) -> None:
        """Raise BadInput, before anything is promised, if rows cannot be dense."""
        for rows in (self.dense_x, self.dense_test_x):
            assert rows is None or isinstance(rows, np.ndarray)

    @functools.cached_property
    def dense_x(self) -> Floats:
        """The training rows, for a model that needs dense ones. Raises BadInput if they take too
        much memory."""
        return need_dense(self.x)

    @functools.cached_property
    def dense_test_x(self) -> Floats | None:
        """The same of the test rows."""
        return None if self.test_x is None else need_dense(self.test_x)

    @property
    def share(self) -> float:
        """The share of the rows on which the penalty is learnt; the same at all hospitals."""
        rows, features = sum(self.design.class_rows), len(self.design.sources)
        return compute_share(rows, features, self.loss.outputs)

    @functools.cached_property
    def sample(self) -> npt.NDArray[np.int64] | None:
        """Positions of the training rows on which the penalty is learnt; None for all of them."""
        if self.share >= 1.0:
            return None
        training = self.prepared.training
        return choose_rows(self.y.astype(np.float64), training.patient_codes(), self.share)

    def take_sample(self) -> tuple[Axes | SparseAxes, npt.NDArray[Any], npt.NDArray[np.int64]]:
        """Return these rows' axes, outcomes and folds; all rows' if the penalty is learnt on
        all."""
        if self.sample is None:
            return self.axes, self.y, self.fold
        x = take_rows(self.x, self.sample)
        if isinstance(x, SparseRows) and x.shape[0] * x.shape[1] <= MAX_DENSE:
            x = x.dense()
        return Axes.of(x), self.y[self.sample], self.fold[self.sample]

    @functools.cached_property
    def loss(self) -> Loss:
        """The loss of a linear model of this outcome."""
        return loss_of(self.kind, len(self.prepared.schema.outcome.classes) or 2)

    def code_outcome(self, dataset: Dataset) -> npt.NDArray[Any]:
        """Return numbers of classes, events, or standardised values, (n,)."""
        assert dataset.y is not None
        mean, sd = self.design.outcome
        if self.kind == "continuous":
            return (dataset.y - mean) / sd
        return dataset.y.astype(np.int64)

    @property
    def rows_of_all(self) -> float:
        """The number of training rows of all hospitals, which each of them knows."""
        return float(sum(self.design.class_rows))

    @property
    def plan(self) -> Plan:
        """The terms of cross-validation."""
        return Plan(self.design.class_rows, loss=self.loss, own=self.has_own_intercept)

    @property
    def grid_plan(self) -> Plan:
        """The same for the rows on which the penalty is learnt."""
        if self.sample is None:
            return self.plan
        rows = tuple(max(1, round(self.share * n)) for n in self.design.class_rows)
        return Plan(rows, loss=self.loss, own=self.has_own_intercept)

    @property
    def has_own_intercept(self) -> bool:
        """Whether each hospital has an intercept of its own."""
        return plan.has_own_intercept(self.swarm.spec)

    def find_intercept(self, weight: Floats) -> Floats:
        """Return this hospital's own intercepts, (e,), for weights (p,) or (e, p): the best for its
        training rows."""
        models = Models.of([1.0], self.design.class_rows, self.loss, own=True)
        return Stack.of(models, self.axes, self.y).intercepts_of(weight)

    def predict(self, weight: Floats, bias: Floats, x: Rows) -> Floats:
        """Return a linear model's predictions of rows x (n, p): probabilities of label 1 (n,), of
        each class (n, e), or values in the outcome's unit (n,)."""
        return self.in_unit(predict(self.loss, weight, bias, x))

    def predict_point(self, point: Floats | None, x: Rows | None) -> Floats | None:
        """Return the predictions of a model that is one vector, (e (p + 1),)."""
        if point is None or x is None:
            return None
        found = point.reshape(self.loss.outputs, -1)
        weight, bias = found[:, :-1], found[:, -1]
        if self.has_own_intercept:
            bias = self.find_intercept(weight)
        return self.predict(weight, bias, x)

    def in_unit(self, predicted: Floats) -> Floats:
        """Return predictions in the outcome's unit; those of classes as they are."""
        mean, sd = self.design.outcome
        return predicted if self.loss.has_classes else mean + sd * predicted

    @property
    def folder(self) -> Path:
        """The folder of what this hospital keeps of the study for itself."""
        return self.swarm.home / "local" / self.swarm.study

    def keep_intercept(self, bias: Floats) -> None:
        """Keep this hospital's own intercepts, (e,), for its copy of the model."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_durably(self.folder / INTERCEPT_FILE, json.dumps(bias.tolist()).encode())

    def keep(self, record: Mapping[str, Any]) -> None:
        """Keep a record of the hospital's own data check and evaluation for its report; it never
        leaves the hospital."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        data = json.dumps(to_json(dict(record)), indent=1, default=_to_list).encode()
        write_durably(self.folder / RECORD_FILE, data)


def _to_list(value: Any) -> Any:
    """Return the JSON value of an array; NaN is null."""
    found = np.asarray(value)
    if found.ndim:
        return [_to_list(item) for item in found]
    return None if found != found else found.item()


def digest_data(prepared: Prepared, home: Path) -> str:
    """Return a digest of a hospital's data, keyed by a secret of its home: it shows that two models
    were made from the same data, and tells nothing of them to others."""
    key = read_key(home / "local" / KEY_FILE)
    found = hmac.new(key, digestmod=hashlib.sha256)
    for part in (prepared.training, prepared.held):
        if part is None:
            continue
        found.update(json.dumps([part.features, list(part.categories)]).encode())
        values = part.x if isinstance(part.x, np.ndarray) else part.x.data
        _add(found, values, "<f8")
        if part.is_sparse:
            for places in (part.x.indices, part.x.indptr):
                _add(found, places, "<i8")
        for words in part.categories.values():
            found.update(json.dumps(words.texts()).encode())
        found.update(np.ascontiguousarray(part.y, dtype="<f8").tobytes())
    return found.hexdigest()


def _add(found: hmac.HMAC, values: npt.NDArray[Any], dtype: str) -> None:
    """Add an array to a digest, some rows at a time: no copy of all of it is made."""
    step = max(1, AT_ONCE * len(values) // max(1, values.size))
    for start in range(0, len(values), step):
        found.update(np.ascontiguousarray(values[start : start + step], dtype=dtype).tobytes())


def need_dense(x: Rows) -> Floats:
    """Return dense rows. Raises BadInput if they take too much memory."""
    if not isinstance(x, SparseRows):
        return x
    if x.shape[0] * x.shape[1] > MAX_FORCED:
        raise BadInput(
            f"The study's model needs dense rows, and {x.shape[0]} rows of {x.shape[1]} features "
            f"are more than the {MAX_FORCED} values that are held at once; propose a study with "
            'options.model = "logistic", with fewer columns, or of patients (data.pseudobulk).'
        )
    return x.dense()


def read_key(path: Path) -> bytes:
    """Return the secret of a home, which is made at first."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_durably(path, os.urandom(32))
        return path.read_bytes()
