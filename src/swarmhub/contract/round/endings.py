"""The end of rounds and studies: what leaves the state, and what stays."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from swarmhub.contract import deadlines, events, quotas
from swarmhub.contract.context import Context
from swarmhub.contract.records import (
    CHAIN,
    ROUND,
    SPEC,
    STUDY,
    Paused,
    Round,
    Study,
)
from swarmhub.contract.round.kinds import (
    TIMERS,
)
from swarmhub.contract.round.masks import (
    forget_dealings,
    forget_early_keys,
)
from swarmhub.contract.round.shards import close_shards
from swarmhub.contract.stages import get_position


def suspend(ctx: Context, name: str, paused: Paused | None = None) -> None:
    """Suspend a running study, because it has lost a required member or is `paused`: its open round
    is void, and goes on once the study is started again."""
    study, r = STUDY.need(ctx.state, name), ROUND.need(ctx.state, name)
    at = replace(get_position(r), term=r.lead.term + 1, revision=r.revision + 1)
    study = replace(study, status="suspended", ready=(), resumes=at, paused=paused)
    STUDY.put(ctx.state, name, record=study)
    close_rounds(ctx, name)


def close_rounds(ctx: Context, name: str) -> None:
    """Delete the open round of a study."""
    r = ROUND.get(ctx.state, name)
    if r is not None:
        close_shards(ctx.state, r)
    if r is not None and SPEC.need(ctx.state, name).privacy.masked:
        forget_dealings(ctx.state, r)
        forget_early_keys(ctx, r)
    ROUND.put(ctx.state, name, record=None)
    clear_deadlines(ctx, name)
    chain = ctx.chain
    running = tuple(s for s in chain.running if s != name)
    CHAIN.put(ctx.state, record=replace(chain, running=running))


def end_study(ctx: Context, name: str, status: Literal["finished", "expired"]) -> None:
    """End a study: no round is open any more; models and lineage stay. A study that has never been
    started leaves the state. One that was started keeps its name: receipts and offers that were
    signed for its rounds contain it, and would be valid for another study of this name."""
    study = STUDY.need(ctx.state, name)
    STUDY.put(
        ctx.state, name, record=replace(study, status=status, ready=(), resumes=None, paused=None)
    )
    close_rounds(ctx, name)
    for timer in ("expiry", "approvals"):
        deadlines.clear(ctx.state, f"{timer}/{name}")
    ctx.emit(events.StudyEnded(name, status))
    if study.status == "proposed":
        drop_study(ctx, study)


def drop_study(ctx: Context, study: Study) -> None:
    """Delete a study that has never been started from the state; its events stay."""
    for timer in ("expiry", "proposal", "approvals"):
        deadlines.clear(ctx.state, f"{timer}/{study.name}")
    STUDY.put(ctx.state, study.name, record=None)
    SPEC.put(ctx.state, study.name, record=None)
    quotas.release(ctx.state, study.proposer, "proposals", study.name)
    for entry in study.enrolled:
        quotas.release(ctx.state, entry.member, "enrolments", study.name)


def put(ctx: Context, r: Round) -> None:
    """Store the open round."""
    ROUND.put(ctx.state, r.study, record=r)


def clear_deadlines(ctx: Context, name: str) -> None:
    """Forget the round's deadlines."""
    for timer in TIMERS:
        deadlines.clear(ctx.state, f"{timer}/{name}")
