"""Work that is left in a study that is over: for a while after its end, at a hospital that took
part."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from swarmhub.contract.records import Study
from swarmhub.contract.round.kinds import TRAIN
from swarmhub.home.home import Home
from swarmhub.operations.ledger_view import LedgerView
from swarmhub.types import MemberId

SHOWN_MS = 30 * 86_400_000  # after the last settled round, in block time
StepKind = Literal[
    "report", "vote", "release", "released", "export", "evidence", "forget", "no_model"
]


@dataclass(frozen=True)
class Step:
    """Something that may be done, and the command for it ("" if a page or nothing does it)."""

    kind: StepKind
    command: str = ""


@dataclass(frozen=True)
class Ended:
    """A study that is over, and what is left to do, in the order in which one would do it."""

    study: str
    title: str
    status: str
    steps: tuple[Step, ...]


def list_ended(
    view: LedgerView, home: Home, studies: Iterable[Study], me: MemberId
) -> tuple[Ended, ...]:
    """Return the studies that have ended lately, in which this hospital took part and with data
    it still has; the newest first."""
    now_ms = view.ledger.estimate_ms()
    ended = {s.name: max(last.time_ms for last in s.settled) for s in studies
             if s.is_over and s.settled and s.samples_of(me) is not None}  # fmt: skip
    shown = [
        name
        for name in sorted(ended, key=lambda n: -ended[n])
        if now_ms - ended[name] < SHOWN_MS and not home.is_forgotten(name)
    ]
    return tuple(_make_ended(view, view.need_study(name)) for name in shown)


def _make_ended(view: LedgerView, study: Study) -> Ended:
    spec = view.need_spec(study.name)
    return Ended(study.name, spec.title, study.status, list_steps(view, study))


def list_steps(view: LedgerView, study: Study) -> tuple[Step, ...]:
    """Return what is left to do in a study that is over."""
    name, spec, model = study.name, view.need_spec(study.name), study.current
    forget = Step("forget", f"swarmhub study forget {name}")
    if model is None or model.kind != TRAIN:
        return Step("no_model"), forget
    is_open = any(m.kind == "release" and m.study == name for m in view.motions())
    asked: StepKind = "released" if study.released else "vote" if is_open else "release"
    command = "model export" if spec.data is not None else "node export"
    out = "FOLDER" if spec.data is not None else "FILE"
    return (
        *([Step("report")] if spec.data is not None else []),
        Step(asked),
        Step("export", f"swarmhub {command} {name} --out {out}"),
        Step("evidence", f"swarmhub evidence export {name} --out FOLDER"),
        forget,
    )
