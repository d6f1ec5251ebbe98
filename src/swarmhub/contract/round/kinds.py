"""The kinds of round and their phases: one table that all code asks.

    describe     OPEN -> COLLECTING -> MERGING -> SETTLED     documents about the members' data
    sum          OPEN -> COLLECTING -> MERGING -> SETTLED     sums of the members' arrays
    initial      OPEN ->               MERGING -> SETTLED     the first leader's own start
    train        OPEN -> COLLECTING -> MERGING -> SETTLED     parameters after local training
    evaluate     OPEN -> COLLECTING -> MERGING -> SETTLED     metrics of the model, sums of counts

OPEN waits until min_peers are ready. COLLECTING closes when the whole roster has contributed, or
when min_peers have and the grace since the min_peers-th contribution is over; never without a
required member. MERGING fixes the set of contributions (its revision) and has a leader (its term);
an `evaluate` round without counts has nothing to merge, and is settled at once. SETTLED is never
stored: the settled model goes to the study, the round's record is replaced by that of the next one.

min_peers is the round's own (see `minimum`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from swarmhub.contract.records import StageKind

OPEN, COLLECTING, MERGING, SETTLED = "OPEN", "COLLECTING", "MERGING", "SETTLED"
DESCRIBE: StageKind = "describe"
SUM: StageKind = "sum"
INITIAL: StageKind = "initial"
TRAIN: StageKind = "train"
EVALUATE: StageKind = "evaluate"

Carries = Literal["document", "sums", "parameters", "counts"]
DOCUMENT: Carries = "document"
SUMS: Carries = "sums"  # arrays of any layout, if most contributions have it
PARAMETERS: Carries = "parameters"
COUNTS: Carries = "counts"  # as sums, or nothing


@dataclass(frozen=True)
class Phase:
    """A phase: its own deadline ("" for none), the transactions that are taken in it, and what
    happens when a contribution is dropped."""

    closes: str  # in words, for the reference
    timer: str
    transactions: tuple[str, ...]
    on_drop: Literal["stays", "goes back"]  # goes back: if the others are too few


PHASES = {
    OPEN: Phase("min_peers of the roster are ready", "", ("round.ready",), "stays"),
    COLLECTING: Phase(
        "the whole roster has contributed, or min_peers have and the grace is over",
        "grace",
        ("round.ready", "round.contribute", "round.retract"),
        "stays",
    ),
    MERGING: Phase(
        "the leader has settled with enough receipts",
        "term",
        ("round.ready", "round.retract", "round.suspect", "round.unavailable", "round.invalid",
         "round.settle", "round.dispute", "round.recompute"),
        "goes back",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A kind of round. `carries`: the form of what a contribution brings."""

    name: StageKind
    phases: tuple[str, ...]
    carries: Carries
    waits_for_all: bool = False  # its roster is all enrolled members, not only the last round's
    repeats: bool = False  # a stage of it may have many rounds

    @property
    def has_contributions(self) -> bool:
        """Whether members contribute; else each candidate may offer a start of its own."""
        return COLLECTING in self.phases

    @property
    def makes_model(self) -> bool:
        """Whether a settled round is the study's next model; else it is the stage's result."""
        return self.carries == PARAMETERS

    @property
    def has_free_layout(self) -> bool:
        """Whether the layout of a round is that of most contributions, not the model's."""
        return self.carries in (SUMS, COUNTS)

    def after(self, phase: str) -> str:
        """The phase that follows."""
        return self.phases[self.phases.index(phase) + 1]

    def before(self, phase: str) -> str:
        """The phase that a round goes back to."""
        return self.phases[self.phases.index(phase) - 1]


ALL_PHASES = (OPEN, COLLECTING, MERGING, SETTLED)
KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(DESCRIBE, ALL_PHASES, DOCUMENT, waits_for_all=True),
        Kind(SUM, ALL_PHASES, SUMS, repeats=True),
        Kind(INITIAL, (OPEN, MERGING, SETTLED), PARAMETERS),
        Kind(TRAIN, ALL_PHASES, PARAMETERS, repeats=True),
        Kind(EVALUATE, ALL_PHASES, COUNTS),
    )
}
TIMERS = (*(p.timer for p in PHASES.values() if p.timer), "dispute", "reinstatement")


def is_taken(phase: str, transaction: str) -> bool:
    """Return whether a round in this phase takes a transaction of this kind ("round.settle")."""
    return transaction in PHASES[phase].transactions
