"""Measurements of a model: the score of a round, and the best model.

Hospitals differ, and so do their scores of one and the same model: means over different hospitals
say nothing about models. So the best model is sought among those that the same hospitals have
measured, by the study's metric, in one round each: all enrolled members that have measured any
model since the newest start (`Study.scorers`). A model without one of these scores is passed over.
If the set changes (a member measures for the first time, or leaves), no earlier mean compares with
later ones: the next model that all have measured is the best, and the search goes on from there.
"""

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


def compute_score(study: Study, r: Round, digest: str, name: str) -> Score | None:
    """Return the contributors' measurements of a model, with the members that have the metric
    `name`; None if there are none.

    Each metric is a mean (rounded down) over the members that measured it. As in a merge, no member
    weighs more than the samples that it declared at enrolment: a stated number cannot decide the
    mean. `samples` is the sum of the stated numbers all the same.
    """
    seen = [(c.member, e) for c in r.contributions for e in c.evaluations if e.digest == digest]
    found = [(min(e.samples, study.samples_of(member) or 1), e) for member, e in seen]
    if not found or not digest:
        return None
    metrics = {}
    for each in sorted({n for _, e in found for n in e.metrics}):
        having = [(weight, e.metrics[each]) for weight, e in found if each in e.metrics]
        metrics[each] = sum(w * value for w, value in having) // sum(w for w, _ in having)
    weight = sum(w for w, _ in found)
    members = tuple(member for member, e in seen if name in e.metrics)
    return Score(digest, sum(e.samples for _, e in found), weight, metrics, members)


def take_scores(ctx: Context, study: Study, spec: Spec, r: Round) -> Study:
    """Score the model from which the round started; keep it if it is the best so far."""
    name = spec.metric.name
    score = compute_score(study, r, r.base, name)
    if score is None or study.current is None or study.current.digest != r.base:
        return study
    ctx.emit(events.Evaluated(r.study, study.current.number, score))
    if not score.members:
        return study
    study = replace(study, scorers=tuple(sorted({*study.scorers, *score.members})))
    if score.members == study.scorers and is_better(spec, score, study.best_score):
        return replace(study, best=study.current, best_score=shorten(score, name))
    return study


def is_better(spec: Spec, score: Score, best: Score | None) -> bool:
    """Return whether a score beats the best one so far, or cannot be compared with it because that
    one is over other members."""
    if best is None or best.members != score.members:
        return True
    name, sign = spec.metric.name, 1 if spec.metric.goal == "max" else -1
    return sign * score.metrics[name] > sign * best.metrics[name]


def shorten(score: Score, name: str) -> Score:
    """Return the score with as many metrics as one contribution may have, the study's first: each
    member may measure others, and the record of a study has to stay small."""
    others = [n for n in sorted(score.metrics) if n != name]
    kept = [name, *others[: MAX_METRICS - 1]]
    return replace(score, metrics={n: score.metrics[n] for n in kept})
