"""Baselines for the swarm: each hospital alone, and pooled, on the same patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np

from swarmhub.contract.records import Spec
from swarmhub.data.dataset import Dataset
from swarmhub.data.design import Design
from swarmhub.data.metrics import auc, log_loss
from swarmhub.data.split import fold_patients
from swarmhub.data.summaries import statistics_of
from swarmhub.demo.sites import Site
from swarmhub.errors import BadInput
from swarmhub.evaluation.figures import Figure, evaluate_scores
from swarmhub.params import Layout
from swarmhub.params.buffer import arrays_from, layout_of
from swarmhub.recipes.linear.alone import fit_alone
from swarmhub.recipes.linear.folds import FOLDS
from swarmhub.recipes.linear.losses import sigmoid
from swarmhub.recipes.preparing import make_design
from swarmhub.recipes.tabular import make_blank, predict_with

Parameters = dict[str, Any]


@dataclass(frozen=True)
class Scores:
    """AUCs on the pooled held-out patients; None if a model cannot be trained or measured. `own`
    has the swarm's on each hospital's own patients, with interval and support."""

    local: dict[str, float | None]
    swarm: float | None
    central: float | None
    own: dict[str, Figure] = field(default_factory=dict)

    @property
    def local_mean(self) -> float | None:
        """Mean over the hospitals that have a model of their own."""
        known = [v for v in self.local.values() if v is not None]
        return float(np.mean(known)) if known else None


class HeldOut:
    """The pooled held-out patients, and the model to measure on them."""

    def __init__(self, sites: Sequence[Site], spec: Spec) -> None:
        self._sites, self._spec = sites, spec
        self.schema = sites[0].prepared.schema
        held = [s.prepared.held for s in sites]
        shared = sites[0].sources.test is not None
        self._tests: list[Dataset] = [d for d in (held[:1] if shared else held) if d is not None]
        self._own = {} if shared else {s.name: s.prepared.held for s in sites}
        self.design: Design | None = None
        self.patients = sum(t.count_patients() for t in self._tests)

    def use(self, statistics: bytes) -> list[str]:
        """Set the swarm's merged statistics: everything is measured over the design that follows
        from them. Returns a sentence for each column that has another kind at a hospital."""
        self.design = make_design(statistics, self.schema.declaration, self.schema)
        self._blank = make_blank(self._spec, self.design)
        return [
            f"{site.name}: {sentence}"
            for site in self._sites
            for sentence in self.design.mismatched(site.prepared.training)
        ]

    @property
    def layout(self) -> Layout:
        """The layout of the swarm's models."""
        return layout_of(self._blank)

    def load(self, file: IO[bytes]) -> Parameters:
        """Read parameters from a settled model's file."""
        return arrays_from(file, self.layout)

    def measure(self, parameters: Parameters) -> dict[str, float | None]:
        """Return {"auc", "loss"} of the swarm's model on all held-out patients."""
        assert self.design is not None
        return self._measure(
            [predict_with(self._spec, parameters, self.design.matrix(t)) for t in self._tests]
        )

    def compare(self, swarm: Parameters | None) -> Scores:
        """Train each hospital alone and all pooled by the same recipe, and measure everything."""
        assert self.design is not None
        local = {s.name: self._alone(s.prepared.training) for s in self._sites}
        parts = [s.prepared.training for s in self._sites]
        x = np.concatenate([self.design.matrix(part) for part in parts])
        fold = np.concatenate([fold_patients(part, self._spec.seed, FOLDS) for part in parts])
        y = np.concatenate([part.y for part in parts if part.y is not None])
        central = self._score(self.design, fit_alone(x, y, fold)[1])
        mine = None if swarm is None else self.measure(swarm)["auc"]
        return Scores(local, mine, central, {} if swarm is None else self._measure_own(swarm))

    def _measure_own(self, swarm: Parameters) -> dict[str, Figure]:
        """Return the swarm's AUC on each hospital's own test patients."""
        found = {}
        for name, held in self._own.items():
            if held is None or held.y is None or self.design is None:
                continue
            probability = predict_with(self._spec, swarm, self.design.matrix(held))
            found[name] = evaluate_scores(held.y, probability).figures["auc"]
        return found

    def _alone(self, training: Dataset) -> float | None:
        try:
            design = Design.from_statistics(statistics_of(training))
        except BadInput:
            return None  # one class only, or nothing to learn from
        assert training.y is not None
        fold = fold_patients(training, self._spec.seed, FOLDS)
        return self._score(design, fit_alone(design.matrix(training), training.y, fold)[1])

    def _score(self, design: Design, point: Any) -> float | None:
        scores = [sigmoid(design.matrix(t) @ point[:-1] + point[-1]) for t in self._tests]
        return self._measure(scores)["auc"]

    def _measure(self, scores: list[Any]) -> dict[str, float | None]:
        if not self._tests:
            return {"auc": None, "loss": None}
        probability = np.concatenate(scores)
        label = np.concatenate([t.y for t in self._tests if t.y is not None])
        return {"auc": auc(label, probability), "loss": log_loss(label, probability)}
