"""The budget of a study's terms, reckoned by the accountant: noise that is left out is computed,
and noise that is written is checked against the epsilon beside it.

The contract has whole numbers only, and counts steps. So each hospital reckons for itself: before
it proposes, amends, approves or enrols (`ledger_client`).
"""

from __future__ import annotations

import math
from dataclasses import replace

from swarmhub.contract.records import Spec, Study, get_names
from swarmhub.contract.records.privacy import DifferentialPrivacy
from swarmhub.contract.round.budget import get_spent
from swarmhub.contract.stages import count_training_rounds
from swarmhub.contract.state import Reader
from swarmhub.contract.study.privacy import MOST_OF_BUDGET
from swarmhub.errors import BadInput
from swarmhub.operations.privacy_numbers import (
    DELTA,
    EPSILON,
    NOISE,
    OF_BUDGET,
    write_quantity,
)
from swarmhub.types import MemberId

ROUNDS = 10  # of training, if the terms say nothing of rounds and of steps: more cost more noise
# epsilon 3, delta 1e-5, clip 4: a patient's part in a step of the recipe `fedavg`, kept whole with
# up to some 60 features (the guide on privacy has the measurements)
USUAL = DifferentialPrivacy(3_000_000, 10_000_000, 4_000_000, 0, 0)
COMPUTED = 0  # noise and steps that the terms leave out


def fill_budget(spec: Spec) -> Spec:
    """Return terms with the steps and the noise that they leave out: as many steps as there are
    rounds of training, and the least noise that suffices. Raises BadInput for numbers that cannot
    be, and for noise that does not suffice."""
    dp = spec.privacy.dp
    if dp is None:
        return spec
    if dp.steps == COMPUTED:
        dp = replace(dp, steps=count_training_rounds(spec) or ROUNDS)
    if dp.noise_millionths == COMPUTED:
        dp = replace(dp, noise_millionths=compute_least_noise(dp))
    filled = replace(spec, privacy=replace(spec.privacy, dp=dp))
    check_budget_terms(filled)
    return filled


def compute_least_noise(dp: DifferentialPrivacy) -> int:
    """Return the smallest noise, in millionths, with which the steps are private as the terms say.
    Raises BadInput if no noise suffices."""
    from swarmhub.privacy.accounting import compute_noise  # its package loads NumPy

    check_numbers(replace(dp, noise_millionths=1))
    epsilon, delta = EPSILON.number(dp.epsilon_millionths), DELTA.number(dp.delta_trillionths)
    noise = compute_noise(epsilon, delta, dp.steps)
    if noise * NOISE.unit > NOISE.most:
        raise BadInput(
            f"Expected fewer privacy.dp.steps than {dp.steps}, or a larger epsilon or delta: noise "
            f"of {noise:.3g} clips would be needed, and at most {NOISE.most // NOISE.unit} is "
            "allowed."
        )
    least = math.ceil(noise * NOISE.unit)
    while not suffices(replace(dp, noise_millionths=least)):  # the product is rounded
        least += 1
    return least


def suffices(dp: DifferentialPrivacy) -> bool:
    """Return whether the noise keeps the steps within epsilon at delta."""
    from swarmhub.privacy.accounting import compute_delta, compute_mu

    mu = compute_mu([(dp.steps, NOISE.number(dp.noise_millionths))])
    delta = compute_delta(mu, EPSILON.number(dp.epsilon_millionths))
    return delta <= DELTA.number(dp.delta_trillionths)


def compute_reached(dp: DifferentialPrivacy, steps: int) -> float:
    """Return the epsilon of so many steps, at the delta of the terms; infinity above 100."""
    from swarmhub.privacy.accounting import compute_epsilon, compute_mu

    noise = NOISE.number(dp.noise_millionths)
    mu = compute_mu([(steps, noise)]) if steps else 0.0
    return compute_epsilon(mu, DELTA.number(dp.delta_trillionths)) if mu else 0.0


def check_budget_terms(spec: Spec) -> None:
    """Raise BadInput if the terms' noise gives a larger epsilon than they declare, with both."""
    dp = spec.privacy.dp
    if dp is None:
        return
    check_numbers(dp)
    if suffices(dp):
        return
    epsilon = write_quantity(EPSILON, dp.epsilon_millionths)
    delta = write_quantity(DELTA, dp.delta_trillionths)
    reached = say_epsilon(compute_reached(dp, dp.steps))
    least = write_quantity(NOISE, compute_least_noise(dp))
    raise BadInput(
        f"Expected noise that keeps {dp.steps} steps within epsilon = {epsilon} at delta = "
        f"{delta}, as the terms of '{spec.name}' declare; theirs, privacy.dp.noise = "
        f"{write_quantity(NOISE, dp.noise_millionths)}, gives epsilon = {reached}. Leave noise out "
        f"(it is {least} then), or declare the larger epsilon."
    )


def count_steps(state: Reader, spec: Spec, study: Study) -> dict[MemberId, int]:
    """Return the noisy steps of each enrolled member, and of members that have made some and left;
    none in a study without a budget."""
    if spec.privacy.dp is None:
        return {}
    enrolled = {e.member for e in study.enrolled}
    steps = {m: get_spent(state, study.name, m) for m in get_names(state)}
    return {m: n for m, n in steps.items() if n or m in enrolled}


def check_numbers(dp: DifferentialPrivacy) -> None:
    """Raise BadInput for numbers of a budget that the contract would refuse."""
    for of in OF_BUDGET:
        if not 1 <= getattr(dp, of.field) <= of.most:
            raise BadInput(
                f"Expected privacy.dp.{of.field} from 1 to {of.most}, got {getattr(dp, of.field)}."
            )
    if not 1 <= dp.steps <= MOST_OF_BUDGET["steps"]:
        raise BadInput(
            f"Expected privacy.dp.steps from 1 to {MOST_OF_BUDGET['steps']}, got {dp.steps}."
        )


def say_epsilon(epsilon: float) -> str:
    """Return an epsilon for people, rounded up."""
    if math.isinf(epsilon):
        return "more than 100"
    rounded = math.ceil(epsilon * 1000) / 1000
    return f"{rounded:.3f}".rstrip("0").rstrip(".") if epsilon else "0"
