"""The contents of a report on an outcome of two classes."""

from __future__ import annotations

from dataclasses import dataclass

from swarmhub.operations.report.contents import Evaluated, Hospital, Measured, Predicted, Report

Point = tuple[float, float]


@dataclass(frozen=True)
class EvaluatedTwo(Evaluated):
    """The figures of a model. `cells` are true and false positives, true and false negatives at the
    threshold."""

    positives: int = 0
    negatives: int = 0
    cells: tuple[int, int, int, int] | None = None


@dataclass(frozen=True)
class HospitalOfTwo(Hospital):
    """One hospital; main figures are AUROCs. `positives` is None if it has not said them."""

    swarm: EvaluatedTwo
    positives: int | None  # test rows


@dataclass(frozen=True)
class Subgroup:
    """The model among the test patients of a declared subgroup, at the threshold."""

    name: str
    rows: int
    sensitivity: Measured
    specificity: Measured


@dataclass(frozen=True)
class Bin:
    """Test patients with similar predictions: the mean of these, and the share found."""

    predicted: float
    found: Measured


@dataclass(frozen=True)
class Curves:
    """Points of the pooled ROC curve, bins of the calibration plot, and the share predicted and
    found over all test patients in the histograms."""

    roc: tuple[Point, ...] = ()
    calibration: tuple[Bin, ...] = ()
    predicted: float | None = None
    found: float | None = None


@dataclass(frozen=True)
class PredictedTwo(Predicted):
    """The outcome, and the words for it."""

    positive: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()
    positives: int | None = 0  # training rows; None if none left the hospitals


@dataclass(frozen=True, kw_only=True)
class ReportOfTwo(Report):
    """A report; `within` is the mean of the hospitals' AUROCs."""

    outcome: PredictedTwo
    swarm: EvaluatedTwo
    left_out: EvaluatedTwo
    hospitals: tuple[HospitalOfTwo, ...]
    own: tuple[EvaluatedTwo, ...]
    within: Measured
    subgroups: tuple[Subgroup, ...]
    curves: Curves
