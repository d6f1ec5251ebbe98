"""The budget of a study with differential privacy: noisy steps, counted for each member.

A contribution that others read is a step. Without masks they read each one as it is recorded; the
same bytes once more are no new step. With masks they read none of them, only the sum of the final
set.
"""

from __future__ import annotations

from collections.abc import Iterable

from swarmhub.contract.context import Context
from swarmhub.contract.records import SPEC, SPENT, Round, Spec, Spent
from swarmhub.contract.refusals import BudgetSpent
from swarmhub.contract.round.kinds import TRAIN
from swarmhub.contract.state import Reader
from swarmhub.types import Digest, MemberId


def is_noisy(spec: Spec, r: Round) -> bool:
    """Return whether contributions to a round have noise."""
    return spec.privacy.dp is not None and r.kind == TRAIN


def get_spent(state: Reader, study: str, member: MemberId) -> int:
    """Return the noisy steps of a member in a study so far."""
    spent = SPENT.get(state, study, member)
    return spent.steps if spent else 0


def is_spent(state: Reader, spec: Spec, member: MemberId) -> bool:
    """Return whether a member may make no more noisy steps in a study."""
    dp = spec.privacy.dp
    return dp is not None and get_spent(state, spec.name, member) >= dp.steps


def is_beyond(state: Reader, spec: Spec, r: Round, member: MemberId, digest: Digest = "") -> bool:
    """Return whether a contribution to a round would be refused since the member's budget is spent;
    the bytes of its last step (`digest`) are no new one."""
    if not is_noisy(spec, r) or not is_spent(state, spec, member):
        return False
    spent = SPENT.get(state, r.study, member)
    return r.masks is not None or not digest or spent is None or spent.last != digest


def need_budget(state: Reader, spec: Spec, member: MemberId) -> None:
    """Refuse the noisy step that would exceed a member's budget."""
    if spec.privacy.dp is not None and is_spent(state, spec, member):
        raise BudgetSpent(spec.name, spec.privacy.dp.steps)


def spend(ctx: Context, r: Round, member: MemberId, digest: Digest) -> None:
    """Count a contribution that the others may read now, if it has noise."""
    spec = SPEC.need(ctx.state, r.study)
    before = SPENT.get(ctx.state, r.study, member) or Spent()
    if not is_noisy(spec, r) or before.last == digest:
        return
    need_budget(ctx.state, spec, member)
    SPENT.put(ctx.state, r.study, member, record=Spent(before.steps + 1, digest))


def spend_all(ctx: Context, r: Round, members: Iterable[MemberId]) -> None:
    """Count the contributions of a final set: its sum is opened."""
    for member in members:
        contribution = r.contribution_of(member)
        spend(ctx, r, member, contribution.digest if contribution else "")
