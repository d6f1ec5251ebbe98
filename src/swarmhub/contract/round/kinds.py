"""The kinds of round and their phases: one table that all code asks.

    statistics   OPEN -> COLLECTING -> MERGING -> SETTLED     summaries of the members' data
    initial      OPEN ->               MERGING -> SETTLED     the first leader's own start
    parameters   OPEN -> COLLECTING -> MERGING -> SETTLED     parameters after local training
    evaluation   OPEN -> COLLECTING ->            SETTLED     metrics of the last merge

OPEN waits until min_peers are ready. COLLECTING closes when the whole roster has contributed, or
when min_peers have and the grace since the min_peers-th contribution is over. MERGING fixes the set
of contributions (its revision) and has a leader (its term). SETTLED is never stored: the settled
model goes to the study, the round's record is replaced by that of the next one.

min_peers is the round's own (see `minimum`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from swarmhub.contract.records import Spec

OPEN, COLLECTING, MERGING, SETTLED = "OPEN", "COLLECTING", "MERGING", "SETTLED"
Carries = Literal["document", "parameters", "nothing"]
DOCUMENT: Carries = "document"
PARAMETERS: Carries = "parameters"
NOTHING: Carries = "nothing"


@dataclass(frozen=True)
class Phase:
    """A phase: its own deadline ("" for none) and the transactions that are taken in it."""

    closes: str  # in words, for the reference
    timer: str
    transactions: tuple[str, ...]


PHASES = {
    OPEN: Phase("min_peers of the roster are ready", "", ("round.ready",)),
    COLLECTING: Phase(
        "the whole roster has contributed, or min_peers have and the grace is over",
        "grace",
        ("round.ready", "round.contribute", "round.retract"),
    ),
    MERGING: Phase(
        "the leader has settled with enough receipts",
        "term",
        ("round.ready", "round.retract", "round.suspect", "round.unavailable", "round.invalid",
         "round.settle", "round.dispute", "round.recompute"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A kind of round. `carries`: the form of what a contribution brings."""

    name: str
    phases: tuple[str, ...]
    carries: Carries
    waits_for_all: bool = False  # its roster is all enrolled members, not only the last round's

    @property
    def has_contributions(self) -> bool:
        """Whether members contribute; else each candidate may offer a start of its own."""
        return COLLECTING in self.phases

    @property
    def has_merge(self) -> bool:
        """Whether the result is computed from contributions, so that it can be audited."""
        return self.has_contributions and MERGING in self.phases

    def after(self, phase: str) -> str:
        """The phase that follows."""
        return self.phases[self.phases.index(phase) + 1]

    def before(self, phase: str) -> str:
        """The phase that a round goes back to."""
        return self.phases[self.phases.index(phase) - 1]


KINDS = {
    kind.name: kind
    for kind in (
        Kind("statistics", (OPEN, COLLECTING, MERGING, SETTLED), DOCUMENT, waits_for_all=True),
        Kind("initial", (OPEN, MERGING, SETTLED), PARAMETERS),
        Kind("parameters", (OPEN, COLLECTING, MERGING, SETTLED), PARAMETERS),
        Kind("evaluation", (OPEN, COLLECTING, SETTLED), NOTHING),
    )
}
TIMERS = (*(p.timer for p in PHASES.values() if p.timer), "dispute", "reinstatement")


def is_taken(phase: str, transaction: str) -> bool:
    """Return whether a round in this phase takes a transaction of this kind ("round.settle")."""
    return transaction in PHASES[phase].transactions


def compute_kind(spec: Spec, number: int) -> str | None:
    """Return the kind of round `number` (from 1); None after the last."""
    first = 2 if spec.statistics else 1
    if number < first:
        return "statistics"
    if number == first:
        return "initial"
    if number <= first + spec.rounds:
        return "parameters"
    return "evaluation" if number == first + spec.rounds + 1 else None


def compute_training_round(spec: Spec, number: int) -> int:
    """Return which parameter round (1 to spec.rounds) this round is; 0 or less before the first."""
    return number - (2 if spec.statistics else 1)
