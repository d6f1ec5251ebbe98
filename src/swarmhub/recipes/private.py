"""The recipe `fedavg` in a study with differential privacy: one bounded step of each hospital in
each round (`linear.clipped`), to which its node adds the noise.

Nothing else leaves: no statistics (the features follow from the terms, `data.known`), no metrics,
no counts. No class weights and no number of rows: the weight of a contribution, and the number by
which the sum is divided, are the samples declared at enrolment, which are public. After the last
round each hospital measures the model on its own test patients, for its own report.
"""

from __future__ import annotations

import numpy as np

from swarmhub.contract.records import Spec
from swarmhub.contract.records.privacy import DifferentialPrivacy
from swarmhub.data.design import Design
from swarmhub.errors import BadInput, TrainerError, plain
from swarmhub.recipes.linear.clipped import Rows, Step, take_step
from swarmhub.recipes.measuring import measure_final
from swarmhub.recipes.preparing import Prepared
from swarmhub.recipes.site import Site
from swarmhub.recipes.training import PlainLinear, fit_local
from swarmhub.train.bounded import MILLION, Bound
from swarmhub.train.training import SwarmRound

# usual terms, found on simulated tables and on voices, not on the heart tables that show their
# cost: with 10 to 60 features, few long steps lose least
RATE = 2.0
CLIP = 4.0  # of the terms: a patient's gradient is clipped to CLIP / RATE
ROUNDS = 10
PATIENTS = 1000  # for which the penalty C counts; the number of patients is nobody's


def need_dp(spec: Spec) -> DifferentialPrivacy:
    """Return the differential privacy of the terms. Raises TrainerError if there is none."""
    dp = spec.privacy.dp
    if dp is None:
        raise TrainerError(f"Expected [privacy.dp] in the terms of '{spec.name}', found none.")
    return dp


def check_options(spec: Spec, rate: float, strength: float) -> None:
    """Raise BadInput for options that exclude differential privacy."""
    if "steps" in spec.options:
        raise BadInput(
            "Expected no options.steps in a study with privacy.dp: one step a round, each with "
            f"noise; got '{plain(spec.options['steps'], 30)}'."
        )
    if spec.options.get("standardise", "pooled") != "pooled":
        raise BadInput(
            'Expected options.standardise to be "pooled" in a study with privacy.dp: a hospital\'s '
            "own mean is of its patients; got 'own'."
        )
    if rate / (strength * PATIENTS) > 1.0:
        raise BadInput(
            f"Expected a smaller options.rate than {rate:g}, or a larger options.penalty (C) than "
            f"{strength:g}: in a study with privacy.dp rate / ({PATIENTS} C) is at most 1."
        )


def refuse_wide(spec: Spec, design: Design, prepared: Prepared, accepts_loss: bool) -> None:
    """Raise BadInput if there are more features than patients here, unless the hospital has
    accepted what noise does to such a model."""
    why = "" if accepts_loss else say_wide(spec, design, prepared)
    if why:
        raise BadInput(why)


def say_wide(spec: Spec, design: Design, prepared: Prepared) -> str:
    """Return why noise will spoil the model, and what can be done; "" if there are as many
    patients as features here."""
    features, patients = len(design.sources), prepared.training.count_patients()
    if features <= patients:
        return ""
    epsilon = need_dp(spec).epsilon_millionths / MILLION
    return (
        f"The study has {features} features, and this hospital {patients} patients for training: "
        f"noise for epsilon = {epsilon:g} grows with the number of features, and spoils such a "
        "model (with 1,102 proteins of 140 patients the AUC was .83 in place of .91 at epsilon = "
        "8, and worse below). Propose the study with fewer features, or start the trainer with "
        "--accept-utility-loss."
    )


def run_private(site: Site, rate: float, strength: float) -> None:
    """Go through the rounds at a hospital, then measure the last model at home."""
    site.need_dense()
    model = PrivateTraining(site, rate, strength)
    for turn in site.swarm.rounds(model.parameters):
        model.fit(turn)
        site.say(
            f"round {turn.number} of {turn.rounds}: one step over {len(site.y)} rows of "
            f"{len(model.rows.starts)} {model.unit}s, each bounded; this hospital's node adds noise"
        )
    if site.swarm.final:
        model.keep_evaluation()


class PrivateTraining(PlainLinear):
    """A linear model at this hospital, moved by one bounded step a round."""

    def __init__(self, site: Site, rate: float, strength: float) -> None:
        super().__init__(site)
        swarm, dp = site.swarm, need_dp(site.swarm.spec)
        self.unit = dp.unit
        bound = Bound(dp.clip_millionths / MILLION, swarm.samples, dp.unit)
        self.step = Step(rate, 1.0 / (strength * PATIENTS), bound)
        one_each = np.arange(len(site.y))
        codes = one_each if dp.unit == "record" else site.prepared.training.patient_codes()
        self.rows = Rows.of(site.dense_x, site.y, codes)

    def fit(self, turn: SwarmRound) -> None:
        """Take the step of a round, in place, and report it."""
        self.load_point(take_step(self.rows, self.site.loss, self.read_point(), self.step))
        turn.report(samples=self.step.bound.samples)

    def keep_evaluation(self) -> None:
        """Measure the last model, and this hospital's own, on its test patients, and keep it for
        its report; nothing of it leaves."""
        site, predicted = self.site, self.predict()
        if predicted is None or not len(predicted):
            return
        local = site.predict_point(fit_local(site), site.test_x)
        every = {"swarm": predicted} | ({} if local is None else {"local": local})
        _, _, record = measure_final(site, every)
        site.keep({"findings": site.findings.found, "evaluation": record})
        site.say("the last model is measured on this hospital's test patients, for its own report")
