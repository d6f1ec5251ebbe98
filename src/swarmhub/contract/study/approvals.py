"""The approvals of a study's terms, which lapse after a while if the terms say so.

A member renews its approval by approving again. All approvals of a study have one deadline, that of
the oldest.
"""

from __future__ import annotations

from dataclasses import replace

from swarmhub.contract import deadlines
from swarmhub.contract.context import Context
from swarmhub.contract.records import SPEC, Spec, Study
from swarmhub.contract.refusals import BadValue
from swarmhub.types import MemberId

DAY_MS = 86_400_000
LONGEST_DAYS = 3660


def check_expiry(spec: Spec) -> None:
    """Refuse approvals that lapse at once, or never. Block time may be an hour old: hence days."""
    if spec.approvals_expire_ms and not (
        DAY_MS <= spec.approvals_expire_ms <= LONGEST_DAYS * DAY_MS
    ):
        expected = f"0 (never), or {DAY_MS} (a day) to {LONGEST_DAYS * DAY_MS}"
        raise BadValue("approvals_expire_ms", expected, spec.approvals_expire_ms)


def add_approval(ctx: Context, study: Study, spec: Spec, member: MemberId) -> Study:
    """Return the study with a member's approval, or with it renewed."""
    study = drop_approval(study, member)
    times = (*study.approved_ms, ctx.env.time_ms) if spec.approvals_expire_ms else ()
    return replace(study, approved=(*study.approved, member), approved_ms=times)


def drop_approval(study: Study, member: MemberId) -> Study:
    """Return the study without a member's approval."""
    if member not in study.approved:
        return study
    i = study.approved.index(member)
    times = study.approved_ms[:i] + study.approved_ms[i + 1 :]
    return replace(study, approved=study.approved[:i] + study.approved[i + 1 :], approved_ms=times)


def mark_lapse(ctx: Context, study: Study) -> None:
    """Set the deadline of the oldest approval, if there is one that lapses."""
    key = f"approvals/{study.name}"
    deadlines.clear(ctx.state, key)
    if study.approved_ms:
        spec = SPEC.need(ctx.state, study.name)
        deadlines.mark_at(ctx.state, key, study.approved_ms[0] + spec.approvals_expire_ms)


def find_lapsed(study: Study, spec: Spec, now_ms: int) -> tuple[MemberId, ...]:
    """Return the members with an approval that holds no longer at `now_ms`."""
    times = zip(study.approved, study.approved_ms, strict=False)
    return tuple(m for m, given_ms in times if given_ms + spec.approvals_expire_ms <= now_ms)
