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
from swarmhub.data.split import fold_patients
from swarmhub.evaluation.survival import Agreed
from swarmhub.files import write_durably
from swarmhub.recipes import plan
from swarmhub.recipes.linear.axes import Axes
from swarmhub.recipes.linear.folds import FOLDS, Plan
from swarmhub.recipes.linear.losses import Loss, loss_of
from swarmhub.recipes.linear.stack import Models, Stack
from swarmhub.recipes.linear.training import predict
from swarmhub.recipes.preparing import Prepared
from swarmhub.recipes.standardise import make_local_design
from swarmhub.train.session import Swarm

Say = Callable[[str], None]
Arrays = dict[str, npt.NDArray[Any]]
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
        self.x: Floats = self.local_design.matrix(training)
        self.y = self.code_outcome(training)
        self.fold = fold_patients(training, self.swarm.spec.seed, FOLDS)
        self.test_x: Floats | None = None if held is None else self.local_design.matrix(held)
        self.agreed: Agreed | None = None  # of a time to an event, once it is known
        self.hazard: Floats = np.zeros(0)

    @property
    def kind(self) -> OutcomeKind:
        """The kind of the outcome."""
        return self.prepared.schema.outcome.kind

    @functools.cached_property
    def axes(self) -> Axes:
        """The training rows in coordinates of their own, computed once."""
        return Axes.of(self.x)

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
    def plan(self) -> Plan:
        """The terms of cross-validation."""
        return Plan(self.design.class_rows, loss=self.loss, own=self.has_own_intercept)

    @property
    def has_own_intercept(self) -> bool:
        """Whether each hospital has an intercept of its own."""
        return plan.has_own_intercept(self.swarm.spec)

    def find_intercept(self, weight: Floats) -> Floats:
        """Return this hospital's own intercepts, (e,), for weights (p,) or (e, p): the best for its
        training rows."""
        models = Models.of([1.0], self.design.class_rows, self.loss, own=True)
        return Stack.of(models, self.axes, self.y).intercepts_of(weight)

    def predict(self, weight: Floats, bias: Floats, x: Floats) -> Floats:
        """Return a linear model's predictions of rows x (n, p): probabilities of label 1 (n,), of
        each class (n, e), or values in the outcome's unit (n,)."""
        return self.in_unit(predict(self.loss, weight, bias, x))

    def predict_point(self, point: Floats | None, x: Floats | None) -> Floats | None:
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
        found.update(np.ascontiguousarray(values, dtype="<f8").tobytes())
        if part.is_sparse:
            for places in (part.x.indices, part.x.indptr):
                found.update(np.ascontiguousarray(places, dtype="<i8").tobytes())
        for words in part.categories.values():
            found.update(json.dumps(words.texts()).encode())
        found.update(np.ascontiguousarray(part.y, dtype="<f8").tobytes())
    return found.hexdigest()


def read_key(path: Path) -> bytes:
    """Return the secret of a home, which is made at first."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_durably(path, os.urandom(32))
        return path.read_bytes()
