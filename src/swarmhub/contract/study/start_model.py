"""The start of a study from a released model of another one, instead of an initial round.

A release is the consent of the members of that study: its model may go to others. Where the terms
name one, the contract takes it as the study's first model; nobody sends or merges anything for it.
"""

from __future__ import annotations

from dataclasses import replace

from swarmhub.contract import events
from swarmhub.contract.context import Context
from swarmhub.contract.records import STUDY, Model, Position, Spec, Stage, StartModel, Study
from swarmhub.contract.refusals import BadValue, UnknownThing
from swarmhub.contract.round.kinds import INITIAL
from swarmhub.contract.stages import get_stages
from swarmhub.contract.state import Reader

MAX_HOLDERS = 8  # members of the other study that are named as holders, beside its leader


def find_released(state: Reader, start: StartModel) -> Model | None:
    """Return the released model that terms name; None if there is none."""
    study = STUDY.get(state, start.study)
    released = study.released if study else ()
    return next((m for m in released if m.digest == start.model), None)


def check_start(ctx: Context, spec: Spec) -> None:
    """Refuse a start from a model that is not released, or that the terms have no place for."""
    if spec.start_from is None:
        return
    if all(stage.kind != INITIAL for stage in get_stages(spec)):
        raise BadValue("start_from", "none: no stage has a model", spec.start_from.study)
    model = find_released(ctx.state, spec.start_from)
    if model is None:
        raise UnknownThing(f"released model of '{spec.start_from.study[:40]}'",
                           spec.start_from.model)  # fmt: skip
    if spec.layout and spec.layout != model.layout:
        expected = f"that of the model in start_from, {model.layout[:16]}…, or none"
        raise BadValue("layout", expected, spec.layout)
    if model.nbytes > spec.max_bytes:
        raise BadValue("max_bytes", f"{model.nbytes} or more, for start_from", spec.max_bytes)


def begins_with_model(study: Study, spec: Spec, stage: Stage) -> bool:
    """Return whether the stage has its model without a round."""
    return stage.kind == INITIAL and study.current is None and spec.start_from is not None


def take_start(ctx: Context, study: Study, spec: Spec, at: Position) -> None:
    """Make the released model the study's current one, as of the stage at this position."""
    assert spec.start_from is not None
    released = find_released(ctx.state, spec.start_from)
    if released is None:
        raise LookupError(f"{spec.start_from} was released when the terms were checked")
    model = replace(
        released,
        study=study.name,
        number=at.number,
        kind=INITIAL,
        base=released.digest,
        spec=study.spec,
        rule="",
        shares=(),
        receipts=released.receipts[:MAX_HOLDERS],
        stage=get_stages(spec)[at.stage].name,
        turn=1,
        met=False,
        change=None,
    )
    STUDY.put(ctx.state, study.name, record=replace(study, current=model))
    ctx.emit(events.StudyStartsFrom(study.name, spec.start_from.study, released.digest))
