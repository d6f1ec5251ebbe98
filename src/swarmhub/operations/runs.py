"""Studies that ask the same question of the same kind of data, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from swarmhub.contract.records import Declaration, Spec
from swarmhub.contract.round.kinds import TRAIN
from swarmhub.operations.data_terms import say_outcome
from swarmhub.operations.looks import Seen, StudyLine


@dataclass(frozen=True)
class Run:
    """A study in a comparison. `score` is that of its best model in its own metric (millionths), on
    `tested` test samples of the hospitals `measured_by`; None before the first evaluation. `rounds`
    are settled rounds of training."""

    line: StudyLine
    metric: str
    score: int | None
    tested: int
    rounds: int
    measured_by: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """An outcome in words, and the studies that predict it out of data of one kind, by name. Scores
    compare well if hospitals and test patients are the same."""

    outcome: str
    runs: tuple[Run, ...]


def compare_runs(seen: Seen, lines: Sequence[StudyLine]) -> tuple[Question, ...]:
    """Return the questions that two or more of these studies ask."""
    found: dict[tuple[object, ...], list[Run]] = {}
    words: dict[tuple[object, ...], str] = {}
    for line in sorted(lines, key=lambda line: line.name):
        spec = seen.view.need_spec(line.name)
        if spec.data is not None:
            key = (spec.data.outcome, _name_modality(spec.data))
            words[key] = say_outcome(spec.data.outcome)
            found.setdefault(key, []).append(_make_run(seen, line, spec))
    return tuple(Question(words[k], tuple(runs)) for k, runs in found.items() if len(runs) > 1)


def _make_run(seen: Seen, line: StudyLine, spec: Spec) -> Run:
    best = seen.view.need_study(line.name).best_score
    settled = [r for r in seen.record.settled(line.name) if r.model.kind == TRAIN]
    score = best.metrics.get(spec.metric.name) if best else None
    names = seen.view.names()
    by = tuple(names.get(m, f"member {m}") for m in best.members) if best else ()
    return Run(line, spec.metric.name, score, best.samples if best else 0, len(settled), by)


def _name_modality(data: Declaration) -> tuple[str, ...]:
    return tuple(sorted(i.namespace or i.name for i in data.inputs))
