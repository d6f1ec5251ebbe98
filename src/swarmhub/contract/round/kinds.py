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

A masked round (see `masks`) has more phases, and its leader merges numbers that say nothing alone:

    OPEN -> KEYING -> DEALING -> COLLECTING -> MERGING -> UNMASKING -> CONFIRMING -> SETTLED

In KEYING members send public keys (mostly they are there before the round opens), in DEALING each
shares its two secrets among them. MERGING settles the sum of what they contributed; from then on
its set is final. In UNMASKING members show the shares that open this one sum, so that every node
computes the model; in CONFIRMING a leader has it confirmed and settled.

A large model is merged in shards (see `shards`), each with a leader. If members send changes, a
leader has the model that follows from the merged change confirmed:

    OPEN -> COLLECTING -> MERGING -> CONFIRMING -> SETTLED

min_peers is the round's own (see `minimum`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from swarmhub.contract.records import Round, StageKind
from swarmhub.types import MemberId

OPEN, COLLECTING, MERGING, SETTLED = "OPEN", "COLLECTING", "MERGING", "SETTLED"
KEYING, DEALING, UNMASKING, CONFIRMING = "KEYING", "DEALING", "UNMASKING", "CONFIRMING"
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
    """A phase: its own deadline ("" for none), the transactions that are taken in it, what happens
    when a contribution is dropped, and whether it has a leader."""

    closes: str  # in words, for the reference
    timer: str
    transactions: tuple[str, ...]
    on_drop: Literal["stays", "goes back", "is final"]  # goes back: if the others are too few
    is_led: bool = False


PHASES = {
    OPEN: Phase("min_peers of the roster are ready", "", ("round.ready",), "stays"),
    KEYING: Phase(
        "the whole roster has sent keys, or enough have and their time is over",
        "keying",
        ("round.ready", "round.key"),
        "stays",
    ),
    DEALING: Phase(
        "all with keys have dealt their shares, or enough have and their time is over",
        "keying",
        ("round.ready", "round.deal", "round.complain", "round.rekey"),
        "stays",
    ),
    COLLECTING: Phase(
        "the whole roster has contributed, or min_peers have and the grace is over",
        "grace",
        ("round.ready", "round.contribute", "round.retract", "round.complain",
         "round.rekey"),
        "stays",
    ),
    MERGING: Phase(
        "the leader has settled with enough receipts",
        "term",
        ("round.ready", "round.retract", "round.suspect", "round.unavailable", "round.invalid",
         "round.settle", "round.dispute", "round.recompute"),
        "goes back",
        is_led=True,
    ),
    UNMASKING: Phase(
        "as many members as the threshold have shown their shares",
        "",
        ("round.ready", "round.open"),
        "is final",
    ),
    CONFIRMING: Phase(
        "the leader has settled with enough receipts",
        "term",
        ("round.ready", "round.suspect", "round.settle"),
        "is final",
        is_led=True,
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
MASKED_PHASES = (
    OPEN, KEYING, DEALING, COLLECTING, MERGING, UNMASKING, CONFIRMING, SETTLED,
)  # fmt: skip
CHANGED_PHASES = (OPEN, COLLECTING, MERGING, CONFIRMING, SETTLED)
TIMERS = (
    *dict.fromkeys(p.timer for p in PHASES.values() if p.timer),
    "dispute",
    "reinstatement",
)


def get_phases(r: Round) -> tuple[str, ...]:
    """Return the phases of a round, in order."""
    if r.is_masked:
        return MASKED_PHASES
    return CHANGED_PHASES if r.wire and r.shards > 1 else KINDS[r.kind].phases


def get_after(r: Round, phase: str) -> str:
    """Return the phase that follows one of the round."""
    phases = get_phases(r)
    return phases[phases.index(phase) + 1]


def get_before(r: Round, phase: str) -> str:
    """Return the phase that the round goes back to from one."""
    phases = get_phases(r)
    return phases[phases.index(phase) - 1]


def has_free_layout(r: Round) -> bool:
    """Return whether what the round merges has the layout of most contributions, not the model's.
    Masked contributions, and changes in few bytes, have a form of their own."""
    has_own_form = r.is_masked or r.wire != ""
    return KINDS[r.kind].has_free_layout or (has_own_form and r.phase in (COLLECTING, MERGING))


def is_led(r: Round) -> bool:
    """Return whether the round has a leader now."""
    return PHASES[r.phase].is_led


def is_set_final(r: Round) -> bool:
    """Return whether nothing changes the set of contributions any more: shares that open their sum
    are shown, and no other sum of them may ever be opened."""
    return PHASES[r.phase].on_drop == "is final"


def waits_for_shares(r: Round, member: MemberId) -> bool:
    """Return whether a member holds shares that may open the settled sum, also if it has left the
    study since: one that is away is one fewer that may be."""
    return r.masks is not None and r.phase == UNMASKING and member in r.masks.keyed


def takes_members(r: Round) -> bool:
    """Return whether a member that becomes ready now takes part in this round. Once secrets are
    dealt, others have no mask in common with it."""
    if r.is_masked:
        return r.phase in (OPEN, KEYING)
    return not (r.phase in (MERGING, CONFIRMING) and KINDS[r.kind].has_contributions)


def is_taken(phase: str, transaction: str) -> bool:
    """Return whether a round in this phase takes a transaction of this kind ("round.settle")."""
    return transaction in PHASES[phase].transactions
