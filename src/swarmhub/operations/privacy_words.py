"""The privacy of a study's terms in words, to be read before an approval."""

from __future__ import annotations

import math
from collections.abc import Iterable

from swarmhub.contract.records import Privacy
from swarmhub.contract.records.privacy import DifferentialPrivacy
from swarmhub.contract.round.masks import compute_honest, compute_least_set, compute_threshold
from swarmhub.operations.privacy_budget import compute_reached, say_epsilon
from swarmhub.operations.privacy_numbers import (
    CLIP,
    DELTA,
    EPSILON,
    NOISE,
    PATIENT_CLIP,
    write_quantity,
)

SUBJECTS = ("privacy", "noise", "covered", "not hidden", "excluded")
SPENT = "privacy spent"
PLAIN = "plain: parameters leave without masks and without noise; enrolled members read them"
NOT_HIDDEN = (
    "each hospital's statistics document, its number of training rows, the start, every merged "
    "model and every sum over all hospitals; masks are no noise: a model or a sum tells what it "
    "tells, and two rounds of which one hospital missed one tell something of that hospital, in "
    "a stage of sums nearly its part"
)
NOT_COVERED = (
    "which hospitals take part and when, the number of samples that each has declared, times and "
    "sizes of messages; what a hospital says elsewhere, so the figures of its test patients, too, "
    "which are measured and kept at home; other studies on the same patients, unless the hospital "
    "has set a limit over all of them (budget_epsilon in node.toml)"
)
MASKED, DP = "masked", "dp"
EXCLUDES: tuple[tuple[tuple[str, ...], str, str], ...] = (  # modes, what, because
    ((MASKED,), "merge rules other than weighted_mean",
     "they compare contributions, and a masked one says nothing"),
    ((MASKED, DP), "training that ends early (until)",
     "its test reads whole numbers that the hospitals send, without mask and noise (tests of "
     "masked sums read the sum of all)"),
    ((MASKED,), "stages at some members only",
     "sums of two sets that differ by one member tell that one's part"),
    ((MASKED,), "fewer than three hospitals, or than colluders + 2",
     "of a sum of two, either knows the other's part"),
    ((MASKED, DP), "metrics of one hospital, so the learning curve, and a best model before the "
     "last one", "they tell of its part, and of its patients"),
    ((MASKED, DP), "models without each hospital, and the contribution of each",
     "sums with and without a hospital tell its part"),
    ((MASKED,), "arrays of floats in stages of sums",
     "masked numbers are whole: give them bounds with bits"),
    ((MASKED,), "auditing one hospital's contribution for lies",
     "a masked contribution cannot be checked; the clip bounds each value, not a lie"),
    ((DP,), "stages other than initial and train: statistics, sums, the evaluation of all "
     "hospitals", "statistics, sums and counts of patients have no noise"),
    ((DP,), "weights other than the samples declared at enrolment",
     "the number of rows trained on is a number of patients"),
    ((DP,), "another privacy once the study has run",
     "steps that were made with other noise would count as steps of this one"),
)  # fmt: skip


def say_privacy(privacy: Privacy, members: int = 0) -> list[tuple[str, str]]:
    """Return what the others learn of a hospital's parameters, subject and sentence, if so many
    members take part: what is hidden, what is not, and what is excluded in exchange."""
    if privacy.dp is None and not privacy.masked:
        return [(SUBJECTS[0], PLAIN)]
    said = []
    if privacy.dp is not None:
        said.append(("privacy", say_meaning(privacy.dp)))
    if privacy.masked:
        said.append(("privacy", say_masks(privacy)))
    if privacy.dp is not None:
        said.append(("noise", say_noise(privacy, privacy.dp, members)))
        said.append(("covered", say_covered(privacy.dp)))
    said.append(("not hidden", NOT_HIDDEN if privacy.dp is None else say_not_covered(privacy)))
    return [*said, *(("excluded", f"{what}: {why}") for what, why in list_excluded(privacy))]


def list_excluded(privacy: Privacy) -> list[tuple[str, str]]:
    """Return what a privacy excludes, and why: the contract refuses such terms."""
    modes = {*([MASKED] if privacy.masked else []), *([DP] if privacy.dp is not None else [])}
    return [(what, why) for by, what, why in EXCLUDES if modes & {*by}]


def say_masks(privacy: Privacy) -> str:
    """Return what masks hide."""
    least, many = compute_least_set(privacy.colluders), privacy.colluders
    together = "two or more of them" if many == 1 else f"more than {many} of them"
    clip = write_quantity(CLIP, privacy.clip_millionths)
    return (
        "masked: what a hospital trains, adds up and counts leaves under masks that cancel in "
        f"the sum; the others learn the sum of at least {least} hospitals, and no hospital's "
        f"own part, unless {together} show one another all they have; no parameter of a "
        f"hospital moves by more than {clip} in a round of training"
    )


def say_meaning(dp: DifferentialPrivacy) -> str:
    """Return the meaning of epsilon and delta, in words for clinicians."""
    epsilon, delta = EPSILON.number(dp.epsilon_millionths), DELTA.number(dp.delta_trillionths)
    odds = math.exp(min(epsilon, 50.0))
    least = 100 / (1 + odds)
    return (
        "with noise (differential privacy): epsilon = "
        f"{write_quantity(EPSILON, dp.epsilon_millionths)}, delta = "
        f"{write_quantity(DELTA, dp.delta_trillionths)} for each {dp.unit}. Whoever reads "
        "everything that training lets out, and knows all about all other patients, still finds it "
        f"nearly as likely without one given {dp.unit} as with: the odds of any guess about that "
        f"{dp.unit} change by a factor of at most {odds:,.3g}, so one who thought it as likely as "
        f"not is at most {_percent(100 - least)} sure afterwards. With a probability of "
        f"{_one_in(delta)} at most, more may be told"
    )


def _percent(share: float) -> str:
    return f"{share:.0f}%" if share < 99 else f"{math.floor(share * 100) / 100:g}%"


def _one_in(delta: float) -> str:
    return f"1 in {math.floor(1 / delta + 1e-9):,}"


def say_covered(dp: DifferentialPrivacy) -> str:
    """Return what the budget covers."""
    part = "the part of one patient, with all their rows,"
    if dp.unit == "record":
        part = "the part of one record (a patient with several is protected less)"
    return (
        f"{part} in all contributions and in every model that other members read, over the whole "
        f"study: {dp.steps} noisy contributions of each hospital at most, which the ledger counts"
    )


def say_noise(privacy: Privacy, dp: DifferentialPrivacy, members: int) -> str:
    """Return the noise in each contribution."""
    noise, clip = NOISE.number(dp.noise_millionths), PATIENT_CLIP.number(dp.clip_millionths)
    sigma = noise * clip
    said = (
        f"one {dp.unit} moves a hospital's weight x change by at most {clip:g} (L2 norm); "
        f"what others read has Gaussian noise of standard deviation {noise:g} x {clip:g} = "
        f"{sigma:g} in each parameter of weight x change"
    )
    if not privacy.masked:
        return f"{said}: each hospital's contribution has all of it"
    many = max(members, compute_least_set(privacy.colluders))
    honest = compute_honest(compute_threshold(many, privacy.colluders), privacy.colluders)
    return (
        f"{said}. Others read the sum alone, and each hospital adds a part of the noise: with "
        f"{many} hospitals {sigma:g} / sqrt({honest}) = {sigma / math.sqrt(honest):.4g}, so that "
        f"any {honest} honest ones suffice"
    )


def say_not_covered(privacy: Privacy) -> str:
    """Return what a budget does not cover."""
    if not privacy.masked:
        return NOT_COVERED
    many = privacy.colluders
    who = "two members show" if many == 1 else f"more than {many} members show"
    return (
        f"{NOT_COVERED}; and if {who} one another all they have, they can take their own noise "
        "out of the sum, and less of it is left than is stated"
    )


def say_spent(privacy: Privacy, spent: Iterable[tuple[str, int]]) -> list[tuple[str, str]]:
    """Return each member's steps and the epsilon reached so far, by name; nothing without a
    budget."""
    dp = privacy.dp
    if dp is None:
        return []
    most = f"{EPSILON.number(dp.epsilon_millionths):g}"
    return [
        (SPENT, f"{name}: {steps} of {dp.steps} steps, epsilon = "
                f"{say_epsilon(compute_reached(dp, steps))} of {most}"
                f"{'; nothing more of it is taken' if steps >= dp.steps else ''}")
        for name, steps in spent
    ]  # fmt: skip
