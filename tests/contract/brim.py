"""A study with records as long as any act can make them, and with all of its deadlines."""

from __future__ import annotations

from dataclasses import replace

from builders import digest, spec_of

from swarmhub.contract import deadlines
from swarmhub.contract.consortium.thresholds import compute_faults
from swarmhub.contract.names import MAX_METRIC_NAME, MAX_REASON
from swarmhub.contract.records import (
    HOLDINGS,
    RESULT,
    ROUND,
    SPEC,
    STUDY,
    Answer,
    Change,
    Contribution,
    Enrolment,
    Evaluation,
    FormerAccount,
    Holdings,
    LastSettled,
    Leadership,
    LeftOut,
    Model,
    OpenDispute,
    Paused,
    Position,
    Report,
    Result,
    Round,
    Score,
    Share,
    Study,
)
from swarmhub.contract.round.checks import MAX_METRIC, MAX_METRICS, MAX_SAMPLES
from swarmhub.contract.round.disputes import MAX_FORMER
from swarmhub.contract.stages import get_result_stages
from swarmhub.types import MICRO

NAME = "n" * 40
LONG = digest("any")
BIG = 2**53 - 1  # the largest integer of a record
BYTES = 1 << 40
FIRST = 10_001  # ids of members have five digits
METRICS = {f"{i:02}".ljust(MAX_METRIC_NAME, "m"): -MAX_METRIC * MICRO for i in range(MAX_METRICS)}
TIMERS = ("expiry", "term", "grace", "dispute", "reinstatement")


def model_of(ids):
    """A settled model with a share of each of these members."""
    shares = tuple(Share(m, MAX_SAMPLES, LONG) for m in ids)
    return Model(
        NAME, 100_003, "train", LONG, BYTES, LONG, LONG, LONG, "coordinate_median", ids[0],
        BIG, BIG, shares, ids, NAME, 100_000, True,
    )  # fmt: skip


def study_of(ids):
    """The record of a study in which these members are enrolled."""
    model = model_of(ids)
    return Study(
        NAME, LONG, ids[0], "running", approved=ids, ready=ids, lineage=LONG,
        enrolled=tuple(Enrolment(m, MAX_SAMPLES) for m in ids),
        settled=tuple(LastSettled(m, 100_003, 1 << 52, 31, 100_000, 1 << 40) for m in ids),
        current=model, best=model, resumes=Position(100_003, 31, 100_000, 99_999, 99_999),
        best_score=Score(LONG, BIG, BIG, METRICS, ids), scorers=ids,
    )  # fmt: skip


def round_of(ids):
    """The open round of such a study: all have contributed, reported, doubted and rotated keys."""
    seen = tuple(Evaluation(LONG, MAX_SAMPLES, METRICS) for _ in range(2))
    faults = compute_faults(len(ids))
    kinds = [("invalid", faults), ("unavailable", max(1, faults))]  # one more excludes
    reports = [Report(kind, r, m) for kind, most in kinds for m in ids for r in ids[:most]]
    answers = tuple(Answer(m, LONG) for m in ids)
    lead = Leadership(
        0, BIG, BIG, ids, OpenDispute(LONG, ids[0], BIG, LONG, ids[0], answers), ids, ids,
        tuple(FormerAccount(m, LONG) for m in ids * MAX_FORMER),
    )  # fmt: skip
    return Round(
        NAME, 100_003, "evaluate", "COLLECTING", ids, LONG, 31, 100_000, 1 << 52, 1 << 52,
        1000, ids, BIG,
        contributions=tuple(
            Contribution(m, LONG, BYTES, LONG, MAX_SAMPLES, seen, took_ms=1 << 40) for m in ids
        ),
        left_out=tuple(LeftOut(m, LONG) for m in ids),
        grace="running", reports=tuple(reports), strikes=ids * 2, lead=lead,
    )  # fmt: skip


def fill_study(state, n, *, is_over=False, is_paused=False, lapses=False, wire="float32"):
    """Write a study with n members to the brim into a state; returns their ids."""
    ids = tuple(range(FIRST, FIRST + n))
    study = study_of(ids)
    spec = spec_of(name=NAME, approvals_expire_ms=BIG * lapses, wire=wire)
    if wire != "float32":
        model = replace(study.current, change=Change(wire, LONG, BYTES, LONG))
        study = replace(study, current=model, best=model)
    if lapses:
        study = replace(study, approved_ms=(1 << 52,) * n)
        deadlines.mark_at(state, f"approvals/{NAME}", (1 << 52) + 86_400_000)
    SPEC.put(state, NAME, record=spec)
    for stage in get_result_stages(spec):
        made = Result(100_003, 100_000, LONG, BYTES, LONG, ids[0], True, True)
        RESULT.put(state, NAME, stage.name, record=made)
    for i in ids:
        HOLDINGS.put(state, i, record=Holdings(enrolments=(NAME,)))
    HOLDINGS.put(state, ids[0], record=Holdings(studies=(NAME,), enrolments=(NAME,)))
    if is_over:
        STUDY.put(state, NAME, record=replace(study, status="finished", ready=()))
        return ids
    if is_paused:
        paused = Paused(ids[0], '"' * MAX_REASON)
        STUDY.put(state, NAME, record=replace(study, status="suspended", paused=paused))
        return ids
    STUDY.put(state, NAME, record=study)
    ROUND.put(state, NAME, record=replace(round_of(ids), wire=wire.removeprefix("float32")))
    for i, timer in enumerate(TIMERS):
        deadlines.mark_at(state, f"{timer}/{NAME}", (1 << 52) + i * 60_000)
    return ids
