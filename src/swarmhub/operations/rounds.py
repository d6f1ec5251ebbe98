"""The history of a study's rounds per site, folded from the blocks of the ledger.

A contribution has two kinds of metrics: of the site's own parameters after local training, and of
the model that its round started from. So the metrics of a round's merged model are known one round
later.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from swarmhub.contract.envelope import read_transaction
from swarmhub.contract.events import Contributed, Evaluated, Event, Settled
from swarmhub.contract.records import Evaluation, Model, Provenance, Score
from swarmhub.contract.transactions import Contribute
from swarmhub.ledger import Committed
from swarmhub.types import Digest, MemberId


@dataclass(frozen=True)
class SiteOfRound:
    """One member's part in one round. Metrics are in millionths, as the ledger has them."""

    member: MemberId
    weight: int | None  # training samples; None if it was not in the merge
    own: Evaluation | None  # of its parameters before the merge
    merged: Evaluation | None  # of the round's merged model, on this member's data
    provenance: Provenance = field(default_factory=Provenance)  # of its contribution


@dataclass(frozen=True)
class SettledRound:
    """One settled round: its model, and each site's contribution and metrics."""

    model: Model
    time_ms: int
    sites: tuple[SiteOfRound, ...]
    mean: Score | None  # of the merged model over the sites


@dataclass
class _Settled:
    model: Model
    time_ms: int
    own: dict[MemberId, Evaluation]
    provenance: dict[MemberId, Provenance]
    merged: dict[MemberId, Evaluation] = field(default_factory=dict)
    mean: Score | None = None

    def shown(self) -> SettledRound:
        weights = {s.member: s.weight for s in self.model.shares}
        sites = tuple(
            SiteOfRound(
                m,
                weights.get(m),
                self.own.get(m),
                self.merged.get(m),
                self.provenance.get(m, Provenance()),
            )
            for m in sorted({*weights, *self.merged})
        )
        return SettledRound(self.model, self.time_ms, sites, self.mean)


class RoundBook:
    """The newest settled rounds of a study (`last`; 0: all), from blocks in order."""

    def __init__(self, study: str, last: int) -> None:
        self._study = study
        self._rounds: deque[_Settled] = deque(maxlen=last or None)
        self._own: dict[MemberId, Evaluation] = {}  # of the open round
        self._provenance: dict[MemberId, Provenance] = {}

    def see(self, committed: Committed) -> None:
        """Add a block's contributions, scores and settlements."""
        begun = len(committed.events) - sum(len(r.events) for r in committed.results)
        for event in committed.events[:begun]:
            self._hear(event, committed)
        for tx, result in zip(committed.block.txs, committed.results, strict=False):
            for event in result.events:
                if isinstance(event, Contributed) and event.study == self._study:
                    self._take_contribution(tx, event.member)
                self._hear(event, committed)

    def _hear(self, event: Event, committed: Committed) -> None:
        match event:
            case Settled() if event.study == self._study:
                time_ms = committed.block.header.time_ms
                self._rounds.append(_Settled(event.model, time_ms, self._own, self._provenance))
                self._own, self._provenance = {}, {}
            case Evaluated() if event.study == self._study:
                if found := self._find(event.score.digest):
                    found.mean = event.score

    def _take_contribution(self, tx: bytes, member: MemberId) -> None:
        body = read_transaction(tx).body
        assert isinstance(body, Contribute)
        self._own.pop(member, None)  # of a void one
        self._provenance[member] = body.provenance
        for measured in body.evaluations:
            if measured.digest == body.digest:
                self._own[member] = measured
            elif found := self._find(measured.digest):
                found.merged[member] = measured

    def _find(self, digest: Digest) -> _Settled | None:
        return next((r for r in reversed(self._rounds) if r.model.digest == digest), None)

    def rounds(self) -> tuple[SettledRound, ...]:
        """Return the settled rounds, oldest first."""
        return tuple(r.shown() for r in self._rounds)
