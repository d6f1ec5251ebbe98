"""The seam between a study's evaluation and the kind of its outcome."""

from __future__ import annotations

import dataclasses
import importlib
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from swarmhub.contract.records.declaration import OutcomeKind
from swarmhub.data.frames import Floats
from swarmhub.data.schema import Schema
from swarmhub.evaluation.survival import Agreed
from swarmhub.recipes.survival.times import Observed

Arrays = dict[str, npt.NDArray[Any]]
FEW = 20  # test patients; a hospital with fewer gives totals only


@dataclass(frozen=True, eq=False)
class Followed:
    """Test patients of an outcome that is a time: the terms that all hospitals agree on for them,
    the patients' rounded times, and the model's baseline hazard (T,)."""

    agreed: Agreed
    observed: Observed
    hazard: Floats


@dataclass(frozen=True, eq=False)
class Tested:
    """Test patients' outcomes y (n,) in words' numbers or the outcome's unit, and the patient of
    each row, (n,). `outcome` is mean and standard deviation over all training rows, `site_mean`
    that of this hospital's; `classes` is their number."""

    schema: Schema
    y: Floats
    patients: npt.NDArray[Any]
    outcome: tuple[float, float] = (0.0, 1.0)
    site_mean: float = 0.0
    classes: int = 2
    followed: Followed | None = None

    @property
    def count(self) -> int:
        """Number of test patients."""
        return len(np.unique(self.patients))

    def take_none(self) -> Tested:
        """Return the same without any patient."""
        followed = self.followed
        if followed is not None:
            observed = followed.observed.take(np.zeros(len(followed.observed), dtype=bool))
            followed = dataclasses.replace(followed, observed=observed)
        return dataclasses.replace(
            self, y=self.y[:0], patients=self.patients[:0], followed=followed
        )

    @property
    def min_count(self) -> int:
        """Patients of a published count."""
        return self.schema.declaration.min_count


class Kind(Protocol):
    """Measurements of predictions: (n,) probabilities, values or log hazards, or (n, e)
    probabilities."""

    METRICS: tuple[str, ...]  # of a round; a study's metric is one of them
    COUNTED: tuple[str, ...]  # arrays of whole numbers that are added
    SIGNED: tuple[str, ...]  # those of them that may be negative
    SENT: str  # COUNTED in words, for people

    def measure(self, tested: Tested, predicted: Floats) -> dict[str, float]:
        """Return the metrics of a round."""

    def count(self, tested: Tested, predicted: Floats) -> Arrays:
        """Return what is added over hospitals; of no rows: zeros."""

    def evaluate(self, tested: Tested, predicted: Floats) -> Any:
        """Return all figures, for this hospital's own report."""

    def publish(self, tested: Tested, models: dict[str, Any]) -> dict[str, float]:
        """Return the figures that go on the ledger under the hospital's name; `models` has the
        figures of 'swarm', 'local' and 'left-out', if they are there."""


ROOM = "swarmhub.recipes.kinds"
MODULES = {
    "binary": "binary", "classes": "classes", "continuous": "numbers", "time_to_event": "times",
}  # fmt: skip


def kind_of(kind: OutcomeKind) -> Kind:
    """Return what is measured of an outcome of this kind."""
    found: Any = importlib.import_module(f"{ROOM}.{MODULES[kind]}")
    measured: Kind = found
    return measured
