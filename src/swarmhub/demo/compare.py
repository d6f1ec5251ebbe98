"""Baselines for the swarm: each hospital alone, and pooled, on the same patients."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from swarmhub.data.metrics import auc, log_loss
from swarmhub.data.summaries import statistics_of
from swarmhub.data.tables import Table, read_table
from swarmhub.errors import BadInput
from swarmhub.params import Layout
from swarmhub.params.buffer import arrays_from, layout_of
from swarmhub.recipes.trainer import Fitted, make_fitted

Parameters = dict[str, Any]


@dataclass(frozen=True)
class Scores:
    """AUCs on the pooled held-out patients; None if a model cannot be trained or measured."""

    local: dict[str, float | None]
    swarm: float | None
    central: float | None

    @property
    def local_mean(self) -> float | None:
        """Mean over the hospitals that have a model of their own."""
        known = [v for v in self.local.values() if v is not None]
        return float(np.mean(known)) if known else None


class HeldOut:
    """The pooled held-out patients, and the model to measure on them."""

    def __init__(
        self, train: dict[str, Path], tests: list[Path], label: str, kind: str, seed: int
    ) -> None:
        self._train = {name: read_table(path, label) for name, path in train.items()}
        self._tests = [read_table(path, label) for path in tests]
        self.kind, self.seed = kind, seed
        self.is_fitted = False
        self.patients = sum(t.rows for t in self._tests)

    def use(self, statistics: bytes) -> list[str]:
        """Set the swarm's merged statistics: everything is measured over the design that follows
        from them. Returns a sentence for each column that has another kind at a hospital."""
        self.fitted = make_fitted(self.kind, statistics, self.seed)
        self.is_fitted = True
        tables = self._train.items()
        return [f"{name}: {s}" for name, t in tables for s in self.fitted.design.mismatched(t)]

    @property
    def layout(self) -> Layout:
        """The layout of the swarm's models."""
        return layout_of(self.fitted.model.initial())

    def load(self, file: IO[bytes]) -> Parameters:
        """Read parameters from a settled model's file."""
        return arrays_from(file, self.layout)

    def measure(self, fitted: Fitted, parameters: Parameters) -> dict[str, float | None]:
        """Return {"auc", "loss"} of a model on all held-out patients."""
        if not self._tests:
            return {"auc": None, "loss": None}
        probability = np.concatenate(
            [fitted.model.predict(parameters, fitted.design.matrix(t)) for t in self._tests]
        )
        label = np.concatenate([t.label for t in self._tests if t.label is not None])
        return {"auc": auc(label, probability), "loss": log_loss(label, probability)}

    def compare(self, swarm: Parameters | None, rounds: int) -> Scores:
        """Train each hospital alone and all pooled, for as many rounds, and measure everything."""
        local = {name: self._alone(table, rounds) for name, table in self._train.items()}
        x = np.concatenate([self.fitted.design.matrix(t) for t in self._train.values()])
        y = np.concatenate([t.label for t in self._train.values() if t.label is not None])
        central = self.measure(self.fitted, _train(self.fitted, x, y, rounds))["auc"]
        mine = None if swarm is None else self.measure(self.fitted, swarm)["auc"]
        return Scores(local, mine, central)

    def _alone(self, table: Table, rounds: int) -> float | None:
        assert table.label is not None
        try:
            fitted = make_fitted(self.kind, statistics_of(table), self.seed)
        except BadInput:
            return None  # one class only, or nothing to learn from
        parameters = _train(fitted, fitted.design.matrix(table), table.label, rounds)
        return self.measure(fitted, parameters)["auc"]


def _train(fitted: Fitted, x: Any, y: Any, rounds: int) -> Parameters:
    parameters: Parameters = fitted.model.initial()
    state: Parameters = {}
    for _ in range(rounds):
        parameters, state = fitted.model.fit(parameters, x, y, state)
    return parameters
