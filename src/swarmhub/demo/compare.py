"""Baselines for the swarm: each hospital alone, and pooled, on the same patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import IO, Any

import numpy as np

from swarmhub.contract.records import Spec
from swarmhub.data.dataset import Dataset
from swarmhub.data.design import Design, Options
from swarmhub.demo.sites import Site
from swarmhub.demo.yardstick import Found, Predict, design_alone, yardstick_of
from swarmhub.errors import BadInput
from swarmhub.evaluation.figures import Figure
from swarmhub.params import Layout
from swarmhub.params.buffer import arrays_from
from swarmhub.recipes.designing import make_design
from swarmhub.recipes.linear.axes import Axes
from swarmhub.recipes.linear.losses import loss_of
from swarmhub.recipes.linear.stack import Models, Stack
from swarmhub.recipes.plan import has_own_intercept
from swarmhub.recipes.standardise import make_local_design

Parameters = dict[str, Any]


@dataclass(frozen=True)
class Scores:
    """Main figures (AUC, of other outcomes another) on the pooled held-out patients; None if a
    model cannot be trained or measured. `own` has the swarm's on each hospital's own patients, with
    interval and support."""

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
        self._stacks: dict[str, Stack] = {}
        self.yardstick = yardstick_of(spec)
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
        return [
            f"{site.name}: {sentence}"
            for site in self._sites
            for sentence in self.design.mismatched(site.prepared.training)
        ]

    def load(self, file: IO[bytes], layout: Layout) -> Parameters:
        """Read parameters from a settled model's file."""
        return arrays_from(file, layout)

    def measure(self, parameters: Parameters) -> Found:
        """Return the main figure and `loss` of the swarm's model on all held-out patients."""
        return self._measure(lambda rows: self._apply(parameters, rows))

    def compare(self, swarm: Parameters | None) -> Scores:
        """Train each hospital alone and all pooled by the same recipe, and measure everything."""
        assert self.design is not None
        local = {s.name: self._alone(s.prepared.training) for s in self._sites}
        parts = [s.prepared.training for s in self._sites]
        central = self._score(self.yardstick.fit(parts, self.design))
        mine = None if swarm is None else self._main(self.measure(swarm))
        return Scores(local, mine, central, {} if swarm is None else self._measure_own(swarm))

    def _measure_own(self, swarm: Parameters) -> dict[str, Figure]:
        """Return the swarm's main figure on each hospital's own test patients; its support are
        patients, also if they have several rows."""
        return {
            name: replace(
                self.yardstick.figure(held, self._apply(swarm, held)),
                support=held.count_patients(),
            )
            for name, held in self._own.items()
            if held is not None and held.y is not None and held.rows
        }

    def _apply(self, parameters: Parameters, rows: Dataset) -> Any:
        if has_own_intercept(self._spec):
            bias = self._stack_of(rows).intercepts_of(parameters["weight"])
            parameters = {**parameters, "bias": bias}
        return self.yardstick.apply(parameters, rows, self._design_of(self._site_of(rows)))

    def _site_of(self, rows: Dataset) -> Site:
        """Return the hospital with these test patients; if they are all hospitals', the first."""
        return next((s for s in self._sites if s.prepared.held is rows), self._sites[0])

    def _design_of(self, site: Site) -> Design:
        """Return the design by which a hospital makes its rows."""
        assert self.design is not None
        return make_local_design(self._spec, self.design, site.prepared.statistics)

    def _stack_of(self, rows: Dataset) -> Stack:
        """Return the training rows of the hospital with these test patients, for its intercept."""
        assert self.design is not None
        site = self._site_of(rows)
        if site.name not in self._stacks:
            outcome, training = self.schema.outcome, site.prepared.training
            loss = loss_of(outcome.kind, len(outcome.classes) or 2)
            mean, sd = self.design.outcome
            assert training.y is not None
            models = Models.of([1.0], self.design.class_rows, loss, own=True)
            axes = Axes.of(self._design_of(site).matrix(training))
            self._stacks[site.name] = Stack.of(models, axes, (training.y - mean) / sd)
        return self._stacks[site.name]

    def _alone(self, training: Dataset) -> float | None:
        assert self.design is not None
        columns = [source.column for source in self.design.sources]
        options = Options(self.schema.max_missing, kind=self.schema.outcome.kind)
        try:
            design = design_alone(training, columns, options)
            return self._score(self.yardstick.fit([training], design))
        except BadInput:
            return None  # one class only, or nothing to learn from

    def _score(self, predict: Predict) -> float | None:
        return self._main(self._measure(predict))

    def _main(self, found: Found) -> float | None:
        return found[self.yardstick.metric]

    def _measure(self, predict: Predict) -> Found:
        if not self._tests:
            return {self.yardstick.metric: None, "loss": None}
        predicted = np.concatenate([predict(test) for test in self._tests])
        return self.yardstick.measure(self._tests, predicted)
