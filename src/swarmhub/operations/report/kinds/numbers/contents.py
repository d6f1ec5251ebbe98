"""The contents of a report on a measured outcome."""

from __future__ import annotations

from dataclasses import dataclass

from swarmhub.operations.report.contents import Measured, Predicted, Report


@dataclass(frozen=True)
class PredictedNumber(Predicted):
    """The outcome, its unit, and mean and standard deviation over all training rows."""

    unit: str = ""
    mean: float = 0.0
    deviation: float = 1.0
    is_declared: bool = False  # both are those of the terms


@dataclass(frozen=True)
class Calibration:
    """Values predicted and found over the published test rows, in the outcome's unit: mean and
    standard deviation of each, and the slope of the found on the predicted ones (1 is right)."""

    rows: int
    predicted: float
    predicted_deviation: float
    found: float
    found_deviation: float
    slope: Measured


@dataclass(frozen=True, kw_only=True)
class ReportOfNumber(Report):
    """A report; the hospitals' main figures are mean absolute errors in the outcome's unit."""

    outcome: PredictedNumber
    calibration: Calibration | None
