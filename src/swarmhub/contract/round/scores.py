"""Measurements of a model: the score of a round, and the best model."""

from __future__ import annotations

from dataclasses import replace

from swarmhub.contract import events
from swarmhub.contract.context import Context
from swarmhub.contract.records import (
    Round,
    Score,
    Spec,
    Study,
)
from swarmhub.contract.round.checks import MAX_METRICS


def compute_score(study: Study, r: Round, digest: str) -> Score | None:
    """Return the contributors' measurements of a model; None if there are none.

    Each metric is a mean (rounded down) over the members that measured it. As in a merge, no member
    weighs more than the samples that it declared at enrolment: a stated number cannot decide the
    mean. `samples` is the sum of the stated numbers all the same.
    """
    found = [
        (min(e.samples, study.samples_of(c.member) or 1), e)
        for c in r.contributions
        for e in c.evaluations
        if e.digest == digest
    ]
    if not found or not digest:
        return None
    metrics = {}
    for name in sorted({n for _, e in found for n in e.metrics}):
        having = [(weight, e.metrics[name]) for weight, e in found if name in e.metrics]
        metrics[name] = sum(w * value for w, value in having) // sum(w for w, _ in having)
    weight = sum(w for w, _ in found)
    return Score(digest, sum(e.samples for _, e in found), weight, metrics)


def take_scores(ctx: Context, study: Study, spec: Spec, r: Round) -> Study:
    """Score the model from which the round started; keep it if it is the best so far."""
    score = compute_score(study, r, r.base)
    if score is None or study.current is None or study.current.digest != r.base:
        return study
    ctx.emit(events.Evaluated(r.study, study.current.number, score))
    name, sign = spec.metric.name, 1 if spec.metric.goal == "max" else -1
    if name not in score.metrics:
        return study
    best = study.best_score
    if best is None or sign * score.metrics[name] > sign * best.metrics[name]:
        return replace(study, best=study.current, best_score=shorten(score, name))
    return study


def shorten(score: Score, name: str) -> Score:
    """Return the score with as many metrics as one contribution may have, the study's first: each
    member may measure others, and the record of a study has to stay small."""
    others = [n for n in sorted(score.metrics) if n != name]
    kept = [name, *others[: MAX_METRICS - 1]]
    return replace(score, metrics={n: score.metrics[n] for n in kept})
