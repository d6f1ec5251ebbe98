"""The contents of a report on an outcome of several classes."""

from __future__ import annotations

from dataclasses import dataclass

from swarmhub.operations.report.contents import Measured, Predicted, Report


@dataclass(frozen=True)
class OfClass:
    """The figures of one class against all others, and its published test rows."""

    name: str
    tested: int
    precision: Measured
    recall: Measured
    f1: Measured
    auc: Measured


@dataclass(frozen=True)
class Confusion:
    """Test rows by true class (rows) and named class (columns), (K, K); `withheld` are those that
    hospitals do not publish by class."""

    cells: tuple[tuple[int, ...], ...] = ()
    withheld: int = 0


@dataclass(frozen=True)
class PredictedClasses(Predicted):
    """The outcome, its classes in order, and the training rows of each."""

    classes: tuple[str, ...] = ()
    trained_by_class: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ReportOfClasses(Report):
    """A report; the hospitals' main figures are accuracies. `most_frequent` is the share of test
    rows for which the most frequent class is right."""

    outcome: PredictedClasses
    classes: tuple[OfClass, ...]
    confusion: Confusion
    most_frequent: Measured
    most_frequent_class: str
