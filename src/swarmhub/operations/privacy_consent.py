"""What a hospital checks for itself before it approves or enrols in a study with a privacy budget:
its own limit over all studies, and whether noise spoils a model of so many features."""

from __future__ import annotations

import math

from swarmhub.contract.records import SPEC, Spec, Study
from swarmhub.contract.round.budget import get_spent
from swarmhub.errors import BadInput
from swarmhub.home.budget import PER_HOME, Part, compute_spent, read_limit
from swarmhub.home.home import Home
from swarmhub.operations.ledger_view import LedgerView
from swarmhub.operations.privacy_budget import say_epsilon
from swarmhub.operations.privacy_numbers import EPSILON, NOISE

LOSS = "--accept-utility-loss"


def need_consent(home: Home, view: LedgerView, name: str, accepts_loss: bool) -> None:
    """Raise BadInput if an approval would exceed this hospital's own limit, or if the terms have
    more features than this hospital has patients, as far as it has said, and the loss is not
    accepted."""
    spec = view.need_spec(name)
    if spec.privacy.dp is None:
        return
    need_room_for_all(home, view, spec)
    patients = find_patients(view, name)
    if patients is not None and not accepts_loss:
        need_few_features(spec, patients)


def need_room_for_all(home: Home, view: LedgerView, spec: Spec) -> None:
    """Raise BadInput if all steps of a study would exceed the limit of node.toml: with
    `budget_per = "home"` beside all steps of the other studies that this hospital has approved."""
    limit, dp = read_limit(home.config), spec.privacy.dp
    if dp is None or math.isinf(limit.epsilon):
        return
    parts = [Part(spec.name, dp.steps, dp.steps, NOISE.number(dp.noise_millionths), ())]
    if limit.per == PER_HOME:
        parts += list_promised(view, spec.name)
    epsilon = compute_spent(parts, limit.delta)
    if epsilon > limit.epsilon:
        others = ", ".join(sorted(p.study for p in parts[1:]))
        beside = f" beside {others}" if others else ""
        raise BadInput(
            f"Expected an epsilon of at most {limit.epsilon:g} (budget_epsilon in node.toml, at "
            f"delta = {limit.delta:g}), but the {dp.steps} steps of '{spec.name}'{beside} give "
            f"{say_epsilon(epsilon)}; refuse the study, ask for terms with fewer steps or more "
            "noise, or have those who set the limit raise it."
        )


def list_promised(view: LedgerView, but: str) -> list[Part]:
    """Return this hospital's parts of all studies but one: of a study that goes on all steps that
    it has approved, of any other one those that it has made."""
    state, me, found = view.ledger.state, view.me.id, []
    for study in view.studies():
        dp = SPEC.need(state, study.name).privacy.dp
        if dp is None or study.name == but:
            continue
        goes_on = not study.is_over and takes_part(study, me)
        steps = dp.steps if goes_on else get_spent(state, study.name, me)
        if steps:
            noise = NOISE.number(dp.noise_millionths)
            found.append(Part(study.name, steps, dp.steps, noise, ()))
    return found


def takes_part(study: Study, member: int) -> bool:
    """Return whether a member has approved a study, or is enrolled."""
    return member in study.approved or study.samples_of(member) is not None


def find_patients(view: LedgerView, name: str) -> int | None:
    """Return the most patients that this hospital can have for a study: the samples that it has
    declared for it, else the most that it has declared for any study; None if it has for none."""
    me = view.me.id
    own = view.need_study(name).samples_of(me)
    if own is not None:
        return own
    return max((s.samples_of(me) or 0 for s in view.studies()), default=0) or None


def need_few_features(spec: Spec, patients: int) -> None:
    """Raise BadInput if the features that the terms list are more than so many patients."""
    features, dp = count_features(spec), spec.privacy.dp
    if dp is None or features is None or features <= patients:
        return
    epsilon = EPSILON.number(dp.epsilon_millionths)
    raise BadInput(
        f"The study has {features} features, and this hospital at most {patients} patients: noise "
        f"for epsilon = {epsilon:g} grows with the number of features, and spoils such a model. "
        f"Ask for terms with fewer features, or go on with {LOSS}."
    )


def count_features(spec: Spec) -> int | None:
    """Return the number of features that the terms list; None if they do not list them."""
    from swarmhub.data.schema import Schema  # they load NumPy
    from swarmhub.recipes.designing import make_declared_design

    if spec.data is None:
        return None
    try:
        return len(make_declared_design(Schema.of(spec.data)).sources)
    except BadInput:  # terms of a trainer's own, which knows its columns otherwise
        return None
