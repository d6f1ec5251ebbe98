"""The measure of a study's models, by the kind of the outcome: predictions of rows, the same recipe
in one place for comparison, and one main figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from swarmhub.contract.records import Spec
from swarmhub.data.dataset import Dataset
from swarmhub.data.design import Design, Options
from swarmhub.data.frames import Floats
from swarmhub.data.metrics import auc, log_loss
from swarmhub.data.split import fold_patients
from swarmhub.data.summaries import statistics_of
from swarmhub.errors import BadInput, plain
from swarmhub.evaluation import classes
from swarmhub.evaluation.figures import Figure, evaluate_scores
from swarmhub.evaluation.sums import mean_of
from swarmhub.models.architecture import need_architecture
from swarmhub.recipes.linear.folds import FOLDS
from swarmhub.recipes.linear.losses import (
    LOGISTIC,
    Loss,
    Squared,
    loss_of,
    predict_rows,
    sigmoid,
)
from swarmhub.recipes.plan import get_model, read_penalty
from swarmhub.recipes.registry import find_alone
from swarmhub.recipes.stages import FIXED
from swarmhub.recipes.survival.cox import MAX_ROUNDS, Cox
from swarmhub.recipes.survival.likelihood import Rows
from swarmhub.recipes.survival.times import count_times, derive_grid, observe

Predict = Callable[[Dataset], Floats]
Found = dict[str, float | None]


class Yardstick(Protocol):
    """Models and figures of a kind of outcome. Predictions are (n,), of several classes (n, e)."""

    @property
    def title(self) -> str:
        """The main figure, for people."""

    @property
    def metric(self) -> str:
        """The main figure's name."""

    def apply(self, parameters: Mapping[str, Any], rows: Dataset, design: Design) -> Floats:
        """Return the swarm's predictions of rows."""

    def fit(self, parts: Sequence[Dataset], design: Design) -> Predict:
        """Train in one place over these rows. Raises BadInput if there is no model of them."""

    def measure(self, tests: Sequence[Dataset], predicted: Floats) -> Found:
        """Return the main figure and `loss` of predictions of all these rows together."""

    def figure(self, test: Dataset, predicted: Floats) -> Figure:
        """Return the main figure of one hospital's rows."""


def yardstick_of(spec: Spec) -> Yardstick:
    """Return the measure of a study's models."""
    kind = spec.data.outcome.kind if spec.data else "binary"
    kinds: dict[str, type[Yardstick]] = {
        "binary": Binary, "classes": Classes, "continuous": Numbers, "time_to_event": Times,
    }  # fmt: skip
    made: Callable[[Spec], Yardstick] = kinds[kind]
    return made(spec)


@dataclass(frozen=True)
class Binary:
    """Two classes: AUC."""

    spec: Spec
    title: str = "AUC"
    metric: str = "auc"

    def apply(self, parameters: Mapping[str, Any], rows: Dataset, design: Design) -> Floats:
        """Return the probability of the positive class, (n,)."""
        return sigmoid(score(self.spec, parameters, rows, design)[0])

    def fit(self, parts: Sequence[Dataset], design: Design) -> Predict:
        """Train a model of two classes."""
        margins = fit_margins(parts, design, self.spec, LOGISTIC)
        return lambda rows: sigmoid(margins(rows)[0])

    def measure(self, tests: Sequence[Dataset], predicted: Floats) -> Found:
        """Return AUC and log loss."""
        label = outcomes(tests)
        return {"auc": auc(label, predicted), "loss": log_loss(label, predicted)}

    def figure(self, test: Dataset, predicted: Floats) -> Figure:
        """Return the AUC, with interval."""
        return evaluate_scores(outcomes([test]), predicted).figures["auc"]


@dataclass(frozen=True)
class Classes:
    """Several classes: macro-F1."""

    spec: Spec
    title: str = "macro-F1"
    metric: str = "macro_f1"

    @property
    def loss(self) -> Loss:
        """The loss of training."""
        return loss_of("classes", self._count())

    def apply(self, parameters: Mapping[str, Any], rows: Dataset, design: Design) -> Floats:
        """Return the probability of each class, (n, e)."""
        margins = score(self.spec, parameters, rows, design)
        return in_columns(predict_rows(self.loss, margins))

    def fit(self, parts: Sequence[Dataset], design: Design) -> Predict:
        """Train a model of those classes that the rows have; the others get the probability 0."""
        known, codes = np.unique(outcomes(parts), return_inverse=True)
        if len(known) < 2:
            raise BadInput("Expected rows of two classes or more, got one.")
        ends = np.cumsum([part.rows for part in parts])[:-1]
        renamed = [replace(part, y=y.astype(np.float64))
                   for part, y in zip(parts, np.split(codes, ends), strict=True)]  # fmt: skip
        loss = loss_of("classes", len(known))
        margins = fit_margins(renamed, design, self.spec, loss)

        def scored(rows: Dataset) -> Floats:
            found = np.zeros((rows.rows, self._count()))
            made = predict_rows(loss, margins(rows))
            found[:, known.astype(np.int64)] = in_columns(made)
            return found

        return scored

    def measure(self, tests: Sequence[Dataset], predicted: Floats) -> Found:
        """Return macro-F1 and log loss."""
        figures = self._evaluate(outcomes(tests), predicted).figures
        return {"macro_f1": figures["macro_f1"].value, "loss": figures["loss"].value}

    def figure(self, test: Dataset, predicted: Floats) -> Figure:
        """Return the macro-F1."""
        return self._evaluate(outcomes([test]), predicted).figures["macro_f1"]

    def _evaluate(self, y: Floats, predicted: Floats) -> classes.ClassEvaluation:
        return classes.evaluate_counts(classes.make_counts(y, predicted, None, 1, 0))

    def _count(self) -> int:
        return len(self.spec.data.outcome.classes) if self.spec.data else 2


@dataclass(frozen=True)
class Numbers:
    """A number: the mean absolute error, in its unit."""

    spec: Spec
    metric: str = "mae"

    @property
    def title(self) -> str:
        """The main figure, for people."""
        unit = self.spec.data.outcome.unit if self.spec.data else ""
        return f"MAE ({plain(unit, 20)})" if unit else "MAE"

    def apply(self, parameters: Mapping[str, Any], rows: Dataset, design: Design) -> Floats:
        """Return values in the unit, (n,)."""
        mean, sd = design.outcome
        found: Floats = mean + sd * score(self.spec, parameters, rows, design)[0]
        return found

    def fit(self, parts: Sequence[Dataset], design: Design) -> Predict:
        """Train a model of the standardised number."""
        mean, sd = design.outcome
        scaled = [replace(p, y=(outcomes([p]) - mean) / sd) for p in parts]
        margins = fit_margins(scaled, design, self.spec, Squared())
        return lambda rows: mean + sd * margins(rows)[0]

    def measure(self, tests: Sequence[Dataset], predicted: Floats) -> Found:
        """Return the mean absolute error; and half of the mean squared error, by the variance."""
        y = outcomes(tests)
        error, spread = y - predicted, float(y.var())
        loss = 0.5 * float((error**2).mean()) / spread if spread > 0 else None
        return {"mae": float(np.abs(error).mean()), "loss": loss}

    def figure(self, test: Dataset, predicted: Floats) -> Figure:
        """Return the mean absolute error, with interval."""
        error = np.abs(outcomes([test]) - predicted)
        return mean_of(len(error), float(error.sum()), float((error**2).sum()))


@dataclass(frozen=True)
class Times:
    """A time to an event: Harrell's C."""

    spec: Spec
    title: str = "C-index"
    metric: str = "c_index"

    def apply(self, parameters: Mapping[str, Any], rows: Dataset, design: Design) -> Floats:
        """Return logarithms of hazards over the baseline, (n,)."""
        found: Floats = score(self.spec, parameters, rows, design)[0]
        return found

    def fit(self, parts: Sequence[Dataset], design: Design) -> Predict:
        """Train a Cox regression with one baseline for all rows."""
        time, event = np.concatenate([times(part) for part in parts]), outcomes(parts)
        if not event.any():
            raise BadInput("Expected rows with an event, got none.")
        grid = derive_grid(count_times(time, 1))
        rows = Rows(
            np.concatenate([design.matrix(part) for part in parts]), observe(grid, time, event)
        )
        strength = read_penalty(self.spec) or FIXED
        cox = Cox(len(design.sources), len(grid), 1.0 / strength)
        sums = cox.arrays(rows, None)
        while sums["moving"][0] and sums["turn"][0] < MAX_ROUNDS:
            sums = cox.arrays(rows, sums)
        beta = cox.read(sums).beta
        return lambda tested: np.asarray(design.matrix(tested) @ beta)

    def measure(self, tests: Sequence[Dataset], predicted: Floats) -> Found:
        """Return the C-index over all pairs."""
        time = np.concatenate([times(test) for test in tests])
        return {"c_index": concordance(time, outcomes(tests), predicted), "loss": None}

    def figure(self, test: Dataset, predicted: Floats) -> Figure:
        """Return the C-index, without an interval."""
        value = concordance(times(test), outcomes([test]), predicted)
        return Figure(value, None, None, test.rows)


def score(spec: Spec, parameters: Mapping[str, Any], rows: Dataset, design: Design) -> Floats:
    """Return the margins of rows by a study's model, (outputs, n)."""
    return need_architecture(get_model(spec), design).score(parameters, design.matrix(rows))


def design_alone(part: Dataset, columns: Sequence[str], options: Options) -> Design:
    """Return the design of one hospital's own statistics, out of the columns that the swarm uses.
    Raises BadInput if there are none."""
    known, kept = set(columns), [k for k, name in enumerate(part.features) if name in set(columns)]
    found, codes = np.unique(outcomes([part]), return_inverse=True)  # it may lack a class
    is_whole = options.kind in ("continuous", "time_to_event")
    own = replace(
        part, x=part.x[:, kept], features=tuple(part.features[k] for k in kept), blocks=(),
        categories={n: words for n, words in part.categories.items() if n in known},
        y=part.y if is_whole else codes.astype(np.float64),
    )  # fmt: skip
    options = options if is_whole else replace(options, classes=len(found))
    return Design.from_statistics(statistics_of(own), options)


def fit_margins(parts: Sequence[Dataset], design: Design, spec: Spec, loss: Loss) -> Predict:
    """Train the study's recipe on these rows, or a linear model if it cannot train in one place;
    return the margins of rows, (outputs, n). Raises BadInput if a class is absent."""
    x = np.concatenate([design.matrix(part) for part in parts])
    fold = np.concatenate([fold_patients(part, spec.seed, FOLDS) for part in parts])
    try:
        margins = find_alone(get_model(spec))(spec, x, outcomes(parts), fold, loss)
    except ValueError as error:
        raise BadInput(str(error)) from None
    return lambda rows: margins(design.matrix(rows))


def outcomes(parts: Sequence[Dataset]) -> Floats:
    """Return the outcomes of rows, (n,)."""
    return np.concatenate([part.y for part in parts if part.y is not None])


def times(part: Dataset) -> Floats:
    """Return the times of rows, (n,)."""
    assert part.time is not None
    return part.time


def in_columns(probability: Floats) -> Floats:
    """Return probabilities by class, (n, e); of two classes that of the second is given, (n,)."""
    if probability.ndim == 2:
        return probability
    return np.column_stack([1.0 - probability, probability])


def concordance(time: Floats, event: Floats, score: Floats) -> float | None:
    """Return Harrell's C (JAMA 1982;247:2543): the share of pairs in which the patient with the
    earlier event has the higher score, ties half; a patient censored at the time of an event
    lives on. (n,), (n,), (n,) -> 0..1; None if there is no pair. Memory is of order n^2."""
    later = (time[None] > time[:, None]) | ((time[None] == time[:, None]) & (event[None] == 0))
    pairs = later & (event[:, None] == 1)
    right = (score[:, None] > score[None]) + 0.5 * (score[:, None] == score[None])
    return float((right * pairs).sum() / pairs.sum()) if pairs.any() else None
