"""A hospital's part in a study over tables: its rows as the study's features, and the models that
it has of the others."""

from __future__ import annotations

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
from swarmhub.data.dataset import Dataset
from swarmhub.data.design import Design
from swarmhub.data.findings import Findings
from swarmhub.data.frames import Floats
from swarmhub.data.split import fold_patients
from swarmhub.files import write_durably
from swarmhub.recipes.linear.axes import Axes
from swarmhub.recipes.linear.folds import FOLDS
from swarmhub.recipes.preparing import Prepared
from swarmhub.train.session import Swarm

Say = Callable[[str], None]
Arrays = dict[str, npt.NDArray[Any]]
KEY_FILE, RECORD_FILE = "data.key", "record.json"


@dataclass(eq=False)
class Site:
    """A hospital in a session: x (n, p) and y (n,) of its training rows in the study's features,
    `fold` (n,) of each row's patient, and the same of its test patients, if there are any."""

    swarm: Swarm
    prepared: Prepared
    design: Design
    say: Say
    findings: Findings = field(default_factory=lambda: Findings(strict=False))

    def __post_init__(self) -> None:
        training, held = self.prepared.training, self.prepared.held
        self.x: Floats = self.design.matrix(training)
        self.y = _labels(training)
        self.fold = fold_patients(training, self.swarm.spec.seed, FOLDS)
        self.test_x: Floats | None = None if held is None else self.design.matrix(held)
        self.test_y = None if held is None else _labels(held)
        self.test_patients = None if held is None else held.patient_codes()
        self.axes = Axes.of(self.x)

    @property
    def folder(self) -> Path:
        """The folder of what this hospital keeps of the study for itself."""
        return self.swarm.home / "local" / self.swarm.study

    def keep(self, record: Mapping[str, Any]) -> None:
        """Keep a record of the hospital's own data check and evaluation for its report; it never
        leaves the hospital."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        data = json.dumps(to_json(dict(record)), indent=1).encode()
        write_durably(self.folder / RECORD_FILE, data)


def _labels(dataset: Dataset) -> npt.NDArray[np.int64]:
    assert dataset.y is not None
    return dataset.y.astype(np.int64)


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
