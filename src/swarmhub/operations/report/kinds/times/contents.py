"""The contents of a report on the time to an event."""

from __future__ import annotations

from dataclasses import dataclass

from swarmhub.operations.report.contents import Evaluated, Hospital, Measured, Predicted, Report


@dataclass(frozen=True)
class EvaluatedTimes(Evaluated):
    """The figures of a model; `events` are those observed among its test rows."""

    events: int = 0


@dataclass(frozen=True)
class HospitalOfTimes(Hospital):
    """One hospital; main figures are C-indices over its own pairs. `events` is None if it has not
    said them."""

    swarm: EvaluatedTimes
    events: int | None  # among test rows


@dataclass(frozen=True)
class RiskGroup:
    """Test patients with similar predicted risk at the horizon: its mean, the risk found, the
    median time, and the survival curve as (time, share without the event)."""

    rows: int
    events: int
    predicted: float | None
    found: Measured
    median: Measured
    curve: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class PredictedTime(Predicted):
    """The outcome; `phrase` is the event. `horizon` is in the unit of the times, None if it is not
    known here."""

    time: str = ""  # column
    unit: str = ""
    horizon: float | None = None
    events: int = 0  # among training rows


@dataclass(frozen=True, kw_only=True)
class ReportOfTimes(Report):
    """A report; risk groups from low to high, and mean predicted risk at the horizon."""

    outcome: PredictedTime
    swarm: EvaluatedTimes
    left_out: EvaluatedTimes
    hospitals: tuple[HospitalOfTimes, ...]
    groups: tuple[RiskGroup, ...]
    predicted: float | None
