"""What was measured of a model: the score of a round, and the best model."""

from __future__ import annotations

from dataclasses import replace

from swarmhub.contract.context import Context
from swarmhub.contract.records import (
    Round,
    Score,
    Spec,
    Study,
)


def compute_score(study: Study, r: Round, digest: str) -> Score | None:
    """Sample-weighted mean (rounded down) of what the round's contributors measured of a model.

    As in a merge, nobody weighs more than the samples declared at enrolment.
    """
    found = [
        replace(e, samples=min(e.samples, study.samples_of(c.member) or 1))
        for c in r.contributions
        for e in c.evaluations
        if e.digest == digest
    ]
    if not found or not digest:
        return None
    metrics = {}
    for name in sorted({n for e in found for n in e.metrics}):
        having = [e for e in found if name in e.metrics]
        samples = sum(e.samples for e in having)
        metrics[name] = sum(e.metrics[name] * e.samples for e in having) // samples
    return Score(digest, sum(e.samples for e in found), metrics)


def take_scores(ctx: Context, study: Study, spec: Spec, r: Round) -> Study:
    """Score the model that the round started from; keep it if it is the best so far."""
    score = compute_score(study, r, r.base)
    if score is None or study.current is None:
        return study
    ctx.emit("evaluated", study=r.study, number=study.current.number, digest=score.digest,
             samples=score.samples, metrics=score.metrics)  # fmt: skip
    name, sign = spec.metric.name, 1 if spec.metric.goal == "max" else -1
    if name not in score.metrics:
        return study
    best = study.best_score
    if best is None or sign * score.metrics[name] > sign * best.metrics[name]:
        return replace(study, best=study.current, best_score=score)
    return study
