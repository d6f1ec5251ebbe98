"""The contents of a report: each number once, with the conditions under which it holds.

The page and the JSON file are made from these records, so that they cannot differ. A figure that
cannot be computed has no value and a reason. Each kind of outcome adds its own (`kinds`).
"""

from __future__ import annotations

from dataclasses import dataclass

from swarmhub.data.findings import Finding
from swarmhub.operations.budgets import StudyBudget
from swarmhub.operations.privacy_audit.contents import Audit
from swarmhub.operations.report.answers import Answer
from swarmhub.operations.report.features import Feature
from swarmhub.types import Digest

FORM = "swarmhub/report/4"  # of the JSON file; another shape gets another number


@dataclass(frozen=True)
class Measured:
    """A figure with its 95% interval; `support` is the number of rows that it is about, `method`
    that of the interval. `reason` says why there is no value."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    support: int
    method: str = ""
    reason: str = ""
    is_descriptive: bool = False  # too few patients of a class to say something of others


@dataclass(frozen=True)
class Evaluated:
    """The figures of a model (`swarm`; `left-out`: each hospital's patients by the model that was
    trained without it; `local`: the hospital's own) on the test patients of a hospital or of all.
    `rows` are those of its test patients."""

    model: str
    patients: str  # the hospital's name, or "all hospitals"
    rows: int = 0
    figures: tuple[Measured, ...] = ()
    reason: str = ""  # why there are no figures

    def figure(self, name: str) -> Measured:
        """Return a figure by its name; one without a value if there is none."""
        missing = Measured(name, None, None, None, 0, reason=self.reason or "it is not published")
        return next((f for f in self.figures if f.name == name), missing)


@dataclass(frozen=True)
class Hospital:
    """One hospital: its part in the model, and the figures that it published. `tested` is None if
    it has not said so."""

    name: str
    trained: int  # rows
    tested: int | None  # rows
    swarm: Evaluated
    left_out: Measured  # main figure of the model that was trained without it
    local: Measured  # main figure of its own model
    curve: tuple[float | None, ...]  # the study's metric by training round
    took_part: tuple[bool, ...]
    software: str
    data: Digest


@dataclass(frozen=True)
class Penalty:
    """The choice of the penalty: held-out losses by strength C. `is_fixed`: the terms name it."""

    strengths: tuple[float, ...]
    losses: tuple[float, ...]
    chosen: float | None
    rounds: int
    is_fixed: bool


@dataclass(frozen=True)
class Contributed:
    """A hospital's contribution to the model: a share of the loss of no model. `is_shapley`: its
    Shapley value; else what is lost if it alone is left out."""

    hospital: str
    value: float
    is_shapley: bool


@dataclass(frozen=True)
class Dropped:
    """Columns that the model does not use, and why."""

    why: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Conditions:
    """The conditions of every figure: model, terms, split, threshold, and settled results."""

    study: str
    chain: str
    terms: Digest
    recipe: str
    method: str  # in words
    model: Digest
    layout: Digest
    rounds: int  # of training
    settled_ms: int  # since 1970; time of the block that settled the model
    threshold: float | None  # of a probability; None if the outcome has none
    test_fraction: str
    split: str  # in words
    min_count: int  # patients; smaller counts are withheld
    results: dict[str, Digest]  # by stage
    privacy: dict[str, str]  # what was hidden, what was not, what that excludes, in words
    is_private: bool = False  # differential privacy


@dataclass(frozen=True)
class Predicted:
    """The outcome: its kind, its column, and how it is called in sentences."""

    kind: str
    column: str
    phrase: str
    trained: int  # rows


@dataclass(frozen=True)
class Report:
    """A report. `own`, `findings` and `leakage` are known to `hospital` alone, which made it; the
    rest is what any member of the study can compute."""

    title: str
    hospital: str
    conditions: Conditions
    outcome: Predicted
    swarm: Evaluated
    left_out: Evaluated
    hospitals: tuple[Hospital, ...]
    metric: str
    learning: tuple[float | None, ...]  # mean of the metric by training round
    penalty: Penalty | None
    features: tuple[Feature, ...]
    dropped: tuple[Dropped, ...]
    own: tuple[Evaluated, ...]
    findings: tuple[Finding, ...]
    terms: tuple[tuple[str, str], ...]
    contributions: tuple[Contributed, ...] = ()
    whole: float | None = None  # share of the loss of no model by which that of all is lower
    tripod_ai: tuple[Answer, ...] = ()
    probast_ai: tuple[Answer, ...] = ()
    leakage: Audit | None = None  # known to `hospital` alone; None if it has run no audit
    budget: StudyBudget | None = None  # None if the study has no differential privacy
    form: str = FORM
