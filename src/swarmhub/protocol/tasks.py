"""Tasks of the trainer, from the ledger's state."""

from __future__ import annotations

from dataclasses import dataclass

from swarmhub.contract.round.kinds import KINDS, is_led, is_set_final
from swarmhub.contract.round.minimum import is_staffed, take_in
from swarmhub.contract.state import Reader
from swarmhub.protocol.collect import get_needed
from swarmhub.protocol.local_state import LocalState
from swarmhub.protocol.view import make_view
from swarmhub.types import Digest


@dataclass(frozen=True)
class TrainingTask:
    """The present task of this node's trainer."""

    study: str
    number: int
    kind: str
    stage: str
    turn: int  # round of the stage, 1 to `rounds`
    rounds: int
    base: Digest  # settled model or result to start from; "" before the first
    layout: Digest  # of the study's model
    model: Digest  # the study's current model; "" before the first
    spec: Digest  # the terms that hold now


def assign(state: Reader, local: LocalState) -> TrainingTask | None:
    """Return the trainer's next task; None as long as it has to wait. Nothing is computed from a
    hospital's data for a round that has too few hospitals on its roster."""
    view = make_view(state, local, 0)
    if view is None:
        return None
    uses_data, has_enough = KINDS[view.r.kind].has_contributions, is_staffed(view.r)
    if uses_data and (is_led(view.r) or is_set_final(view.r) or not has_enough):
        return None
    joined = take_in(view.spec, view.study, view.r, local.me)  # else in the next round
    return expect(state, local) if joined is not None else None


def expect(state: Reader, local: LocalState) -> TrainingTask | None:
    """Return the task that an answer of the trainer may be to, also one that comes when the others
    merge already: they may have to collect again. None once the set is final."""
    view = make_view(state, local, 0)
    if view is None:
        return None
    r, study, prepared = view.r, view.study, local.prepared
    if not view.stage.takes(local.me) or is_set_final(r):
        return None
    answered = prepared is not None and (prepared.number, prepared.base) == (r.number, r.base)
    if answered or r.contribution_of(local.me) is not None:
        return None
    if any(m.digest not in local.held for m in get_needed(state, study)):
        return None
    return TrainingTask(
        study=r.study,
        number=r.number,
        kind=r.kind,
        stage=view.stage.name,
        turn=r.turn,
        rounds=view.stage.max_rounds,
        base=r.base,
        layout=study.current.layout if study.current else view.spec.layout,
        model=study.current.digest if study.current else "",
        spec=study.spec,
    )
