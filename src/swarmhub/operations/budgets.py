"""Privacy budgets as records: of a study, with each member's steps; of this hospital, over all
studies, against its own limit."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass

from swarmhub import codec
from swarmhub.contract.records import SPEC, Spec, Study, get_member_of_key
from swarmhub.home.budget import PER_HOME, Limit, Part, compute_spent, list_parts, read_limit
from swarmhub.home.home import Home
from swarmhub.operations.ledger_client import open_client
from swarmhub.operations.ledger_view import LedgerView
from swarmhub.operations.privacy_budget import compute_reached, count_steps, say_epsilon
from swarmhub.operations.privacy_numbers import DELTA, EPSILON, NOISE, PATIENT_CLIP
from swarmhub.types import Digest, MemberId

FORM = "swarmhub/privacy-budget/1"
ALL_DATA = ""  # of this home


@dataclass(frozen=True)
class StepsOf:
    """A member's noisy steps in a study, and the epsilon of all of them; None above 100."""

    member: MemberId
    name: str
    steps: int
    epsilon: float | None


@dataclass(frozen=True)
class StudyBudget:
    """The budget of a study: `steps` of each member are (epsilon, delta)-private for a `unit`, with
    noise of standard deviation `noise` x `clip`."""

    study: str
    masked: bool
    epsilon: float
    delta: float
    clip: float
    noise: float
    steps: int
    unit: str
    spent: tuple[StepsOf, ...]
    form: str = FORM


@dataclass(frozen=True)
class OwnSteps:
    """This hospital's steps in a study of those that its terms allow, with the epsilon of both, and
    the digests of the data that they were made from."""

    study: str
    status: str
    steps: int
    allowed: int
    epsilon: float | None
    epsilon_allowed: float
    delta: float
    data: tuple[Digest, ...]


@dataclass(frozen=True)
class DataSpent:
    """The epsilon of all steps from the same data, at the delta of the limit; None above 100. The
    digest is "" for all data of this home."""

    data: Digest
    studies: tuple[str, ...]
    epsilon: float | None


@dataclass(frozen=True)
class Budget:
    """The privacy budget of this hospital. `limit` is the most epsilon that it allows over all
    studies on the same data (`per`: "data" or "home"), None if it has set none."""

    hospital: str
    limit: float | None
    delta: float
    per: str
    studies: tuple[OwnSteps, ...]
    data: tuple[DataSpent, ...]


def make_study_budget(
    spec: Spec, spent: dict[MemberId, int], names: dict[MemberId, str]
) -> StudyBudget | None:
    """Return the budget of a study with each member's steps; None if it has none."""
    dp = spec.privacy.dp
    if dp is None:
        return None
    steps_of = tuple(
        StepsOf(m, names.get(m, f"member {m}"), steps, _finite(compute_reached(dp, steps)))
        for m, steps in sorted(spent.items())
    )
    return StudyBudget(
        spec.name, spec.privacy.masked, EPSILON.number(dp.epsilon_millionths),
        DELTA.number(dp.delta_trillionths), PATIENT_CLIP.number(dp.clip_millionths),
        NOISE.number(dp.noise_millionths), dp.steps, dp.unit, steps_of,
    )  # fmt: skip


def write_study_budget(budget: StudyBudget) -> bytes:
    """Return a study's budget as JSON."""
    return (json.dumps(codec.to_json(budget), indent=1, ensure_ascii=False) + "\n").encode(
        errors="backslashreplace"
    )


async def show_budget(home: Home) -> Budget:
    """Return the privacy budget of this hospital."""
    async with open_client(home) as client:
        return look_at_budget(home, client)


def look_at_budget(home: Home, view: LedgerView) -> Budget:
    """Return the privacy budget of this hospital, on an open ledger. Raises BadInput for a damaged
    count of data in the home."""
    state, limit = view.ledger.state, read_limit(home.config)
    member = get_member_of_key(state, view.public)
    me = member.id if member else 0
    parts = list_parts(home, state, me)
    data = {part.study: part.data for part in parts}
    own = []
    for study in view.studies():
        spec = SPEC.need(state, study.name)
        steps = count_steps(state, spec, study).get(me)
        if steps is not None:
            own.append(_show_own(spec, study, steps, data.get(study.name, ())))
    return Budget(
        home.config.name, _finite(limit.epsilon), limit.delta, limit.per, tuple(own),
        tuple(_list_data(parts, limit)),
    )  # fmt: skip


def _show_own(spec: Spec, study: Study, steps: int, data: tuple[Digest, ...]) -> OwnSteps:
    dp = spec.privacy.dp
    assert dp is not None
    return OwnSteps(
        spec.name, study.status, steps, dp.steps, _finite(compute_reached(dp, steps)),
        EPSILON.number(dp.epsilon_millionths), DELTA.number(dp.delta_trillionths), data,
    )  # fmt: skip


def _list_data(parts: list[Part], limit: Limit) -> Iterable[DataSpent]:
    parts = [part for part in parts if part.steps]
    every = sorted({digest for part in parts for digest in part.data})
    if limit.per == PER_HOME and parts:
        every = [ALL_DATA]
    for digest in every:
        same = [p for p in parts if digest == ALL_DATA or digest in p.data]
        epsilon = _finite(compute_spent(same, limit.delta))
        yield DataSpent(digest, tuple(p.study for p in same), epsilon)


def _finite(epsilon: float) -> float | None:
    return None if math.isinf(epsilon) else epsilon


def say_reached(epsilon: float | None) -> str:
    """Return an epsilon for people."""
    return say_epsilon(math.inf if epsilon is None else epsilon)


def say_limit(budget: Budget) -> str:
    """Return this hospital's own limit in a sentence."""
    if budget.limit is None:
        return (
            "This hospital has set no limit over several studies (budget_epsilon in node.toml): "
            "each study's own budget holds for that study alone."
        )
    of = "all data of this home" if budget.per == "home" else "the same data (by their digest)"
    return (
        f"Over all studies on {of}, this hospital allows an epsilon of {budget.limit:g} at delta = "
        f"{budget.delta:g} (budget_epsilon in node.toml)."
    )


STUDY_COLUMNS = ["study", "status", "steps", "epsilon so far", "at delta"]
DATA_COLUMNS = ["data", "studies", "epsilon so far", "limit"]


def list_rows(budget: Budget) -> list[list[str]]:
    """Return one row for each study of this hospital with a budget."""
    return [
        [s.study, s.status, f"{s.steps} of {s.allowed}",
         f"{say_reached(s.epsilon)} of {s.epsilon_allowed:g}", f"{s.delta:g}"]
        for s in budget.studies
    ]  # fmt: skip


def list_data_rows(budget: Budget) -> list[list[str]]:
    """Return one row for the data of noisy steps."""
    limit = "none" if budget.limit is None else f"{budget.limit:g}"
    return [
        [f"{d.data[:16]}…" if d.data else "all of this home", ", ".join(d.studies),
         say_reached(d.epsilon), limit]
        for d in budget.data
    ]  # fmt: skip
