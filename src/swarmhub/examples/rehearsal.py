"""A study's swarm in one process, on any split of its patients: no nodes, the same arithmetic."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from swarmhub.contract.records import Spec
from swarmhub.contract.stages import find_stage
from swarmhub.data.dataset import Dataset
from swarmhub.data.design import Design, Options
from swarmhub.data.frames import Floats
from swarmhub.data.schema import Schema
from swarmhub.data.split import fold_patients, split_patients
from swarmhub.data.summaries import statistics_of
from swarmhub.demo.yardstick import (
    Predict,
    Yardstick,
    design_alone,
    in_columns,
    outcomes,
    times,
    yardstick_of,
)
from swarmhub.errors import BadInput
from swarmhub.merge.documents import merge_statistics
from swarmhub.recipes import plan
from swarmhub.recipes.cox import BASELINES
from swarmhub.recipes.designing import make_design
from swarmhub.recipes.linear import FOLDS
from swarmhub.recipes.linear.losses import loss_of
from swarmhub.recipes.linear.offline import Hospital, Rehearsal, add, rehearse
from swarmhub.recipes.linear.training import predict
from swarmhub.recipes.stages import FIXED
from swarmhub.recipes.standardise import make_local_design
from swarmhub.recipes.survival.cox import AGREED, MAX_ROUNDS, Cox
from swarmhub.recipes.survival.likelihood import Rows
from swarmhub.recipes.survival.times import count_times, derive_grid, observe


@dataclass(frozen=True, eq=False)
class Split:
    """Rows for training and held-out rows of each hospital of a study that declares data."""

    spec: Spec
    training: tuple[Dataset, ...]
    held: tuple[Dataset, ...]

    @classmethod
    def of(cls, spec: Spec, datasets: Sequence[Dataset], seed: int, fraction: float) -> Split:
        """Return the split of this seed, which sets aside a fraction of the patients of each class
        at each hospital."""
        both = [split_patients(part, seed, fraction) for part in datasets]
        training, held = zip(*both, strict=True)
        return cls(spec, training, held)

    @functools.cached_property
    def schema(self) -> Schema:
        """The checked declaration."""
        assert self.spec.data is not None
        return Schema.of(self.spec.data)

    @functools.cached_property
    def design(self) -> Design:
        """The features that follow from the merged statistics."""
        least = self.schema.declaration.min_count
        documents = {k: statistics_of(part, least) for k, part in enumerate(self.training)}
        return make_design(merge_statistics(documents), self.schema.declaration, self.schema)

    @functools.cached_property
    def designs(self) -> list[Design]:
        """The design by which each hospital makes its rows."""
        least, design = self.schema.declaration.min_count, self.design
        return [
            make_local_design(self.spec, design, statistics_of(part, least))
            for part in self.training
        ]

    def matrix(self, rows: Dataset) -> Floats:
        """Return features of a hospital's held-out rows, (n, p)."""
        place = next(k for k, part in enumerate(self.held) if part is rows)
        return self.designs[place].matrix(rows)

    @functools.cached_property
    def x(self) -> list[Floats]:
        """Features of each hospital's training rows, (n, p)."""
        return [d.matrix(part) for d, part in zip(self.designs, self.training, strict=True)]

    @functools.cached_property
    def folds(self) -> list[npt.NDArray[np.int64]]:
        """Folds of each hospital's training rows, (n,)."""
        return [fold_patients(part, self.spec.seed, FOLDS) for part in self.training]

    @functools.cached_property
    def yardstick(self) -> Yardstick:
        """The measure of the study's models."""
        return yardstick_of(self.spec)

    @property
    def penalty(self) -> float:
        """The penalty of a Cox model, in the unit of its whole log-likelihood."""
        return 1.0 / (plan.read_penalty(self.spec) or FIXED)

    def score(self, scored: Predict) -> float | None:
        """Return the main figure of predictions of all held-out rows together."""
        predicted = np.concatenate([scored(part) for part in self.held])
        return self.yardstick.measure(self.held, predicted)[self.yardstick.metric]

    def score_alone(self) -> list[float]:
        """Return the main figure of each hospital's own model, out of the columns that the swarm
        uses; none of a hospital that has none."""
        columns = [source.column for source in self.design.sources]
        options = Options(self.schema.max_missing, kind=self.schema.outcome.kind)
        found = []
        for part in self.training:
            try:
                scored = self.yardstick.fit([part], design_alone(part, columns, options))
            except BadInput:
                continue  # one class only
            found.append(self.score(scored))
        return [value for value in found if value is not None]


def train_swarm(split: Split) -> Predict:
    """Return the swarm's model, by the rounds of the study's recipe."""
    is_time = split.schema.outcome.kind == "time_to_event"
    return train_times(split) if is_time else train_linear(split)


def train_linear(split: Split) -> Predict:
    """Return a linear model, its penalty learnt in the swarm."""
    outcome = split.schema.outcome
    loss = loss_of(outcome.kind, len(outcome.classes) or 2)
    hospitals = [
        Hospital(x, outcomes([part]).astype(np.int64), fold)
        for x, part, fold in zip(split.x, split.training, split.folds, strict=True)
    ]
    stage = find_stage(split.spec, plan.TRAINING)
    rounds = stage.max_rounds if stage else plan.ROUNDS
    how = Rehearsal(loss=loss, grid_rounds=plan.GRID_ROUNDS, rounds=rounds, still=plan.STILL)
    made = rehearse(hospitals, how).parameters

    def scored(rows: Dataset) -> Floats:
        found = predict(loss, made["weight"], made["bias"], split.matrix(rows))
        return in_columns(found) if outcome.kind == "classes" else found

    return scored


def train_times(split: Split) -> Predict:
    """Return a Cox model, with a baseline of each hospital unless the terms share one."""
    least, design = split.schema.declaration.min_count, split.design
    grid = derive_grid(np.sum([count_times(times(part), least) for part in split.training], axis=0))
    rows = [
        Rows(x, observe(grid, times(part), outcomes([part])))
        for x, part in zip(split.x, split.training, strict=True)
    ]
    own = split.spec.options.get("baseline", BASELINES[0]) == "own"
    cox = Cox(len(design.sources), len(grid), split.penalty, own)
    sums = add([cox.arrays(one, None) for one in rows], AGREED)
    while sums["moving"][0] and sums["turn"][0] < MAX_ROUNDS:
        sums = add([cox.arrays(one, sums) for one in rows], AGREED)
    beta = cox.read(sums).beta
    return lambda tested: np.asarray(split.matrix(tested) @ beta)
